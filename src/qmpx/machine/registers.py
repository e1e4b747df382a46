"""Registers of processors of the x86 kind, with what they are after a reset.

Source: Intel's manual, volume 3; QEMU 0.13 for its model ``qemu32``.
"""

from dataclasses import dataclass, field
from typing import Any, Final

CR0_PE: Final[int] = 1 << 0
CR0_PG: Final[int] = 1 << 31
CR4_PSE: Final[int] = 1 << 4
CR4_PAE: Final[int] = 1 << 5

_MASK: Final[int] = 0xFFFFFFFF  # of an address
_SIGNATURE: Final[int] = 0x633  # family 6, model 3, stepping 3: QEMU's qemu32
SEGMENTS: Final = ("cs", "ds", "es", "ss", "fs", "gs")
"""The segment registers, by their names."""


@dataclass(slots=True)
class Segment:
    """A segment register, with what the processor knows of the segment.

    Attributes:
        selector: What a program sees of it.
        base: Linear address of its beginning.
        limit: Its last offset.
        flags: The upper half of its descriptor.
    """

    selector: int = 0
    base: int = 0
    limit: int = 0xFFFF
    flags: int = 0x9300  # present, data, writable, accessed


@dataclass(slots=True)
class Table:
    """Where a table of descriptors is: GDT or IDT."""

    base: int = 0
    limit: int = 0xFFFF


@dataclass(frozen=True, slots=True)
class MachineCheck:
    """A hardware error that was injected; the names are those of its registers."""

    bank: int
    status: int
    mcg_status: int
    addr: int
    misc: int


@dataclass(slots=True)
class Registers:
    """All registers, with the values that they have after a reset."""

    eax: int = 0
    ebx: int = 0
    ecx: int = 0
    edx: int = _SIGNATURE
    esi: int = 0
    edi: int = 0
    ebp: int = 0
    esp: int = 0
    eip: int = 0xFFF0
    eflags: int = 2
    cs: Segment = field(
        default_factory=lambda: Segment(0xF000, 0xFFFF0000, flags=0x9B00)
    )
    ds: Segment = field(default_factory=Segment)
    es: Segment = field(default_factory=Segment)
    ss: Segment = field(default_factory=Segment)
    fs: Segment = field(default_factory=Segment)
    gs: Segment = field(default_factory=Segment)
    ldt: Segment = field(default_factory=lambda: Segment(flags=0x8200))
    tr: Segment = field(default_factory=lambda: Segment(flags=0x8B00))
    gdt: Table = field(default_factory=Table)
    idt: Table = field(default_factory=Table)
    cr0: int = 0x60000010
    cr2: int = 0
    cr3: int = 0
    cr4: int = 0
    dr: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0, 0, 0xFFFF0FF0, 0x400])
    fcw: int = 0x37F
    fsw: int = 0
    ftw: int = 0  # one bit for each register in use
    mxcsr: int = 0x1F80
    st: list[int] = field(default_factory=lambda: [0] * 8)  # 80 bits each
    xmm: list[int] = field(default_factory=lambda: [0] * 8)  # 128 bits each

    @property
    def pc(self) -> int:
        """Linear address of the next instruction."""
        return (self.cs.base + self.eip) & _MASK

    @property
    def privilege(self) -> int:
        """The current privilege level, 0 to 3."""
        return self.cs.selector & 3 if self.cr0 & CR0_PE else 0


def registers_of(values: dict[str, Any]) -> Registers:
    """Return registers of plain values, as `dataclasses.asdict` made them."""
    segments = {name: Segment(**values[name]) for name in (*SEGMENTS, "ldt", "tr")}
    tables = {name: Table(**values[name]) for name in ("gdt", "idt")}
    lists = {name: list(values[name]) for name in ("dr", "st", "xmm")}
    return Registers(**{**values, **segments, **tables, **lists})
