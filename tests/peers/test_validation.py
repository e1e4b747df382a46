"""A validator that knows a real QEMU's schema only by its own word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.errors import CommandError
from qmpx.qapi.validation import Policy, Validator
from tests.conftest import SCHEMAS
from tests.peers.conftest import running_qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qmpx.qapi.model import Schema

pytestmark = [pytest.mark.peer("qemu", "schemas"), pytest.mark.slow]

CASES = SCHEMAS / "validation.public.json"
RELEASE = (7, 2)  # which the cases were recorded from


@pytest.fixture(scope="module")
def schema() -> Iterator[Schema]:
    """Return what a QEMU says of itself."""
    with (
        running_qemu([], 1, "off") as machine,
        qmpx.connect(machine.qmp) as vm,
    ):
        version = vm.greeting.version["qemu"]
        if (version["major"], version["minor"]) != RELEASE:
            pytest.skip("the cases were recorded from another release")
        yield vm.schema()


def test_what_can_be_seen_in_introspection_is_judged_as_qemu_does(
    schema: Schema,
) -> None:
    recorded: list[dict[str, Any]] = json.loads(CASES.read_text())["live"]
    holds = Validator(schema)
    rejects = Validator(
        schema, Policy.parse("deprecated-input=reject,unstable-input=reject")
    )
    judged = dict.fromkeys(("same", "other-text", "not-visible"), 0)
    for case in recorded:
        seen = case.get("introspection")
        if seen is None or case["server"] == "sd":
            continue
        validator = rejects if case["server"] == "pc-reject" else holds
        text = json.dumps(case.get("arguments", {})).encode()
        try:
            validator.check_command(case["command"], text)
            said = None
        except CommandError as error:
            said = error.desc
        judged[seen] += 1
        match seen:
            case "same":
                assert said == case["desc"], case["id"]
            case "other-text":  # sizes, and the names of alternates
                assert said is not None, case["id"]
            case "not-visible":  # ranges of integers
                assert said is None, case["id"]
    assert all(judged.values())


def test_every_reply_of_a_query_is_as_its_schema_says(schema: Schema) -> None:
    holds = Validator(schema)
    checked = 0
    with (
        running_qemu(["-machine", "pc", "-m", "32"], 1, "off") as machine,
        qmpx.connect(machine.qmp) as vm,
    ):
        for name, command in schema.commands.items():
            mandatory = [
                member
                for member in schema.members_of(command.arguments)
                if not member.optional
            ]
            if name.startswith("query-") and not mandatory:
                try:
                    text = vm.execute_raw(name)
                except qmpx.CommandError:
                    continue
                holds.check_return(name, text)
                checked += 1
    assert checked > 40
