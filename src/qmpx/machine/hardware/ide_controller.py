"""The IDE controller of a PC: two channels, and which drives are on them.

Source: the ATA-6 standard; QEMU 0.13.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.drive import Drive, Interface
from qmpx.machine.hardware.ide import IdeChannel
from qmpx.machine.hardware.ports import Ports

if TYPE_CHECKING:
    from qmpx.machine.devices.tree import DeviceTree
    from qmpx.machine.machine import Machine

PLACES: Final = ((0x1F0, 0x3F6, 14), (0x170, 0x376, 15))
"""Of each channel: its ports, its control port, its interrupt line."""


class IdeController:
    """Both channels.

    Args:
        machine: Whose drives they reach.
        ports: Where they answer.
        set_line: Raises and lowers an interrupt line.

    Attributes:
        channels: The two.
    """

    def __init__(
        self, machine: "Machine", ports: Ports, set_line: Callable[..., None]
    ) -> None:
        self._machine = machine
        self.channels = [
            IdeChannel(partial(self.find, bus), partial(set_line, line), machine)
            for bus, (_, _, line) in enumerate(PLACES)
        ]
        for channel, (base, control, _) in zip(self.channels, PLACES, strict=True):
            ports.attach(range(base, base + 1), channel, sizes=(1, 2, 4))
            ports.attach(range(base + 1, base + 8), channel)
            ports.attach(range(control, control + 1), channel)

    def find(self, bus: int, unit: int) -> Drive | None:
        """Return the drive at a place, or ``None``."""
        for place, drive in self.drives():
            if place == (bus, unit):
                return drive
        return None

    def drives(self) -> Iterator[tuple[tuple[int, int], Drive]]:
        """Yield the drives of both channels, each with bus and unit."""
        for drive in self._machine.drives.values():
            if drive.interface is Interface.IDE:
                yield (drive.bus, drive.unit), drive
        tree: DeviceTree | None = self._machine.__dict__.get("devices")
        if tree is None or not tree.is_built:
            return
        for device in tree:
            if device.bus.name in ("ide.0", "ide.1"):
                name = device.values.get("drive")
                if isinstance(name, str) and name in self._machine.drives:
                    bus, unit = int(device.bus.name[-1]), device.values["unit"]
                    yield (bus, unit), self._machine.drives[name]

    def reset(self) -> None:
        """Reset all drives."""
        for channel in self.channels:
            channel.reset()

    def state(self) -> dict[str, Any]:
        """Return the state of both channels."""
        return {"channels": [channel.state() for channel in self.channels]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        for channel, saved in zip(self.channels, state["channels"], strict=True):
            channel.restore(saved)
