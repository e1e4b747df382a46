"""What guests do, in figures: disks, balloon, processors, migration.

A monitor is asked every so often, and only while it is well; whoever reads the figures
gets those of the last answer, and how old they are. A question that is not answered is
not asked again until it is.

Source: QEMU 7.2, ``query-blockstats``, ``query-balloon``, ``query-cpus-fast``,
``query-migrate``; proc(5) for the time of a thread.
"""

import asyncio
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from qmpx.errors import CommandError
from qmpx.gateway.care.health import HealthWatch, settled
from qmpx.gateway.upstreams.upstream import Upstream
from qmpx.monitor.deferred import Deferred

MAX_THINGS: Final = 256
"""Disks or processors of one guest that have series of their own; how many have none is
a figure of its own."""

ANSWER_TIMEOUT: Final = 5.0
"""Seconds for an answer; later ones count, but nobody waits for them."""

_TICKS: Final = os.sysconf("SC_CLK_TCK")

logger = logging.getLogger("qmpx.gateway")


class Figure(Struct, frozen=True):
    """One value.

    Attributes:
        name: Of the series, without what all have in front.
        value: The value.
        label: Which thing it is of; empty: the guest.
    """

    name: str
    value: float
    label: str = ""


class Sample(Struct, frozen=True):
    """What one question brought.

    Attributes:
        at: When: the seconds of `time.monotonic`.
        figures: The values.
        left_out: Things beyond `MAX_THINGS`.
    """

    at: float
    figures: tuple[Figure, ...]
    left_out: int = 0


class Kind(Struct, frozen=True):
    """A kind of figure.

    Attributes:
        text: What it tells.
        is_counter: Whether it only grows.
        label: The label's name; empty: it has none.
    """

    text: str
    is_counter: bool = False
    label: str = ""


def _disk(text: str) -> Kind:
    return Kind(text, is_counter=True, label="device")


KINDS: Final = {
    "block_read_bytes": _disk("Bytes that the guest read from a disk."),
    "block_written_bytes": _disk("Bytes that the guest wrote to a disk."),
    "block_reads": _disk("Requests to read from a disk."),
    "block_writes": _disk("Requests to write to a disk."),
    "block_flushes": _disk("Requests to flush a disk."),
    "block_read_seconds": _disk("Seconds that reads from a disk took, together."),
    "block_write_seconds": _disk("Seconds that writes to a disk took, together."),
    "block_failed_reads": _disk("Reads from a disk that failed."),
    "block_failed_writes": _disk("Writes to a disk that failed."),
    "balloon_actual_bytes": Kind("Memory that the guest has left by its balloon."),
    "vcpus": Kind("Virtual processors."),
    "vcpu_seconds": Kind(
        "Seconds of the host's processors that one of the guest's took.",
        is_counter=True,
        label="cpu",
    ),
    "migration_active": Kind("Whether a migration is under way."),
    "migration_transferred_bytes": Kind("Bytes of memory that a migration has sent."),
    "migration_remaining_bytes": Kind("Bytes of memory that a migration has to send."),
    "migration_total_bytes": Kind("Bytes of memory that a migration is about."),
    "migration_dirty_pages_rate": Kind("Pages that the guest dirties in a second."),
}
"""The figures by name."""

_DISK: Final = {
    "block_read_bytes": ("rd_bytes", 1.0),
    "block_written_bytes": ("wr_bytes", 1.0),
    "block_reads": ("rd_operations", 1.0),
    "block_writes": ("wr_operations", 1.0),
    "block_flushes": ("flush_operations", 1.0),
    "block_read_seconds": ("rd_total_time_ns", 1e-9),
    "block_write_seconds": ("wr_total_time_ns", 1e-9),
    "block_failed_reads": ("failed_rd_operations", 1.0),
    "block_failed_writes": ("failed_wr_operations", 1.0),
}
_RAM: Final = {
    "migration_transferred_bytes": "transferred",
    "migration_remaining_bytes": "remaining",
    "migration_total_bytes": "total",
    "migration_dirty_pages_rate": "dirty-pages-rate",
}
_ENDED: Final = ("none", "completed", "failed", "cancelled")


