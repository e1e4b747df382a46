"""Buses and the devices on them, and finding a bus by its path.

The latest device and the latest bus are looked at first, as QEMU does it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import ModelFacts

_MOST: Final = {"IDE": 2, "floppy-bus": 2}  # devices on a bus


@dataclass(eq=False, slots=True)
class Bus:
    """A bus.

    Attributes:
        object: The bus in the tree of objects.
        parent: The device that it hangs from.
        members: What is on it, the latest first.
        ports: For USB: the ports that are free, once somebody has looked.
        next_link: The number of the next ``child[N]``, once somebody has looked.
    """

    object: QomObject
    parent: "Device | None"
    members: "list[Device]" = field(default_factory=list)
    ports: list[str] | None = None
    next_link: int | None = None

    @property
    def name(self) -> str:
        """What it is called in paths of buses and in messages."""
        return "main-system-bus" if self.parent is None else self.object.name

    @property
    def is_full(self) -> bool:
        """Whether no more devices can be on it."""
        most = _MOST.get(self.object.type)
        if most is None and self.object.isa("virtio-bus"):
            most = 1
        return most is not None and len(self.members) >= most

    def link(self, shown: QomObject) -> None:
        """Let it have a device as its next child; no number is used twice."""
        if self.next_link is None:
            self.next_link = 1 + max(
                (
                    int(name[6:-1])
                    for name in self.object.property_types()
                    if name.startswith("child[")
                ),
                default=-1,
            )
        name = f"child[{self.next_link}]"
        self.next_link += 1
        self.object.values[name] = shown.path
        self.object.extra[name] = f"link<{shown.type}>"

    def fit(self, shown: QomObject) -> None:
        """Let a virtio device behind a PCI Express port be a modern one."""
        is_port = self.parent is not None and self.parent.object.isa("pcie-port")
        if not is_port or not shown.has("disable-legacy"):
            return
        if "disable-legacy" not in shown.values:
            shown.values["disable-legacy"] = "on"
            shown.children.pop("virtio-pci[1]", None)

    def unlink(self, shown: QomObject) -> None:
        """Let it not have that child any more."""
        for name, value in list(self.object.values.items()):
            if name.startswith("child[") and value == shown.path:
                del self.object.values[name]
                self.object.extra.pop(name, None)

    @property
    def allows_hotplug(self) -> bool:
        """Whether things can come and go while the machine is on."""
        return bool(self.object.get("hotplug-handler"))


@dataclass(eq=False, slots=True)
class Device:
    """A device.

    Attributes:
        object: The device in the tree of objects.
        facts: Its model; ``None`` if users cannot have it.
        bus: What it is on.
        buses: The buses that hang from it, the latest first.
        is_hotplugged: Whether it came while the machine was on.
        is_leaving: Whether the guest was asked to let it go.
        is_asked_once: Whether the guest is not to be asked again.
        port: The USB port that it has.
        vlan: The hub that it is on, if it is a network adapter on one.
        release: What gives back what it has taken.
    """

    object: QomObject
    facts: ModelFacts | None
    bus: Bus | None
    buses: list[Bus] = field(default_factory=list)
    is_hotplugged: bool = False
    is_leaving: bool = False
    is_asked_once: bool = False
    port: str | None = None
    vlan: int | None = None
    release: list[Callable[[], None]] = field(default_factory=list)

    @property
    def values(self) -> dict[str, Any]:
        """The values of its properties that were given or worked out."""
        return self.object.values

    @property
    def id(self) -> str | None:
        """What its user calls it."""
        return self.object.called

    def show_place(self) -> None:
        """Let it be seen where it is, and whether it can be taken out."""
        bus, facts = self.bus, self.facts
        self.values["parent_bus"] = "" if bus is None else bus.object.path
        can = facts is None or facts.is_hotpluggable
        if self.object.has("hotpluggable"):
            self.values["hotpluggable"] = can and (bus is None or bus.allows_hotplug)

    def value(self, name: str) -> Any:
        """Return the value of a property; ``None`` if it has none of that name."""
        return self.object.get(name) if self.object.has(name) else None


def walk(bus: Bus) -> Iterator[Device]:
    """Yield what is on a bus and behind it, the latest first, outer ones first."""
    for device in bus.members:
        yield device
        for child in device.buses:
            yield from walk(child)


def buses_below(bus: Bus) -> Iterator[Bus]:
    """Yield a bus and the buses behind it, as `walk` goes."""
    yield bus
    for device in bus.members:
        for child in device.buses:
            yield from buses_below(child)


def find_bus(root: Bus, path: str) -> Bus:
    """Return the bus that a path leads to, such as ``pci.0`` or ``pcie.0/rp0/rp0``.

    Raises:
        GenericError: There is no such bus, or a device has none or several.
        DeviceNotFound: There is no such device.
    """
    elements = [element for element in path.split("/") if element]
    bus = root
    if not path.startswith("/"):
        name = elements.pop(0) if elements else ""
        found = next((at for at in buses_below(root) if at.name == name), None)
        if found is None:
            message = f"Bus '{name}' not found"
            raise GenericError(message)
        bus = found
    while elements:
        bus = _step(bus, elements)
    return bus


def _step(bus: Bus, elements: list[str]) -> Bus:
    name = elements.pop(0)
    device = next((x for x in bus.members if x.id == name), None) or next(
        (x for x in bus.members if x.object.type == name), None
    )
    if device is None:
        raise DeviceNotFound(device=name)
    if not elements:
        if not device.buses:
            message = f"Device '{name}' has no child bus"
            raise GenericError(message)
        if len(device.buses) > 1:
            message = f"Device '{name}' has multiple child buses"
            raise GenericError(message)
        return device.buses[0]
    name = elements.pop(0)
    for child in device.buses:
        if child.object.name == name:
            return child
    message = f"Bus '{name}' not found"
    raise GenericError(message)
