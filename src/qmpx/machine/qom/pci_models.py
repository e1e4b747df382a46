"""What PCI devices tell of themselves: ids, class, interrupt pin and regions.

Each is a line: vendor and device, class, subsystem (``-`` if there is none), pin (1 is
A), and the base address registers: number, kind, size. The kinds are ``i`` for I/O,
``m`` and ``p`` for memory of 32 bits, ``q`` and ``Q`` for memory of 64 bits, of which
``p`` and ``Q`` can be prefetched. Register 6 is that of the ROM.

Source: QEMU 7.2.22, observed: what ``query-pci`` tells of each.
"""

from functools import cache
from typing import Final

from qmpx.machine.values import Value

_UNITS: Final = {"K": 10, "M": 20, "G": 30}

MODELS: Final = {
    "AC97": "8086:2415 0401 1af4:1100 1 0i1K 1i256",
    "AMDVI-PCI": "0000:0000 0000 1af4:1100 0",
    "ES1370": "1274:5000 0401 4942:4c4c 1 0i256",
    "ICH9-LPC": "8086:2918 0601 1af4:1100 0",
    "ICH9-SMB": "8086:2930 0c05 1af4:1100 1 4i64",
    "PIIX3": "8086:7000 0601 1af4:1100 0",
    "PIIX4_PM": "8086:7113 0680 1af4:1100 1",
    "VGA": "1234:1111 0300 1af4:1100 0 0p16M 2m4K 6m64K",
    "acpi-erst": "1b36:0012 00ff 1af4:1100 0 0m16 1m8K",
    "am53c974": "1022:2020 0100 1af4:1100 1 0i128",
    "ati-vga": "1002:5046 0300 1af4:1100 1 0p16M 1i256 2m16K 6m64K",
    "bochs-display": "1234:1111 0380 1af4:1100 0 0p16M 2m4K 6m32K",
    "cirrus-vga": "1013:00b8 0300 1af4:1100 0 0p32M 1m4K 6m64K",
    "cxl-downstream": "19e5:a129 0604 - 0 0q64K",
    "cxl-rp": "8086:7075 0604 - 1 0q64K",
    "cxl-upstream": "19e5:a128 0604 - 0 0q64K",
    "dc390": "1022:2020 0100 1af4:1100 1 0i128",
    "e1000": "8086:100e 0200 1af4:1100 1 0m128K 1i64 6m256K",
    "e1000-82544gc": "8086:100c 0200 1af4:1100 1 0m128K 1i64 6m256K",
    "e1000-82545em": "8086:100f 0200 1af4:1100 1 0m128K 1i64 6m256K",
    "e1000e": "8086:10d3 0200 8086:0000 1 0m128K 1m128K 2i32 3m16K 6m256K",
    "edu": "1234:11e8 00ff 1af4:1100 1 0m1M",
    "i440FX": "8086:1237 0600 1af4:1100 0",
    "i6300esb": "8086:25ab 0880 1af4:1100 0 0m16",
    "i82550": "8086:1209 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82551": "8086:1209 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82557a": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82557b": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82557c": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82558a": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82558b": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82559a": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82559b": "8086:1229 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82559c": "8086:1229 0200 8086:0040 1 0p4K 1i64 2m128K 6m128K",
    "i82559er": "8086:1209 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82562": "8086:1209 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82801": "8086:2449 0200 1af4:1100 1 0p4K 1i64 2m128K 6m128K",
    "i82801b11-bridge": "8086:244e 0604 - 0",
    "ich9-ahci": "8086:2922 0106 1af4:1100 1 4i32 5m4K",
    "ich9-intel-hda": "8086:293e 0403 1af4:1100 1 0m16K",
    "ich9-usb-ehci1": "8086:293a 0c03 1af4:1100 4 0m4K",
    "ich9-usb-ehci2": "8086:293c 0c03 1af4:1100 4 0m4K",
    "ich9-usb-uhci1": "8086:2934 0c03 1af4:1100 1 4i32",
    "ich9-usb-uhci2": "8086:2935 0c03 1af4:1100 2 4i32",
    "ich9-usb-uhci3": "8086:2936 0c03 1af4:1100 3 4i32",
    "ich9-usb-uhci4": "8086:2937 0c03 1af4:1100 1 4i32",
    "ich9-usb-uhci5": "8086:2938 0c03 1af4:1100 2 4i32",
    "ich9-usb-uhci6": "8086:2939 0c03 1af4:1100 3 4i32",
    "intel-hda": "8086:2668 0403 1af4:1100 1 0m16K",
    "ioh3420": "8086:3420 0604 - 1",
    "ivshmem-plain": "1af4:1110 0500 1af4:1100 0 0m256 2Q4M",
    "lsi53c810": "1000:0001 0100 0000:1000 1 0i256 1m1K 2m8K",
    "lsi53c895a": "1000:0012 0100 0000:1000 1 0i256 1m1K 2m8K",
    "mch": "8086:29c0 0600 1af4:1100 0",
    "megasas": "1000:0060 0104 1000:1013 1 0q16K 2i256 3q256K",
    "megasas-gen2": "1000:0079 0104 1000:9261 1 0i256 1q16K 3q256K",
    "mptsas1068": "1000:0054 0100 1000:8000 1 0i256 1m16K 2m64K",
    "ne2k_pci": "10ec:8029 0200 1af4:1100 1 0i256 6m256K",
    "nec-usb-xhci": "1033:0194 0c03 1af4:1100 1 0q16K",
    "nvme": "1b36:0010 0108 1af4:1100 1 0q16K",
    "pci-bridge": "1b36:0001 0604 - 1 0q256",
    "pci-bridge-seat": "1b36:000a 0604 - 1 0q256",
    "pci-ipmi-bt": "1234:1112 0c07 1af4:1100 1 0i8",
    "pci-ipmi-kcs": "1234:1112 0c07 1af4:1100 1 0i8",
    "pci-ohci": "106b:003f 0c03 1af4:1100 1 0m256",
    "pci-serial": "1b36:0002 0700 1af4:1100 1 0i8",
    "pci-serial-2x": "1b36:0003 0700 1af4:1100 1 0i16",
    "pci-serial-4x": "1b36:0004 0700 1af4:1100 1 0i32",
    "pci-testdev": "1b36:0005 00ff 1af4:1100 0 0m4K 1i256",
    "pcie-pci-bridge": "1b36:000e 0604 - 1 0q256",
    "pcie-root-port": "1b36:000c 0604 - 1 0m4K",
    "pcnet": "1022:2000 0200 0000:0000 1 0i32 1m32 6m256K",
    "piix3-ide": "8086:7010 0101 1af4:1100 0 4i16",
    "piix3-usb-uhci": "8086:7020 0c03 1af4:1100 4 4i32",
    "piix4-ide": "8086:7111 0101 1af4:1100 0 4i16",
    "piix4-usb-uhci": "8086:7112 0c03 1af4:1100 4 4i32",
    "pvpanic-pci": "1b36:0011 0880 1af4:1100 0 0m2",
    "pvscsi": "15ad:07c0 0100 15ad:07c0 1 0m32K",
    "qemu-xhci": "1b36:000d 0c03 1af4:1100 1 0q16K",
    "qxl": "1b36:0100 0380 1af4:1100 1 0m64M 1m64M 2m8K 3i32",
    "qxl-vga": "1b36:0100 0300 1af4:1100 1 0m64M 1m64M 2m8K 3i32 6m64K",
    "rocker": "1b36:0006 0280 1af4:1100 0 0m8K 1m8K",
    "rtl8139": "10ec:8139 0200 1af4:1100 1 0i256 1m256 6m256K",
    "sdhci-pci": "1b36:0007 0805 1af4:1100 1 0m256",
    "secondary-vga": "1234:1111 0380 1af4:1100 0 0p16M 2m4K",
    "tpci200": "1498:30c8 0680 1498:300a 1 0m128 1i128 2m256 3m1K 4m32M 5m16M",
    "tulip": "1011:0019 0200 103c:104f 1 0i128 1m128",
    "usb-ehci": "8086:24cd 0c03 1af4:1100 4 0m4K",
    "virtio-9p-pci": "1af4:1009 0002 1af4:0009 1 0i32 1m4K 4Q16K",
    "virtio-9p-pci-non-transitional": "1af4:1049 0002 1af4:1100 1 1m4K 4Q16K",
    "virtio-9p-pci-transitional": "1af4:1009 0002 1af4:0009 1 0i32 1m4K 4Q16K",
    "virtio-balloon-pci": "1af4:1002 00ff 1af4:0005 1 0i64 4Q16K",
    "virtio-balloon-pci-non-transitional": "1af4:1045 00ff 1af4:1100 1 4Q16K",
    "virtio-balloon-pci-transitional": "1af4:1002 00ff 1af4:0005 1 0i64 4Q16K",
    "virtio-blk-pci": "1af4:1001 0100 1af4:0002 1 0i128 1m4K 4Q16K",
    "virtio-blk-pci-non-transitional": "1af4:1042 0100 1af4:1100 1 1m4K 4Q16K",
    "virtio-blk-pci-transitional": "1af4:1001 0100 1af4:0002 1 0i128 1m4K 4Q16K",
    "virtio-crypto-pci": "1af4:1054 00ff 1af4:1100 1 1m4K 4Q16K",
    "virtio-gpu-pci": "1af4:1050 0380 1af4:1100 1 1m4K 4Q16K",
    "virtio-iommu-pci": "1af4:1057 00ff 1af4:1100 1 4Q16K",
    "virtio-keyboard-pci": "1af4:1052 0900 1af4:1100 1 1m4K 4Q16K",
    "virtio-mem-pci": "1af4:1058 00ff 1af4:1100 1 4Q16K",
    "virtio-mouse-pci": "1af4:1052 0902 1af4:1100 1 1m4K 4Q16K",
    "virtio-net-pci": "1af4:1000 0200 1af4:0001 1 0i32 1m4K 4Q16K 6m256K",
    "virtio-net-pci-non-transitional": "1af4:1041 0200 1af4:1100 1 1m4K 4Q16K 6m256K",
    "virtio-net-pci-transitional": "1af4:1000 0200 1af4:0001 1 0i32 1m4K 4Q16K 6m256K",
    "virtio-pmem-pci": "1af4:105b 00ff 1af4:1100 1 4Q16K",
    "virtio-rng-pci": "1af4:1005 00ff 1af4:0004 1 0i32 1m4K 4Q16K",
    "virtio-rng-pci-non-transitional": "1af4:1044 00ff 1af4:1100 1 1m4K 4Q16K",
    "virtio-rng-pci-transitional": "1af4:1005 00ff 1af4:0004 1 0i32 1m4K 4Q16K",
    "virtio-scsi-pci": "1af4:1004 0100 1af4:0008 1 0i64 1m4K 4Q16K",
    "virtio-scsi-pci-non-transitional": "1af4:1048 0100 1af4:1100 1 1m4K 4Q16K",
    "virtio-scsi-pci-transitional": "1af4:1004 0100 1af4:0008 1 0i64 1m4K 4Q16K",
    "virtio-serial-pci": "1af4:1003 0780 1af4:0003 1 0i64 1m4K 4Q16K",
    "virtio-serial-pci-non-transitional": "1af4:1043 0780 1af4:1100 1 1m4K 4Q16K",
    "virtio-serial-pci-transitional": "1af4:1003 0780 1af4:0003 1 0i64 1m4K 4Q16K",
    "virtio-tablet-pci": "1af4:1052 0980 1af4:1100 1 1m4K 4Q16K",
    "virtio-vga": "1af4:1050 0300 1af4:1100 1 0p8M 2Q16K 4m4K 6m64K",
    "vmware-svga": "15ad:0405 0300 15ad:0405 0 0i16 1p16M 2p64K 6m64K",
    "vmxnet3": "15ad:07b0 0200 15ad:07b0 1 0m4K 1m4K 2m8K 6m256K",
    "x3130-upstream": "104c:8232 0604 - 0",
    "xio3130-downstream": "104c:8233 0604 - 0",
}
"""The models."""

