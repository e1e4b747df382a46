"""USB: ports, hubs and addresses.

A controller has two ports. When a second device comes, a hub is put into the last port
first, so that there is room; that is QEMU's doing, not a user's.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.devices.device import Bus, Device

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT_PORTS: Final = 2
"""Ports of a controller: a UHCI controller has two."""

HUB: Final = "usb-hub"


class UsbBus(Bus):
    """A USB bus.

    Attributes:
        free_ports: How many ports nothing is in.
        used: The devices in ports, in the order in which they came.
        plug_hub: Puts a hub into the bus; the tree sets it.
    """

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.free_ports = ROOT_PORTS
        self.used: list[Device] = []
        self.plug_hub: Callable[[UsbBus], object] | None = None

    def admit(self, device: Device) -> None:
        """Put a device into a port; without a free one it stays unattached."""
        is_hub = device.model.name == HUB
        if self.free_ports == 1 and not is_hub and self.plug_hub is not None:
            self.plug_hub(self)
        if self.free_ports == 0:
            return
        self.free_ports -= 1
        self.used.append(device)
        device.is_attached = True
        if device.model.usb is not None:
            self.free_ports += device.model.usb.ports

    def dismiss(self, device: Device) -> None:
        """Free the port."""
        if not device.is_attached:
            return
        device.is_attached = False
        self.used.remove(device)
        self.free_ports += 1
        if device.model.usb is not None:
            self.free_ports -= device.model.usb.ports

    def at_address(self, address: int) -> Device | None:
        """Return the device of that address, or ``None``."""
        for device in self.used:
            if device.usb_address == address:
                return device
        return None
