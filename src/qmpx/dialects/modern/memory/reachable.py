"""Memory as a processor of today sees it, by addresses of 64 bits.

Where nothing answers, there is nothing to be had: neither bytes nor zeros.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import Final

from qmpx.machine import Machine
from qmpx.machine.processor import Processor
from qmpx.machine.registers import CR0_PG

_PHYSICAL: Final = (1 << 52) - 1
_CHIPS: Final = ((0xFEC00000, 0x1000), (0xFEE00000, 0x100000))  # interrupt controllers


def segments(
    machine: Machine, processor: Processor, address: int, size: int
) -> Iterator[tuple[int, int | None, int]]:
    """Cut a range of virtual addresses where physical ones do not go on.

    Yields:
        Offset from *address*, the physical address or ``None`` where nothing answers,
        and the length.
    """
    if processor.registers.cr0 & CR0_PG or not processor.is_a20_open:
        pieces = processor.segments(address, size)
    else:
        pieces = iter([(0, address & _PHYSICAL, size)])
    for offset, physical, length in pieces:
        if physical is not None and not _answers(machine, physical, length):
            yield offset, None, length
        else:
            yield offset, physical, length


def read(
    machine: Machine, processor: Processor, address: int, size: int
) -> bytes | None:
    """Return *size* bytes from a virtual address on; ``None`` if not all are there."""
    data = b""
    for _, physical, length in segments(machine, processor, address, size):
        if physical is None:
            return None
        data += machine.memory.read(physical, length)
    return data


def read_physical(machine: Machine, address: int, size: int) -> bytes | None:
    """Return *size* bytes from a physical address on; ``None`` as of `read`."""
    address &= _PHYSICAL
    if not _answers(machine, address, size):
        return None
    return machine.memory.read(address, size)


def _answers(machine: Machine, start: int, length: int) -> bool:
    """Whether something answers at each of these physical addresses."""
    end = start + length
    if machine.is_bare:  # no firmware, no chips, and RAM only if it was asked for
        return end <= machine.memory_size
    while start < end:
        for first, size in (*machine.memory.ranges(), *_CHIPS):
            if first <= start < first + size:
                start = first + size
                break
        else:
            return False
    return True
