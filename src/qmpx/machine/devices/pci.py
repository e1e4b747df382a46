"""PCI: slots, functions, windows and bridges.

Nothing maps a window or gives out an interrupt line unless a guest does, so a machine
that has just been switched on shows addresses of -1 and lines of 0.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from qmpx.machine.devices.device import Bus, Device, Refusal
from qmpx.machine.devices.models import PCI_BRIDGE, PciFacts, Region
from qmpx.machine.devices.properties import UNSET
from qmpx.machine.values import changed

UNMAPPED: Final = -1
"""The address of a window that no guest has placed."""

FUNCTIONS: Final = 8
"""Functions in a slot, from the PCI specification."""

ROM_BAR: Final = 6
"""The number of the window of an option ROM."""

PLACES: Final = 32 * FUNCTIONS
"""Places on a bus: 32 slots of eight functions."""


@dataclass(slots=True)
class Bridge:
    """What a guest has told a bridge.

    Attributes:
        primary: The number of the bus that it is on.
        secondary: The number of the bus behind it; 0 until it has one.
        subordinate: The highest number of the buses behind it.
        io: First and last I/O port that it passes on.
        memory: First and last address that it passes on.
        prefetchable: The same for memory that can be read ahead.
    """

    primary: int = 0
    secondary: int = 0
    subordinate: int = 0
    io: tuple[int, int] = (0, 0xFFF)
    memory: tuple[int, int] = (0, 0xFFFFF)
    prefetchable: tuple[int, int] = (0, 0xFFFFF)


@dataclass(slots=True)
class PciFunction:
    """A device's place on a PCI bus, and what a guest has told it.

    Attributes:
        facts: What it says of itself.
        address: Slot and function, ``slot << 3 | function``.
        is_multifunction: Whether further functions may share the slot.
        interrupt_line: What the guest wrote there.
        mapped: The addresses of its windows, by register.
        bridge: What it passes on, if it is a bridge.
        rom: The window of its option ROM, if there is one.
    """

    facts: PciFacts
    address: int
    is_multifunction: bool = False
    interrupt_line: int = 0
    mapped: dict[int, int] = field(default_factory=dict)
    bridge: Bridge | None = None
    rom: Region | None = None

    @property
    def regions(self) -> tuple[Region, ...]:
        """Its windows, that of its option ROM last."""
        return self.facts.regions + (() if self.rom is None else (self.rom,))

    @property
    def slot(self) -> int:
        """Its slot."""
        return self.address >> 3

    @property
    def function(self) -> int:
        """Its function within the slot."""
        return self.address & 7


class PciBus(Bus):
    """A PCI bus; the one behind the host bridge has the number 0."""

    def prepare(self) -> None:
        """Begin with an empty bus."""
        self.places: dict[int, Device] = {}

    @property
    def pci_number(self) -> int:
        """The number that a guest has given it; 0 behind the host bridge."""
        function = self.parent.function if self.parent is not None else None
        if function is None or function.bridge is None:
            return 0
        return function.bridge.secondary

    def admit(self, device: Device) -> None:
        """Put a device into the slot it asks for, or the first that is free."""
        name, address = device.model.name, device.values["addr"]
        if address == UNSET:
            free = range(0, PLACES, FUNCTIONS)
            address = next((at for at in free if at not in self.places), None)
            if address is None:
                message = f"PCI: no devfn available for {name}, all in use"
                raise Refusal(message)
        elif address in self.places:
            holder = self.places[address].model.name
            message = (
                f"PCI: devfn {address} not available for {name}, in use by {holder}"
            )
            raise Refusal(message)
        facts = device.model.pci
        if facts is not None and "vendorid" in device.values:
            vendor, number = device.values["vendorid"], device.values["deviceid"]
            facts = changed(facts, vendor=vendor & 0xFFFF, device=number & 0xFFFF)
        if facts is None:  # a table that puts a model on PCI has to say what it is
            message = f"{name} does not say what it is on a PCI bus"
            raise TypeError(message)
        function = PciFunction(facts, address, device.values["multifunction"])
        self._check_functions(function)
        if facts.class_code == PCI_BRIDGE:
            function.bridge = Bridge()
        device.values["addr"] = address
        if device.values["romfile"] is None:
            device.values["romfile"] = facts.rom
        if device.values["rombar"] and device.values["romfile"]:
            function.rom = _rom(device.values["romfile"])
        device.function = function
        self.places[address] = device

    def _check_functions(self, made: PciFunction) -> None:
        """Refuse a second function where the first says that it is the only one."""
        first = made.address - made.function
        slot = made.slot
        if made.function:
            holder = self.places.get(first)
            if holder is None or holder.function is None:
                return
            if not holder.function.is_multifunction:
                message = (
                    "PCI: single function device can't be populated in function "
                    f"{slot:x}.{made.function:x}"
                )
                raise Refusal(message)
        elif not made.is_multifunction:
            for address in range(first + 1, first + FUNCTIONS):
                if address in self.places:
                    message = (
                        f"PCI: {slot:x}.0 indicates single function, but "
                        f"{slot:x}.{address & 7:x} is already populated."
                    )
                    raise Refusal(message)

    def dismiss(self, device: Device) -> None:
        """Empty the slot."""
        if device.function is not None:
            del self.places[device.function.address]
            device.function = None

    def place(self, device: Device) -> str:
        """Return slot and function."""
        function = device.function
        return "" if function is None else f"{function.slot:02x}.{function.function:x}"

    def in_order(self) -> list[tuple[Device, PciFunction]]:
        """Return what is on the bus by slot and function."""
        return [
            (device, device.function)
            for _, device in sorted(self.places.items())
            if device.function is not None
        ]

    def find_bus(self, number: int) -> "PciBus | None":
        """Return the bus of that number, this one or one behind its bridges."""
        if self.pci_number == number:
            return self
        for device in self.children:
            for bus in device.buses:
                found = bus.find_bus(number) if isinstance(bus, PciBus) else None
                if found is not None:
                    return found
        return None


def _rom(path: str) -> Region | None:
    """Return the window of an option ROM; ``None`` if there is no such file."""
    try:
        size = Path(path).stat().st_size
    except (OSError, ValueError):
        return None
    return Region(ROM_BAR, 1 << max(0, size - 1).bit_length())


def parse_pci_address(text: str) -> tuple[int, int] | None:
    """Return bus and slot of ``[[DOMAIN:]BUS:]SLOT``, in hexadecimal, or ``None``.

    A tag ``pci_addr=`` in front is allowed; domains other than 0 there are not.
    """
    parts = text.removeprefix("pci_addr=").split(":")
    if len(parts) > 3:
        return None
    try:
        numbers = [int(part, 16) for part in parts]
    except ValueError:
        return None
    domain, bus, slot = [0] * (3 - len(numbers)) + numbers
    if domain or not 0 <= bus <= 0xFF or not 0 <= slot < PLACES // FUNCTIONS:
        return None
    return bus, slot
