"""Memory and ports: shown, saved, added up; and the value of an expression.

Source: QEMU 7.2.22, observed.
"""

import asyncio
from typing import Final

from qmpx.dialects.modern.human.choosing import NO_PROCESSOR, chosen
from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.dialects.modern.human.dumps import show_instructions, show_port
from qmpx.dialects.modern.memory import reachable
from qmpx.dialects.v2010.dumps import show_memory, show_value
from qmpx.dialects.v2010.memory import MAX_SUMMED_AT_ONCE
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.processor import Processor
from qmpx.machine.register_dump import dump
from qmpx.monitor.human import Format
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

BITS: Final = 64
"""Bits of an address and of a value."""

_LOW: Final[int] = 0xFFFFFFFF
_DUMP_FORMATS: Final = {
    "zlib": "kdump-zlib",
    "lzo": "kdump-lzo",
    "snappy": "kdump-snappy",
    "windmp": "win-dmp",
}
_NOTHING_DUMPED: Final = "Can not dump without CPU\n"


@commands.does("x")
def x(session: SessionLike, *, fmt: Format, addr: int) -> str:
    """Return virtual memory in lines."""
    processor, machine = chosen(session), session.monitor.target
    if processor is None:
        return _NOTHING_DUMPED

    def read(address: int, length: int) -> bytes | None:
        return reachable.read(machine, processor, address, length)

    if fmt.format == "i":
        return show_instructions(read, fmt, addr, processor)
    return show_memory(read, fmt, addr, BITS)


@commands.does("xp")
def xp(session: SessionLike, *, fmt: Format, addr: int) -> str:
    """Return physical memory in lines."""
    machine = session.monitor.target

    def read(address: int, length: int) -> bytes | None:
        return reachable.read_physical(machine, address, length)

    if fmt.format == "i":
        processor = chosen(session)
        if processor is None:
            return _NOTHING_DUMPED
        return show_instructions(read, fmt, addr, processor)
    return show_memory(read, fmt, addr, BITS)


@commands.does("print|p")
def print_(machine: Machine, *, fmt: Format, val: int) -> str:  # noqa: ARG001
    """Return a value in a form."""
    return f"{show_value(fmt.format, val, BITS)}\n"


@commands.does("i")
def i(machine: Machine, *, fmt: Format, addr: int, index: int | None = None) -> str:
    """Read a port; with an index, write that to the port and read the next one."""
    if index is not None:
        machine.ports.write(addr & 0xFFFF, 1, index & 0xFF)
        addr += 1
    addr &= 0xFFFF
    size = fmt.size if fmt.size in (1, 2, 4) else 1
    return show_port(addr, size, machine.ports.read(addr, size))


@commands.does("o")
def o(machine: Machine, *, fmt: Format, addr: int, val: int) -> None:
    """Write a port."""
    size = fmt.size if fmt.size in (1, 2, 4) else 1
    machine.ports.write(addr & 0xFFFF, size, val)


@commands.does("sum")
async def sum_(machine: Machine, *, start: int, size: int) -> str:
    """Return the checksum of a range of physical memory."""
    start, size = start & _LOW, size & _LOW
    size = min(size, _LOW + 1 - start)
    if size <= MAX_SUMMED_AT_ONCE:
        total = machine.memory.sum(start, size)
    else:
        total = await asyncio.to_thread(machine.memory.sum, start, size)
    return f"{total:05d}\n"


@commands.does("memsave")
async def memsave(
    session: SessionLike, *, val: int, size: int, filename: str
) -> str | None:
    """Write a range of virtual memory to a file."""
    processor = chosen(session)
    if processor is None:
        return NO_PROCESSOR
    await ask(
        session,
        "memsave",
        val=val,
        size=size & _LOW,
        filename=filename,
        cpu_index=processor.index,
    )
    return None


@commands.does("pmemsave")
async def pmemsave(session: SessionLike, *, val: int, size: int, filename: str) -> None:
    """Write a range of physical memory to a file."""
    await ask(session, "pmemsave", val=val, size=size & _LOW, filename=filename)


# From one address to another.


