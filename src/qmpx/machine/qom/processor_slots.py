"""Where processors are and can be: sockets, dies, cores and threads.

Source of rules and errors: QEMU 7.2.22, observed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.runstate import RunState
from qmpx.machine.values import Value

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.processor import Processor
    from qmpx.machine.qom.buses import Device
    from qmpx.machine.qom.objects import QomObject

DEFAULT_TYPE: Final = "qemu64-x86_64-cpu"
"""The type of processors that nobody chose another one for."""

_PLACELESS: Final = ("none", "x-remote")
_LEVELS: Final = ("socket-id", "die-id", "core-id", "thread-id")


class Slot(Value, frozen=True):
    """A place for a processor.

    Attributes:
        index: Its number among the places.
        place: ``socket-id``, ``die-id``, ``core-id`` and ``thread-id``.
    """

    index: int
    place: dict[str, int]


class ProcessorSlots:
    """The places for processors in a machine.

    Args:
        machine: The machine.

    Attributes:
        type: The type of its processors.
        features: Returns what they can do, by the names of properties; asked when
            somebody looks at one.
        topology: ``cpus``, ``maxcpus``, ``sockets``, ``dies``, ``clusters``, ``cores``
            and ``threads``.
        is_empty: Whether there are none, although a machine here always has one.
    """

    def __init__(self, machine: "Machine") -> None:
        count = machine.processor_count
        self.type = DEFAULT_TYPE
        self.features: Callable[[], Mapping[str, Any]] = dict
        self.topology = {
            "cpus": count,
            "maxcpus": count,
            "threads": 1,
            "cores": count,
            "dies": 1,
            "sockets": 1,
            "clusters": 1,
        }
        self.is_empty = False
        self._machine = machine
        self._plugged: dict[int, tuple[Device, Processor]] = {}

    @property
    def slots(self) -> list[Slot]:
        """All places, those that are taken from the start first."""
        threads, cores = self.topology["threads"], self.topology["cores"]
        dies = self.topology["dies"]
        slots = []
        for index in range(self.topology["maxcpus"]):
            rest, thread = divmod(index, threads)
            rest, core = divmod(rest, cores)
            socket, die = divmod(rest, dies)
            place = dict(zip(_LEVELS, (socket, die, core, thread), strict=True))
            slots.append(Slot(index, place))
        return slots

    def shown(self, slot: Slot) -> dict[str, int]:
        """Return a place as clients see it: with dies only where there are several.

        Boards that put processors nowhere show nothing.
        """
        tree = self._machine.qom
        if tree.has_board and tree.board in _PLACELESS:
            return {}
        place = {"core-id": slot.place["core-id"], "thread-id": slot.place["thread-id"]}
        if self.topology["dies"] > 1:
            place["die-id"] = slot.place["die-id"]
        node = self._machine.numa.node_of(slot)
        if node is not None:
            place["node-id"] = node
        return place | {"socket-id": slot.place["socket-id"]}

    def path(self, slot: Slot) -> str | None:
        """Return the path of the processor at a place; ``None`` if there is none."""
        if not self._machine.numa.is_complete:
            return None
        if slot.index < self._machine.processor_count:
            number = 0 if slot.index == 0 else slot.index + 1
            return f"/machine/unattached/device[{number}]"
        plugged = self._plugged.get(slot.index)
        return None if plugged is None else plugged[0].object.path

    def present(self) -> Iterator[tuple[Slot, "Processor", str]]:
        """Yield the processors that there are, with their places and paths."""
        boot = self._machine.processors
        for slot in self.slots:
            path = self.path(slot)
            if path is None or self.is_empty:
                continue
            if slot.index < self._machine.processor_count:
                yield slot, boot[slot.index], path
            else:
                yield slot, self._plugged[slot.index][1], path

    def numbered(self) -> dict[int, "Processor"]:
        """Return the processors that there are by their numbers."""
        return {slot.index: processor for slot, processor, _ in self.present()}

    def plug(self, device: "Device") -> None:
        """Put a processor into its place; other devices are left alone.

        Raises:
            GenericError: There is no such place, or it is taken.
        """
        if not device.object.isa("cpu"):
            return
        if self._machine.qom.board in _PLACELESS:
            message = (
                f"Device '{device.object.type}' can not be hotplugged on this machine"
            )
            raise GenericError(message)
        if device.object.type != self.type:
            message = f"Invalid CPU type, expected cpu type: '{self.type}'"
            raise GenericError(message)
        slot = self._place(device)
        if self.path(slot) is not None:
            # QEMU tells the number of the place twice.
            apic = self.apic_id(slot)
            message = f"CPU[{slot.index}] with APIC ID {apic} exists"
            raise GenericError(message)
        for name, value in slot.place.items():
            device.values[name] = value
        if (node := self._machine.numa.node_of(slot)) is not None:
            device.values["node-id"] = node
        self.show(device.object)
        processor = self._machine.processors.new(slot.index)
        self._plugged[slot.index] = device, processor

    def apic_id(self, slot: Slot) -> int:
        """Return what the processor at a place calls itself."""
        place, shift, number = slot.place, 0, 0
        for level, count in (
            ("thread-id", "threads"),
            ("core-id", "cores"),
            ("die-id", "dies"),
        ):
            number |= place[level] << shift
            shift += (self.topology[count] - 1).bit_length()
        return number | place["socket-id"] << shift

    def _place(self, device: "Device") -> Slot:
        counts = {
            "socket-id": self.topology["sockets"],
            "die-id": self.topology["dies"],
            "core-id": self.topology["cores"],
            "thread-id": self.topology["threads"],
        }
        given = {level: device.values.get(level, -1) for level in _LEVELS}
        if given["die-id"] == -1 and counts["die-id"] == 1:
            given["die-id"] = 0
        for level, value in given.items():
            if value < 0:
                message = f"CPU {level} is not set"
                raise GenericError(message)
            if value >= counts[level]:
                message = (
                    f"Invalid CPU {level}: {value} must be in range "
                    f"0:{counts[level] - 1}"
                )
                raise GenericError(message)
        return next(slot for slot in self.slots if slot.place == given)

    def show(self, shown: "QomObject") -> None:
        """Let a processor show what it can do; each feature has several spellings."""
        plain = {_plain(name): value for name, value in self.features().items()}
        if not plain:
            return
        for name, type_ in shown.property_types().items():
            value = plain.get(_plain(name))
            if value is not None and (type_ == "bool") == isinstance(value, bool):
                shown.values.setdefault(name, value)

    def check_unplug(self, device: "Device") -> None:
        """Make sure that a processor may be taken out; so may what is none.

        Raises:
            GenericError: It may not.
        """
        shown = device.object
        if not shown.isa("cpu"):
            return
        if shown.path == "/machine/unattached/device[0]":
            message = "Boot CPU is unpluggable"
            raise GenericError(message)
        is_new = self._machine.state is RunState.PRELAUNCH
        if is_new or not self._machine.guest.has_acpi:
            # What the guest does when it starts makes it possible.
            message = (
                "acpi: device unplug request for not supported device type: "
                f"{shown.type}"
            )
            raise GenericError(message)

    def unplug(self, device: "Device") -> None:
        """Take a processor out of its place; other devices are left alone."""
        for index, (plugged, processor) in list(self._plugged.items()):
            if plugged is device:
                del self._plugged[index]
                processor.end_thread()

    def end_threads(self) -> None:
        """End the threads of the processors that were plugged in."""
        for _, processor in self._plugged.values():
            processor.end_thread()


def _plain(name: str) -> str:
    return name.replace("_", "-").replace(".", "-")
