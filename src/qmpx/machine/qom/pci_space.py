"""The PCI bus as a guest's firmware leaves it: numbers, addresses and interrupts.

There is no firmware here that would do it. What SeaBIOS does is worked out instead: it
gives each bus windows and each device its regions, the largest first, memory downwards
from the I/O APIC and I/O upwards from 0xc000. What was plugged in since then has
nothing, and before the machine ran nobody has.

Source: QEMU 7.2.22 with SeaBIOS 1.16, observed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from qmpx.machine.qom.pci_models import BRIDGE_CLASS, PciModel, Register, pci_model

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.buses import Bus, Device

NOWHERE: Final = -1
"""The address of a region that nobody gave one."""

_ROM: Final = 6
_PAGE: Final = 1 << 12
_WINDOW: Final = 1 << 21  # what a bridge gets of memory, at least
_IO_WINDOW: Final = 1 << 12
_IO_START: Final = 0xC000
_MEMORY_END: Final = 0xFEC00000
_LINES: Final = (10, 10, 11, 11)
_POWER_IRQ: Final = 9
_POWER: Final = "PIIX4_PM"
_SMBUS: Final = "ICH9-SMB"
_SMBUS_PORT: Final = 0x700
_LAST_ROTATED: Final = 24  # slot of a Q35; those behind all go to the same lines
_IO, _MEMORY, _PREFETCHABLE = "io", "memory", "prefetchable"
_KINDS: Final = (_IO, _MEMORY, _PREFETCHABLE)


@dataclass(slots=True)
class PciFunction:
    """A function of a device on a PCI bus.

    Attributes:
        device: What it is of.
        model: What it tells of itself.
        slot: The number of the device on the bus.
        function: Its number in the device.
        bus: The number of the bus.
        irq: The interrupt that the firmware gave it; 0 before that.
        addresses: The addresses of its regions, by the number of the register.
        behind: What is on the bus behind it.
        secondary: The number of that bus.
        subordinate: The largest number of a bus behind it.
        windows: For a bridge: base and size of what it passes on, by kind.
    """

    device: "Device"
    model: PciModel
    slot: int
    function: int
    bus: int = 0
    irq: int = 0
    addresses: dict[int, int] = field(default_factory=dict)
    behind: "list[PciFunction]" = field(default_factory=list)
    secondary: int = 0
    subordinate: int = 0
    windows: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_bridge(self) -> bool:
        """Whether there is a bus behind it."""
        return self.model.class_code == BRIDGE_CLASS

    @property
    def is_port(self) -> bool:
        """Whether it is a port of PCI Express."""
        return self.device.object.isa("pcie-port")

    def address(self, register: Register) -> int:
        """Return where a region is."""
        return self.addresses.get(register.number, NOWHERE)


@dataclass(slots=True)
class _Wish:
    """Room that somebody wants on a bus."""

    size: int
    align: int
    owner: PciFunction
    register: Register | None  # or else it is a window


def pci_functions(machine: "Machine") -> list[PciFunction] | None:
    """Return what is on the PCI bus; ``None`` if the machine has none."""
    for bus in machine.qom.devices.buses:
        if bus.object.isa("PCI") and bus.parent is not None and _is_host(bus):
            found = _functions_on(bus)
            if machine.run_time.has_run:
                _configure(machine, found)
            return found
    return None


def _is_host(bus: "Bus") -> bool:
    return bus.parent is not None and not bus.parent.object.isa("pci-device")


def _functions_on(bus: "Bus") -> list[PciFunction]:
    found: list[PciFunction] = []
    for device in bus.members:
        address = device.value("addr")
        if not isinstance(address, int) or address < 0:
            continue
        function = PciFunction(
            device, pci_model(_model_name(device)), address >> 3, address & 7
        )
        for child in device.buses:
            if function.is_bridge and child.object.isa("PCI"):
                function.behind = _functions_on(child)
        found.append(function)
    return sorted(found, key=lambda each: (each.slot, each.function))


def _model_name(device: "Device") -> str:
    name = device.object.type
    if device.value("disable-legacy") == "on":
        modern = f"{name.removesuffix('-transitional')}-non-transitional"
        return modern if not name.endswith("-non-transitional") else name
    return name


def walk(functions: Iterable[PciFunction]) -> Iterator[PciFunction]:
    """Yield functions and what is behind them."""
    for function in functions:
        yield function
        yield from walk(function.behind)


def _configure(machine: "Machine", functions: list[PciFunction]) -> None:
    known = [each for each in functions if _is_configured(machine, each)]
    _number(machine, known, 0, 0)
    is_q35 = machine.qom.board.startswith("pc-q35")
    _give_interrupts(machine, known, [], is_q35=is_q35)
    _give_addresses(machine, known)


def _is_configured(machine: "Machine", function: PciFunction) -> bool:
    """Whether the firmware has seen it: it was there when the machine began."""
    device = function.device
    return not device.is_hotplugged or device.object in machine.qom.devices.begun_with


def _number(
    machine: "Machine", functions: list[PciFunction], bus: int, last: int
) -> int:
    """Number the buses, outer ones first; return the last number."""
    for each in functions:
        each.bus = bus
        if each.is_bridge:
            last += 1
            each.secondary = last
            seen = [x for x in each.behind if _is_configured(machine, x)]
            for other in each.behind:
                other.bus = each.secondary
            last = _number(machine, seen, each.secondary, last)
            each.subordinate = last
    return last


def _give_interrupts(
    machine: "Machine",
    functions: list[PciFunction],
    above: list[PciFunction],
    *,
    is_q35: bool,
) -> None:
    for each in functions:
        pin = each.model.pin
        if each.device.object.type == _POWER:
            each.irq = _POWER_IRQ
        elif pin:
            way = [*above, each]
            turns = pin - 1 + sum(x.slot for x in way[1:])
            slot = way[0].slot
            if not is_q35:
                turns += slot - 1
            elif slot <= _LAST_ROTATED:
                turns += slot
            each.irq = _LINES[turns & 3]
        seen = [x for x in each.behind if _is_configured(machine, x)]
        _give_interrupts(machine, seen, [*above, each], is_q35=is_q35)


def _kind(register: Register) -> str:
    if register.is_io:
        return _IO
    return _PREFETCHABLE if register.is_prefetchable else _MEMORY


def _wishes(machine: "Machine", functions: list[PciFunction]) -> dict[str, list[_Wish]]:
    """Return what the devices of a bus want, the most demanding first."""
    wishes: dict[str, list[_Wish]] = {kind: [] for kind in _KINDS}
    for each in functions:
        for register in each.model.registers:
            size = register.size if register.is_io else max(register.size, _PAGE)
            kind = _kind(register)
            wishes[kind].append(_Wish(size, size, each, register))
    for each in reversed(functions):
        if not each.is_bridge:
            continue
        seen = [x for x in each.behind if _is_configured(machine, x)]
        below = _wishes(machine, seen)
        for kind in _KINDS:
            least = _IO_WINDOW if kind == _IO else _WINDOW
            align = max([least, *(x.align for x in below[kind])])
            size = sum(x.size for x in below[kind])
            if kind == _IO and each.is_port and not size:
                wishes[kind].append(_Wish(0, least, each, None))
                continue
            size = max(-(-size // align) * align, least)
            wishes[kind].append(_Wish(size, align, each, None))
    for wanted in wishes.values():
        wanted.sort(key=lambda x: (-x.align, -x.size))
    return wishes


def _give_addresses(machine: "Machine", functions: list[PciFunction]) -> None:
    wishes = _wishes(machine, functions)
    last, first = _MEMORY, _PREFETCHABLE
    if _align(wishes[_MEMORY]) >= _align(wishes[_PREFETCHABLE]):
        last, first = _PREFETCHABLE, _MEMORY
    end = _MEMORY_END
    bases = {_IO: _IO_START}
    for kind in (last, first):
        align = _align(wishes[kind])
        end = (end - sum(x.size for x in wishes[kind])) // align * align
        bases[kind] = end
    for kind in _KINDS:
        _place(machine, wishes[kind], kind, bases[kind])


def _align(wishes: list[_Wish]) -> int:
    return max((x.align for x in wishes), default=1)


def _place(machine: "Machine", wishes: list[_Wish], kind: str, base: int) -> None:
    for wish in wishes:
        owner, register = wish.owner, wish.register
        if register is None:
            owner.windows[kind] = (base, wish.size)
            seen = [x for x in owner.behind if _is_configured(machine, x)]
            _place(machine, _wishes(machine, seen)[kind], kind, base)
        elif register.number != _ROM:  # the firmware switches ROMs off again
            is_smbus = owner.device.object.type == _SMBUS
            owner.addresses[register.number] = _SMBUS_PORT if is_smbus else base
        base += wish.size
