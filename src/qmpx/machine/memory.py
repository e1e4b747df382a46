"""The machine's memory: real RAM, mapped at the first write, and what lies over it.

RAM is one private mapping of the whole size that takes up room only where something
was written, so 64 GiB cost nothing until they are used. Every write goes through here;
so the pages that were ever written are known, and all others are zeros without looking.

*Pages* number the RAM from 0 on, in units of `PAGE_SIZE`; they are what migration and
snapshots move. *Addresses* are those that a processor puts on its bus: a PC has RAM at
0, the screen at 0xa0000, ROM below 1 MiB and below 4 GiB, more RAM above 4 GiB.
"""

import mmap
import platform
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from qmpx.errors import GenericError
from qmpx.machine.firmware import firmware
from qmpx.machine.memory_file import write_file
from qmpx.machine.pages import PageSet

PAGE_SIZE: Final[int] = 4096
"""Bytes of a page, as x86 has them; whatever the pages of the host are."""

LOW_RAM_END: Final[int] = 0xE0000000
"""The address at which RAM makes room for devices; what is left continues at 4 GiB."""

_BEYOND: Final[int] = 1 << 128  # no address is so high
_HIGH_RAM: Final[int] = 1 << 32
_SHADOW: Final[int] = 0xF0000  # where the firmware shows below 1 MiB
_TOP: Final[int] = 0xFFFF0000  # and where a processor begins
_CHUNK: Final = 1 << 20  # bytes held at once while memory is read or summed
_PAGE_OF_ZEROS: Final = bytes(PAGE_SIZE)


