"""Moving a machine through today's monitor, to another one and to files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from qmpx.machine.runstate import RunState
from tests.dialects.conftest import Box, boxed

if TYPE_CHECKING:
    from pathlib import Path


def events_on(box: Box, *others: str) -> None:
    """Let a machine tell of its migrations."""
    on = [{"capability": name, "state": True} for name in ("events", *others)]
    box.run("migrate-set-capabilities", capabilities=on)


def status(box: Box) -> str | None:
    """Return how far the migration is."""
    told: dict[str, Any] = box.run("query-migrate")
    value = told.get("status")
    return None if value is None else str(value)


def until(box: Box, wanted: str) -> None:
    """Wait until the migration is that far."""
    with box.client.events("MIGRATION") as events:
        while status(box) != wanted:
            events.get(timeout=10.0)


def waiting() -> Machine:
    """Return a machine that waits to be told where one comes from."""
    machine = Machine()
    machine.transfer(RunState.INMIGRATE)
    return machine


def test_a_machine_goes_to_another_one(tmp_path: Path) -> None:
    uri = f"unix:{tmp_path}/m"
    source = Machine(is_started=True)
    source.memory.write(0x1000, b"hello")
    target = waiting()
    with boxed(source) as here, boxed(target) as there:
        events_on(here)
        events_on(there)
        there.run("migrate-incoming", uri=uri)
        here.run("migrate", uri=uri)
        until(here, "completed")
        until(there, "completed")
        assert here.run("query-status")["status"] == "postmigrate"
        assert there.run("query-status")["status"] == "running"
        assert there.do(lambda: target.memory.read(0x1000, 5)) == b"hello"
        assert there.last_events() == [
            ("MIGRATION", {"status": "setup"}),
            ("MIGRATION", {"status": "active"}),
            ("RESUME", {}),
            ("MIGRATION", {"status": "completed"}),
        ]


def test_nothing_is_told_without_the_capability() -> None:
    with boxed(Machine()) as box:
        box.run("migrate", uri="exec:cat >/dev/null")
        while status(box) != "completed":
            pass
        assert box.last_events() == []


@pytest.mark.parametrize(
    ("capability", "error"),
    [
        (
            "background-snapshot",
            "Background snapshots are not supported by this machine",
        ),
    ],
)
def test_what_cannot_be_is_refused_when_it_begins(capability: str, error: str) -> None:
    with boxed(Machine()) as box:
        on = [{"capability": capability, "state": True}]
        box.run("migrate-set-capabilities", capabilities=on)
        assert box.refusal("migrate", uri="exec:cat") == ("GenericError", error)


def test_postcopy_has_to_be_asked_for_before() -> None:
    with boxed(Machine()) as box:
        assert box.refusal("migrate-start-postcopy") == (
            "GenericError",
            "Enable postcopy with migrate_set_capability before the start of migration",
        )
        on = [{"capability": "postcopy-ram", "state": True}]
        box.run("migrate-set-capabilities", capabilities=on)
        text = "Postcopy must be started after migration has been started"
        assert box.refusal("migrate-start-postcopy") == ("GenericError", text)


def test_postcopy_does_not_wait_for_the_rest() -> None:
    with boxed(Machine(is_started=True)) as box:
        events_on(box, "postcopy-ram")
        box.run("migrate-set-parameters", **{"max-bandwidth": 1})
        box.run("migrate", uri="exec:cat >/dev/null")
        until(box, "active")
        box.run("migrate-start-postcopy")
        until(box, "completed")
        told = box.run("query-migrate")["ram"]
    assert told["downtime-bytes"] == 0
    assert told["postcopy-bytes"] > 0


def test_a_named_descriptor_is_closed_when_it_is_completed() -> None:
    with boxed(Machine()) as box:
        events_on(box)
        reader, writer = os.pipe()
        box.client.execute("getfd", {"fdname": "m"}, fds=[writer])
        os.close(writer)
        box.run("migrate", uri="fd:m")
        data = b""
        while piece := os.read(reader, 1 << 16):
            data += piece
        os.close(reader)
        until(box, "completed")
    assert data.startswith(b"qmpx machine\n")


def test_a_broken_off_connection_fails_it() -> None:
    with boxed(Machine(is_started=True)) as box:
        events_on(box, "pause-before-switchover")
        box.run("migrate", uri="exec:cat >/dev/null")
        until(box, "pre-switchover")
        assert {"type": "migration"} in box.run("query-yank")
        box.run("yank", instances=[{"type": "migration"}])
        until(box, "failed")
        assert box.run("query-migrate")["error-desc"] == "the connection was cut"
        assert box.run("query-status")["status"] == "running"
