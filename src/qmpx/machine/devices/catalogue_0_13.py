"""The device models of a PC of QEMU 0.13, as a table.

Figures (vendor and device numbers, classes, sizes of windows), names and defaults are
those of the devices. Models that need what the embedded machine lacks (KVM device
assignment, VirtFS, Bluetooth, sound cards on ISA) are left out, as in a QEMU that was
built without them.
"""

from typing import Final

from qmpx.machine.devices.models import (
    PCI_BRIDGE,
    Catalogue,
    ChildBus,
    Model,
    PciFacts,
    Pointer,
    Region,
    UsbFacts,
)
from qmpx.machine.devices.properties import (
    BIT,
    CHR,
    DRIVE,
    HEX32,
    INT32,
    MACADDR,
    NETDEV,
    PCI_DEVFN,
    STRING,
    UINT8,
    UINT16,
    UINT32,
    UNSET,
    VLAN,
    Property,
)

_ANY32: Final = 0xFFFFFFFF
"""Minus one in 32 bits: whatever is free."""

_NIC: Final = (
    Property("mac", MACADDR),
    Property("vlan", VLAN),
    Property("netdev", NETDEV),
)
_BLOCK: Final = (
    Property("drive", DRIVE),
    Property("logical_block_size", UINT16, 512),
    Property("physical_block_size", UINT16, 512),
    Property("min_io_size", UINT16, 0),
    Property("opt_io_size", UINT32, 0),
)
_VIRTIO: Final = (Property("indirect_desc", BIT, default=True),)
_VIRTIO_NET: Final = tuple(
    Property(name, BIT, default=True)
    for name in (
        "csum",
        "guest_csum",
        "gso",
        "guest_tso4",
        "guest_tso6",
        "guest_ecn",
        "guest_ufo",
        "host_tso4",
        "host_tso6",
        "host_ecn",
        "host_ufo",
        "mrg_rxbuf",
        "status",
        "ctrl_vq",
        "ctrl_rx",
        "ctrl_vlan",
        "ctrl_rx_extra",
    )
)

BUS_PROPERTIES: Final[dict[str, tuple[Property, ...]]] = {
    "System": (),
    "PCI": (
        Property("addr", PCI_DEVFN, UNSET),
        Property("romfile", STRING),
        Property("rombar", UINT32, 1),
        Property("multifunction", BIT, default=False),
    ),
    "ISA": (),
    "IDE": (),
    "SCSI": (Property("scsi-id", UINT32, _ANY32),),
    "USB": (),
    "I2C": (Property("address", UINT8, 0),),
    "virtio-serial-bus": (),
}


def _io(bar: int, size: int) -> Region:
    return Region(bar, size, is_io=True)


def _memory(bar: int, size: int, *, prefetch: bool = False) -> Region:
    return Region(bar, size, is_prefetchable=prefetch)


def _ethernet(
    name: str,
    vendor: int,
    device: int,
    regions: tuple[Region, ...],
    *,
    rom: str | None = None,
    desc: str | None = None,
    alias: str | None = None,
    properties: tuple[Property, ...] = _NIC,
    subsystem: tuple[int, int] = (0x1AF4, 0x1100),
) -> Model:
    facts = PciFacts(vendor, device, 0x0200, 1, regions, rom, subsystem)
    return Model(
        name, "PCI", alias, desc, properties=properties, pci=facts, is_nic=True
    )


def _i8255x(suffix: str, device: int = 0x1229) -> Model:
    return _ethernet(
        f"i82{suffix}",
        0x8086,
        device,
        (_memory(0, 0x1000, prefetch=True), _io(1, 0x40), _memory(2, 0x20000)),
        rom=f"gpxe-eepro100-8086{device:04x}.rom",
        desc=f"Intel i82{suffix.upper()} Ethernet",
    )


_VIRTIO_SUBSYSTEM: Final = 0x1AF4

_NICS: Final = (
    _ethernet(
        "e1000",
        0x8086,
        0x100E,
        (_memory(0, 0x20000), _io(1, 0x40)),
        rom="pxe-e1000.bin",
        desc="Intel Gigabit Ethernet",
    ),
    _ethernet(
        "rtl8139",
        0x10EC,
        0x8139,
        (_io(0, 0x100), _memory(1, 0x100)),
        rom="pxe-rtl8139.bin",
    ),
    _ethernet("ne2k_pci", 0x10EC, 0x8029, (_io(0, 0x100),), rom="pxe-ne2k_pci.bin"),
    _ethernet(
        "pcnet", 0x1022, 0x2000, (_io(0, 0x20), _memory(1, 0x20)), rom="pxe-pcnet.bin"
    ),
    _i8255x("550"),
    _i8255x("551", 0x1209),
    _i8255x("557a"),
    _i8255x("557b"),
    _i8255x("557c"),
    _i8255x("558a"),
    _i8255x("558b"),
    _i8255x("559a"),
    _i8255x("559b"),
    _i8255x("559c"),
    _i8255x("559er", 0x1209),
    _i8255x("562"),
)

