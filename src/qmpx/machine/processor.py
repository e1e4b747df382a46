"""Virtual processors of the x86 kind: what paging makes of an address, their threads.

They execute nothing: there is no guest code in this machine. What they show is what a
processor has after a reset, and what somebody wrote to it since.

Source: Intel's manual, volume 3; QEMU 0.13 for the names of registers in expressions.
"""

import struct
import threading
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.memory import Memory
from qmpx.machine.registers import (
    CR0_PG,
    CR4_PAE,
    CR4_PSE,
    SEGMENTS,
    MachineCheck,
    Registers,
    registers_of,
)

PRESENT: Final[int] = 1 << 0
WRITABLE: Final[int] = 1 << 1
USER: Final[int] = 1 << 2
LARGE: Final[int] = 1 << 7

MAX_MACHINE_CHECKS: Final = 64
"""Machine checks kept for a processor that nobody looks at: twice what a processor has
banks for."""

_MASK: Final[int] = 0xFFFFFFFF  # of an address
_GENERAL: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_OTHERS: Final = ("eip", "eflags")
_ALIASES: Final = {"sp": "esp", "fp": "ebp"}


class Processor:
    """A virtual processor.

    Args:
        index: Its number, from 0 on; all but the first wait to be started.
        memory: What it reads page tables from.

    Attributes:
        registers: Its registers.
        is_halted: Whether it waits for an interrupt, or to be started.
        is_a20_open: Whether bit 20 of its addresses is led out.
        in_system_management: Whether it is in that mode.
        nmi_count: Non-maskable interrupts that were injected since the reset.
        machine_checks: Hardware errors that were injected since the reset.
    """

    def __init__(self, index: int, memory: Memory) -> None:
        self.index = index
        self._memory = memory
        self._thread: _IdleThread | None = None
        self.reset()

    def reset(self) -> None:
        """Go back to how it is after power-on."""
        self.registers = Registers()
        self.is_halted = self.index > 0
        self.is_a20_open = True
        self.in_system_management = False
        self.nmi_count = 0
        self.machine_checks: list[MachineCheck] = []

    # Registers by name

    def read_register(self, name: str) -> int:
        """Return a register by its name in expressions, without the ``$``.

        Raises:
            LookupError: There is none of that name.
        """
        registers = self.registers
        name = _ALIASES.get(name, name)
        if name == "pc":
            return registers.pc
        if name in _GENERAL or name in _OTHERS:
            return int(getattr(registers, name))
        segment, dot, part = name.partition(".")
        if segment in SEGMENTS and (part in ("base", "limit") or not dot):
            return int(getattr(getattr(registers, segment), part or "selector"))
        raise LookupError(name)

    @staticmethod
    def register_names() -> tuple[str, ...]:
        """Return the names that `read_register` knows."""
        parts = ("", ".base", ".limit")
        segments = (segment + part for segment in SEGMENTS for part in parts)
        return (*_GENERAL, *_OTHERS, *_ALIASES, *segments, "pc")

    # Addresses

    def translate(self, address: int) -> int | None:
        """Return the physical address of a virtual one.

        Returns:
            ``None`` where nothing is mapped. Without paging all is mapped as it is.
        """
        registers = self.registers
        address &= _MASK
        if not registers.cr0 & CR0_PG:
            return address if self.is_a20_open else address & ~(1 << 20)
        if registers.cr4 & CR4_PAE:
            return self._translate_wide(address)
        directory = self._entry(registers.cr3 & ~0xFFF, address >> 22, 4)
        if not directory & PRESENT:
            return None
        if directory & LARGE and registers.cr4 & CR4_PSE:
            return directory & 0xFFC00000 | address & 0x3FFFFF
        entry = self._entry(directory & ~0xFFF, address >> 12 & 0x3FF, 4)
        return entry & ~0xFFF | address & 0xFFF if entry & PRESENT else None

    def _translate_wide(self, address: int) -> int | None:
        """Walk the three levels of tables that physical address extension has."""
        pointer = self._entry(self.registers.cr3 & ~0x1F, address >> 30, 8)
        if not pointer & PRESENT:
            return None
        directory = self._entry(_frame(pointer), address >> 21 & 0x1FF, 8)
        if not directory & PRESENT:
            return None
        if directory & LARGE:
            return _frame(directory) & ~0x1FFFFF | address & 0x1FFFFF
        entry = self._entry(_frame(directory), address >> 12 & 0x1FF, 8)
        return _frame(entry) | address & 0xFFF if entry & PRESENT else None

    def _entry(self, table: int, index: int, size: int) -> int:
        return int.from_bytes(self._memory.read(table + index * size, size), "little")

    def _entries(self, table: int) -> tuple[int, ...]:
        return struct.unpack("<1024I", self._memory.read(table & ~0xFFF & _MASK, 4096))

    def mappings(self) -> Iterator[tuple[int, int, int]]:
        """Yield what paging maps, by its tables of two levels.

        Yields:
            Virtual address, length, and the entry that maps it.
        """
        registers = self.registers
        if not registers.cr0 & CR0_PG:
            return
        for high, directory in enumerate(self._entries(registers.cr3)):
            if not directory & PRESENT:
                continue
            if directory & LARGE and registers.cr4 & CR4_PSE:
                yield high << 22, 1 << 22, directory
                continue
            for low, entry in enumerate(self._entries(directory)):
                if entry & PRESENT:
                    yield high << 22 | low << 12, 1 << 12, entry

    def read(self, address: int, length: int) -> bytes | None:
        """Return *length* bytes from a virtual address on.

        Returns:
            ``None`` if not all of it is mapped.
        """
        parts = bytearray()
        for offset, physical, part in self.segments(address, length):
            if physical is None:
                return None
            parts[offset:] = self._memory.read(physical, part)
        return bytes(parts)

    def segments(
        self, address: int, length: int
    ) -> Iterator[tuple[int, int | None, int]]:
        """Cut a range of virtual addresses where physical ones do not go on.

        Virtual addresses have 32 bits; after the last comes the first.

        Yields:
            Offset from *address*, the physical address or ``None``, and the length.
        """
        done = 0
        is_paging = bool(self.registers.cr0 & CR0_PG)
        unit = 1 << 12 if is_paging else 1 << 20 if not self.is_a20_open else 1 << 32
        while done < length:
            start = (address + done) & _MASK
            part = min(length - done, unit - start % unit)
            yield done, self.translate(start), part
            done += part

    # What is done to it from outside

    def inject_nmi(self) -> None:
        """Interrupt it in a way that it cannot mask: that is counted."""
        self.nmi_count += 1

    def inject_machine_check(self, check: MachineCheck) -> None:
        """Report a hardware error; of more than `MAX_MACHINE_CHECKS` the last stay."""
        self.machine_checks = [*self.machine_checks, check][-MAX_MACHINE_CHECKS:]

    @property
    def thread_id(self) -> int:
        """The host's number of its thread, which is made when somebody asks first."""
        if self._thread is None:
            self._thread = _IdleThread(f"processor {self.index}")
        return self._thread.native_id

    def end_thread(self) -> None:
        """End its thread, if it has one."""
        if self._thread is not None:
            self._thread.end()
            self._thread = None

    # Moving

    def state(self) -> dict[str, Any]:
        """Return its state."""
        return {
            "registers": asdict(self.registers),
            "is_halted": self.is_halted,
            "is_a20_open": self.is_a20_open,
            "in_system_management": self.in_system_management,
            "nmi_count": self.nmi_count,
            "machine_checks": [asdict(check) for check in self.machine_checks],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        self.registers = registers_of(state["registers"])
        self.is_halted = state["is_halted"]
        self.is_a20_open = state["is_a20_open"]
        self.in_system_management = state["in_system_management"]
        self.nmi_count = state["nmi_count"]
        checks = [MachineCheck(**check) for check in state["machine_checks"]]
        self.machine_checks = checks[-MAX_MACHINE_CHECKS:]


class Processors(list[Processor]):
    """The processors of a machine, in the order of their numbers.

    Args:
        count: How many, at least one.
        memory: What they share.

    Raises:
        ValueError: There would be none.
    """

    def __init__(self, count: int, memory: Memory) -> None:
        if count < 1:
            message = f"a machine with {count} processors"
            raise ValueError(message)
        super().__init__(Processor(index, memory) for index in range(count))

        self._memory = memory

    def new(self, index: int) -> Processor:
        """Return one more processor, which is not among these: one plugged in later."""
        return Processor(index, self._memory)

    def reset(self) -> None:
        """Reset them all."""
        for processor in self:
            processor.reset()

    def open_a20(self, *, is_open: bool) -> None:
        """Lead bit 20 of their addresses out, or hold it at zero."""
        for processor in self:
            processor.is_a20_open = is_open

    def end_threads(self) -> None:
        """End the threads of those that have one."""
        for processor in self:
            processor.end_thread()

    def state(self) -> dict[str, Any]:
        """Return the state of all."""
        return {"processors": [processor.state() for processor in self]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned.

        Raises:
            GenericError: It is that of another number of processors.
        """
        states = state["processors"]
        if len(states) != len(self):
            message = f"the state is of {len(states)} processors, not of {len(self)}"
            raise GenericError(message)
        for processor, its in zip(self, states, strict=True):
            processor.restore(its)


class _IdleThread:
    """A thread that has run a little, as a guest's does, and then does nothing."""

    def __init__(self, name: str) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self.native_id = self._thread.native_id or 0

    def _run(self) -> None:
        self._ends.wait()

    def end(self) -> None:
        self._ends.set()
        self._thread.join()


def _frame(entry: int) -> int:
    return entry & 0x000FFFFFFFFFF000
