"""What people are to read: the machine's innards as pages of text.

QEMU gives these as texts to programs, too, and says nothing about their form.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom.buses import Device
from qmpx.machine.qom.pci_space import pci_functions, walk
from qmpx.monitor import CommandRegistry

commands = CommandRegistry(reads_late=True)

HumanReadableText = TypedDict("HumanReadableText", {"human-readable-text": str})

_STEP: Final = 0x40000  # blocks of memory begin at multiples of this
_ACPI: Final = (
    ("/rom@etc/acpi/tables", 0x20000, 0x200000),
    ("/rom@etc/table-loader", 0x1000, 0x10000),
    ("/rom@etc/acpi/rsdp", 0x1000, 0x1000),
)
_PRODUCTS: Final = {
    "usb-tablet": ("QEMU USB Tablet", "480"),
    "usb-mouse": ("QEMU USB Mouse", "480"),
    "usb-kbd": ("QEMU USB Keyboard", "480"),
    "usb-hub": ("QEMU USB Hub", "12"),
    "usb-storage": ("QEMU USB MSD", "480"),
    "usb-serial": ("QEMU USB SERIAL", "12"),
    "usb-net": ("RNDIS/QEMU USB Network Device", "12"),
    "usb-audio": ("QEMU USB Audio", "12"),
    "usb-wacom-tablet": ("QEMU PenPartner Tablet", "12"),
    "usb-ccid": ("QEMU USB CCID", "12"),
    "usb-braille": ("QEMU USB BRAILLE", "12"),
    "usb-bot": ("QEMU USB MSD", "480"),
    "usb-uas": ("USB Attached SCSI HBA", "480"),
    "usb-mtp": ("QEMU USB MTP", "480"),
}


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What is known of a board.

    Attributes:
        controllers: Its interrupt controllers, in the order in which they are listed.
        loaded: The lines on ROMs beside the firmware.
        firmware: The file that its firmware is from; empty if it has none.
        firmware_size: Bytes of that.
        firmware_kind: Whether it is in ``rom`` or in ``ram``.
        has_acpi: Whether it has ACPI's tables.
        has_option_roms: Whether it has room for the ROMs of devices.
    """

    controllers: tuple[str, ...] = ()
    loaded: tuple[str, ...] = ()
    firmware: str = ""
    firmware_size: int = 0
    firmware_kind: str = "ram"
    has_acpi: bool = False
    has_option_roms: bool = False


BOARDS: Final = {
    "pc-": BoardFacts(
        ("ioapic", "isa-i8259"),
        ('fw=genroms/kvmvapic.bin size=0x002400 name="kvmvapic.bin"',),
        "bios-256k.bin",
        0x40000,
        "rom",
        has_acpi=True,
        has_option_roms=True,
    ),
    "isapc": BoardFacts(
        ("isa-i8259",),
        ('fw=vgaroms/vgabios-cirrus.bin size=0x009a00 name="vgabios-cirrus.bin"',),
        "bios.bin",
        0x20000,
        has_option_roms=True,
    ),
    "microvm": BoardFacts(
        ("ioapic", "isa-i8259", "ioapic"),
        (),
        "bios-microvm.bin",
        0x10000,
        has_acpi=True,
    ),
}
"""The kinds of boards, by what their names begin with."""


def _text(text: str) -> HumanReadableText:
    return {"human-readable-text": text}


def _board(machine: Machine) -> BoardFacts:
    """Return what is known of the board."""
    for prefix, facts in BOARDS.items():
        if machine.qom.board.startswith(prefix):
            return facts
    return BoardFacts()


@commands.command("x-query-irq", features=("unstable",))
def query_irq(machine: Machine) -> HumanReadableText:
    """Tell how often there were interrupts: the timer's, once, as the machine began."""
    board = _board(machine)
    counts = " 0: 1\n" if board.firmware_kind == "rom" else ""
    return _text(
        "".join(f"IRQ statistics for {name}:\n{counts}" for name in board.controllers)
    )


@commands.command("x-query-numa", features=("unstable",))
def query_numa(machine: Machine) -> HumanReadableText:
    """Tell of the NUMA nodes: none, or the one that memory can be plugged into."""
    numa = machine.numa
    lines = [f"{len(numa.nodes)} nodes\n"]
    slots = machine.qom.processors.slots[: machine.processor_count]
    for number, node in sorted(numa.nodes.items()):
        own = [str(slot.index) for slot in slots if numa.node_of(slot) == number]
        lines += [
            f"node {number} cpus:{''.join(f' {index}' for index in own)}\n",
            f"node {number} size: {node.memory >> 20} MB\n",
            f"node {number} plugged: 0 MB\n",
        ]
    return _text("".join(lines))


def _require_translator(machine: Machine, what: str) -> None:
    if machine.accelerator.is_enabled or not machine.accelerator.translates:
        message = f"{what} is only available with accel=tcg"
        raise GenericError(message)