_VIRTIO_MODELS: Final = (
    Model(
        "virtio-blk-pci",
        "PCI",
        "virtio-blk",
        properties=(
            Property("class", HEX32, 0),
            *_BLOCK,
            Property("vectors", UINT32, 2),
            *_VIRTIO,
        ),
        pci=PciFacts(
            0x1AF4,
            0x1001,
            0x0100,
            1,
            (_io(0, 0x40), _memory(1, 0x1000)),
            subsystem=(_VIRTIO_SUBSYSTEM, 2),
        ),
        drive_complaint="virtio-blk-pci: drive property not set",
    ),
    _ethernet(
        "virtio-net-pci",
        0x1AF4,
        0x1000,
        (_io(0, 0x20), _memory(1, 0x1000)),
        rom="pxe-virtio.bin",
        alias="virtio-net",
        properties=(
            Property("vectors", UINT32, 3),
            *_VIRTIO,
            *_VIRTIO_NET,
            *_NIC,
        ),
        subsystem=(_VIRTIO_SUBSYSTEM, 1),
    ),
    Model(
        "virtio-serial-pci",
        "PCI",
        "virtio-serial",
        properties=(
            Property("vectors", UINT32, _ANY32),
            Property("class", HEX32, 0),
            *_VIRTIO,
            Property("max_ports", UINT32, 31),
        ),
        pci=PciFacts(
            0x1AF4,
            0x1003,
            0x0780,
            1,
            (_io(0, 0x20), _memory(1, 0x1000)),
            subsystem=(_VIRTIO_SUBSYSTEM, 3),
        ),
        buses=(ChildBus("virtio-serial-bus", allows_hotplug=True),),
    ),
    Model(
        "virtio-balloon-pci",
        "PCI",
        "virtio-balloon",
        properties=_VIRTIO,
        pci=PciFacts(
            0x1AF4,
            0x1002,
            0x0500,
            1,
            (_io(0, 0x20),),
            subsystem=(_VIRTIO_SUBSYSTEM, 5),
        ),
    ),
    Model(
        "virtconsole",
        "virtio-serial-bus",
        properties=(
            Property("is_console", UINT8, 1),
            Property("nr", UINT32, _ANY32),
            Property("chardev", CHR),
            Property("name", STRING),
        ),
    ),
    Model(
        "virtserialport",
        "virtio-serial-bus",
        properties=(
            Property("nr", UINT32, _ANY32),
            Property("chardev", CHR),
            Property("name", STRING),
        ),
    ),
)

_STORAGE: Final = (
    Model(
        "lsi53c895a",
        "PCI",
        "lsi",
        pci=PciFacts(
            0x1000,
            0x0012,
            0x0100,
            1,
            (_io(0, 0x100), _memory(1, 0x400), _memory(2, 0x2000)),
            subsystem=(0x1AF4, 0x1000),
        ),
        buses=(ChildBus("SCSI", allows_hotplug=True),),
    ),
    Model(
        "scsi-disk",
        "SCSI",
        desc="virtual scsi disk or cdrom",
        properties=(*_BLOCK, Property("ver", STRING), Property("serial", STRING)),
        drive_complaint="scsi-disk: drive property not set",
    ),
    Model(
        "scsi-generic",
        "SCSI",
        desc="pass through generic scsi device (/dev/sg*)",
        properties=(Property("drive", DRIVE),),
        drive_complaint="scsi-generic: drive property not set",
    ),
    Model(
        "ide-drive",
        "IDE",
        properties=(
            Property("unit", UINT32, _ANY32),
            *_BLOCK,
            Property("ver", STRING),
            Property("serial", STRING),
        ),
        drive_complaint="No drive specified",
    ),
)