def disks(value: Any) -> Iterator[Figure]:
    """Yield the figures of ``query-blockstats``."""
    for index, each in enumerate(value):
        label = each.get("device") or each.get("qdev") or each.get("node-name")
        stats = each["stats"]
        for name, (key, factor) in _DISK.items():
            if key in stats:
                yield Figure(name, stats[key] * factor, label or str(index))


def balloon(value: Any) -> Iterator[Figure]:
    """Yield the figures of ``query-balloon``."""
    yield Figure("balloon_actual_bytes", value["actual"])


def processors(value: Any, pid: int | None) -> Iterator[Figure]:
    """Yield the figures of ``query-cpus-fast``.

    Args:
        value: What it returned.
        pid: The monitor's process, where it is one of this host's.
    """
    yield Figure("vcpus", len(value))
    for each in value:
        seconds = None if pid is None else thread_seconds(pid, each["thread-id"])
        if seconds is not None:
            yield Figure("vcpu_seconds", seconds, str(each["cpu-index"]))


def migration(value: Any) -> Iterator[Figure]:
    """Yield the figures of ``query-migrate``."""
    yield Figure("migration_active", value.get("status", "none") not in _ENDED)
    ram = value.get("ram", {})
    for name, key in _RAM.items():
        if key in ram:
            yield Figure(name, ram[key])


def thread_seconds(pid: int, thread: int) -> float | None:
    """Return the seconds that a thread has run; ``None`` if that cannot be seen."""
    try:
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, ValueError, IndexError):
        return None


class GuestSeries:
    """The figures of one monitor's guest.

    Args:
        upstream: The connection to it.
        watch: How it is.
        interval: Seconds between questions.

    Attributes:
        samples: The last answer to each question. Written in the loop's thread only.
    """

    def __init__(self, upstream: Upstream, watch: HealthWatch, interval: float) -> None:
        self.samples: dict[str, Sample] = {}
        self._upstream = upstream
        self._watch = watch
        self._interval = interval
        self._asked: dict[str, Deferred] = {}
        self._task: asyncio.Task[None] | None = None
        self._questions: dict[str, Callable[[Any], Iterator[Figure]]] = {
            "query-blockstats": disks,
            "query-balloon": balloon,
            "query-cpus-fast": lambda value: processors(value, self._pid()),
            "query-migrate": migration,
        }

    def start(self) -> None:
        """Ask from now on; the first time after a part of a pause, by chance."""
        self._task = asyncio.get_running_loop().create_task(self._go_on())

    async def close(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def look(self) -> None:
        """Ask all questions once that are not under way, if the monitor is well."""
        if not self._upstream.is_open or self._watch.health.state != "ok":
            return
        for name, read in self._questions.items():
            asked = self._asked.get(name)
            if asked is None or asked.done():
                self._asked[name] = asked = self._ask(name, read)
            if not await settled(asked, ANSWER_TIMEOUT):
                return

    async def _go_on(self) -> None:
        pause = self._interval * random.random()  # noqa: S311 - no secret
        while True:
            await asyncio.sleep(pause)
            try:
                await self.look()
            except CommandError as error:
                logger.debug("a guest's figures could not be asked for: %s", error)
            pause = self._interval * (0.9 + 0.2 * random.random())  # noqa: S311

    def _ask(self, name: str, read: Callable[[Any], Iterator[Figure]]) -> Deferred:
        told = Deferred()

        def note(reply: Deferred) -> None:
            if reply.exception() is None:
                try:
                    self.samples[name] = sample_of(read, reply.result())
                except (KeyError, TypeError, AttributeError, ValueError) as error:
                    logger.debug("%s returned something else: %r", name, error)
            told.set_result(None)

        self._upstream.ask(name).add_done_callback(note)
        return told

    def _pid(self) -> int | None:
        from qmpx.transport.holders import peer

        sock = self._upstream.sock
        holder = peer(sock) if sock is not None else None
        return None if holder is None else holder.pid


def sample_of(read: Callable[[Any], Iterator[Figure]], returned: bytes) -> Sample:
    """Return the figures in what a command returned.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: It is something else.
    """
    figures = list(read(msgspec.json.decode(returned)))
    labels = list(dict.fromkeys(each.label for each in figures if each.label))
    left_out = set(labels[MAX_THINGS:])
    kept = tuple(each for each in figures if each.label not in left_out)
    return Sample(time.monotonic(), kept, len(left_out))
