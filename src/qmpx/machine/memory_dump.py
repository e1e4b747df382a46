"""Writing a machine's memory into a core file, while the machine stands still.

Pages that were never written are holes in a file; a pipe gets their zeros.
"""

import asyncio
import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.core_file import SECTION_NAMES, head_of
from qmpx.machine.happenings import DumpEnded
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

CHUNK: Final = 2**20
"""Bytes of memory that are written before others have their turn: a millisecond's."""

_ZEROS: Final = bytes(65536)


class MemoryDump:
    """The dumps of one machine; there is at most one at a time.

    Args:
        machine: The machine.

    Attributes:
        status: ``none`` before the first, then ``active``, ``completed`` or
            ``failed``.
        completed: Bytes of memory that were written.
        total: Bytes of memory that are to be written.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.status = "none"
        self.completed = self.total = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_active(self) -> bool:
        """Whether one is under way."""
        return self.status == "active"

    async def write(
        self, fd: int, *, begin: int | None = None, length: int | None = None
    ) -> None:
        """Write a core file, and wait until that is done.

        Args:
            fd: Where; it is closed at the end.
            begin: The first physical address; ``None`` for all memory.
            length: How many bytes from there on.

        Raises:
            GenericError: There is no such memory, or it cannot be written.
        """
        await self._write(fd, self.prepare(fd, begin, length))

    def write_later(
        self, fd: int, *, begin: int | None = None, length: int | None = None
    ) -> None:
        """Begin to write a core file; how it ends is told.

        Args:
            fd: As of `write`.
            begin: As of `write`.
            length: As of `write`.

        Raises:
            GenericError: There is no such memory.
        """
        was_running = self.prepare(fd, begin, length)

        async def go_on() -> None:
            with contextlib.suppress(GenericError):  # it was told
                await self._write(fd, was_running)

        self._task = asyncio.get_running_loop().create_task(go_on())

    def prepare(self, fd: int, begin: int | None, length: int | None) -> bool:
        """Let the machine stand still; return whether it ran.

        Raises:
            GenericError: There is no such memory; then it goes on, and *fd* is closed.
        """
        machine = self._machine
        was_running = machine.state is RunState.RUNNING
        if was_running:
            machine.transfer(RunState.SAVE_VM)
        try:
            self._ranges = self._choose(begin, length)
        except GenericError:
            machine.files.close(fd)
            if was_running:
                machine.transfer(RunState.RUNNING)
            raise
        self.status, self.completed = "active", 0
        self.total = sum(part for _, part in self._ranges)
        return was_running

    def _choose(
        self, begin: int | None, length: int | None
    ) -> Sequence[tuple[int, int]]:
        ranges = self._machine.memory.ranges()
        if begin is None or length is None:
            return ranges
        for name, value in (("begin", begin), ("length", length)):
            if value < (name == "length"):
                message = f"Invalid parameter '{name}'"
                raise GenericError(message)
        chosen = []
        for start, part in ranges:
            first, end = max(start, begin), min(start + part, begin + length)
            if first < end:
                chosen.append((first, end - first))
        if not chosen:
            message = "dump: no guest memory to dump"
            raise GenericError(message)
        return chosen

    async def _write(self, fd: int, was_running: bool) -> None:  # noqa: FBT001
        error = ""
        try:
            await self._write_all(fd)
            self.status = "completed"
        except OSError as failure:
            self.status = "failed"
            error = f"dump: failed to save memory: {failure.strerror}"
            raise GenericError(error) from failure
        except asyncio.CancelledError:
            self.status, error = "failed", "the machine has ended"
            raise
        finally:
            machine = self._machine
            machine.files.close(fd)
            machine.tell(DumpEnded(self.status, self.completed, self.total, error))
            if was_running and machine.state is RunState.SAVE_VM:
                machine.transfer(RunState.RUNNING)

    async def _write_all(self, fd: int) -> None:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        if not is_file:
            os.set_blocking(fd, False)
        await _put(fd, head_of(self._machine.processors, self._ranges))
        for address, length in self._ranges:
            for start in range(address, address + length, CHUNK):
                part = min(CHUNK, address + length - start)
                at = 0
                for offset, data in self._pieces(start, part):
                    await _skip(fd, offset - at, is_file=is_file)
                    await _put(fd, data)
                    at = offset + len(data)
                await _skip(fd, part - at, is_file=is_file)
                self.completed += part
                await asyncio.sleep(0)
        await _put(fd, SECTION_NAMES)

    def _pieces(self, start: int, length: int) -> Iterator[tuple[int, bytes]]:
        return self._machine.memory.pieces(start, length)

    def close(self) -> None:
        """Let go of everything: the machine is no more."""
        if self._task is not None:
            self._task.cancel()


async def _skip(fd: int, count: int, *, is_file: bool) -> None:
    """Leave a hole in a file, or write zeros."""
    if is_file and count:
        os.lseek(fd, count, os.SEEK_CUR)
        return
    while count > 0:
        await _put(fd, _ZEROS[:count])
        count -= len(_ZEROS)


async def _put(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except (BlockingIOError, InterruptedError):
            await _writable(fd)


async def _writable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def set_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(fd, set_ready)
    try:
        await ready
    finally:
        loop.remove_writer(fd)