_DISPLAYS: Final = (
    Model(
        "VGA",
        "PCI",
        properties=(
            Property("bios-offset", HEX32, 0),
            Property("bios-size", HEX32, 0),
        ),
        pci=PciFacts(
            0x1234,
            0x1111,
            0x0300,
            regions=(_memory(0, 0x800000, prefetch=True),),
            rom="vgabios-stdvga.bin",
        ),
    ),
    Model(
        "cirrus-vga",
        "PCI",
        desc="Cirrus CLGD 54xx VGA",
        pci=PciFacts(
            0x1013,
            0x00B8,
            0x0300,
            regions=(_memory(0, 0x2000000, prefetch=True), _memory(1, 0x1000)),
            rom="vgabios-cirrus.bin",
        ),
    ),
    Model(
        "vmware-svga",
        "PCI",
        pci=PciFacts(
            0x15AD,
            0x0405,
            0x0300,
            regions=(
                _io(0, 0x10),
                _memory(1, 0x1000000, prefetch=True),
                _memory(2, 0x10000, prefetch=True),
            ),
            rom="vgabios-vmware.bin",
            subsystem=(0x15AD, 0x0405),
        ),
    ),
)

_OTHER_PCI: Final = (
    Model(
        "AC97",
        "PCI",
        desc="Intel 82801AA AC97 Audio",
        pci=PciFacts(
            0x8086,
            0x2415,
            0x0401,
            1,
            (_io(0, 0x400), _io(1, 0x100)),
            subsystem=(0x8086, 0x0000),
        ),
    ),
    Model(
        "ES1370",
        "PCI",
        desc="ENSONIQ AudioPCI ES1370",
        pci=PciFacts(
            0x1274, 0x5000, 0x0401, 1, (_io(0, 0x100),), subsystem=(0x4942, 0x4C4C)
        ),
    ),
    Model(
        "i6300esb", "PCI", pci=PciFacts(0x8086, 0x25AB, 0x0880, 0, (_memory(0, 16),))
    ),
    Model(
        "pci-ohci",
        "PCI",
        desc="Apple USB Controller",
        pci=PciFacts(0x106B, 0x003F, 0x0C03, 1, (_memory(0, 0x100),)),
        buses=(ChildBus("USB", allows_hotplug=True),),
    ),
    Model(
        "piix3-usb-uhci",
        "PCI",
        pci=PciFacts(0x8086, 0x7020, 0x0C03, 4, (_io(4, 0x20),)),
        buses=(ChildBus("USB", allows_hotplug=True),),
    ),
    Model(
        "piix4-usb-uhci",
        "PCI",
        pci=PciFacts(0x8086, 0x7112, 0x0C03, 4, (_io(4, 0x20),)),
        buses=(ChildBus("USB", allows_hotplug=True),),
    ),
    Model(
        "pci-bridge",
        "PCI",
        properties=(Property("vendorid", HEX32, 0), Property("deviceid", HEX32, 0)),
        pci=PciFacts(0, 0, PCI_BRIDGE, subsystem=(0, 0)),
        buses=(ChildBus("PCI"),),
    ),
)

_USB: Final = (
    Model(
        "usb-tablet",
        "USB",
        usb=UsbFacts("QEMU USB Tablet", short_name="tablet"),
        pointer=Pointer("QEMU USB Tablet", is_absolute=True),
    ),
    Model(
        "usb-mouse",
        "USB",
        usb=UsbFacts("QEMU USB Mouse", short_name="mouse"),
        pointer=Pointer("QEMU USB Mouse"),
    ),
    Model("usb-kbd", "USB", usb=UsbFacts("QEMU USB Keyboard", short_name="keyboard")),
    Model(
        "usb-wacom-tablet",
        "USB",
        desc="QEMU PenPartner Tablet",
        usb=UsbFacts("QEMU PenPartner Tablet", short_name="wacom-tablet"),
        pointer=Pointer("QEMU PenPartner tablet", is_absolute=True),
    ),
    Model(
        "usb-storage",
        "USB",
        properties=_BLOCK,
        usb=UsbFacts("QEMU USB MSD", short_name="disk"),
        drive_complaint="usb-msd: drive property not set",
    ),
    Model("usb-hub", "USB", usb=UsbFacts("QEMU USB Hub", ports=8)),
    Model(
        "usb-serial",
        "USB",
        properties=(Property("chardev", CHR),),
        usb=UsbFacts("QEMU USB Serial", short_name="serial"),
    ),
    Model(
        "usb-braille",
        "USB",
        properties=(Property("chardev", CHR),),
        usb=UsbFacts("QEMU USB Braille", short_name="braille"),
    ),
    Model(
        "usb-net",
        "USB",
        properties=_NIC,
        usb=UsbFacts("QEMU USB Network Interface", short_name="net"),
        is_nic=True,
    ),
)

