"""RAM on its way: which pages are still to go, what they cost, and how they look.

Two measures are kept apart. On the wire, pages of zeros are runs that cost nothing to
speak of. What counts for speed, time and progress is a model of what a real machine
would send: a page that the guest uses counts in full, whatever is in it; one that it
never touched counts as QEMU counts a page of one repeated byte. So a migration takes
the time that it would take, also where no guest has really filled the memory.

The payload of a record of RAM is a number of runs: kind (one byte: 0 zeros, 1 data),
first page (eight bytes) and count (four bytes), big-endian, and for data the pages.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from qmpx.machine.memory import PAGE_SIZE, Memory
from qmpx.machine.migration.values import StreamError
from qmpx.machine.pages import PageSet

PAGE_COST: Final = PAGE_SIZE + 8
"""Bytes that a page in use counts for: QEMU 0.13 puts eight bytes before each page."""

UNUSED_COST: Final[int] = 9
"""Bytes that an unused page counts for: eight, and the byte that fills it."""

OTHER_RAM: Final[int] = 8650752
"""Bytes of RAM that is not the guest's main memory: 8 MiB of the screen's, 256 KiB of
firmware. QEMU 0.13 counts them in the total (142868480 for 128 MiB, observed)."""

MAX_RUN: Final = 256
"""Pages in one run of data: a megabyte in one record."""

_RUN: Final = struct.Struct(">BQI")
_ZEROS: Final = bytes(PAGE_SIZE)

Write = Callable[[bytes], None]
_Piece = tuple[int, int, bool]


class RamWalk:
    """The way of a memory into a stream, pass by pass.

    Args:
        memory: The memory.
        in_use: The pages that the guest uses, as far as that is known; those that it
            writes are added.
        write: Takes payloads of RAM records.

    Attributes:
        remaining: Pages that are still to go in this pass.
        transferred: Bytes that count as sent.
    """

    def __init__(self, memory: Memory, in_use: PageSet, write: Write) -> None:
        self._memory = memory
        self._in_use = in_use
        self._write = write
        self._zeros = (0, 0)
        self.transferred = self.used_pages = self.unused_pages = 0
        self.remaining = memory.page_count
        in_use.update(memory.take_dirty())
        in_use.update(memory.used)
        self._pieces = self._split(PageSet(range(memory.page_count)))
        self._rest: _Piece | None = None

    @property
    def total(self) -> int:
        """All RAM, in bytes."""
        return self._memory.size + OTHER_RAM

    @property
    def remaining_bytes(self) -> int:
        """What is still to go in this pass, in bytes of memory."""
        return self.remaining * PAGE_SIZE

    def begin_pass(self) -> None:
        """Go over the pages that were written since the last pass began."""
        dirty = self._memory.take_dirty()
        self._in_use.update(dirty)
        self.remaining = len(dirty)
        self._pieces = self._split(dirty)
        self._rest = None

    def step(self, budget: int) -> int:
        """Send pages of this pass until they cost *budget*, or until none are left.

        Returns:
            What they cost: at most one page more than *budget*.
        """
        spent = 0
        while spent < budget and (piece := self._next()) is not None:
            first, count, is_used = piece
            cost = PAGE_COST if is_used else UNUSED_COST
            taken = min(count, -(-(budget - spent) // cost))
            if taken < count:
                self._rest = first + taken, count - taken, is_used
            self._send(first, taken)
            if is_used:
                self.used_pages += taken
            else:
                self.unused_pages += taken
            self.remaining -= taken
            spent += taken * cost
        self.transferred += spent
        return spent

    def flush(self) -> None:
        """Write down the run of zeros that is held back, to grow."""
        first, count = self._zeros
        self._zeros = (0, 0)
        if count:
            self._write(_RUN.pack(0, first, count))

    def _next(self) -> _Piece | None:
        piece, self._rest = self._rest, None
        return piece or next(self._pieces, None)

    def _split(self, pages: PageSet) -> Iterator[_Piece]:
        """Yield runs of *pages* that are all in use, or none of them."""
        for first, count in pages.runs():
            at, end = first, first + count
            for used, used_count in self._in_use.runs(first, end):
                if used > at:
                    yield at, used - at, False
                yield used, used_count, True
                at = used + used_count
            if at < end:
                yield at, end - at, False

    def _send(self, first: int, count: int) -> None:
        """Send what is in some pages, whatever it counts for."""
        at, end = first, first + count
        for used, used_count in self._memory.used.runs(first, end):
            self._hold_zeros(at, used - at)
            self._send_data(used, used_count)
            at = used + used_count
        self._hold_zeros(at, end - at)

    def _send_data(self, first: int, count: int) -> None:
        run = list[bytes]()
        for number in range(first, first + count):
            page = self._memory.page(number)
            if page == _ZEROS:
                self._send_run(number, run)
                self._hold_zeros(number, 1)
                continue
            run.append(page)
            if len(run) == MAX_RUN:
                self._send_run(number + 1, run)
        self._send_run(first + count, run)

    def _send_run(self, end: int, run: list[bytes]) -> None:
        if run:
            self.flush()
            self._write(_RUN.pack(1, end - len(run), len(run)) + b"".join(run))
            run.clear()

    def _hold_zeros(self, first: int, count: int) -> None:
        held_first, held = self._zeros
        if not count:
            return
        if held and held_first + held == first:
            self._zeros = held_first, held + count
        else:
            self.flush()
            self._zeros = first, count


def load_ram(memory: Memory, payload: bytes) -> None:
    """Put the runs of a RAM record into *memory*.

    Raises:
        StreamError: They do not fit into it, or are no runs.
    """
    at = 0
    while at < len(payload):
        try:
            kind, first, count = _RUN.unpack_from(payload, at)
        except struct.error:
            message = "a record of RAM ends within a run"
            raise StreamError(message) from None
        at += _RUN.size
        if kind > 1:
            message = f"there are no runs of kind {kind}"
            raise StreamError(message)
        if first + count > memory.page_count:
            message = f"pages {first} to {first + count} of {memory.page_count}"
            raise StreamError(message)
        if kind == 0:
            for used, used_count in list(memory.used.runs(first, first + count)):
                for number in range(used, used + used_count):
                    memory.set_page(number, _ZEROS)
            continue
        if at + count * PAGE_SIZE > len(payload):
            message = "a record of RAM ends within a run"
            raise StreamError(message)
        for number in range(first, first + count):
            memory.set_page(number, payload[at : at + PAGE_SIZE])
            at += PAGE_SIZE
