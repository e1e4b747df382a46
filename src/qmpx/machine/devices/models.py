"""What a device model is, as data: the tree makes devices of it.

A model says where it goes, what can be set, what a bus shows of it, and what it brings
along: buses, a network adapter, a pointing device. Tables of models are modules of
their own (`qmpx.machine.devices.catalogue_0_13`), so that another time or another
board is another table.
"""

from dataclasses import dataclass, field
from typing import Final

from qmpx.machine.devices.properties import Property
from qmpx.machine.values import Value

PCI_BRIDGE: Final = 0x0604


class Region(Value, frozen=True):
    """A window that a PCI device asks for: one base address register.

    Attributes:
        bar: Which register.
        size: In bytes.
        is_io: Whether it is of I/O ports, not memory.
        is_prefetchable: Whether reading it has no effect.
        is_64_bit: Whether it may lie above 4 GiB.
    """

    bar: int
    size: int
    is_io: bool = False
    is_prefetchable: bool = False
    is_64_bit: bool = False


class PciFacts(Value, frozen=True):
    """What a PCI device says of itself.

    Attributes:
        vendor: Vendor number.
        device: Device number.
        class_code: Class and subclass.
        pin: Its interrupt pin, 1 for A; 0 if it has none.
        regions: Its windows.
        rom: The file with its option ROM.
        subsystem: Subsystem vendor and device.
    """

    vendor: int
    device: int
    class_code: int
    pin: int = 0
    regions: tuple[Region, ...] = ()
    rom: str | None = None
    subsystem: tuple[int, int] = (0x1AF4, 0x1100)


class UsbFacts(Value, frozen=True):
    """What a USB device says of itself.

    Attributes:
        product: Its name.
        speed: In Mb/s, as text.
        short_name: What ``-usbdevice`` and ``usb_add`` call it.
        ports: How many ports it adds to its bus.
    """

    product: str
    speed: str = "12"
    short_name: str | None = None
    ports: int = 0


class Pointer(Value, frozen=True):
    """A pointing device that a model brings along.

    Attributes:
        name: Its name.
        is_absolute: Whether it tells places, not movements.
    """

    name: str
    is_absolute: bool = False


class ChildBus(Value, frozen=True):
    """A bus that a model brings along.

    Attributes:
        kind: The kind of bus, such as ``SCSI``.
        name: Its name; without one it is called after the device, or the kind.
        allows_hotplug: Whether devices may come and go while the machine is on.
    """

    kind: str
    name: str | None = None
    allows_hotplug: bool = False


class Model(Value, frozen=True):
    """A device model.

    Attributes:
        name: Its name, the *driver* of ``device_add``.
        bus: The kind of bus that it goes on.
        alias: Another name for it.
        desc: What it is, a phrase.
        is_for_users: Whether users may add it, not only the board.
        properties: What can be set.
        pci: What it says of itself on a PCI bus.
        usb: What it says of itself on a USB bus.
        buses: What it brings along.
        pointer: A pointing device that it is.
        is_nic: Whether it is a network adapter.
        drive_complaint: What is said if its *drive* is not set; ``None`` if it needs
            none.
        fixed_lines: What `info qtree` shows of its wires, for the board's own devices.
    """

    name: str
    bus: str
    alias: str | None = None
    desc: str | None = None
    is_for_users: bool = True
    properties: tuple[Property, ...] = ()
    pci: PciFacts | None = None
    usb: UsbFacts | None = None
    buses: tuple[ChildBus, ...] = ()
    pointer: Pointer | None = None
    is_nic: bool = False
    drive_complaint: str | None = None
    fixed_lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models of one version of QEMU, and what its buses let one set.

    Attributes:
        models: The models, by name, in the order in which they are listed.
        bus_properties: What can be set of every device on a kind of bus.
        nic_models: Network adapters that ``model=`` knows: their short and full names.
        aliases: The models by their aliases.
    """

    models: dict[str, Model]
    bus_properties: dict[str, tuple[Property, ...]]
    nic_models: dict[str, str]
    aliases: dict[str, Model] = field(init=False)

    def __post_init__(self) -> None:
        aliases = {model.alias: model for model in self.models.values() if model.alias}
        object.__setattr__(self, "aliases", aliases)

    def find(self, name: str) -> Model | None:
        """Return the model of that name, or else of that alias."""
        return self.models.get(name) or self.aliases.get(name)
