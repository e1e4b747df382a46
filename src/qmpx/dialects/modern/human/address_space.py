"""What is at which address, as ``info mtree`` shows it.

Source: QEMU 7.2.22, observed on its PCs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from qmpx.dialects.modern.human.declaring import HumanTable
from qmpx.machine import Machine
from qmpx.machine.qom.pci_space import PciFunction, pci_functions, walk

commands = HumanTable()

_ALL: Final[int] = (1 << 64) - 1
_BIOS: Final = 0x40000

PORTS: Final = (
    (0x0, 0x7, "dma-chan"),
    (0x8, 0xF, "dma-cont"),
    (0x20, 0x21, "pic"),
    (0x40, 0x43, "pit"),
    (0x60, 0x60, "i8042-data"),
    (0x61, 0x61, "pcspk"),
    (0x64, 0x64, "i8042-cmd"),
    (0x70, 0x71, "rtc"),
    (0x7E, 0x7F, "kvmvapic"),
    (0x80, 0x80, "ioport80"),
    (0x81, 0x83, "dma-page"),
    (0x87, 0x87, "dma-page"),
    (0x89, 0x8B, "dma-page"),
    (0x8F, 0x8F, "dma-page"),
    (0x92, 0x92, "port92"),
    (0xA0, 0xA1, "pic"),
    (0xB2, 0xB3, "apm-io"),
    (0xC0, 0xCF, "dma-chan"),
    (0xD0, 0xDF, "dma-cont"),
    (0xF0, 0xF0, "ioportF0"),
    (0x170, 0x177, "ide"),
    (0x1F0, 0x1F7, "ide"),
    (0x376, 0x376, "ide"),
    (0x3F1, 0x3F5, "fdc"),
    (0x3F6, 0x3F6, "ide"),
    (0x3F7, 0x3F7, "fdc"),
    (0x4D0, 0x4D0, "elcr"),
    (0x4D1, 0x4D1, "elcr"),
    (0x510, 0x511, "fwcfg"),
    (0x514, 0x51B, "fwcfg.dma"),
    (0x600, 0x63F, "piix4-pm"),
    (0x700, 0x73F, "pm-smbus"),
    (0xCF8, 0xCFB, "pci-conf-idx"),
    (0xCFC, 0xCFF, "pci-conf-data"),
    (0x5658, 0x5658, "vmport"),
    (0xAE00, 0xAE17, "acpi-pci-hotplug"),
    (0xAF00, 0xAF1F, "acpi-cpu-hotplug"),
    (0xAFE0, 0xAFE3, "acpi-gpe0"),
)
"""The I/O ports of a PC's board: first, last, and whose they are."""


@dataclass(slots=True)
class Region:
    """A region of addresses.

    Attributes:
        first: Its first address.
        last: Its last address.
        name: What it is called.
        kind: ``ram``, ``rom`` or ``i/o``.
        priority: Which of several at one address is seen.
        alias: The name of the region that it is a part of.
        offset: Where in that it begins.
        inner: The regions in it.
        owner: The id of the device that has it.
    """

    first: int
    last: int
    name: str
    kind: str = "i/o"
    priority: int = 0
    alias: str = ""
    offset: int = 0
    inner: "list[Region]" = field(default_factory=list)
    owner: str = ""

    def lines(self, depth: int, *, owners: bool) -> Iterator[str]:
        """Yield it, and what is in it."""
        text = (
            f"{'  ' * depth}{self.first:016x}-{self.last:016x} "
            f"(prio {self.priority}, {self.kind}): "
        )
        if self.alias:
            end = self.offset + self.last - self.first
            text += f"alias {self.name} @{self.alias} {self.offset:016x}-{end:016x}"
        else:
            text += self.name
        if owners:
            text += f" owner:{{{self.owner}}}" if self.owner else " owner:{none}"
        yield text
        for each in self.inner:
            yield from each.lines(depth + 1, owners=owners)


def _is_pc(machine: Machine) -> bool:
    return machine.qom.board.startswith(("pc-", "isapc"))


def _of_devices(functions: list[PciFunction], *, is_io: bool) -> list[Region]:
    """Return the regions of PCI devices that have been given addresses."""
    found: list[Region] = []
    for each in walk(functions):
        name = each.device.object.type.lower()
        for register in each.model.registers:
            address = each.address(register)
            if address < 0 or register.is_io is not is_io:
                continue
            is_ram = register.is_prefetchable and each.model.class_code == 0x0300
            ending = "-io" if is_io else ".vram" if is_ram else "-mmio"
            found.append(
                Region(
                    address,
                    address + register.size - 1,
                    name + ending,
                    "ram" if is_ram else "i/o",
                    1,
                    owner=f"dev id={each.device.id}"
                    if each.device.id
                    else f"dev path={each.device.object.path}",
                )
            )
    return sorted(found, key=lambda region: region.first)