class Region(Protocol):
    """What answers at a range of addresses."""

    def read(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset* on, within the range."""

    def write(self, offset: int, data: bytes) -> None:
        """Take *data* at *offset*, or pay no heed to it."""


class Rom:
    """Memory that cannot be written.

    Args:
        data: What is in it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset* on."""
        return self._data[offset : offset + length]

    def write(self, offset: int, data: bytes) -> None:
        """Pay no heed: it is written once, in a factory."""


FLASH_SIZE: Final = 256 * 1024
"""Bytes below 4 GiB that belong to the flash of a PC's firmware; QEMU 7.2's figure."""


class RomImage(NamedTuple):
    """A ROM that the machine came with.

    Attributes:
        address: Where it is.
        size: Its bytes.
        name: Of the file that it would be in a QEMU.
    """

    address: int
    size: int
    name: str


class _Window(NamedTuple):
    start: int
    end: int
    region: Region | None  # None: RAM
    page_offset: int  # of RAM: the byte of it that is at start


class Memory:
    """RAM and what lies over it.

    Args:
        size: Bytes of RAM, a multiple of `PAGE_SIZE`.

    Attributes:
        size: Bytes of RAM.
        used: The pages that were ever written; all others hold zeros.
        dirty: The pages that were written since `take_dirty` was called.
        roms: The ROMs that are mapped.

    Raises:
        ValueError: The size is not positive, or no multiple of `PAGE_SIZE`.
    """

    def __init__(self, size: int) -> None:
        if size <= 0 or size % PAGE_SIZE:
            message = f"{size} bytes are not a positive number of whole pages"
            raise ValueError(message)
        self.size = size
        self.used = PageSet()
        self.dirty = PageSet()
        self._ram: mmap.mmap | None = None
        low = min(size, LOW_RAM_END)
        self._windows = [_Window(0, low, None, 0)]
        if size > low:
            self._windows.append(_Window(_HIGH_RAM, _HIGH_RAM + size - low, None, low))
        rom = firmware()
        self.roms = [RomImage(_TOP, len(rom), "bios.bin")]
        self.map(_TOP, len(rom), Rom(rom))
        self.map(_SHADOW, len(rom), Rom(rom))

    # By page

    @property
    def page_count(self) -> int:
        """How many pages of RAM there are."""
        return self.size // PAGE_SIZE

    def page(self, number: int) -> bytes:
        """Return what is in a page.

        Raises:
            IndexError: There is no such page.
        """
        self._check(number, 1)
        return self._read_ram(number * PAGE_SIZE, PAGE_SIZE)

    def set_page(self, number: int, data: bytes) -> None:
        """Put *data*, `PAGE_SIZE` bytes, into a page.

        Zeros into a page that was never written leave it so.

        Raises:
            IndexError: There is no such page.
            ValueError: The data are more or less than a page.
        """
        self._check(number, 1)
        if len(data) != PAGE_SIZE:
            message = f"{len(data)} bytes are not a page"
            raise ValueError(message)
        if number in self.used or data != _PAGE_OF_ZEROS:
            self._write_ram(number * PAGE_SIZE, data)

    def touch(self, number: int, count: int = 1) -> None:
        """Count pages as written, although what is in them stays the same.

        Raises:
            IndexError: There are no such pages.
        """
        self._check(number, count)
        self.dirty.add(number, count)

    def take_dirty(self) -> PageSet:
        """Return the pages that were written since this was last called."""
        taken, self.dirty = self.dirty, PageSet()
        return taken

    def clear(self) -> None:
        """Make it all zeros, and give what it took up back to the host.

        The pages that were in use count as written.
        """
        self.dirty.update(self.used)
        self.used.clear()
        if self._ram is not None:
            self._ram.close()
            self._ram = None

    def _check(self, number: int, count: int) -> None:
        if number < 0 or count < 0 or number + count > self.page_count:
            message = f"{count} pages from {number} on of {self.page_count}"
            raise IndexError(message)

    def _read_ram(self, offset: int, length: int) -> bytes:
        first, last = offset // PAGE_SIZE, (offset + length - 1) // PAGE_SIZE
        if self._ram is None or next(self.used.runs(first, last + 1), None) is None:
            return bytes(length)
        return self._ram[offset : offset + length]

    def _write_ram(self, offset: int, data: bytes) -> None:
        if not data:
            return
        if self._ram is None:
            self._ram = _map_sparsely(self.size)
        self._ram[offset : offset + len(data)] = data
        first, last = offset // PAGE_SIZE, (offset + len(data) - 1) // PAGE_SIZE
        self.used.add(first, last - first + 1)
        self.dirty.add(first, last - first + 1)

    # By address

    def map(self, address: int, length: int, region: Region) -> None:
        """Let *region* answer at a range of addresses, whatever was there before."""
        self._windows.append(_Window(address, address + length, region, 0))

    def read(self, address: int, length: int) -> bytes:
        """Return *length* bytes from a physical address on; where nothing is, zeros.

        Source: QEMU 0.13 on a PC reads zeros from memory that nothing answers for.
        """
        if length <= 0:
            return b""
        window, available = self._at(address)
        if length <= available:
            return self._read_window(window, address, length)
        parts = bytearray()
        while (missing := length - len(parts)) > 0:
            start = address + len(parts)
            window, available = self._at(start)
            parts += self._read_window(window, start, min(missing, available))
        return bytes(parts)

    def write(self, address: int, data: bytes) -> None:
        """Write to a physical address; what falls where nothing is, is lost."""
        done = 0
        while done < len(data):
            start = address + done
            window, available = self._at(start)
            part = data[done : done + available]
            if window is not None and window.region is not None:
                window.region.write(start - window.start, part)
            elif window is not None:
                self._write_ram(start - window.start + window.page_offset, part)
            done += len(part)

    def ranges(self) -> list[tuple[int, int]]:
        """Return where there is RAM or flash: first addresses and lengths, in order.

        What lies over RAM counts as RAM, and what the firmware leaves free of its
        flash as flash.
        """
        low = min(self.size, LOW_RAM_END)
        found = [(0, low), (_HIGH_RAM - FLASH_SIZE, FLASH_SIZE)]
        if self.size > low:
            found.append((_HIGH_RAM, self.size - low))
        return found

    def pieces(self, address: int, length: int) -> Iterator[tuple[int, bytes]]:
        """Yield what there is in a range of physical addresses, leaving holes out.

        Yields:
            Offset from *address*, and bytes; between them there are only zeros.
        """
        done = 0
        while done < length:
            start = address + done
            window, available = self._at(start)
            part = min(length - done, available)
            if window is not None and window.region is not None:
                yield from self._pieces_of_region(window, start, part, done)
            elif window is not None:
                ram = start - window.start + window.page_offset
                for offset, data in self._pieces_of_ram(ram, part):
                    yield done + offset, data
            done += part

    def _pieces_of_region(
        self, window: _Window, start: int, length: int, done: int
    ) -> Iterator[tuple[int, bytes]]:
        for offset in range(0, length, _CHUNK):
            part = min(_CHUNK, length - offset)
            yield done + offset, self._read_window(window, start + offset, part)

    def _pieces_of_ram(self, start: int, length: int) -> Iterator[tuple[int, bytes]]:
        pages = self.used.runs(start // PAGE_SIZE, -(-(start + length) // PAGE_SIZE))
        for first, count in pages:
            begin = max(first * PAGE_SIZE, start)
            end = min((first + count) * PAGE_SIZE, start + length)
            for offset in range(begin, end, _CHUNK):
                part = min(_CHUNK, end - offset)
                yield offset - start, self._read_ram(offset, part)

    def _read_window(self, window: _Window | None, start: int, length: int) -> bytes:
        if window is None:
            return bytes(length)
        if window.region is None:
            return self._read_ram(start - window.start + window.page_offset, length)
        return window.region.read(start - window.start, length)

    def _at(self, address: int) -> tuple[_Window | None, int]:
        """Return what answers at an address, and for how many bytes from there on."""
        until = _BEYOND
        for window in reversed(self._windows):  # the last that was mapped wins
            if window.start <= address < window.end:
                return window, min(until, window.end) - address
            if address < window.start:
                until = min(until, window.start)
        return None, until - address

    # As a whole

    def sum(self, address: int, length: int) -> int:
        """Return the checksum of a range of physical addresses, 16 bits.

        It is that of the BSD program ``sum``: rotate right by one bit, add a byte.
        """
        total = at = 0
        for offset, data in self.pieces(address, length):
            total = _rotate(total, offset - at)
            at = offset
            for begin in range(0, len(data), PAGE_SIZE):
                part = data[begin : begin + PAGE_SIZE]
                if part == _PAGE_OF_ZEROS:
                    continue  # 4096 turns of 16 bits: as it was
                for byte in part:
                    total = ((total >> 1 | total << 15) + byte) & 0xFFFF
            at += len(data)
        return _rotate(total, length - at)

    def save(self, filename: str, address: int, length: int) -> None:
        """Write a range of physical addresses to a file, with holes for zeros.

        Raises:
            OpenFileFailed: The file cannot be made.
            UndefinedError: It could not be written to its end.
        """
        write_file(filename, self.pieces(address, length), length)


def _rotate(total: int, turns: int) -> int:
    turns %= 16
    return (total >> turns | total << (16 - turns)) & 0xFFFF


def _map_sparsely(size: int) -> mmap.mmap:
    """Map memory of the host that is taken up only as it is written.

    Raises:
        GenericError: The host has no room for it.
    """
    try:
        if sys.platform == "win32":
            return mmap.mmap(-1, size)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _no_reserve()
        return mmap.mmap(-1, size, flags=flags)
    except (OSError, ValueError, OverflowError) as error:
        message = f"cannot set up guest memory of {size} bytes: {error}"
        raise GenericError(message) from error


def _no_reserve() -> int:
    """Return ``MAP_NORESERVE``, which Python names only since 3.13."""
    generic = {"x86_64", "i686", "i386", "aarch64", "armv7l", "riscv64", "s390x"}
    default = 0x4000 if platform.machine() in generic else 0
    is_linux = sys.platform == "linux"
    return int(getattr(mmap, "MAP_NORESERVE", default if is_linux else 0))
