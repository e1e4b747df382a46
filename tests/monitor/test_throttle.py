"""Events that come too fast: the first at once, of the others the last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.monitor import Monitor
from qmpx.monitor.throttle import LIMITED, MAX_KEYS, Throttle
from tests.loops import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.monitor.conftest import Run

INTERVAL = 0.02  # seconds, in place of QEMU's one


class Sent:
    """What passed a throttle, and when there is more."""

    def __init__(self, limited: Any = LIMITED, interval: float = INTERVAL) -> None:
        self.messages: list[bytes] = []
        self.throttle = Throttle(self._send, limited, interval)
        self._came = asyncio.Event()

    def _send(self, message: bytes) -> None:
        self.messages.append(message)
        self._came.set()

    def happen(self, name: str, message: bytes, data: Any = None) -> None:
        """Let an event happen."""
        self.throttle.pass_on(name, data, message)

    async def next(self) -> bytes:
        """Wait for the next message."""
        while not self.messages:
            self._came.clear()
            await self._came.wait()
        return self.messages.pop(0)

    async def expired(self, check: Callable[[], bool]) -> None:
        """Wait until the throttle has nothing under way any more."""
        while not check():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(INTERVAL / 10)


def test_the_first_goes_out_at_once_and_of_the_others_the_last(run: Run) -> None:
    async def main() -> None:
        sent = Sent()
        for message in (b"1", b"2", b"3", b"4"):
            sent.happen("RTC_CHANGE", message)
        assert sent.messages == [b"1"]
        assert await sent.next() == b"1"
        assert await sent.next() == b"4"
        # The interval has begun again.
        sent.happen("RTC_CHANGE", b"5")
        assert sent.messages == []
        assert await sent.next() == b"5"
        sent.throttle.close()

    run(main())


def test_after_a_quiet_interval_the_next_goes_out_at_once(run: Run) -> None:
    async def main() -> None:
        sent = Sent()
        sent.happen("RTC_CHANGE", b"1")
        timers = sent.throttle._timers  # noqa: SLF001 - an idle throttle holds nothing
        await sent.expired(lambda: not timers)
        sent.happen("RTC_CHANGE", b"2")
        assert sent.messages == [b"1", b"2"]
        sent.throttle.close()

    run(main())


def test_what_is_not_limited_passes(run: Run) -> None:
    async def main() -> None:
        sent = Sent()
        for message in (b"1", b"2", b"3"):
            sent.happen("STOP", message)
        assert sent.messages == [b"1", b"2", b"3"]

    run(main())


@pytest.mark.parametrize(
    ("name", "member"),
    [(name, members[0]) for name, members in LIMITED.items() if members],
)
def test_kinds_are_told_apart_by_their_data(run: Run, name: str, member: str) -> None:
    async def main() -> None:
        sent = Sent()
        for message, value in ((b"1", "a"), (b"2", "b"), (b"3", "a"), (b"4", "b")):
            sent.happen(name, message, {member: value, "else": message.decode()})
        assert sent.messages == [b"1", b"2"]
        await sent.next()
        await sent.next()
        assert {await sent.next(), await sent.next()} == {b"3", b"4"}
        sent.throttle.close()

    run(main())


@pytest.mark.parametrize("data", [None, {}, [], "text", {"id": None}, {"id": [1]}])
def test_data_without_what_tells_kinds_apart_is_a_kind_too(run: Run, data: Any) -> None:
    async def main() -> None:
        sent = Sent()
        sent.happen("VSERPORT_CHANGE", b"1", data)
        sent.happen("VSERPORT_CHANGE", b"2", data)
        assert sent.messages == [b"1"]
        sent.throttle.close()

    run(main())


def test_different_events_do_not_limit_each_other(run: Run) -> None:
    async def main() -> None:
        sent = Sent()
        sent.happen("RTC_CHANGE", b"1")
        sent.happen("WATCHDOG", b"2")
        assert sent.messages == [b"1", b"2"]
        sent.throttle.close()

    run(main())


def test_kinds_beyond_the_limit_pass_and_are_not_kept(run: Run) -> None:
    async def main() -> None:
        sent = Sent(interval=60)
        for n in range(MAX_KEYS + 10):
            sent.happen("VSERPORT_CHANGE", b"%d" % n, {"id": f"port {n}"})
        assert len(sent.messages) == MAX_KEYS + 10
        sent.happen("VSERPORT_CHANGE", b"held", {"id": "port 0"})
        sent.happen("VSERPORT_CHANGE", b"passes", {"id": f"port {MAX_KEYS}"})
        assert sent.messages[-1] == b"passes"
        assert len(sent.messages) == MAX_KEYS + 11
        sent.throttle.close()

    run(main())


def test_a_closed_throttle_forgets_what_it_held(run: Run) -> None:
    async def main() -> None:
        sent = Sent()
        sent.happen("RTC_CHANGE", b"1")
        sent.happen("RTC_CHANGE", b"2")
        sent.throttle.close()
        await asyncio.sleep(INTERVAL * 2)
        assert sent.messages == [b"1"]
        # It begins afresh.
        sent.happen("RTC_CHANGE", b"3")
        assert sent.messages == [b"1", b"3"]
        await asyncio.sleep(INTERVAL * 2)
        assert sent.messages == [b"1", b"3"]
        sent.throttle.close()

    run(main())


def test_a_held_event_keeps_the_time_at_which_it_happened(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0

    def clock() -> int:
        nonlocal now
        now += 1_000_000
        return now

    monkeypatch.setattr("qmpx.monitor.throttle.INTERVAL", INTERVAL)

    async def main() -> None:
        monitor = Monitor(clock=clock)
        sent = Sent()
        throttle = Throttle(sent._send, interval=INTERVAL)  # noqa: SLF001
        monitor._throttle = throttle  # noqa: SLF001 - QEMU's second is too long
        for n in (1, 2, 3):
            monitor.emit("RTC_CHANGE", {"offset": n})
        first, last = await sent.next(), await sent.next()
        assert first == (
            b'{"timestamp": {"seconds": 1, "microseconds": 0}, '
            b'"event": "RTC_CHANGE", "data": {"offset": 1}}\r\n'
        )
        assert last == (
            b'{"timestamp": {"seconds": 3, "microseconds": 0}, '
            b'"event": "RTC_CHANGE", "data": {"offset": 3}}\r\n'
        )
        throttle.close()
        await settle()

    run(main())