_ISA: Final = (
    Model(
        "isa-serial",
        "ISA",
        properties=(
            Property("index", UINT32, _ANY32),
            Property("iobase", HEX32, _ANY32),
            Property("irq", UINT32, _ANY32),
            Property("chardev", CHR),
        ),
    ),
    Model(
        "isa-parallel",
        "ISA",
        properties=(
            Property("index", UINT32, _ANY32),
            Property("iobase", HEX32, _ANY32),
            Property("irq", UINT32, 7),
            Property("chardev", CHR),
        ),
    ),
    Model(
        "isa-debugcon",
        "ISA",
        properties=(
            Property("iobase", HEX32, 0xE9),
            Property("chardev", CHR),
            Property("readback", HEX32, 0xE9),
        ),
    ),
    Model(
        "isa-ide",
        "ISA",
        properties=(
            Property("iobase", HEX32, 0x1F0),
            Property("iobase2", HEX32, 0x3F6),
            Property("irq", UINT32, 14),
        ),
        buses=(ChildBus("IDE"),),
    ),
    Model(
        "ne2k_isa",
        "ISA",
        properties=(
            Property("iobase", HEX32, 0x300),
            Property("irq", UINT32, 9),
            *_NIC,
        ),
        is_nic=True,
    ),
    Model("ib700", "ISA"),
)

BOARD: Final = (
    Model("i440FX-pcihost", "System", is_for_users=False, buses=(ChildBus("PCI"),)),
    Model(
        "hpet",
        "System",
        is_for_users=False,
        properties=(Property("timers", UINT8, 3), Property("msi", BIT, default=False)),
        fixed_lines=("gpio-in 1", "irq 32", "mmio 00000000fed00000/0000000000000400"),
    ),
    Model(
        "ioapic",
        "System",
        is_for_users=False,
        fixed_lines=("gpio-in 24", "mmio 00000000fec00000/0000000000001000"),
    ),
    Model(
        "apic",
        "System",
        is_for_users=False,
        properties=(Property("id", UINT8, 0),),
        fixed_lines=("mmio 00000000fee00000/0000000000100000",),
    ),
    Model(
        "i440FX",
        "PCI",
        desc="Host bridge",
        is_for_users=False,
        pci=PciFacts(0x8086, 0x1237, 0x0600),
    ),
    Model(
        "PIIX3",
        "PCI",
        desc="ISA bridge",
        is_for_users=False,
        pci=PciFacts(0x8086, 0x7000, 0x0601, subsystem=(0, 0)),
        buses=(ChildBus("ISA"),),
    ),
    Model(
        "piix3-ide",
        "PCI",
        is_for_users=False,
        pci=PciFacts(0x8086, 0x7010, 0x0101, regions=(_io(4, 0x10),)),
        buses=(ChildBus("IDE"), ChildBus("IDE")),
    ),
    Model(
        "PIIX4_PM",
        "PCI",
        desc="PM",
        is_for_users=False,
        properties=(Property("smb_io_base", UINT32, 0xB100),),
        pci=PciFacts(0x8086, 0x7113, 0x0680, 1),
        buses=(ChildBus("I2C", "i2c"),),
    ),
    Model("smbus-eeprom", "I2C", is_for_users=False),
    Model(
        "mc146818rtc",
        "ISA",
        is_for_users=False,
        properties=(Property("base_year", INT32, 2000),),
    ),
    Model("i8042", "ISA", is_for_users=False, fixed_lines=("isa irqs 1,12",)),
    Model(
        "isa-fdc",
        "ISA",
        is_for_users=False,
        properties=(Property("driveA", DRIVE), Property("driveB", DRIVE)),
        fixed_lines=("isa irq 6",),
    ),
)

CATALOGUE_0_13: Final = Catalogue(
    models={
        model.name: model
        for model in (
            *_NICS,
            *_VIRTIO_MODELS,
            *_STORAGE,
            *_DISPLAYS,
            *_OTHER_PCI,
            *_USB,
            *_ISA,
            *BOARD,
        )
    },
    bus_properties=BUS_PROPERTIES,
    nic_models={
        "ne2k_pci": "ne2k_pci",
        "i82551": "i82551",
        "i82557b": "i82557b",
        "i82559er": "i82559er",
        "rtl8139": "rtl8139",
        "e1000": "e1000",
        "pcnet": "pcnet",
        "virtio": "virtio-net-pci",
    },
)
"""The PC of QEMU 0.13."""
