"""Which of a machine's objects are devices, and which are buses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from qmpx.machine.qom.buses import Bus, Device, buses_below, walk
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import derives

if TYPE_CHECKING:
    from qmpx.machine.qom.tree import QomTree

_SYSBUS: Final = "/machine/unattached/sysbus"


class Inventory:
    """What is plugged in where.

    Args:
        tree: The objects; what the board has is found among them at once.

    Attributes:
        root: The system's bus, from which all hangs.
        loose: The devices that are on no bus.
    """

    def __init__(self, tree: "QomTree") -> None:
        self._tree = tree
        self._types = tree.types
        self._wrapped: dict[QomObject, Device] = {}
        self._buses: dict[QomObject, Bus] = {}
        self._is_bus: dict[str, bool] = {}
        self.loose: list[Device] = []
        system = tree.find(_SYSBUS)
        self.root = Bus(system, None)
        self._buses[system] = self.root
        self.index(tree.root.children["machine"], None)

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self._wrapped)

    def __iter__(self) -> Iterator[Device]:
        """Yield all devices: those on buses, then the others."""
        yield from walk(self.root)
        yield from self.loose

    def of(self, shown: QomObject) -> Device | None:
        """Return the device that an object is; ``None`` if it is none."""
        return self._wrapped.get(shown)

    @property
    def buses(self) -> Iterator[Bus]:
        """All buses, in the order in which QEMU looks for one."""
        return buses_below(self.root)

    def enter(self, device: Device) -> None:
        """Take note of a device that is being made."""
        self._wrapped[device.object] = device

    def forget(self, top: QomObject) -> None:
        """Forget a device and all that belongs to it."""
        for each in top.walk():
            self._wrapped.pop(each, None)
            self._buses.pop(each, None)

    def index(self, top: QomObject, owner: Device | None) -> None:
        """Find buses and devices among objects that were made from a template.

        Args:
            top: The first of the objects; the others belong to it.
            owner: The device that it is, if it is one.
        """
        found: list[Bus] = []
        for shown in top.walk():
            if self._is_bus_type(shown.type):
                bus = self._buses.get(shown) or Bus(shown, None)
                self._buses[shown] = bus
                found.append(bus)
        found.sort(key=lambda bus: bus.object.name)
        for bus in found:
            self._index_members(bus)
        for bus in found:
            at = bus.object.parent
            while at is not None and at not in self._wrapped and at is not top:
                at = at.parent
            parent = self._wrapped.get(at) if at is not None else None
            parent = parent or owner
            if parent is not None and bus is not self.root:
                bus.parent = parent
                parent.buses.insert(0, bus)

    def _index_members(self, bus: Bus) -> None:
        links = {
            name: value
            for name in bus.object.property_types()
            if name.startswith("child[") and (value := bus.object.get(name))
        }
        for name in sorted(links, key=lambda name: int(name[6:-1])):
            shown = self._tree.resolve(links[name])
            if shown is None or shown in self._wrapped:
                continue
            facts = self._types.model(shown.type)
            device = self._wrapped[shown] = Device(shown, facts, bus)
            for place in ("addr", "scsi-id", "lun", "nr", "unit"):
                if shown.has(place):
                    shown.values.setdefault(place, shown.get(place))
            bus.members.insert(0, device)

    def _is_bus_type(self, name: str) -> bool:
        if name not in self._is_bus:
            self._is_bus[name] = derives(self._types, name, "bus")
        return self._is_bus[name]
