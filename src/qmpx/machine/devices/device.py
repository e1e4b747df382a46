"""A device and a bus: the nodes of the tree.

A bus knows where on it a device can go (a PCI slot, a USB port, a SCSI target), and
that is all that makes the kinds of buses differ: see `pci`, `usb` and `storage`.
"""

from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.devices.models import Model
from qmpx.machine.devices.properties import Property

if TYPE_CHECKING:
    from qmpx.machine.devices.claims import Claims
    from qmpx.machine.devices.pci import PciFunction
    from qmpx.machine.display.pointers import Mouse
    from qmpx.machine.network.clients import Client

ANY: Final = 0xFFFFFFFF
"""Minus one in 32 bits, by which a property asks for any free place."""


class Refusal(Exception):
    """A device could not be made; the text is what a person is told of it."""


class Device:
    """A device in the tree.

    Args:
        model: What it is.
        bus: Where it is.
        id: What its user calls it; ``None`` if nothing.
        path: Where it is among the machine's objects, as today's QEMU writes it.

    Attributes:
        values: Its properties and those that its bus gives it, by name.
        buses: The buses that it brought along, the latest first.
        buses_made: How many those were.
        claims: What its properties have taken.
        function: Its place on a PCI bus, if it is on one.
        client: It as a network client, if it is a network adapter.
        pointer: It as a pointing device, if it is one.
        usb_address: Its address on a USB bus, 0 until a guest gives it one.
        is_attached: Whether it found a USB port.
        is_leaving: Whether the guest has been asked to let it go.
    """

    __slots__ = (
        "bus",
        "buses",
        "buses_made",
        "claims",
        "client",
        "function",
        "id",
        "is_attached",
        "is_leaving",
        "model",
        "path",
        "pointer",
        "usb_address",
        "values",
    )

    def __init__(
        self,
        model: Model,
        bus: "Bus",
        *,
        id: str | None,  # noqa: A002 - its name in QEMU
        path: str,
        claims: "Claims",
    ) -> None:
        self.model = model
        self.bus = bus
        self.id = id
        self.path = path
        self.claims = claims
        self.values: dict[str, Any] = {
            item.name: item.default for item in (*model.properties, *bus.properties)
        }
        self.buses: list[Bus] = []
        self.buses_made = 0
        self.function: PciFunction | None = None
        self.client: Client | None = None
        self.pointer: Mouse | None = None
        self.usb_address = 0
        self.is_attached = False
        self.is_leaving = False

    @property
    def label(self) -> str:
        """Its id, or else the name of its model."""
        return self.id if self.id is not None else self.model.name

    def property_named(self, name: str) -> Property | None:
        """Return one of its properties or of its bus's, or ``None``."""
        for item in (*self.model.properties, *self.bus.properties):
            if item.name == name:
                return item
        return None

    def __repr__(self) -> str:
        return f"<{self.model.name} {self.id or ''} on {self.bus.name}>"


class Bus:
    """A bus that takes whatever is of its kind: the system's own, ISA, I2C.

    Args:
        kind: What kind of bus, such as ``ISA``.
        name: Its name.
        parent: The device that brought it along; ``None`` for the root.
        allows_hotplug: Whether devices may come and go while the machine is on.
        properties: What can be set of every device on it.
        number: Its number among the buses of its kind.

    Attributes:
        children: The devices on it, the latest first.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        parent: Device | None,
        *,
        allows_hotplug: bool,
        properties: tuple[Property, ...],
        number: int = 0,
    ) -> None:
        self.kind = kind
        self.name = name
        self.parent = parent
        self.allows_hotplug = allows_hotplug
        self.properties = properties
        self.number = number
        self.children: list[Device] = []
        self.prepare()

    def prepare(self) -> None:
        """Make what a kind of bus keeps besides."""

    def admit(self, device: Device) -> None:
        """Find a place for a device whose properties are set.

        Raises:
            Refusal: There is none.
        """

    def dismiss(self, device: Device) -> None:
        """Free the place of a device that goes."""

    def place(self, device: Device) -> str:
        """Return where on the bus a device is, the same in every run."""
        return str(len(self.children) - self.children.index(device) - 1)

    def __repr__(self) -> str:
        return f"<{self.kind} bus {self.name}>"
