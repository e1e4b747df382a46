"""Two machines, a way between them that can be cut, and what is known of both."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from qmpx.machine import Machine, RunState
from qmpx.machine.happenings import IncomingMoved
from qmpx.machine.migration.records import Kind, Record, RecordReader, RecordWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.machine.clock import Clock
    from qmpx.machine.happenings import Happening
    from qmpx.machine.migration.links import MemoryLink

MIB = 2**20


@dataclass
class Side:
    """A machine, and what it told."""

    machine: Machine
    told: list[Happening] = field(default_factory=list)

    @property
    def is_running(self) -> bool:
        return self.machine.state is RunState.RUNNING

    @property
    def refusal(self) -> str | None:
        """Why the machine that was awaited did not come."""
        for happening in self.told:
            if isinstance(happening, IncomingMoved) and not happening.has_come:
                return happening.reason
        return None

    @property
    def has_come(self) -> bool:
        return IncomingMoved(has_come=True, reason="") in self.told


def side(*, started: bool = False, size: int = MIB, clock: Clock | None = None) -> Side:
    machine = Machine(is_started=started, memory_size=size, clock=clock)
    made = Side(machine)
    machine.listen(made.told.append)
    return made


def fill(machine: Machine) -> None:
    """Write something into memory: at its ends, in a run of pages, and alone."""
    size = machine.memory.size
    machine.memory.write(0, b"first")
    machine.memory.write(size - 6, b"last!!")
    machine.memory.write(size // 2, bytes(range(256)) * 64)
    machine.memory.write(size // 4 + 100, b"alone")


def content(machine: Machine) -> str:
    """Return a digest of all of a machine's memory."""
    return hashlib.sha256(machine.memory.read(0, machine.memory.size)).hexdigest()


class Cutter:
    """A way over TCP that ends after some bytes, however they are cut.

    Args:
        port: Where it leads.
        there: Bytes that it carries from the source; ``None``: all.
        back: Bytes that it carries to the source; ``None``: all.
    """

    def __init__(
        self, port: int, *, there: int | None = None, back: int | None = None
    ) -> None:
        self._port = port
        self._left = {"there": there, "back": back}
        self.carried = {"there": 0, "back": 0}
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        for name, source, sink in (
            ("there", reader, far_writer),
            ("back", far_reader, writer),
        ):
            task = asyncio.create_task(self._carry(name, source, sink))
            self._tasks.add(task)

    async def _carry(
        self, name: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                left = self._left[name]
                if left is not None:
                    data = data[: left - self.carried[name]]
                self.carried[name] += len(data)
                sink.write(data)
                await sink.drain()
                if left is not None and self.carried[name] >= left:
                    break
        self.cut()

    def cut(self) -> None:
        """End it at once, in both directions."""
        for writer in self._writers:
            writer.close()


async def until(is_so: Callable[[], bool], *sides: Side, limit: float = 8.0) -> None:
    """Wait until a condition holds that what the machines tell can bring about."""
    async with asyncio.timeout(limit):
        while not is_so():
            changed = asyncio.Event()

            def note(_: Happening, changed: asyncio.Event = changed) -> None:
                changed.set()

            for each in sides:
                each.machine.listen(note)
            try:
                await changed.wait()
            finally:
                for each in sides:
                    each.machine.unlisten(note)


async def settled(source: Side, destination: Side) -> None:
    """Wait until both sides know how a migration went."""
    await until(
        lambda: (
            not source.machine.migration.is_active
            and (destination.has_come or destination.refusal is not None)
        ),
        source,
        destination,
    )


def close(*sides: Side) -> None:
    """Let the machines go, with all that they hold."""
    for each in sides:
        each.machine.migration.close()


class Hand:
    """The other end of a link, held by hand: what it says, and what it has heard.

    Args:
        link: Its end.
    """

    def __init__(self, link: MemoryLink) -> None:
        self.link = link
        self.heard: list[Record] = []
        self.is_over = False
        self._writer, self._reader = RecordWriter(), RecordReader()
        link.start(self)

    def say(self, kind: Kind, payload: bytes = b"") -> None:
        self.link.write(self._writer.write(kind, payload))

    def digest(self) -> bytes:
        """Return the SHA-256 of all that it has said."""
        return self._writer.digest()

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of what it has heard, runs of the same as one."""
        kinds = [record.kind for record in self.heard]
        return [k for n, k in enumerate(kinds) if n == 0 or kinds[n - 1] is not k]

    def link_opened(self) -> None:
        pass

    def link_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self.heard += self._reader.records()

    def link_drained(self) -> None:
        pass

    def link_finished(self) -> None:
        pass

    def link_broken(self, reason: str) -> None:
        self.is_over = bool(reason)
