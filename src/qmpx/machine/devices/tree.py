"""The device tree: what is plugged in where, and how things come and go.

The board's own devices are made when somebody first looks, so that a machine that
nobody asks has none. Models are data (`qmpx.machine.devices.models`); the tree knows
kinds of buses, ids, properties and the order in which QEMU checks things.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import (
    BadBusForDevice,
    BusNoHotplug,
    CommandError,
    DeviceInitFailed,
    DeviceNotFound,
    DuplicateId,
    GenericError,
    InvalidParameterValue,
    MissingParameter,
    NoBusForDevice,
    PropertyNotFound,
    PropertyValueBad,
    PropertyValueInUse,
    PropertyValueNotFound,
)
from qmpx.machine.devices.board import Board
from qmpx.machine.devices.bus_making import BusMaker
from qmpx.machine.devices.catalogue_0_13 import CATALOGUE_0_13
from qmpx.machine.devices.claims import Claims
from qmpx.machine.devices.device import Bus, Device, Refusal
from qmpx.machine.devices.models import Catalogue, Model
from qmpx.machine.devices.moving import load, save
from qmpx.machine.devices.paths import buses_below, find_bus, walk
from qmpx.machine.devices.pci import PciBus
from qmpx.machine.devices.properties import BadValue, InUse, NoSuchThing
from qmpx.machine.devices.usb import HUB, UsbBus
from qmpx.machine.happenings import DeviceUnplugged
from qmpx.machine.identifiers import check_identifier

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

_DRIVER_HINT: Final = "Try with argument '?' for a list."

_NOT_PROPERTIES: Final = frozenset({"driver", "bus", "id"})


class DeviceTree:
    """The devices of a machine.

    Args:
        machine: Where drives, networks and character devices are.
        catalogue: The models that there are.

    Attributes:
        board: What the board has on it; to be changed before anybody looks.
        catalogue: The models that there are.
    """

    def __init__(
        self, machine: "Machine", catalogue: Catalogue = CATALOGUE_0_13
    ) -> None:
        self.board = Board()
        self.catalogue = catalogue
        self._machine = machine
        self._root: Bus | None = None
        self._ids: dict[str, Device] = {}
        self._taken_drives: set[str] = set()
        self._buses = BusMaker(catalogue)
        self._nameless = {"peripheral-anon": 0, "unattached": 0}

    @property
    def root(self) -> Bus:
        """The system's bus, from which all hangs; the first look builds the board."""
        if self._root is None:
            self._root = self._make_bus("System", "main-system-bus", None)
            self.board.build(self, self._machine)
        return self._root

    @property
    def is_built(self) -> bool:
        """Whether anybody has looked yet."""
        return self._root is not None

    @property
    def pci(self) -> PciBus:
        """The PCI bus behind the host bridge."""
        return next(bus for bus in buses_below(self.root) if isinstance(bus, PciBus))

    @property
    def usb_buses(self) -> list[UsbBus]:
        """The USB buses by their numbers."""
        buses = [bus for bus in buses_below(self.root) if isinstance(bus, UsbBus)]
        return sorted(buses, key=lambda bus: bus.number)

    def __iter__(self) -> Iterator[Device]:
        """Yield all devices, as `qmpx.machine.devices.paths.walk` goes."""
        return walk(self.root)

    def find(self, id_: str) -> Device:
        """Return the device that its user calls so.

        Raises:
            DeviceNotFound: There is none.
        """
        for device in self:
            if device.id == id_:
                return device
        raise DeviceNotFound(device=id_)

    def has(self, model: str) -> bool:
        """Tell whether a device of that model is plugged in, without building."""
        return self.is_built and any(device.model.name == model for device in self)

    def add(self, options: Mapping[str, str], *, hotplug: bool = False) -> Device:
        """Make a device, as ``-device`` and ``device_add`` do.

        Args:
            options: ``driver``, perhaps ``id`` and ``bus``, and properties, all as
                text. Properties are set in this order.
            hotplug: Whether the machine is on already.

        Raises:
            InvalidParameterValue: The id is none, or there is no such driver.
            DuplicateId: Another device has the id.
            MissingParameter: No driver is named.
            BusNotFound: The path of the bus leads nowhere.
            DeviceNotFound: Likewise.
            DeviceNoBus: Likewise.
            DeviceMultipleBusses: It leads to several.
            BadBusForDevice: The bus is of another kind than the device needs.
            NoBusForDevice: There is no bus of its kind.
            BusNoHotplug: Its bus is fixed while the machine is on.
            PropertyNotFound: It has no property of that name.
            PropertyValueBad: The property does not take that text.
            PropertyValueInUse: What the property names is taken.
            PropertyValueNotFound: What it names is not there.
            DeviceInitFailed: There is no place for it, or it lacks something; a note
                of the exception tells.
        """
        id_ = options.get("id")
        if id_ is not None:
            check_identifier(id_)
            if id_ in self._ids:
                raise DuplicateId(id=id_, object="device")
        driver = options.get("driver")
        if driver is None:
            raise MissingParameter(name="driver")
        model = self.catalogue.find(driver)
        if model is None or not model.is_for_users:
            error = InvalidParameterValue(name="driver", expected="a driver name")
            raise error.hinting(_DRIVER_HINT)
        bus = self._bus_for(model, options.get("bus"), driver)
        if hotplug and not bus.allows_hotplug:
            raise BusNoHotplug(bus=bus.name)
        device = self._create(model, bus, id_, is_users=True)
        try:
            self._set_properties(device, options)
            self._initialise(device)
        except Refusal as refusal:
            self._discard(device)
            failed = DeviceInitFailed(device=driver)
            failed.add_note(str(refusal))
            raise failed from None
        except CommandError:
            self._discard(device)
            raise
        if id_ is not None:
            self._ids[id_] = device
        return device

    async def add_usb(self, text: str) -> Device:
        """Plug in a USB device, as ``-usbdevice`` and ``usb_add`` do.

        Args:
            text: What `qmpx.machine.devices.hotplug.add_usb` takes.

        Raises:
            GenericError: It cannot be had; a note of the exception may tell why.
        """
        from qmpx.machine.devices.hotplug import add_usb  # it needs the tree itself

        try:
            return await add_usb(self._machine, text)
        except (Refusal, CommandError) as error:
            failed = GenericError(f"could not add USB device '{text}'")
            reason = error.desc_2010 if isinstance(error, CommandError) else str(error)
            for note in (*getattr(error, "__notes__", ()), reason):
                if note:
                    failed.add_note(note)
            raise failed from error

    def plug(
        self,
        name: str,
        bus: Bus,
        values: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,  # noqa: A002 - its name in QEMU
        claims: Mapping[str, str] | None = None,
    ) -> Device:
        """Make a device of any model on a bus; the board and old commands do.

        Args:
            name: Its model.
            bus: Where it goes.
            values: Values of its properties.
            id: Its id.
            claims: What it takes, such as drives, by the names of the properties.

        Raises:
            Refusal: It cannot be made.
            PropertyValueInUse: Another device has what it wants.
            PropertyValueNotFound: That is not there.
        """
        device = self._create(self.catalogue.models[name], bus, id)
        device.values.update(values or {})
        try:
            for item, taken in (claims or {}).items():
                self.set_property(device, item, taken)
            self._initialise(device)
        except (Refusal, CommandError):
            self._discard(device)
            raise
        if id is not None:
            self._ids[id] = device
        return device

    def remove(self, id_: str) -> None:
        """Unplug a device; one on PCI goes when the guest lets it go.

        Raises:
            DeviceNotFound: There is none of that id.
            BusNoHotplug: Its bus is fixed while the machine is on.
        """
        self.unplug(self.find(id_))

    def unplug(self, device: Device) -> None:
        """Unplug a device, as `remove` does."""
        if not device.bus.allows_hotplug:
            raise BusNoHotplug(bus=device.bus.name)
        if isinstance(device.bus, PciBus):
            if not device.model.is_for_users:
                return  # what is soldered on, no guest lets go
            device.is_leaving = True
            self._machine.guest.ask_to_unplug(device.path, lambda: self.eject(device))
        else:
            self.destroy(device)

    def eject(self, device: Device) -> None:
        """Take a device out that the guest has let go; if it is gone, do nothing."""
        if device.is_leaving and device in device.bus.children:
            self.destroy(device)

    def destroy(self, device: Device) -> None:
        """Take a device out at once, and all that hangs from it."""
        if isinstance(device.bus, UsbBus):
            for child in device.bus.behind(device):
                self.destroy(child)
        for bus in list(device.buses):
            for child in list(bus.children):
                self.destroy(child)
        drives = device.claims.drives
        if device.client is not None:
            self._machine.network.remove(device.client)
        if device.pointer is not None:
            self._machine.display.pointers.remove(device.pointer)
        if device.id is not None and self._ids.get(device.id) is device:
            del self._ids[device.id]
        self._discard(device)
        for name in drives:  # a drive goes with the device that it was in
            if name in self._machine.drives:
                self._machine.drives.unplug(name)
        self._machine.tell(DeviceUnplugged(device.id, device.path))

    def _bus_for(self, model: Model, path: str | None, driver: str) -> Bus:
        if path is not None:
            bus = find_bus(self.root, path)
            if bus.kind != model.bus:
                raise BadBusForDevice(device=driver, bad_bus_type=bus.kind)
            return bus
        for bus in buses_below(self.root):
            if bus.kind == model.bus:
                return bus
        raise NoBusForDevice(device=model.name, bus=model.bus)

    def _create(
        self, model: Model, bus: Bus, id_: str | None, *, is_users: bool = False
    ) -> Device:
        if id_ is not None:
            path = f"/machine/peripheral/{id_}"
        else:
            parent = "peripheral-anon" if is_users else "unattached"
            path = f"/machine/{parent}/device[{self._nameless[parent]}]"
            self._nameless[parent] += 1
        claims = Claims(self._machine, self._taken_drives)
        device = Device(model, bus, id=id_, path=path, claims=claims)
        bus.children.insert(0, device)
        return device

    def _set_properties(self, device: Device, options: Mapping[str, str]) -> None:
        for name, text in options.items():
            if name not in _NOT_PROPERTIES:
                self.set_property(device, name, text)

    def set_property(self, device: Device, name: str, text: str) -> None:
        """Set a property from a text.

        Raises:
            PropertyNotFound: It has none of that name.
            PropertyValueBad: The property does not take that text.
            PropertyValueInUse: What the property names is taken.
            PropertyValueNotFound: What it names is not there.
        """
        model = device.model.name
        item = device.property_named(name)
        if item is None:
            raise PropertyNotFound(device=model, property=name)
        try:
            device.values[name] = item.type.parse(text, device.claims)
        except BadValue:
            raise PropertyValueBad(device=model, property=name, value=text) from None
        except InUse:
            raise PropertyValueInUse(device=model, property=name, value=text) from None
        except NoSuchThing:
            raise PropertyValueNotFound(
                device=model, property=name, value=text
            ) from None

    def _initialise(self, device: Device) -> None:
        model = device.model
        if isinstance(device.bus, PciBus):  # the slot comes first, then the device
            device.bus.admit(device)
        if model.drive_complaint is not None and device.values["drive"] is None:
            raise Refusal(model.drive_complaint)
        if not isinstance(device.bus, PciBus):
            device.bus.admit(device)
        if model.is_nic:
            device.client = self._machine.network.add_adapter(
                model.name,
                device.id,
                mac=device.values["mac"],
                vlan=device.values["vlan"],
                netdev=device.values["netdev"],
            )
            device.values["mac"] = device.client.mac
        for child in model.buses:
            bus = self._make_bus(child.kind, child.name, device)
            bus.allows_hotplug = child.allows_hotplug
        if model.pointer is not None:
            device.pointer = self._machine.display.pointers.add(
                model.pointer.name, is_absolute=model.pointer.is_absolute
            )

    def _discard(self, device: Device) -> None:
        """Take a device off its bus, made or half made."""
        device.bus.dismiss(device)
        device.claims.release()
        device.bus.children.remove(device)

    def _make_bus(self, kind: str, name: str | None, parent: Device | None) -> Bus:
        bus = self._buses.make(kind, name, parent)
        if isinstance(bus, UsbBus):
            bus.plug_hub = lambda bus: self.plug(HUB, bus)
        return bus

    def reset(self) -> None:
        """Forget what a guest has told the devices; it begins anew."""
        for device in self if self.is_built else ():
            device.usb_address = 0
            if device.function is not None:
                device.function.interrupt_line = 0
                device.function.mapped.clear()

    def state(self) -> dict[str, Any]:
        """Return what guests have told the devices."""
        return save(self)

    def restore(self, state: dict[str, Any]) -> None:
        """Take on what `state` returned.

        Raises:
            GenericError: It is of a machine with other devices.
        """
        load(self, state)
