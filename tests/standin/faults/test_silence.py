"""A client that is to hear nothing hears nothing, whatever falls due meanwhile."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.cli.serve import demo_machine, make_monitor
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults import FaultPlan
from tests.loops import short_directory
from tests.standin.faults.talk import negotiated, talking

if TYPE_CHECKING:
    from qmpx.testing import ServedMachine

NAME = {"return": {"name": "box"}}


def test_a_late_reply_that_falls_due_meanwhile_is_heard_afterwards(
    machine: ServedMachine,
) -> None:
    machine.faults.add("reply-late", command="query-name", seconds=5)
    machine.faults.add("event-late", event_name="X", seconds=5)
    with negotiated(machine.path) as talk:
        machine.faults.add("mute", at=1, seconds=60)
        talk.send("query-name")
        talk.send("query-commands-that-none-has")
        while len(machine.conversation.commands) < 2:
            pass
        machine.emit("X")
        machine.clock.advance(1)
        machine.clock.advance(30)
        assert talk.is_silent()
        machine.clock.advance(31)
        assert talk.message() == {"event": "X"}
        assert talk.message() == NAME
        assert talk.message()["error"]["class"] == "CommandNotFound"


def test_a_command_behind_one_that_mutes_is_answered_when_it_is_over(
    machine: ServedMachine,
) -> None:
    machine.faults.add("mute", command="query-uuid", seconds=60)
    with negotiated(machine.path) as talk:
        talk.sock.sendall(
            b'{"execute": "query-uuid", "id": 1}{"execute": "query-name", "id": 2}'
        )
        assert talk.is_silent()
        machine.clock.advance(60)
        assert talk.message() == NAME | {"id": 2}


@pytest.mark.parametrize("second", [9.0, None])
def test_of_two_silences_the_longer_counts(
    machine: ServedMachine, second: float | None
) -> None:
    with negotiated(machine.path) as talk:
        machine.faults.add("mute", at=1, seconds=second)
        machine.faults.add("mute", at=2, seconds=1)
        machine.clock.advance(5)
        talk.send("query-name")
        assert talk.is_silent()
        machine.clock.advance(5)
        if second is None:
            assert talk.is_silent()
        else:
            assert talk.message() == NAME


def test_a_process_that_hangs_greets_nobody_any_more() -> None:
    ends: list[tuple[int, int | None]] = []
    clock = VirtualClock()
    plan = FaultPlan(clock, end_process=lambda status, sig: ends.append((status, sig)))
    plan.add("hang-then-die", command="query-name", seconds=60)
    monitor = make_monitor(demo_machine(), "modern")
    plan.attach(monitor)
    with (
        short_directory() as folder,
        monitor.serve_in_thread(folder / "qmp", grace=0.0) as server,
        negotiated(str(folder / "qmp")) as talk,
    ):
        talk.send("query-name")
        assert talk.is_silent()
        with talking(str(folder / "qmp")) as late:
            assert late.is_silent()
        server.call(clock.advance, 60)
    assert ends == [(1, 9)]


def test_a_client_that_goes_meanwhile_is_noticed(machine: ServedMachine) -> None:
    machine.faults.add("greeting-withheld")
    with talking(machine.path) as talk:
        assert talk.is_silent()
        talk.sock.shutdown(socket.SHUT_RDWR)
    while "closed" not in [entry.note for entry in machine.conversation.entries]:
        pass