@commands.does("gva2gpa")
def gva2gpa(session: SessionLike, *, addr: int) -> str:
    """Return the physical address of a virtual one."""
    processor = chosen(session)
    if processor is None:
        return "No cpu\n"
    physical = processor.translate(addr & _LOW)
    if physical is None:
        return "Unmapped\n"
    return f"gpa: {physical:#x}\n" if physical else "gpa: 0\n"


def _region(machine: Machine, address: int) -> str | None:
    """Return the name of the RAM or ROM at an address."""
    if 0 <= address < machine.memory_size:
        return machine.qom.ram_name or "pc.ram"
    for rom in machine.memory.roms:
        if rom.address <= address < rom.address + rom.size:
            return "pc.bios"
    return None


@commands.does("gpa2hva")
def gpa2hva(machine: Machine, *, addr: int) -> str:
    """Return where the host has a physical address.

    There is one mapping of the RAM; the number is made up from its identity, so that it
    is the same each time and another for each machine.
    """
    return _host(machine, addr, "virtual", id(machine.memory) & ~0xFFF)


@commands.does("gpa2hpa")
def gpa2hpa(machine: Machine, *, addr: int) -> str:
    """Return where the host's memory has a physical address, made up likewise."""
    return _host(machine, addr, "physical", (id(machine.memory) & 0xFFFFF000) << 4)


def _host(machine: Machine, addr: int, kind: str, base: int) -> str:
    name = _region(machine, addr)
    if name is None:
        return f"No memory is mapped at address {addr:#x}\n"
    return f"Host {kind} address for {addr:#x} ({name}) is {base + addr:#x}\n"


# The registers.


@commands.shows("registers")
def info_registers(
    session: SessionLike, *, cpustate_all: bool = False, vcpu: int | None = None
) -> str:
    """Return the registers of the chosen processor, of another, or of all."""
    there = session.monitor.target.qom.processors.numbered()
    if cpustate_all:
        return "".join(map(_registers, there.values()))
    processor = chosen(session) if vcpu is None else there.get(vcpu)
    if processor is None:
        return NO_PROCESSOR if vcpu is None else f"CPU#{vcpu} not available\n"
    return _registers(processor)


def _registers(processor: Processor) -> str:
    """Return the registers, with those that 7.2 has and 0.13 did not."""
    lines = ["", f"CPU#{processor.index}", *dump(processor).splitlines()]
    text: list[str] = []
    for line in lines:
        if line.startswith(("DR0=", "DR6=")):
            words = (word.partition("=") for word in line.split())
            ending = " " if line.startswith("DR0=") else ""
            wide = " ".join(f"{name}={int(value, 16):016x}" for name, _, value in words)
            text.append(wide + ending)
            if line.startswith("DR6="):
                text.append(f"EFER={0:016x}")
        elif line.startswith("XMM"):
            words = (word.partition("=") for word in line.split())
            text.append(" ".join(f"{name}={v[:16]} {v[16:]}" for name, _, v in words))
        else:
            text.append(line)
    return "".join(f"{line}\n" for line in text)


@commands.does("dump-guest-memory")
async def dump_guest_memory(
    session: SessionLike,
    *,
    paging: bool = False,
    detach: bool = False,
    windmp: bool = False,
    zlib: bool = False,
    lzo: bool = False,
    snappy: bool = False,
    filename: str,
    begin: int | None = None,
    length: int | None = None,
) -> None:
    """Write the guest's memory to a file."""
    wanted = {"zlib": zlib, "lzo": lzo, "snappy": snappy, "windmp": windmp}
    chosen_formats = [name for name, is_wanted in wanted.items() if is_wanted]
    if len(chosen_formats) > 1:
        raise GenericError("only one of '-z|-l|-s|-w' can be set")
    format_ = _DUMP_FORMATS[chosen_formats[0]] if chosen_formats else "elf"
    if begin is not None and length is None:
        raise GenericError("Parameter 'length' is missing")
    await ask(
        session,
        "dump-guest-memory",
        paging=paging,
        protocol=f"file:{filename}",
        detach=detach or None,
        begin=begin,
        length=length,
        format=format_,
    )
