"""Plugging devices in, and taking them out, checking things in QEMU's order."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError, DeviceNotFound, GenericError
from qmpx.machine.happenings import REFUSED, DeviceUnplugged, UnplugRefused
from qmpx.machine.identifiers import check_identifier
from qmpx.machine.qom import memory_devices
from qmpx.machine.qom.buses import Bus, Device, buses_below, find_bus, walk
from qmpx.machine.qom.connecting import (
    BACKEND,
    check_needs,
    check_reference,
    find_link,
    fit_queues,
    show_values,
)
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.order import in_table_order
from qmpx.machine.qom.places import behind, free_place, parse_address, take_place
from qmpx.machine.qom.types import ModelFacts, ObjectTemplate, Template, derives
from qmpx.machine.qom.values import option_text, read_text

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.tree import QomTree

MAX_DEVICES: Final = 4096
"""Devices that users can plug into a machine: some fifteen for each place of a PCI bus.
A QEMU has no such limit; without one, a client could fill our memory."""

_TICK: Final = 1000  # microseconds of the machine's time; QEMU counts thousands of them
_NOT_PROPERTIES: Final = frozenset({"driver", "bus", "id"})
_SYSBUS: Final = "/machine/unattached/sysbus"
_GENERIC: Final[Template] = {}


class Devices:
    """The devices of a machine, and their buses.

    Args:
        machine: The machine.
        tree: Its objects.

    Attributes:
        taken_drives: The drives that have a device, by the names of their back ends.
        begun_with: What came while the machine was on, and was there when the guest
            last began anew.
    """

    def __init__(self, machine: "Machine", tree: "QomTree") -> None:
        self._machine = machine
        self._tree = tree
        self._types = tree.types
        self._wrapped: dict[QomObject, Device] = {}
        self._buses: dict[QomObject, Bus] = {}
        self._loose: list[Device] = []
        self._nameless = 0
        self._bus_numbers: dict[str, int] = {}
        self._is_bus: dict[str, bool] = {}
        self.taken_drives: set[str] = set()
        self.begun_with: frozenset[QomObject] = frozenset()
        system = tree.find(_SYSBUS)
        self.root = Bus(system, None)
        self._buses[system] = self.root
        self._index(tree.root.children["machine"], None)

    def __iter__(self) -> Iterator[Device]:
        """Yield all devices: those on buses, then the others."""
        yield from walk(self.root)
        yield from self._loose

    def of(self, shown: QomObject) -> Device | None:
        """Return the device that an object is; ``None`` if it is none."""
        return self._wrapped.get(shown)

    @property
    def buses(self) -> Iterator[Bus]:
        """All buses, in the order in which QEMU looks for one."""
        return buses_below(self.root)

    # Looking at the objects that are there.

    def _index(self, top: QomObject, owner: Device | None) -> None:
        """Find buses and devices among objects that were made from a template."""
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

    # Plugging in.

    def add(
        self,
        options: Mapping[str, Any],
        *,
        hotplug: bool = True,
        board_name: str | None = None,
        vlan: int | None = None,
    ) -> Device:
        """Make a device, as ``device_add`` and ``-device`` do.

        Args:
            options: ``driver``, perhaps ``id`` and ``bus``, and properties. As in QEMU
                7.2, numbers and truth values are taken as their texts, and lists,
                objects and ``null`` not at all.
            hotplug: Whether the machine is on already.
            board_name: What it is called among the board's devices, if it is one.
            vlan: The hub that it is on, if it is a network adapter on one.

        Raises:
            CommandError: It cannot be made; the message tells why.
        """
        texts = {
            name: text
            for name, value in options.items()
            if (text := option_text(value)) is not None
        }
        id_ = texts.get("id") if isinstance(options.get("id"), str) else None
        if id_ is not None:
            check_identifier(id_)
        if "driver" not in texts:
            message = "Parameter 'driver' is missing"
            raise GenericError(message)
        facts = self._model(texts["driver"], hotplug=hotplug)
        bus = self._bus_for(facts, texts.get("bus"))
        if hotplug and bus is not None and not bus.allows_hotplug:
            message = f"Bus '{bus.name}' does not support hotplugging"
            raise GenericError(message)
        if hotplug and bus is None and self._machine.is_bare:
            message = f"Device '{facts.name}' can not be hotplugged on this machine"
            raise GenericError(message)
        if len(self._wrapped) >= MAX_DEVICES:
            message = f"a machine can have at most {MAX_DEVICES} devices"
            raise GenericError(message)
        device = self._create(facts, bus, id_, board_name)
        device.is_hotplugged, device.vlan = hotplug, vlan
        try:
            self._realize(device, texts)
        except CommandError:
            self._discard(device)
            raise
        return device

    def _model(self, name: str, *, hotplug: bool) -> ModelFacts:
        facts = self._types.model(name)
        if facts is None:
            if not derives(self._types, name, "device"):
                message = f"'{name}' is not a valid device model name"
                raise GenericError(message)
            if self._types.is_abstract(name):
                message = "Parameter 'driver' expects a non-abstract device type"
                raise GenericError(message)
        if (
            facts is None
            or not facts.is_for_users
            or (hotplug and not facts.is_hotpluggable)
        ):
            message = "Parameter 'driver' expects a pluggable device type"
            raise GenericError(message)
        return facts

    def _bus_for(self, facts: ModelFacts, path: str | None) -> Bus | None:
        if path is not None:
            bus = find_bus(self.root, path)
            if facts.bus is not None and not bus.object.isa(facts.bus):
                message = f"Device '{facts.name}' can't go on {bus.object.type} bus"
                raise GenericError(message)
            return bus
        if facts.bus is None:
            return None
        for bus in self.buses:
            if bus.object.isa(facts.bus) and not bus.is_full:
                return bus
        message = f"No '{facts.bus}' bus found for device '{facts.name}'"
        raise GenericError(message)

    def _create(
        self,
        facts: ModelFacts,
        bus: Bus | None,
        id_: str | None,
        board_name: str | None,
    ) -> Device:
        machine = self._tree.root.children["machine"]
        if board_name is not None:
            parent, name = machine.children["unattached"], board_name
        elif id_ is not None:
            parent, name = machine.children["peripheral"], id_
            if name in parent.children:
                message = f"Duplicate device ID '{name}'"
                raise GenericError(message)
        else:
            parent = machine.children["peripheral-anon"]
            name = f"device[{self._nameless}]"
            self._nameless += 1
        template = self._types.template("model", facts.name) or _GENERIC
        shown = parent.add(name, template.get("", ObjectTemplate(facts.name)))
        shown.called = id_
        shown.grow(self._rename_buses(template, facts.name, id_))
        for each in shown.walk():
            self._tree.age(each)
        device = Device(shown, facts, bus)
        self._wrapped[shown] = device
        return device

    def _rename_buses(
        self, template: Template, model: str, id_: str | None
    ) -> Template:
        """Call the buses of a device as its id has it, or by the next number."""
        known = f"qmpx-{model}"
        renamed: dict[str, ObjectTemplate] = {}
        names: dict[str, str] = {}  # of nameless buses, for what hangs from them, too
        for path, facts in template.items():
            if known not in path and id_ is None:
                renamed[path] = facts
                continue
            if id_ is None:
                *_, last = path.split("/")
                if last.startswith(known):
                    number = self._bus_numbers.get(facts.type, 0)
                    names[last] = f"{facts.type.lower()}.{number}"
                parts = [names.get(part, part) for part in path.split("/")]
                renamed["/".join(parts)] = facts
            else:
                values = {
                    name: value.replace(known, id_) if isinstance(value, str) else value
                    for name, value in facts.values.items()
                }
                renamed[path.replace(known, id_)] = replace(facts, values=values)
        return renamed

    def _realize(self, device: Device, texts: Mapping[str, str]) -> None:
        later: list[Callable[[Device], None]] = []

        def preset(name: str, text: str) -> None:
            if name not in texts:
                later.extend(self._set(device, name, text))

        self._tree.globals.give(device.object, self._types, preset)
        for child in device.object.walk():
            if child is not device.object:
                self._tree.globals.give(child, self._types)
        for name in in_table_order(texts):
            if name not in _NOT_PROPERTIES:
                later += self._set(device, name, texts[name])
        shown = device.object
        if device.bus is not None:
            device.bus.link(shown)
            take_place(device.bus, device)
            device.bus.members.insert(0, device)
        else:
            self._loose.append(device)
            memory_devices.plug(self._machine, device)
            self._machine.qom.processors.plug(device)
        check_needs(self._machine, device)
        for take in later:
            take(device)
        memory_devices.plug_virtio(self._machine, device)
        fit_queues(self._machine, device)
        show_values(device, shown.values)
        for each in shown.walk():
            each.is_device = "realized" in each.property_types()
            if each.has("hotplugged"):
                each.values["hotplugged"] = device.is_hotplugged
        shown.values["realized"] = True
        self._index(shown, device)
        for each in shown.walk():
            if (inner := self._wrapped.get(each)) is not None:
                inner.show_place()
        if device.bus is not None:
            device.bus.fit(shown)
        self._set_handlers(device)
        self._make_live(device)

    def _set_handlers(self, device: Device) -> None:
        """Let the buses of a bridge be looked after by this board's controller."""
        machine = self._tree.root.children["machine"]
        for bus in device.buses:
            handler = bus.object.get("hotplug-handler")
            if handler.startswith("/machine/unattached/"):
                bus.object.values["hotplug-handler"] = machine.get("acpi-device")

    def _set(
        self, device: Device, name: str, text: str
    ) -> list[Callable[[Device], None]]:
        """Set a property from a text; return what is to be done when all are set."""
        shown = device.object
        known = self._types.device_properties(shown.type)
        item = known.get(name)
        if item is None:
            message = f"Property '{shown.type}.{name}' not found"
            raise GenericError(message)
        owner = self._owner(shown, name)
        if item.type.startswith("link<"):
            found = find_link(self._machine, name, item.type[5:-1], text)
            shown.values[name] = found.path
            return []
        taking = check_reference(self._machine, owner, name, text)
        if taking is not None:
            shown.values[name] = text
            return [taking]
        if name == "addr" and shown.isa("pci-device"):
            address = parse_address(text)
            if address is None:
                message = f"Property '{shown.type}.addr' doesn't take value '{text}'"
                raise GenericError(message)
            shown.values[name] = address
            return []
        value = read_text(name, item.type, text)
        if name.endswith("_block_size") and value and value & (value - 1):
            message = (
                f"Property .{name} doesn't take value '{value}', it's not a power of 2"
            )
            raise GenericError(message)
        shown.values[name] = value
        return []

    def _owner(self, shown: QomObject, name: str) -> str:
        backend = shown.children.get(BACKEND)
        if backend is not None and name in self._types.device_properties(backend.type):
            return backend.type
        return shown.type

    def _make_live(self, device: Device) -> None:
        """Let the properties that can be set while it runs be set."""
        shown = device.object
        if shown.has("bootindex"):
            shown.writers["bootindex"] = lambda value: shown.values.update(
                bootindex=value
            )
        if shown.type.startswith("virtio-balloon"):
            from qmpx.machine.qom.balloon_properties import make_live

            make_live(self._machine, shown)
        if shown.type.startswith("virtio-mem"):
            memory_devices.make_live(self._machine, device)

    # Taking out.

    def find(self, name: str) -> Device:
        """Return a device by its id or its path.

        Raises:
            DeviceNotFound: There is none.
            GenericError: What is there is no device.
        """
        if name.startswith("/"):
            shown = self._tree.resolve(name)
        else:
            peripheral = self._tree.root.children["machine"].children["peripheral"]
            shown = peripheral.children.get(name) if name else peripheral
        if shown is None:
            raise DeviceNotFound(device=name)
        device = self._wrapped.get(shown)
        if device is None:
            if shown.is_device:
                return Device(shown, None, None)
            message = f"{name} is not a hotpluggable device"
            raise GenericError(message)
        return device

    def unplug(self, name: str) -> None:
        """Take a device out, or ask the guest to let it go.

        Args:
            name: Its id or its path.

        Raises:
            DeviceNotFound: There is none.
            GenericError: It cannot be taken out, or the guest was asked already.
        """
        device = self.find(name)
        if device.is_leaving and device.is_asked_once:
            message = f"Device {name} is already in the process of unplug"
            raise GenericError(message)
        shown, bus = device.object, device.bus
        if bus is not None and not bus.allows_hotplug:
            message = f"Bus '{bus.name}' does not support hotplugging"
            raise GenericError(message)
        if device.facts is not None and not device.facts.is_hotpluggable:
            message = f"Device '{shown.type}' does not support hotplugging"
            raise GenericError(message)
        if bus is None:
            self._machine.qom.processors.check_unplug(device)
            self._ask_guest(device)
        elif shown.isa("pci-device"):
            if shown.type.startswith("virtio-mem"):
                message = "virtio based memory devices cannot be unplugged."
                raise GenericError(message)
            device.is_leaving = True
            # QEMU's time limit for a guest that did not hear, which is over at once,
            # is not one while the guest has not run at all.
            device.is_asked_once = self._machine.run_time.microseconds() < _TICK
            self._ask_guest(device)
        else:
            self.destroy(device, is_told_later=True)

    def _ask_guest(self, device: Device) -> None:
        path = device.object.path
        self._machine.guest.ask_to_unplug(path, lambda: self.let_go(path))

    def let_go(self, path: str) -> None:
        """Take out what the guest has let go; nothing happens if it is gone."""
        shown = self._tree.resolve(path)
        device = None if shown is None else self._wrapped.get(shown)
        if device is not None:
            self.destroy(device)

    def refuse(self, path: str) -> None:
        """Tell that the guest does not let a device go; it may be asked again.

        Raises:
            DeviceNotFound: There is no such device.
        """
        device = self.find(path)
        device.is_leaving = False
        shown = device.object
        slot = shown.values.get("slot") if shown.isa("pc-dimm") else None
        if slot is not None:
            self._tree.said_of_slots[slot] = REFUSED
        self._machine.tell(UnplugRefused(device.id, shown.path, slot))

    def reset(self) -> None:
        """Take out what is leaving: a guest that begins anew does not find it."""
        for device in [device for device in self if device.is_leaving]:
            self.destroy(device, is_told_later=True)
        self.begun_with = frozenset(x.object for x in self if x.is_hotplugged)

    def destroy(self, device: Device, *, is_told_later: bool = False) -> None:
        """Take a device out at once, and all that hangs from it.

        Args:
            device: The device.
            is_told_later: Whether it is told when what takes it out has been answered.
        """
        for child in behind(device):
            self.destroy(child, is_told_later=is_told_later)
        for bus in list(device.buses):
            for child in list(bus.members):
                self.destroy(child, is_told_later=is_told_later)
        told = DeviceUnplugged(device.id, device.object.path)
        self._discard(device)
        if is_told_later:
            self._machine.clock.call_later(0, lambda: self._machine.tell(told))
        else:
            self._machine.tell(told)

    def _discard(self, device: Device) -> None:
        """Forget a device, made or half made."""
        shown, bus = device.object, device.bus
        if bus is not None:
            free_place(bus, device)
            bus.unlink(shown)
            if device in bus.members:
                bus.members.remove(device)
        elif device in self._loose:
            self._loose.remove(device)
            self._machine.qom.processors.unplug(device)
        for release in reversed(device.release):
            release()
        device.release.clear()
        for each in shown.walk():
            self._wrapped.pop(each, None)
            self._buses.pop(each, None)
        if shown.parent is not None:
            shown.parent.children.pop(shown.name, None)
