"""Validation as recorded from QEMU 7.2: its visitors alone, and whole binaries."""

from __future__ import annotations

import json
import random
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import CommandError
from qmpx.qapi.builds import resolved
from qmpx.qapi.language import load_schema
from qmpx.qapi.validation import Policy, Validator
from tests.conftest import SCHEMAS
from tests.qapi.visitors import told, type_of, visitors

if TYPE_CHECKING:
    from qmpx.qapi.model import Command, Schema

CASES = SCHEMAS / "validation.public.json"
RECORDED: dict[str, Any] = (
    json.loads(CASES.read_text()) if CASES.exists() else {"unit": [], "live": []}
)
QEMU = "qapi/qapi-schema.json"
FILES = {"sd": "storage-daemon/qapi/qapi-schema.json"}
POLICIES = {"pc-reject": "deprecated-input=reject,unstable-input=reject"}

pytestmark = pytest.mark.peer("schemas")


@cache
def schema(name: str) -> Schema:
    """Return the schema of 7.2's files, as it was built."""
    found = load_schema(SCHEMAS / "7.2.0" / name)
    return resolved(found, set(RECORDED["defines"][QEMU]))


@cache
def validator(name: str, policy: str) -> Validator:
    return Validator(
        schema(name) if name.endswith(QEMU) else visitors(), Policy.parse(policy)
    )


@cache
def compiled(name: str, policy: str) -> Validator:
    """Return one that looks at no command without having compiled what looks."""
    holds = Validator(schema(name), Policy.parse(policy))
    for command in schema(name).commands:
        holds.prepare(command)
    return holds


@pytest.mark.parametrize(
    "case", RECORDED["unit"], ids=[case["id"] for case in RECORDED["unit"]]
)
def test_a_value_is_read_as_by_qemus_visitors(case: dict[str, Any]) -> None:
    name = case["schema"]
    types = schema(name) if name == QEMU else visitors()
    holds = validator(name, case.get("policy", ""))
    type_name = type_of(types, case["type"])
    is_keyval = case["mode"] == "keyval"
    read = holds.read_keyval if is_keyval else holds.read_value
    value = json.loads(case["input"])
    got: dict[str, Any]
    try:
        got = {"ok": read(type_name, value)}
    except CommandError as error:
        got = {"error": error.desc}
    assert got == case["expect"]
    if not is_keyval:
        text = case["input"].encode()
        assert told(holds.check_value, type_name, text) == case["expect"].get("error")


LIVE = [case for case in RECORDED["live"] if "command" in case]


@pytest.mark.parametrize("is_compiled", [False, True], ids=["walked", "compiled"])
@pytest.mark.parametrize("case", LIVE, ids=[case["id"] for case in LIVE])
def test_a_command_is_judged_as_by_a_running_qemu(
    case: dict[str, Any], is_compiled: bool
) -> None:
    server = case["server"]
    name, policy = FILES.get(server, QEMU), POLICIES.get(server, "")
    holds = compiled(name, policy) if is_compiled else validator(name, policy)
    text = json.dumps(case.get("arguments", {})).encode()
    refusal: tuple[str, str] | None = None
    try:
        holds.check_command(case["command"], text)
    except CommandError as error:
        # Of today's monitors: what is no class of theirs goes as a GenericError.
        name = error.error_class
        refusal = ("GenericError" if name != "CommandNotFound" else name, error.desc)
    # What else the binary says comes from its state, or from the handler.
    is_ours = case["stage"] == "visitor" or (
        case["stage"] == "dispatch"
        and case["desc"].endswith((" has not been found", " disabled by policy"))
    )
    assert refusal == ((case["class"], case["desc"]) if is_ours else None)


# Both looks agree on what is nearly right, whatever the command.

ODD_VALUES: list[Any] = [
    *(None, True, 0, -1, 255, 2**31, 2**63, 2**64, 1.5, "", "on", "file", "qcow2"),
    *([], {}, [{}], [""], {"type": "unix"}, {"driver": "file"}, {"node-name": "x"}),
]


def mutated(value: Any, chance: random.Random) -> Any:
    """Return a value that differs somewhere, or does not."""
    if chance.random() < 0.15:
        return chance.choice(ODD_VALUES)
    if isinstance(value, dict):
        kept = {
            name: mutated(each, chance)
            for name, each in value.items()
            if chance.random() < 0.93
        }
        if chance.random() < 0.1:
            kept[chance.choice(["id", "type", "driver", "x", "size"])] = 1
        return kept
    if isinstance(value, list):
        return [mutated(each, chance) for each in value]
    return value


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["", POLICIES["pc-reject"]])
@pytest.mark.parametrize("seed", range(8))
def test_the_fast_look_and_the_walk_agree_on_all_commands(
    policy: str, seed: int
) -> None:
    chance = random.Random(seed)
    types = schema(QEMU)
    holds = compiled(QEMU, policy)
    for case in LIVE:
        name, arguments = case["command"], case.get("arguments")
        command = types.commands.get(name)
        if not arguments or command is None or name == "device_add":
            continue
        if holds_back(command, policy):
            continue
        value = mutated(arguments, chance)
        if not isinstance(value, dict):
            continue
        fast = told(holds.check_command, name, json.dumps(value).encode())
        walk = told(holds.read_value, command.arguments, value)
        assert fast == walk, (name, value)


def holds_back(command: Command, policy: str) -> bool:
    """Whether a policy refuses a command before its arguments are looked at."""
    return Policy.parse(policy).refusal("command", command.features) is not None
