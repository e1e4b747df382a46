"""USB: ports, hubs and addresses.

A controller has two ports. When a second device comes, a hub is put into the last port
first, so that there is room; that is QEMU's doing, not a user's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from qmpx.machine.devices.device import Bus, Device, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_PORTS: Final = 2
"""Ports of a controller: a UHCI controller has two."""

MAX_USB_DEVICES: Final = 127
"""Devices on a bus: USB addresses have seven bits, and 0 is for those without one."""

HUB: Final = "usb-hub"


@dataclass(slots=True, eq=False)
class Port:
    """A port.

    Attributes:
        hub: The hub that it is on; ``None`` for the controller's own.
        device: What is in it.
    """

    hub: Device | None = None
    device: Device | None = None


class UsbBus(Bus):
    """A USB bus.

    Attributes:
        free: The ports that nothing is in.
        taken: The others, in the order in which they were taken.
        plug_hub: Puts a hub into the bus; the tree sets it.
    """

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.free = [Port() for _ in range(ROOT_PORTS)]
        self.taken: list[Port] = []
        self.plug_hub: Callable[[UsbBus], object] | None = None

    @property
    def attached(self) -> list[Device]:
        """The devices in ports, in the order in which they came."""
        return [port.device for port in self.taken if port.device is not None]

    def admit(self, device: Device) -> None:
        """Put a device into a port; without a free one it stays unattached.

        Raises:
            Refusal: There are `MAX_USB_DEVICES`.
        """
        if len(self.children) > MAX_USB_DEVICES:
            message = f"USB bus {self.name} has {MAX_USB_DEVICES} devices already"
            raise Refusal(message)
        is_hub = device.model.name == HUB
        if len(self.free) == 1 and not is_hub and self.plug_hub is not None:
            self.plug_hub(self)
        if not self.free:
            return
        port = self.free.pop(0)
        port.device = device
        self.taken.append(port)
        device.is_attached = True
        if device.model.usb is not None:
            self.free += [Port(hub=device) for _ in range(device.model.usb.ports)]

    def dismiss(self, device: Device) -> None:
        """Free the port; those of a hub go with it."""
        if not device.is_attached:
            return
        device.is_attached = False
        self.free = [port for port in self.free if port.hub is not device]
        port = next(port for port in self.taken if port.device is device)
        self.taken.remove(port)
        port.device = None
        self.free.append(port)

    def behind(self, hub: Device) -> list[Device]:
        """Return what is in the ports of a hub."""
        return [
            port.device
            for port in self.taken
            if port.hub is hub and port.device is not None
        ]

    def at_address(self, address: int) -> Device | None:
        """Return the first device of that address, or ``None``."""
        for device in self.attached:
            if device.usb_address == address:
                return device
        return None
