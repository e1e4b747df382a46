"""The configuration space of PCI, at ports 0xcf8 and 0xcfc, and hotplug by ACPI.

What a device shows there first comes from the types that the machine was given; what
is written is kept until the machine is reset. Windows are not mapped: only their
registers are there.

Source: the PCI Local Bus Specification 3.0, for the registers; QEMU 7.2.22, observed,
and its specification ``acpi_pci_hotplug.txt``, for the ports of hotplug.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.hardware.ports import Ports

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.buses import Bus, Device

ADDRESS: Final = 0xCF8
"""The port that takes bus, slot, function and register."""

DATA: Final = 0xCFC
"""The first of the four ports with the register."""

SIZE: Final = 256
"""Bytes of a function's configuration space."""

_ENABLE: Final = 1 << 31
_BRIDGE: Final = 1
_HEADER_TYPE: Final = 0x0E
_SECONDARY: Final = 0x19
_ONES: Final = 0xFFFFFFFF
_WRITABLE: Final = {0x04: 0x07, 0x05: 0x05, 0x0C: 0xFF, 0x0D: 0xFF, 0x3C: 0xFF}
_OF_BRIDGES: Final = range(0x18, 0x30)

HOTPLUG_PORTS: Final = {"pc": 0xAE00, "q35": 0x0CC0}
"""Where the ports of hotplug begin, by the families of boards."""

_UP, _DOWN, _EJECT, _REMOVABLE, _SELECT = 0, 4, 8, 12, 16


class PciConfiguration:
    """Answers at the ports of the configuration space.

    Args:
        machine: Whose devices they are.
        ports: Where it answers.
    """

    def __init__(self, machine: "Machine", ports: Ports) -> None:
        self._machine = machine
        self._selected = 0
        self._spaces: dict[Device, bytearray] = {}
        ports.attach(range(ADDRESS, ADDRESS + 1), self, sizes=(4,))
        ports.attach(range(DATA, DATA + 4), self, sizes=(1, 2, 4))

    def reset(self) -> None:
        """Forget what was written."""
        self._selected = 0
        self._spaces.clear()

    def read_port(self, port: int, size: int) -> int:
        """Return what was selected, or the register that it selects."""
        if port == ADDRESS:
            return self._selected
        device = self._device()
        if device is None:
            return _ONES
        at = self._register(port)
        return int.from_bytes(self._space(device)[at : at + size], "little")

    def write_port(self, port: int, size: int, value: int) -> None:
        """Select a register, or write to it."""
        if port == ADDRESS:
            self._selected = value
            return
        device = self._device()
        if device is None:
            return
        space, at = self._space(device), self._register(port)
        windows = self._windows(device)
        is_bridge = space[_HEADER_TYPE] & 0x7F == _BRIDGE
        for index, byte in enumerate(value.to_bytes(size, "little")):
            register = at + index
            if register >= SIZE:
                return
            mask = _WRITABLE.get(register, 0)
            if is_bridge and register in _OF_BRIDGES:
                mask = 0xFF
            if (window := windows.get(register & ~3)) is not None:
                mask = window >> 8 * (register & 3) & 0xFF
            space[register] = space[register] & ~mask | byte & mask

    def _register(self, port: int) -> int:
        return (self._selected & 0xFC) + port - DATA

    def _device(self) -> "Device | None":
        """Return the device whose register is selected."""
        if not self._selected & _ENABLE:
            return None
        number, place = self._selected >> 16 & 0xFF, self._selected >> 8 & 0xFF
        for bus in _pci_buses(self._machine):
            if self._number(bus) == number:
                for device in bus.members:
                    if device.value("addr") == place:
                        return device
        return None

    def _number(self, bus: "Bus") -> int:
        """Return the number that a guest gave to a bus; 0 behind the host bridge."""
        parent = bus.parent
        if parent is None or not parent.object.isa("pci-device"):
            return 0
        return self._space(parent)[_SECONDARY] or -1

    def _space(self, device: "Device") -> bytearray:
        space = self._spaces.get(device)
        if space is None:
            for gone in [x for x in self._spaces if not x.object.is_there]:
                del self._spaces[gone]
            known = self._machine.qom.types.pci_facts(device.object.type)
            header = b"" if known is None else known.header
            space = self._spaces[device] = bytearray(header.ljust(SIZE, b"\0"))
        return space

    def _windows(self, device: "Device") -> "dict[int, int]":
        known = self._machine.qom.types.pci_facts(device.object.type)
        return {} if known is None else dict(known.windows)


class AcpiPciHotplug:
    """Answers at the ports by which a guest lets PCI devices go.

    Args:
        machine: Whose devices they are.
        ports: Where it answers.
        base: The first port.
    """

    def __init__(self, machine: "Machine", ports: Ports, base: int) -> None:
        self._machine = machine
        self._base = base
        self._bus = 0
        for register in (_UP, _DOWN, _EJECT, _REMOVABLE, _SELECT):
            port = base + register
            ports.attach(range(port, port + 1), self, sizes=(4,))

    def _members(self) -> "list[tuple[int, Device]]":
        """Return what is on the bus that is selected, by slots."""
        able = [x for x in _pci_buses(self._machine) if x.allows_hotplug]
        if not 0 <= self._bus < len(able):
            return []
        placed = [(x.value("addr"), x) for x in able[self._bus].members]
        return [(place >> 3, x) for place, x in placed if isinstance(place, int)]

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return the slots that are to go, or can be emptied; or the bus."""
        match port - self._base:
            case 4:
                leaving = {slot for slot, x in self._members() if x.is_leaving}
                return sum(1 << slot for slot in leaving)
            case 12:
                fixed = {
                    slot
                    for slot, x in self._members()
                    if x.facts is None or not x.facts.is_hotpluggable
                }
                return _ONES & ~sum(1 << slot for slot in fixed)
            case 16:
                return self._bus
        return 0

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Let go what is in a slot, or select a bus."""
        register = port - self._base
        if register == _SELECT:
            self._bus = value
        elif register == _EJECT and value:
            lowest = (value & -value).bit_length() - 1
            for slot, device in self._members():
                if slot == lowest:
                    self._machine.qom.devices.let_go(device.object.path)


def _pci_buses(machine: "Machine") -> "list[Bus]":
    """Return the PCI buses, the one behind the host bridge first."""
    found = [bus for bus in machine.qom.devices.buses if bus.object.isa("PCI")]
    found.sort(key=_is_behind_bridge)
    return found


def _is_behind_bridge(bus: "Bus") -> bool:
    return bus.parent is not None and bus.parent.object.isa("pci-device")


def attach_pci(machine: "Machine") -> None:
    """Let a machine's processor see its PCI devices, if its board has any."""
    board = machine.qom.board
    family = "q35" if board.startswith("pc-q35") else "pc"
    if board.startswith("pc-"):
        made = PciConfiguration(machine, machine.ports)
        machine.chipset.listeners.append(made.reset)
        AcpiPciHotplug(machine, machine.ports, HOTPLUG_PORTS[family])
