"""One machine, watched: a client that is asked again and again, whatever becomes of it.

A machine that does not answer delays no other: each is asked by a task of its own, and
has a deadline.
"""

import asyncio
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from qmpx.cli.top.measures import (
    Rates,
    Sample,
    disk_bytes,
    interfaces_in,
    jobs_in,
    rates,
    threads_in,
)
from qmpx.client import connect_async
from qmpx.client.asynchronous import AsyncClient
from qmpx.errors import CommandError, QmpxError
from qmpx.transport.address import parse_address
from qmpx.transport.holders import listener

if TYPE_CHECKING:
    from qmpx.client.events import Event

KEPT_RATES: Final = 120
"""Measurements that are kept for the graphs: two minutes, at one a second."""

KEPT_EVENTS: Final = 20
"""Events of a machine that are kept to be shown."""

DEADLINE: Final = 3.0
"""Seconds for connecting and for each reply: what takes longer is shown as silent."""

TRY_AGAIN: Final = 2.0
"""Seconds until a machine that could not be reached is tried again."""


class Machine:
    """A machine, and what is known of it.

    Args:
        address: Where its monitor is.

    Attributes:
        name: Its name, or its address until that is known.
        trouble: Why nothing is known; empty if all is well.
        sample: What was counted last.
        rates: How fast it went of late, the newest last.
        events: What happened of late.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.name = address
        self.trouble = "not connected yet"
        self.sample: Sample | None = None
        self.rates: deque[Rates] = deque(maxlen=KEPT_RATES)
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._is_here = False

    async def watch(self, interval: float) -> None:
        """Watch it until cancelled.

        Args:
            interval: Seconds between two measurements.
        """
        while True:
            try:
                async with connect_async(
                    self.address,
                    timeout=DEADLINE,
                    connect_timeout=DEADLINE,
                    capabilities=(),
                ) as client:
                    await self._converse(client, interval)
            except QmpxError as error:
                self.trouble = str(error).splitlines()[0]
                self.sample = None
            await asyncio.sleep(TRY_AGAIN)

    async def _converse(self, client: AsyncClient, interval: float) -> None:
        # Threads and interfaces of other hosts have numbers and names, too.
        self._is_here = await asyncio.to_thread(_is_here, self.address)
        async with client.events() as events:
            listening = asyncio.create_task(self._listen(events))
            try:
                while True:
                    await self.look(client)
                    await asyncio.sleep(interval)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, events: Any) -> None:
        async for event in events:
            self.events.append(event)

    async def look(self, client: AsyncClient) -> None:
        """Measure once."""

        async def ask(name: str, arguments: dict[str, Any] | None = None) -> Any:
            try:
                return await client.execute(name, arguments)
            except CommandError:
                return None  # this machine has nothing of the kind

        status = await ask("query-status")
        name = await ask("query-name")
        read, written = disk_bytes(await ask("query-blockstats"))
        threads = threads_in(await ask("query-cpus-fast"))
        line = {"command-line": "info network"}
        network = await ask("human-monitor-command", line) if self._is_here else ""
        names = interfaces_in(str(network or ""))
        # What the host sends to its interface is what the guest receives.
        now = Sample(
            time.monotonic(),
            str(name.get("name", "")) if isinstance(name, dict) else "",
            str(status.get("status", "?")) if isinstance(status, dict) else "?",
            _spent(threads) if self._is_here else None,
            len(threads),
            read,
            written,
            _counted(names, "tx_bytes"),
            _counted(names, "rx_bytes"),
            jobs_in(await ask("query-jobs")),
        )
        if self.sample is not None:
            self.rates.append(rates(self.sample, now))
        self.sample = now
        self.name = now.name or self.address
        self.trouble = ""


def _is_here(address: str) -> bool:
    """Whether a process of this host listens there."""
    found = listener(parse_address(address))
    return found is not None


def _spent(threads: list[int]) -> float | None:
    """Return the seconds that threads have spent on processors of this host."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for thread in set(threads):
        try:
            with open(f"/proc/{thread}/stat", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            total += int(fields[11]) + int(
                fields[12]
            )  # in user mode, and in the kernel
        except (OSError, ValueError, IndexError):
            return None
    return total / ticks if threads else None


def _counted(names: list[str], counter: str) -> int | None:
    total = None
    for name in names:
        try:
            with open(f"/sys/class/net/{name}/statistics/{counter}") as file:
                total = (total or 0) + int(file.read())
        except (OSError, ValueError):
            continue  # it is in another network namespace
    return total
