"""The ports of virtio-serial controllers: what programs of the guest open.

Whoever plays such a program listens for ports (`SerialPorts.listener`), and opens and
closes them; the host is told (VSERPORT_CHANGE).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.happenings import PortOpened

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


@dataclass(slots=True, eq=False)
class SerialPort:
    """A port.

    Attributes:
        id: The device's id; empty if it has none.
        name: What the guest knows it by, such as ``org.qemu.guest_agent.0``.
        label: The character device behind it.
        is_open: Whether a program of the guest has it open.
    """

    id: str
    name: str
    label: str
    is_open: bool = False


class SerialPorts:
    """The ports of a machine.

    Args:
        machine: The machine.

    Attributes:
        listener: Called with each port that comes (``True``) or goes (``False``).
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._ports: list[SerialPort] = []
        self.listener: Callable[[SerialPort, bool], None] | None = None

    def __iter__(self) -> Iterator[SerialPort]:
        """Yield all ports."""
        return iter(self._ports)

    def plug(self, port: SerialPort) -> None:
        """Take in a port."""
        self._ports.append(port)
        if self.listener is not None:
            self.listener(port, True)  # noqa: FBT003 - it is named in the docstring

    def unplug(self, port: SerialPort) -> None:
        """Forget a port."""
        self._ports.remove(port)
        if self.listener is not None:
            self.listener(port, False)  # noqa: FBT003 - the same
        port.is_open = False

    def device(self, port: SerialPort) -> CharacterDevice:
        """Return the character device behind a port."""
        return self._machine.characters[port.label]

    def open(self, port: SerialPort) -> None:
        """Let a program of the guest open a port."""
        self._move(port, is_open=True)

    def close(self, port: SerialPort) -> None:
        """Let it close the port."""
        self._move(port, is_open=False)

    def _move(self, port: SerialPort, *, is_open: bool) -> None:
        if port.is_open is is_open:
            return
        port.is_open = is_open
        self.device(port).front_is_open = is_open
        self._machine.tell(PortOpened(port.id, is_open))
