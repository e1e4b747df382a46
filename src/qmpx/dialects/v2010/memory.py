"""Memory: shown, saved, added up; and the value of an expression.

The machine is an i386: addresses have 32 bits, and after the last comes the first.

Source: QEMU 0.13.0, observed.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

from qmpx.dialects.v2010.disassembly import show_instructions
from qmpx.dialects.v2010.dumps import show_memory, show_value
from qmpx.dialects.v2010.processors import chosen_processor
from qmpx.machine import Machine
from qmpx.machine.memory import Memory
from qmpx.machine.memory_file import write_file
from qmpx.monitor.human import CommandTable, Format
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

MAX_SUMMED_AT_ONCE: Final = 1 << 20
"""Bytes that ``sum`` adds up before others have their turn, some 0.1 s; more are added
up in a thread."""

_MASK: Final[int] = 0xFFFFFFFF


def _physical(address: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Cut a range of physical addresses where they begin anew.

    Yields:
        Offset, address, and length.
    """
    done = 0
    while done < length:
        start = (address + done) & _MASK
        part = min(length - done, _MASK + 1 - start)
        yield done, start, part
        done += part


def _read_physical(memory: Memory, address: int, length: int) -> bytes:
    ranges = _physical(address, length)
    return b"".join(memory.read(start, part) for _, start, part in ranges)


def _pieces(
    memory: Memory, ranges: Iterator[tuple[int, int | None, int]]
) -> Iterator[tuple[int, bytes]]:
    """Yield what there is in some ranges; where nothing is mapped there are zeros."""
    for done, start, part in ranges:
        if start is not None:
            for offset, data in memory.pieces(start, part):
                yield done + offset, data


@commands.command(
    "memsave",
    "val:l,size:i,filename:s",
    "addr size file",
    help="save virtual memory, as the chosen processor sees it, to a file",
)
def memsave(session: SessionLike, *, val: int, size: int, filename: str) -> None:
    """Write a range of virtual memory to a file.

    Raises:
        OpenFileFailed: The file cannot be made.
        UndefinedError: It could not be written to its end.
    """
    processor = chosen_processor(session)
    size &= _MASK
    memory = session.monitor.target.memory
    ranges = processor.segments(val & _MASK, size)
    write_file(filename, _pieces(memory, ranges), size)


@commands.command(
    "pmemsave",
    "val:l,size:i,filename:s",
    "addr size file",
    help="save physical memory to a file",
)
def pmemsave(machine: Machine, *, val: int, size: int, filename: str) -> None:
    """Write a range of physical memory to a file.

    Raises:
        OpenFileFailed: The file cannot be made.
        UndefinedError: It could not be written to its end.
    """
    size &= _MASK
    write_file(filename, _pieces(machine.memory, _physical(val, size)), size)


@commands.human(
    "x",
    "fmt:/,addr:l",
    "/fmt addr",
    help="show virtual memory, as the chosen processor sees it",
)
def x(session: SessionLike, *, fmt: Format, addr: int) -> str:
    """Return virtual memory in lines."""
    processor = chosen_processor(session)
    if fmt.format == "i":
        return show_instructions(processor.read, fmt, addr, processor)
    return show_memory(processor.read, fmt, addr)


@commands.human("xp", "fmt:/,addr:l", "/fmt addr", help="show physical memory")
def xp(session: SessionLike, *, fmt: Format, addr: int) -> str:
    """Return physical memory in lines."""
    memory = session.monitor.target.memory

    def read(address: int, length: int) -> bytes:
        return _read_physical(memory, address, length)

    if fmt.format == "i":
        return show_instructions(read, fmt, addr, chosen_processor(session))
    return show_memory(read, fmt, addr)


@commands.human(
    "p|print", "fmt:/,val:l", "/fmt expr", help="show the value of an expression"
)
def print_(machine: Machine, *, fmt: Format, val: int) -> str:  # noqa: ARG001
    """Return a value in a form."""
    return f"{show_value(fmt.format, val)}\n"


@commands.human(
    "sum", "start:i,size:i", "addr size", help="add physical memory up, as BSD's sum"
)
async def sum_(machine: Machine, *, start: int, size: int) -> str:
    """Return the checksum of a range of physical memory; none is zero."""
    start, size = start & _MASK, size & _MASK
    if start + size > _MASK:
        size = 0  # in 32 bits the end is before the beginning
    if size <= MAX_SUMMED_AT_ONCE:
        total = machine.memory.sum(start, size)
    else:
        total = await asyncio.to_thread(machine.memory.sum, start, size)
    return f"{total:05d}\n"


@commands.info("roms", help="the ROMs")
def info_roms(machine: Machine) -> str:
    """Return the ROMs of the machine."""
    return "".join(
        f'addr={rom.address:08x} size=0x{rom.size:06x} mem=rom name="{rom.name}"\n'
        for rom in machine.memory.roms
    )


@commands.info("numa", help="the NUMA nodes")
def info_numa(machine: Machine) -> str:  # noqa: ARG001
    """Return the nodes: memory is all in one place, so there are none."""
    return "0 nodes\n"
