"""What the modern dialect tells of itself, beside what a real QEMU 7.2 tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import astuple

import qmpx
from qmpx.qapi.differences import differences
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.model import Command, Event, Schema
from qmpx.qapi.shipped import shipped_schema
from tools import schema_differences_page as page

if TYPE_CHECKING:
    from tests.peers.conftest import StartQemu


def shared(schema: Schema, other: Schema) -> Schema:
    """Return a schema without commands and events that another one has not."""
    return Schema.of(
        item
        for item in schema.definitions
        if not isinstance(item, Command | Event) or other.find(item.name) is not None
    )


@pytest.mark.slow
def test_what_both_have_differs_only_as_the_page_says(qemu: StartQemu) -> None:
    with qmpx.connect(str(qemu().qmp)) as vm:
        version = vm.greeting.version["qemu"]
        if (version["major"], version["minor"]) != (7, 2):
            pytest.skip(f"our dialect is of 7.2, this QEMU is another: {version}")
        live = vm.schema()
    ours = from_introspection(to_introspection(page.ours()))
    told = differences(shared(live, ours), shared(ours, live))
    shipped = shipped_schema("7.2")
    known = differences(shared(shipped, ours), shared(ours, shipped))
    places = {change[:6] for change in map(astuple, known)}
    # A running QEMU lacks drivers that other builds have.
    drivers = {(c.kind, c.name) for c in differences(live, shipped)}
    assert [
        change
        for change in told
        if astuple(change)[:6] not in places
        and (change.kind, change.name) not in drivers
    ] == []
    assert len(shared(live, ours).commands) > 40


def test_the_page_of_differences_is_fresh() -> None:
    assert page.PAGE.read_text() == page.page(), "run make generate"


def test_arguments_that_qemu_needs_are_never_missing_here() -> None:
    ours, qemus = page.ours(), shipped_schema("7.2")
    for name in ours.commands.keys() & qemus.commands.keys():
        if not ours.commands[name].gen:
            continue
        needed = {
            member.name
            for member in qemus.members_of(qemus.commands[name].arguments)
            if not member.optional
        }
        members = ours.members_of(ours.commands[name].arguments)
        assert needed == {m.name for m in members if not m.optional}, name
