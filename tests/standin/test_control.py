"""The control monitor: what a test in any language does over a second QMP socket."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.machine import Machine
from qmpx.standin.control import control_monitor
from qmpx.standin.faults import FAULTS, Scenario
from qmpx.standin.stage import Stage
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from qmpx.monitor.thread import ServerThread


@contextmanager
def staged(clock: str = "virtual") -> Iterator[tuple[qmpx.Client, qmpx.Client]]:
    """Give a client of a machine's monitor, and one of its control monitor."""
    from qmpx.dialects.modern import modern_monitor

    stage = Stage(Scenario(), clock=clock)
    machine = Machine("box", clock=stage.clock, is_started=True)
    stage.set(machine, modern_monitor(machine))
    control = control_monitor(stage)
    with (
        short_directory() as folder,
        stage.monitor.serve_in_thread(folder / "qmp", grace=0.0) as thread,
    ):
        # Both belong to one loop: the thread of the one enters the other.
        server = control.serve(folder / "control", grace=0.0)
        run_in(thread, server.__aenter__())
        with (
            qmpx.connect(folder / "qmp", timeout=5.0) as vm,
            qmpx.connect(folder / "control", timeout=5.0, wait=5.0) as hand,
        ):
            yield vm, hand
        run_in(thread, server.close())