SAME: Final = {
    "vhost-user-blk-pci": "virtio-blk-pci",
    "vhost-scsi-pci": "virtio-scsi-pci",
    "vhost-user-scsi-pci": "virtio-scsi-pci",
    "virtio-gpu-gl-pci": "virtio-gpu-pci",
    "virtio-vga-gl": "virtio-vga",
    "vhost-user-vga": "virtio-vga",
    "vhost-user-gpu-pci": "virtio-gpu-pci",
    "vhost-user-input-pci": "virtio-keyboard-pci",
    "virtio-input-host-pci": "virtio-keyboard-pci",
    "vhost-user-rng-pci": "virtio-rng-pci",
    "ivshmem-doorbell": "ivshmem-plain",
}
"""Models that look as others do."""

BRIDGE_CLASS: Final = 0x0604
"""The class of what has a bus of its own behind it."""

_UNKNOWN: Final = "1af4:0000 00ff 1af4:1100 1"


class Register(Value, frozen=True):
    """A base address register.

    Attributes:
        number: Its number; 6 is that of the ROM.
        is_io: Whether it is for I/O, not memory.
        is_wide: Whether its addresses have 64 bits.
        is_prefetchable: Whether reading ahead does no harm.
        size: Bytes that it is for.
    """

    number: int
    is_io: bool
    is_wide: bool
    is_prefetchable: bool
    size: int


