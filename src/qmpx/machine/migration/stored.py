"""A machine as a stream that is kept: written while it stands still, read back later.

It is the stream of a migration that nobody answers, in which each page comes once.
"""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from qmpx.machine.migration.contents import (
    PartStates,
    check_description,
    describe,
    write_parts,
)
from qmpx.machine.migration.ram import RamWalk, load_ram
from qmpx.machine.migration.records import (
    ONE_WAY,
    Kind,
    Record,
    RecordReader,
    RecordWriter,
)
from qmpx.machine.migration.values import StreamError, dump_value, load_value
from qmpx.machine.migration.witness import TOKEN_SIZE
from qmpx.machine.pages import PageSet
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

PIECE: Final = 4 * 2**20
"""Bytes that count as sent, or are read, before others have their turn."""


def pieces_of(machine: "Machine", state: RunState) -> Iterator[bytes]:
    """Yield the stream of a machine, in pieces of some megabytes at most.

    Args:
        machine: The machine; it stands still until the last piece is taken.
        state: The run state that it had before.

    Raises:
        TypeError, ValueError: A part has a state that cannot be moved.
    """
    writer, out = RecordWriter(), list[bytes]()

    def write(kind: Kind, payload: bytes) -> None:
        out.append(writer.write(kind, payload))

    def taken() -> bytes:
        piece = b"".join(out)
        out.clear()
        return piece

    description = describe(machine, {})
    description |= {"token": bytes(TOKEN_SIZE), "witness": None}
    write(Kind.MACHINE, dump_value(description))
    ram = RamWalk(machine.memory, PageSet(), lambda runs: write(Kind.RAM, runs))
    while ram.remaining:
        ram.step(PIECE)
        yield taken()
    ram.flush()
    write_parts(machine, state, write)
    write(Kind.END, ONE_WAY + writer.digest())
    yield taken()


class StoredMachine:
    """Read a stream of a machine: first look whether it is sound, then put it in place.

    Args:
        machine: What it is for.
        is_trial: Whether nothing of *machine* is to be changed.

    Attributes:
        is_complete: Whether the end has been read.
        parts: The states of the parts.
    """

    def __init__(self, machine: "Machine", *, is_trial: bool) -> None:
        self._machine = machine
        self._is_trial = is_trial
        self._reader = RecordReader()
        self._is_described = False
        self.is_complete = False
        self.parts = PartStates()

    def feed(self, data: bytes) -> None:
        """Take a piece of the stream.

        Raises:
            StreamError: It is damaged, or not for this machine.
        """
        self._reader.feed(data)
        for record in self._reader.records():
            self._take(record)

    def _take(self, record: Record) -> None:
        match record.kind:
            case Kind.MACHINE if not self._is_described:
                check_description(self._machine, load_value(record.payload))
                self._is_described = True
            case Kind.RAM if self._is_described and not self.is_complete:
                if not self._is_trial:
                    load_ram(self._machine.memory, record.payload)
            case Kind.PART if self._is_described and not self.is_complete:
                self.parts.take(record.payload)
            case Kind.END if self._is_described and not self.is_complete:
                if record.payload != ONE_WAY + self._reader.digest_before():
                    message = "the stream is damaged: its SHA-256 is another"
                    raise StreamError(message)
                self.parts.run_state()
                self.is_complete = True
            case kind:
                message = f"{kind.name} does not belong here"
                raise StreamError(message)


async def read_machine(
    machine: "Machine", pieces: Iterator[bytes], *, is_trial: bool
) -> StoredMachine:
    """Read a stream to its end; others have their turn meanwhile.

    Raises:
        StreamError: It is damaged, cut short, or not for this machine.
    """
    stored = StoredMachine(machine, is_trial=is_trial)
    for piece in pieces:
        stored.feed(piece)
        await asyncio.sleep(0)
    if not stored.is_complete:
        message = "the stream ends before the machine is complete"
        raise StreamError(message)
    return stored