def run_in(thread: ServerThread, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine on a server's loop, to its end."""
    done: Future[None] = Future()

    async def run() -> None:
        await coroutine
        done.set_result(None)

    task = thread.call(lambda: asyncio.ensure_future(run()))
    done.result(5)
    del task


def test_faults_are_added_asked_for_and_removed() -> None:
    with staged() as (vm, hand):
        fault = {"kind": "command-failed", "command": "stop", "desc": "no"}
        assert hand.execute("x-qmpx-fault-add", fault=fault) == {"id": 1}
        with pytest.raises(qmpx.CommandError, match="no"):
            vm.execute("stop")
        assert hand.execute("x-qmpx-fault-query") == [
            fault | {"id": 1, "seen": 1, "fired": 1}
        ]
        hand.execute("x-qmpx-fault-remove", id=1)
        vm.execute("stop")
        with pytest.raises(qmpx.CommandError, match="there is no fault 1"):
            hand.execute("x-qmpx-fault-remove", id=1)
        hand.execute("x-qmpx-fault-add", fault=fault)
        hand.execute("x-qmpx-fault-remove")
        assert hand.execute("x-qmpx-fault-query") == []


def test_a_fault_that_is_described_wrong_is_refused_with_the_reason() -> None:
    with staged() as (_, hand), pytest.raises(qmpx.CommandError) as raised:
        hand.execute("x-qmpx-fault-add", fault={"kind": "reply-lat"})
    assert raised.value.desc == (
        "no fault is called 'reply-lat'; did you mean 'reply-late'?"
    )


def test_the_menu_can_be_asked_for() -> None:
    with staged() as (_, hand):
        kinds = hand.execute("x-qmpx-fault-kinds")
    assert [kind["name"] for kind in kinds] == list(FAULTS)


def test_time_passes_when_it_is_told_to() -> None:
    with staged() as (vm, hand):
        hand.execute("x-qmpx-guest-set")
        before = hand.execute("x-qmpx-clock-query")
        assert (before["kind"], before["elapsed"]) == ("virtual", 0)
        after = hand.execute("x-qmpx-clock-advance", seconds=90.5)
        assert after["elapsed"] == 90.5
        assert after["microseconds"] == before["microseconds"] + 90_500_000
        with pytest.raises(qmpx.CommandError, match="time does not go back"):
            hand.execute("x-qmpx-clock-advance", seconds=-1)
        for far in (1e308, 1e9):  # some time has passed already
            with pytest.raises(qmpx.CommandError, match=r"1e.09 seconds at most"):
                hand.execute("x-qmpx-clock-advance", seconds=far)
        with pytest.raises(qmpx.CommandError, match="expected seconds from 0 to 1e"):
            hand.execute("x-qmpx-guest-set", {"power-off": 1e308})
        del vm


def test_real_time_passes_by_itself() -> None:
    with staged("real") as (_, hand):
        assert hand.execute("x-qmpx-clock-query")["kind"] == "real"
        with pytest.raises(qmpx.CommandError, match="it cannot be advanced"):
            hand.execute("x-qmpx-clock-advance", seconds=1)


def test_events_are_sent() -> None:
    with staged() as (vm, hand), vm.events("X") as events:
        hand.execute("x-qmpx-event-emit", event="X", data={"a": 1})
        assert events.get(5).data == {"a": 1}


def test_the_guest_is_played() -> None:
    with staged() as (vm, hand), vm.events() as events:

        def seen() -> tuple[str, Any]:
            event = events.get(5)
            return event.name, event.data

        hand.execute("x-qmpx-guest-reset")
        assert seen() == ("RESET", {"guest": True, "reason": "guest-reset"})
        hand.execute("x-qmpx-guest-suspend")
        assert seen() == ("SUSPEND", {})
        vm.execute("system_wakeup")
        assert seen() == ("WAKEUP", {})
        vm.execute("watchdog-set-action", action="none")
        hand.execute("x-qmpx-guest-watchdog")
        assert seen() == ("WATCHDOG", {"action": "none"})
        hand.execute("x-qmpx-guest-panic")
        assert seen()[0] == "GUEST_PANICKED"


def test_the_guest_takes_its_time() -> None:
    with staged() as (vm, hand), vm.events("SHUTDOWN") as events:
        hand.execute("x-qmpx-guest-set", {"power-off": 30.0})
        vm.execute("system_powerdown")
        hand.execute("x-qmpx-clock-advance", seconds=29)
        with pytest.raises(qmpx.DeadlineExceeded):
            events.get(0.05)
        hand.execute("x-qmpx-clock-advance", seconds=1)
        assert events.get(5).data == {"guest": True, "reason": "guest-shutdown"}


def test_the_guest_switches_off() -> None:
    with staged() as (vm, hand), vm.events("SHUTDOWN") as events:
        hand.execute("x-qmpx-guest-shutdown")
        assert events.get(5).data == {"guest": True, "reason": "guest-shutdown"}


def test_the_conversation_can_be_read_on() -> None:
    with staged() as (vm, hand):
        vm.execute("query-name")
        told = hand.execute("x-qmpx-conversation-query")
        sent = [each["msg"] for each in told["entries"] if each.get("dir") == "->"]
        assert [each["execute"] for each in sent] == ["qmp_capabilities", "query-name"]
        assert told["forgotten"] == 0
        vm.execute("query-status")
        more = hand.execute("x-qmpx-conversation-query", since=told["next"])
        assert [each["conn"] for each in more["entries"]] == [1, 1]
        assert more["next"] == told["next"] + 2
        hand.execute("x-qmpx-conversation-clear")
        assert hand.execute("x-qmpx-conversation-query")["entries"] == []


def test_the_monitor_under_test_shows_nothing_of_it() -> None:
    with staged() as (vm, hand):
        names = {each["name"] for each in vm.execute("query-commands")}
        assert not {name for name in names if name.startswith("x-qmpx")}
        own = {each["name"] for each in hand.execute("query-commands")}
    assert {"x-qmpx-fault-add", "x-qmpx-clock-advance", "x-qmpx-quit"} <= own


def test_it_tells_what_its_commands_take() -> None:
    with staged() as (_, hand):
        assert hand.supports("x-qmpx-guest-set", argument="power-off")
        assert not hand.supports("x-qmpx-guest-set", argument="power")
        schema = {each["name"]: each for each in hand.execute("query-qmp-schema")}
        returned = schema[schema["x-qmpx-clock-advance"]["ret-type"]]
    assert [each["name"] for each in returned["members"]] == [
        *("kind", "microseconds", "elapsed")
    ]