@commands.command("x-query-jit", features=("unstable",))
def query_jit(machine: Machine) -> HumanReadableText:
    """Tell the statistics of a translator that has translated nothing."""
    _require_translator(machine, "JIT information")
    return _text(
        "Translation buffer state:\n"
        "gen code size       0/1073577984\n"
        "TB count            0\n"
        "TB avg target size  0 max=0 bytes\n"
        "TB avg host size    0 bytes (expansion ratio: 0.0)\n"
        "cross page TB count 0 (0%)\n"
        "direct jump count   0 (0%) (2 jumps=0 0%)\n"
        "TB hash buckets     0/8192 (0.00% head buckets used)\n"
        "TB hash occupancy   0.00% avg chain occ. "
        "Histogram: [0.0,0.0)%|\u2588|[0.0,0.0]%\n"
        "TB hash avg chain   nan buckets. Histogram: (empty)\n"
        "\n"
        "Statistics:\n"
        "TB flush count      0\n"
        "TB invalidate count 0\n"
        "TLB full flushes    0\n"
        "TLB partial flushes 0\n"
        "TLB elided flushes  0\n"
        "[TCG profiler not compiled]\n"
    )


@commands.command("x-query-opcount", features=("unstable",))
def query_opcount(machine: Machine) -> HumanReadableText:
    """Tell that nobody counts operations."""
    _require_translator(machine, "Opcode count information")
    return _text("[TCG profiler not compiled]\n")


@commands.command("x-query-rdma", features=("unstable",))
def query_rdma(machine: Machine) -> HumanReadableText:  # noqa: ARG001
    """Tell of the RDMA devices: there is none."""
    return _text("")


@commands.command("x-query-roms", features=("unstable",))
def query_roms(machine: Machine) -> HumanReadableText:
    """Tell of the ROMs."""
    board = _board(machine)
    lines = [*board.loaded]
    if board.firmware:
        size, kind = board.firmware_size, board.firmware_kind
        lines.append(
            f"addr={(1 << 32) - size:016x} size=0x{size:06x} mem={kind} "
            f'name="{board.firmware}"'
        )
    if board.has_acpi:
        lines += [
            f'{name} size=0x{total:06x} name="{name.removeprefix("/rom@")}"'
            for name, _, total in _ACPI
        ]
    return _text("".join(f"{line}\n" for line in lines))


# The blocks of memory.


def _block_name(id_: str, made: MemoryBackend) -> str:
    """Return what a backend's memory is called once somebody uses it."""
    is_long = made.option("x-use-canonical-path-for-ramblock-id", otherwise=False)
    return f"/objects/{id_}" if is_long else id_


def _blocks(machine: Machine) -> Iterator[tuple[str, int, int]]:
    """Yield names, used bytes and all bytes, in the order in which they are made."""
    tree = machine.qom
    backends = {
        id_: made
        for id_, made in machine.objects.items()
        if isinstance(made, MemoryBackend)
    }
    if tree.has_own_ram and tree.ram_name in backends:
        # The machine makes its own after those that users ask for.
        backends[tree.ram_name] = backends.pop(tree.ram_name)
    for id_, made in backends.items():
        called = _block_name(id_, made) if made.users else ""
        yield called, made.size, made.size
    board = _board(machine)
    if board.firmware:
        yield "pc.bios", board.firmware_size, board.firmware_size
    if board.has_option_roms:
        yield "pc.rom", 0x20000, 0x20000
    for each in walk(pci_functions(machine) or ()):
        place = f"0000:{each.bus:02x}:{each.slot:02x}.{each.function}"
        kind = each.device.object.type.lower()
        for register in each.model.registers:
            if register.is_prefetchable and each.model.class_code == 0x0300:
                yield f"{place}/vga.vram", register.size, register.size
            if register.number == 6:
                rom = "vga" if kind == "vga" else kind
                yield f"{place}/{rom}.rom", register.size, register.size
    if board.has_acpi:
        yield from _ACPI


@commands.command("x-query-ramblock", features=("unstable",))
def query_ramblock(machine: Machine) -> HumanReadableText:
    """Tell of the blocks of memory, the largest first."""
    at = 0
    rows: list[tuple[int, str]] = []
    for name, used, total in _blocks(machine):
        rows.append(
            (
                -total,
                f"{name:>24} {'4 KiB':>8}  0x{at:016x} 0x{used:016x} 0x{total:016x}\n",
            )
        )
        at += -(-total // _STEP) * _STEP
    head = (
        f"{'Block Name':>24} {'PSize':>8}  {'Offset':>18} {'Used':>18} {'Total':>18}\n"
    )
    rows.sort(key=lambda row: row[0])
    return _text(head + "".join(line for _, line in rows))


# USB.


def usb_devices(machine: Machine) -> list[tuple[int, Device]] | None:
    """Return the USB devices with the numbers of their buses; ``None`` without any."""
    buses = [bus for bus in machine.qom.devices.buses if bus.object.isa("usb-bus")]
    if not buses:
        return None
    return [
        (number, device)
        for number, bus in enumerate(buses)
        for device in reversed(bus.members)
    ]


def usb_product(device: Device) -> tuple[str, str]:
    """Return what a USB device is called, and its speed in Mb/s."""
    return _PRODUCTS.get(device.object.type, (device.object.type, "480"))


@commands.command("x-query-usb", features=("unstable",))
def query_usb(machine: Machine) -> HumanReadableText:
    """Tell of the USB devices of the guest.

    Raises:
        GenericError: The machine has no USB.
    """
    found = usb_devices(machine)
    if found is None:
        message = "USB support not enabled"
        raise GenericError(message)
    lines: list[str] = []
    for number, device in found:
        product, speed = usb_product(device)
        called = f", ID: {device.id}" if device.id is not None else ""
        lines.append(
            f"  Device {number}.0, Port {device.port or 1}, Speed {speed} Mb/s, "
            f"Product {product}{called}\n"
        )
    return _text("".join(lines))
