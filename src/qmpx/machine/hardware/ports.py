"""The I/O ports of a PC: who answers at which of the 65,536.

Most devices of a PC take single bytes. An access of two bytes to one that does not is
two of one byte, at that port and at the next; one of four bytes is lost, and reads as
all ones, as does a port that nobody answers at.

Source: QEMU 0.13, observed and by its documentation; today's does four bytes too.
"""

from typing import Any, Final, Protocol

from qmpx.errors import GenericError

PORT_COUNT: Final[int] = 0x10000
"""Ports that an x86 processor has."""

_PORTS: Final = range(PORT_COUNT)

SIZES: Final = (1, 2, 4)
"""Bytes of an access."""


class PortDevice(Protocol):
    """What answers at ports."""

    def read_port(self, port: int, size: int) -> int:
        """Return what a processor reads.

        Args:
            port: The first port of the access.
            size: How many bytes it has; one of those that it was attached for.
        """

    def write_port(self, port: int, size: int, value: int) -> None:
        """Take what a processor writes; see `read_port`."""


class Ports:
    """Who answers at which port.

    Attributes:
        devices: Who answers an access, by port and size.
    """

    def __init__(self) -> None:
        self.devices: dict[tuple[int, int], PortDevice] = {}

    def attach(
        self, ports: range, device: PortDevice, *, sizes: tuple[int, ...] = (1,)
    ) -> None:
        """Let *device* answer at some ports, in place of whoever did.

        Args:
            ports: The ports.
            device: Who answers.
            sizes: The sizes of access, in bytes, that it does itself.

        Raises:
            GenericError: There are no such ports, or accesses of no such size.
        """
        ends = (*ports[:1], *ports[-1:])  # a range lies between its ends
        if any(end not in _PORTS for end in ends) or not set(sizes) <= set(SIZES):
            message = f"there are no ports {ports} of {sizes} bytes"
            raise GenericError(message)
        for port in ports:
            for size in sizes:
                self.devices[port, size] = device

    def detach(self, device: PortDevice) -> None:
        """Let *device* answer nowhere any more."""
        for at in [at for at, found in self.devices.items() if found is device]:
            del self.devices[at]

    def read(self, port: int, size: int = 1) -> int:
        """Return what a processor reads from a port.

        Args:
            port: Its number, of which the lower 16 bits count.
            size: Bytes of the access, one of `SIZES`.
        """
        port %= PORT_COUNT
        device = self.devices.get((port, size))
        if device is not None:
            return device.read_port(port, size) & _ones(size)
        if size == 2:
            return self.read(port) | self.read(port + 1) << 8
        return _ones(size)

    def write(self, port: int, size: int, value: int) -> None:
        """Write to a port, as a processor does.

        Args:
            port: Its number, of which the lower 16 bits count.
            size: Bytes of the access, one of `SIZES`.
            value: Of which as many bytes count.
        """
        port %= PORT_COUNT
        device = self.devices.get((port, size))
        if device is not None:
            device.write_port(port, size, value & _ones(size))
        elif size == 2:
            self.write(port, 1, value)
            self.write(port + 1, 1, value >> 8)


def _ones(size: int) -> int:
    return (1 << 8 * size) - 1


State = dict[str, Any]
"""The state of a device: plain values by name."""
