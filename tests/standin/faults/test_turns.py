"""Messages that wait: in their order, and no more of them than there is room for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.cli.serve import demo_machine, make_monitor
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults import FaultPlan, channel
from qmpx.standin.faults.turns import MESSAGE_COST, Held, Turns
from tests.loops import short_directory
from tests.standin.faults.talk import talking

if TYPE_CHECKING:
    from qmpx.standin.faults.channel import FaultyChannel
    from qmpx.transcript import Entry
    from tests.standin.faults.talk import Talk


def test_what_waits_holds_those_behind_it() -> None:
    turns = Turns()
    first, second = Held(b"1"), Held(b"2")
    first.waits = 1
    turns.queue(first)
    turns.queue(second)
    assert turns.take() is None
    first.waits = 0
    assert [turns.take(), turns.take(), turns.take()] == [first, second, None]


def test_what_waits_for_an_event_waits_for_no_other() -> None:
    turns = Turns()
    held = Held(b"1")
    held.awaits, held.waits = "STOP", 1
    turns.queue(held)
    turns.has_come("RESUME")
    assert turns.take() is None
    turns.has_come("STOP")
    assert turns.take() is held


def test_what_is_set_aside_counts_until_it_is_put_back() -> None:
    turns = Turns()
    held, aside = Held(b"12"), Held(b"3")
    turns.queue(held)
    turns.set_aside(aside)
    assert turns.cost == 3 + 2 * MESSAGE_COST
    turns.clear()
    assert turns.cost == 1 + MESSAGE_COST
    turns.put_back(aside)
    assert (turns.cost, len(turns)) == (0, 0)


COUNT = 8000  # six chunks of commands
DRIP = "slow-drip"
HELD = 2**21  # less than the messages of two take


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reply-late", "seconds": 60},
        {"kind": "reply-late", "seconds": 60, "overtakable": True},
        {"kind": "reply-after-event", "event": "X"},
        {"kind": DRIP, "bytes": 65536, "seconds": 0.001},
    ],
    ids=["late", "overtakable", "after an event", "dripped"],
)
def test_while_much_is_held_back_no_more_commands_are_run(
    fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "MAX_HELD", HELD if fault["kind"] != DRIP else 4096)
    clock = VirtualClock()
    plan = FaultPlan(clock)
    plan.add_described(fault)
    asked: list[Entry] = []
    plan.witnesses.append(asked.append)
    monitor = make_monitor(demo_machine(), "modern")
    plan.attach(monitor)
    command = b'{"execute": "query-name"}\n'
    with (
        short_directory() as folder,
        monitor.serve_in_thread(folder / "qmp", grace=0.0) as server,
        talking(str(folder / "qmp")) as talk,
    ):
        asking = threading.Thread(
            target=talk.sock.sendall,
            args=(b'{"execute": "qmp_capabilities"}\n' + command * COUNT,),
        )
        asking.start()
        while not server.call(lambda: reads_no_more(plan.channels[1])):
            pass
        assert sum(entry.name == "query-name" for entry in asked) < COUNT
        reading = threading.Thread(target=read_replies, args=(talk, COUNT + 1))
        reading.start()
        while reading.is_alive():
            server.call(clock.advance, 61)
            server.call(monitor.emit, "X")
        asking.join()
        reading.join()


def reads_no_more(connection: FaultyChannel) -> bool:
    return connection._held > channel.MAX_HELD and not connection._reading  # noqa: SLF001


def read_replies(talk: Talk, count: int) -> None:
    while count:
        count -= b'"return"' in talk.line()
