"""Commands of every kind are met by faults: odd, out of band, asynchronous, many."""

from __future__ import annotations

import json

import pytest

from qmpx.cli.serve import demo_machine, make_monitor
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults import FaultPlan
from qmpx.testing import ServedMachine
from tests.loops import short_directory
from tests.standin.faults.talk import negotiated, talking

NAME = {"return": {"name": "box"}}
FAILED = {"error": {"class": "GenericError", "desc": "this fault was asked for"}}


@pytest.mark.parametrize(
    "command",
    [
        b'{"execute": "stop", "id": 1}\n',
        b"{'execute': 'stop', 'id': 1}",
        b'{"execute": "st\\u006fp", "id": 1}\n',
        b'{"id": 1,\n "execute": "stop", "arguments": {}}\n',
    ],
)
def test_however_a_command_is_written_its_fault_meets_it(
    machine: ServedMachine, command: bytes
) -> None:
    machine.faults.add("command-failed", command="stop")
    with negotiated(machine.path) as talk:
        talk.sock.sendall(command)
        assert talk.message() == {"id": 1} | FAILED
    machine.conversation.assert_commands("stop")


def test_commands_out_of_band_and_asynchronous_ones_are_met(
    machine: ServedMachine,
) -> None:
    machine.faults.add("command-failed", command="query-name")
    with talking(machine.path) as talk:
        talk.line()
        talk.send("qmp_capabilities", enable=["oob", "async"])
        talk.line()
        talk.sock.sendall(b'{"exec-oob": "query-name", "id": 1}\n')
        assert talk.message() == {"id": 1} | FAILED
        talk.sock.sendall(b'{"execute_async": "query-name", "id": 2}\n')
        assert talk.message() == {"id": 2} | FAILED


def test_what_is_no_command_is_answered_as_ever_and_replies_stay_in_place(
    machine: ServedMachine,
) -> None:
    machine.faults.add("reply-twice", command="query-name")
    with negotiated(machine.path) as talk:
        talk.sock.sendall(b'{"a": 1, "a": 2}\n[1]\n{"execute": 3}\n')
        errors = [talk.message()["error"]["desc"] for _ in range(3)]
        assert errors == [
            "JSON parse error, duplicate key",
            "QMP input must be a JSON object",
            "QMP input member 'execute' must be a string",
        ]
        talk.send("query-name")
        assert [talk.message(), talk.message()] == [NAME, NAME]


def test_a_thousand_commands_at_once_each_have_their_own_reply(
    machine: ServedMachine,
) -> None:
    machine.faults.add("reply-without-id", probability=0.5)
    machine.faults.add("command-failed", command="query-uuid", probability=0.5)
    commands = [
        {"execute": ("query-name", "query-uuid")[number % 2], "id": number}
        for number in range(1000)
    ]
    with negotiated(machine.path) as talk:
        talk.sock.sendall(b"".join(json.dumps(each).encode() for each in commands))
        replies = [talk.message() for _ in commands]
    kinds = ["name" in reply.get("return", {}) for reply in replies]
    assert kinds == [True, False] * 500
    numbered = [reply["id"] for reply in replies if "id" in reply]
    assert numbered == sorted(numbered)
    assert 300 < len(numbered) < 700


def test_messages_that_are_spread_over_lines_are_met_whole() -> None:
    plan = FaultPlan(VirtualClock())
    plan.add("command-answered", command="query-status", return_={"status": "asleep"})
    plan.add("event-twice")
    monitor = make_monitor(demo_machine(), "modern", pretty=True)
    plan.attach(monitor)
    with (
        short_directory() as folder,
        monitor.serve_in_thread(folder / "qmp", grace=0.0),
        talking(str(folder / "qmp")) as talk,
    ):
        talk.send("qmp_capabilities")
        talk.send("query-status")
        lines = [talk.line()]
        while b"asleep" not in lines[-1]:
            lines.append(talk.line())
        lines += [talk.line(), talk.line()]
    text = b"".join(lines[-5:])
    assert text.split() == [
        b"{",
        b'"return":',
        b"{",
        b'"status":',
        b'"asleep"',
        b"}",
        b"}",
    ]


DEEP = "[" * 1000 + "]" * 1000


@pytest.mark.parametrize(
    "kind",
    [
        "reply-late",
        "reply-wrong-id",
        "reply-without-id",
        "reply-patched",
        "reply-twice",
    ],
)
def test_a_command_whose_id_is_deep_is_met_all_the_same(
    machine: ServedMachine, kind: str
) -> None:
    machine.faults.add("event-twice")
    machine.faults.add(kind, command="query-name")
    with negotiated(machine.path) as talk:
        talk.sock.sendall(f'{{"execute": "query-name", "id": {DEEP}}}'.encode())
        talk.send("query-uuid", "next")
        while "query-uuid" not in machine.conversation.commands:
            pass
        machine.clock.advance(1)
        lines = [talk.line()]
        while b'"next"' not in lines[-1]:
            lines.append(talk.line())
    assert b'{"return": {"name": "box"}' in lines[0]
    assert len(lines) == 2 + (kind == "reply-twice")


@pytest.mark.parametrize("dialect", ["modern", "2010"])
def test_arguments_may_be_deep(dialect: str) -> None:
    with (
        ServedMachine(dialect=dialect) as machine,
        talking(machine.path) as talk,
    ):
        machine.faults.add("unplug-refused", command="*")
        talk.line()
        for name in ("qmp_capabilities", "query-version"):
            text = f'{{"execute": "{name}", "arguments": {{"a": {DEEP}}}, "id": 1}}'
            talk.sock.sendall(text.encode())
            assert talk.message() == {"return": {}, "id": 1}
            assert talk.message()["event"] == "DEVICE_UNPLUG_GUEST_ERROR"