class PciModel(Value, frozen=True):
    """What a model tells of itself.

    Attributes:
        vendor: Of the device.
        device: The vendor's number for it.
        class_code: What it is for.
        subsystem: Vendor and number of the subsystem; ``None`` if it has none.
        pin: Its interrupt pin; 0 if it has none.
        registers: Its base address registers.
    """

    vendor: int
    device: int
    class_code: int
    subsystem: tuple[int, int] | None
    pin: int
    registers: tuple[Register, ...]


@cache
def pci_model(name: str) -> PciModel:
    """Return what a model tells; of those that nobody knows, that it is of no class."""
    for ending in ("", "-non-transitional", "-transitional"):
        plain = name.removesuffix(ending) if ending else name
        if name not in MODELS and plain in SAME:
            name = SAME[plain] + ending
            break
    words = MODELS.get(name, _UNKNOWN).split()
    ids, class_code, subsystem, pin, *registers = words
    vendor, device = _pair(ids)
    return PciModel(
        vendor,
        device,
        int(class_code, 16),
        None if subsystem == "-" else _pair(subsystem),
        int(pin),
        tuple(_register(word) for word in registers),
    )


def _pair(text: str) -> tuple[int, int]:
    first, second = text.split(":")
    return int(first, 16), int(second, 16)


def _register(word: str) -> Register:
    number, kind, size = int(word[0]), word[1], word[2:]
    shift = _UNITS.get(size[-1], 0)
    return Register(
        number,
        is_io=kind == "i",
        is_wide=kind in "qQ",
        is_prefetchable=kind in "pQ",
        size=int(size[:-1] if shift else size) << shift,
    )