def _memory(machine: Machine, functions: list[PciFunction]) -> Region:
    """Return the memory as a tree."""
    top = Region(0, _ALL, "system")
    ram = machine.qom.ram_name
    size = machine.memory_size
    if ram is not None:
        low = min(size, 0xC0000000 if size > 0xE0000000 else size)
        top.inner.append(Region(0, low - 1, "ram-below-4g", "ram", 0, ram))
    if not _is_pc(machine):
        return top
    rom = Region((1 << 32) - _BIOS, (1 << 32) - 1, "pc.bios", "rom")
    pci = Region(0, _ALL, "pci", "i/o", -1)
    pci.inner = [
        Region(0xC0000, 0xDFFFF, "pc.rom", "rom", 1),
        Region(0xE0000, 0xFFFFF, "isa-bios", "rom", 1, "pc.bios", _BIOS - 0x20000),
        *_of_devices(functions, is_io=False),
        rom,
    ]
    top.inner.append(pci)
    if machine.qom.board.startswith("pc-"):
        top.inner += [
            Region(0xFEC00000, 0xFEC00FFF, "ioapic"),
            Region(0xFED00000, 0xFED003FF, "hpet"),
            Region(0xFEE00000, 0xFEEFFFFF, "apic-msi", "i/o", 4096),
        ]
    if ram is not None and size > low:
        above = size - low
        top.inner.append(
            Region(1 << 32, (1 << 32) + above - 1, "ram-above-4g", "ram", 0, ram, low)
        )
    return top


def _io(machine: Machine, functions: list[PciFunction]) -> Region:
    """Return the I/O ports as a tree."""
    top = Region(0, 0xFFFF, "io")
    if _is_pc(machine):
        top.inner = [Region(first, last, name) for first, last, name in PORTS]
        top.inner += _of_devices(functions, is_io=True)
    return top


def _flat(top: Region, *, fills: bool) -> list[str]:
    """Return what is seen at each address, with nothing over another."""
    leaves: list[Region] = []

    def collect(region: Region) -> None:
        for each in region.inner:
            if each.inner:
                collect(each)
            else:
                leaves.append(each)

    collect(top)
    leaves.sort(key=lambda each: each.first)
    lines: list[str] = []
    at = top.first
    for each in leaves:
        if each.last < at:
            continue
        first = max(at, each.first)
        if fills and first > at:
            lines.append(_flat_line(at, first - 1, top, at))
        lines.append(_flat_line(first, each.last, each, first - each.first))
        at = each.last + 1
    if fills and at <= top.last:
        lines.append(_flat_line(at, top.last, top, at))
    return lines


def _flat_line(first: int, last: int, region: Region, offset: int) -> str:
    offset += region.offset
    name = region.alias or region.name
    shown = f"{name} @{offset:016x}" if offset else name
    return (
        f"  {first:016x}-{last:016x} (prio {region.priority}, {region.kind}): {shown}"
    )


@commands.shows("mtree")
def info_mtree(
    machine: Machine,
    *,
    flatview: bool = False,
    dispatch_tree: bool = False,  # noqa: ARG001 - nothing is dispatched here
    owner: bool = False,
    disabled: bool = False,  # noqa: ARG001 - what is off is not there
) -> str:
    """Return what is at which address: as a tree, or flat."""
    functions = pci_functions(machine) or []
    memory, io = _memory(machine, functions), _io(machine, functions)
    processors = [each.index for each in machine.processors]
    names = ["memory", *(f"cpu-memory-{index}" for index in processors)]
    if flatview:
        lines = ["FlatView #0", *(f' AS "{name}", root: system' for name in names)]
        lines += [" Root memory region: system", *_flat(memory, fills=False), ""]
        lines += ["FlatView #1", ' AS "I/O", root: io', " Root memory region: io"]
        lines += [*_flat(io, fills=True), ""]
        return "".join(f"{line}\n" for line in lines)
    lines = [f"address-space: {name}" for name in [*names[1:], names[0]]]
    lines += [*memory.lines(1, owners=owner), "", "address-space: I/O"]
    lines += [*io.lines(1, owners=owner), ""]
    for each in walk(functions):
        lines += [f"address-space: {each.device.object.type}"]
        container = Region(0, _ALL, "bus master container")
        lines += [*container.lines(1, owners=owner), ""]
    return "".join(f"{line}\n" for line in lines)
