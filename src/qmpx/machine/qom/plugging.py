"""Plugging devices in, and taking them out, checking things in QEMU's order."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError, DeviceNotFound, GenericError
from qmpx.machine.happenings import REFUSED, DeviceUnplugged, UnplugRefused
from qmpx.machine.identifiers import check_identifier
from qmpx.machine.qom import memory_devices
from qmpx.machine.qom.buses import Bus, Device, find_bus
from qmpx.machine.qom.connecting import (
    check_needs,
    fit_queues,
    show_values,
)
from qmpx.machine.qom.inventory import Inventory
from qmpx.machine.qom.order import in_table_order
from qmpx.machine.qom.places import behind, free_place, take_place
from qmpx.machine.qom.setting import make_live, set_property
from qmpx.machine.qom.types import ModelFacts, ObjectTemplate, Template, derives
from qmpx.machine.qom.values import option_text
from qmpx.machine.values import changed

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.objects import QomObject
    from qmpx.machine.qom.tree import QomTree

MAX_DEVICES: Final = 4096
"""Devices that users can plug into a machine: some fifteen for each place of a PCI bus.
A QEMU has no such limit; without one, a client could fill our memory."""

_TICK: Final = 1000  # microseconds of the machine's time; QEMU counts thousands of them
_WITHOUT_BUS: Final = ("pc-dimm", "x86_64-cpu")  # what a PC takes all the same
_NOT_PROPERTIES: Final = frozenset({"driver", "bus", "id"})
_GENERIC: Final[Template] = {}


class Devices(Inventory):
    """The devices of a machine, and their buses; more can be plugged in.

    Args:
        machine: The machine.
        tree: Its objects.

    Attributes:
        taken_drives: The drives that have a device, by the names of their back ends.
        begun_with: What came while the machine was on, and was there when the guest
            last began anew.
    """

    def __init__(self, machine: "Machine", tree: "QomTree") -> None:
        super().__init__(tree)
        self._machine = machine
        self._nameless = 0
        self._bus_numbers: dict[str, int] = {}
        self.taken_drives: set[str] = set()
        self.begun_with: frozenset[QomObject] = frozenset()

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
        if hotplug and bus is None and not self._is_taken_by_board(facts.name):
            message = f"Device '{facts.name}' can not be hotplugged on this machine"
            raise GenericError(message)
        if self.count >= MAX_DEVICES:
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

    def _is_taken_by_board(self, name: str) -> bool:
        """Whether the board plugs in such a device, which needs no bus."""
        if self._machine.is_bare:
            return False
        return any(derives(self._types, name, kind) for kind in _WITHOUT_BUS)

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
            if facts.bus is None or not bus.object.isa(facts.bus):
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
        self.enter(device)
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
                renamed[path.replace(known, id_)] = changed(facts, values=values)
        return renamed

    def _realize(self, device: Device, texts: Mapping[str, str]) -> None:
        later: list[Callable[[Device], None]] = []

        def preset(name: str, text: str) -> None:
            if name not in texts:
                later.extend(set_property(self._machine, device, name, text))

        self._tree.globals.give(device.object, self._types, preset)
        for child in device.object.walk():
            if child is not device.object:
                self._tree.globals.give(child, self._types)
        for name in in_table_order(texts):
            if name not in _NOT_PROPERTIES:
                later += set_property(self._machine, device, name, texts[name])
        shown = device.object
        if device.bus is not None:
            device.bus.link(shown)
            take_place(device.bus, device)
            device.bus.members.insert(0, device)
        else:
            self.loose.append(device)
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
        self.index(shown, device)
        for each in shown.walk():
            if (inner := self.of(each)) is not None:
                inner.show_place()
        if device.bus is not None:
            device.bus.fit(shown)
        self._set_handlers(device)
        make_live(self._machine, device)

    def _set_handlers(self, device: Device) -> None:
        """Let the buses of a bridge be looked after by this board's controller."""
        machine = self._tree.root.children["machine"]
        for bus in device.buses:
            handler = bus.object.get("hotplug-handler")
            if handler.startswith("/machine/unattached/"):
                bus.object.values["hotplug-handler"] = machine.get("acpi-device")

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
        device = self.of(shown)
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
            if memory_devices.is_memory(device):
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
        device = None if shown is None else self.of(shown)
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
        shown = device.object
        told = [DeviceUnplugged(device.id, shown.path)]
        if device.bus is None and shown.isa("x86_64-cpu"):
            told.insert(0, DeviceUnplugged(None, f"{shown.path}/lapic"))
        self._discard(device)
        for each in told:
            if is_told_later:
                self._machine.clock.call_later(0, partial(self._machine.tell, each))
            else:
                self._machine.tell(each)

    def _discard(self, device: Device) -> None:
        """Forget a device, made or half made."""
        shown, bus = device.object, device.bus
        if bus is not None:
            free_place(bus, device)
            bus.unlink(shown)
            if device in bus.members:
                bus.members.remove(device)
        elif device in self.loose:
            self.loose.remove(device)
            self._machine.qom.processors.unplug(device)
        for release in reversed(device.release):
            release()
        device.release.clear()
        self.forget(shown)
        if shown.parent is not None:
            shown.parent.children.pop(shown.name, None)
