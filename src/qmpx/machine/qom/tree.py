"""The tree of a machine's objects, from its root on.

The board's objects are made when somebody first looks. Objects that users create and
character devices are kept elsewhere; they are shown here as they are at that moment.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom.globals import Globals
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.types import NoTypes, ObjectTemplate, Template, TypeSource

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.plugging import Devices
    from qmpx.machine.qom.processor_slots import ProcessorSlots

_CONTAINER: Final = ObjectTemplate("container")
_SYSTEM_BUS: Final = ObjectTemplate("System")
_REGION: Final = ObjectTemplate("memory-region")
_FLASH: Final = ObjectTemplate("cfi.pflash01")
_FLASHES: Final = 2  # of a PC
_CONSOLE: Final = ObjectTemplate(
    "qemu-console", more={"device": "link<device>", "head": "uint32"}
)
_FAMILIES: Final = (
    ("pc-q35", "q35"),
    ("pc-i440fx", "pc"),
    ("isapc", "isapc"),
    ("microvm", "microvm"),
    ("x-remote", "x-remote"),
    ("none", "none"),
)
_UNATTACHED: Final = re.compile(r"(/?machine/unattached/device\[)(\d+)(\].*)")
_OWN_RAM: Final = (
    ("pc-", "pc.ram"),
    ("isapc", "pc.ram"),
    ("microvm", "microvm.ram"),
)
_SLOT_ROOM: Final = 2**30  # for the alignment of a memory module
_PLACELESS: Final = ("none", "x-remote")
_FIRST: Final = "machine/unattached/device[0]"  # the first processor
_CONTAINERS: Final = ("peripheral", "peripheral-anon", "unattached")


_SCREENS: Final = (
    *("VGA", "cirrus-vga", "isa-vga", "isa-cirrus-vga", "qxl", "virtio-vga"),
    *("virtio-gpu", "bochs-display", "vmware-svga", "ramfb", "secondary-vga"),
    "ati-vga",
)


class QomTree:
    """The objects of a machine.

    Args:
        machine: The machine.

    Attributes:
        types: What types there are; to be set before anybody looks.
        board: The machine's name among machines, such as ``pc-i440fx-7.2``.
        has_board: Whether anybody has told which machine it is.
        ram_name: The id of the backend that the machine's RAM is.
        has_own_ram: Whether the machine made that itself.
        options: What its user said of the machine itself: values of its properties.
        globals: Values for all devices of a type.
        said_of_slots: What the guest has said last of slots for memory: what it was
            asked, and how that ended.
        memory_slots: How many memory modules can be plugged in.
        maximum_memory: Bytes that there can be, with what is plugged in.
        is_bare: Whether the board is still to be made, and the machine only described.
        room: Where further devices of the board come among those that it always has:
            the number of the one behind, for each; to be set before anybody looks.
    """

    def __init__(self, machine: "Machine") -> None:
        self.types: TypeSource = NoTypes()
        self.board = "none"
        self.has_board = False
        self.ram_name: str | None = None
        self.has_own_ram = False
        self.options: dict[str, Any] = {}
        self.globals = Globals()
        self.memory_slots = 0
        self.said_of_slots: dict[int, tuple[int, int]] = {}
        self._shown: dict[str, object] = {}  # the objects of users that can be seen
        self.maximum_memory = 0
        self.is_bare = False
        self.room: Sequence[int] = ()
        self._machine = machine
        self._root: QomObject | None = None
        self._devices: Devices | None = None
        self._processors: ProcessorSlots | None = None

    def become(
        self, board: str, ram_name: str | None = None, *, own_ram: str | None = None
    ) -> None:
        """Be the objects of a certain board, before anybody looks.

        Args:
            board: The machine's name among machines, such as ``pc-q35-7.2``.
            ram_name: The id of the backend that users make for its RAM; without one,
                the machine makes its own.
            own_ram: What that is called then, if not as usual.
        """
        self.board = board
        self.has_board = True
        usual = next((own for x, own in _OWN_RAM if board.startswith(x)), None)
        self.ram_name = ram_name or own_ram or usual
        self.has_own_ram = ram_name is None and self.ram_name is not None
        if self.has_own_ram and self.ram_name is not None:
            ours = MemoryBackend(self._machine.memory_size, users=["/machine"])
            self._machine.objects[self.ram_name] = ours

    def make_board(self) -> None:
        """Make the board of a machine that was only described so far."""
        self.is_bare = False
        self._root = self._devices = None
        self._shown.clear()

    def age(self, shown: QomObject) -> None:
        """Let an object be as it is on an old board, if this is one."""
        differing = self.types.of_version(self.board).get(shown.type, {})
        for name, value in differing.items():
            shown.values.setdefault(name, value)

    def do_without_ram(self) -> None:
        """Have no RAM of its own: that of the NUMA nodes is all there is.

        Raises:
            GenericError: Users have made some for the machine as a whole.
        """
        if self.ram_name is None:
            return
        if not self.has_own_ram:
            message = (
                "'-machine memory-backend' and '-numa memdev' properties are mutually "
                "exclusive"
            )
            raise GenericError(message)
        del self._machine.objects[self.ram_name]
        self.ram_name, self.has_own_ram = None, False

    @property
    def root(self) -> QomObject:
        """The object that all are in."""
        if self._root is None:
            self._root = self._build()
        self._show_objects(self._root)
        return self._root

    @property
    def devices(self) -> "Devices":
        """What is plugged in where; made when somebody first asks."""
        if self._devices is None:
            from qmpx.machine.qom.plugging import Devices

            self._devices = Devices(self._machine, self)
        return self._devices

    @property
    def processors(self) -> "ProcessorSlots":
        """Where processors can be; made when somebody first asks."""
        if self._processors is None:
            from qmpx.machine.qom.processor_slots import ProcessorSlots

            self._processors = ProcessorSlots(self._machine)
        return self._processors

    @property
    def has_devices(self) -> bool:
        """Whether anybody has looked at the devices yet."""
        return self._devices is not None

    def reset(self) -> None:
        """Take out what was leaving: a guest that begins anew does not find it."""
        if self._devices is not None:
            self._devices.reset()

    def close(self) -> None:
        """End the threads of processors that were plugged in."""
        if self._processors is not None:
            self._processors.end_threads()

    def has(self, model: str) -> bool:
        """Tell whether a device of that model is plugged in, without building."""
        return self._devices is not None and any(
            device.object.type == model for device in self._devices
        )

    @property
    def shows_something(self) -> bool:
        """Whether there is a device with a screen."""
        return self._devices is not None and any(
            device.object.type.startswith(_SCREENS) for device in self._devices
        )

    # From paths to objects.

    def find_device(self, name: str) -> QomObject:
        """Return a device of the users' by its id, or any by its path.

        Raises:
            DeviceNotFound: There is none.
        """
        path = name if "/" in name else f"/machine/peripheral/{name}"
        try:
            found = self.resolve(path)
        except LookupError:
            found = None
        if found is None or not found.isa("device"):
            raise DeviceNotFound(device=name)
        return found

    def find(self, path: str) -> QomObject:
        """Return an object by its path, or by an end of its path.

        Raises:
            DeviceNotFound: There is none.
            GenericError: The end is that of several paths.
        """
        try:
            found = self.resolve(path)
        except LookupError:
            message = f"Path '{path}' is ambiguous"
            raise GenericError(message) from None
        if found is None:
            raise DeviceNotFound(device=path)
        return found

    def resolve(self, path: str) -> QomObject | None:
        """Return an object by its path or an end of that; ``None`` if there is none.

        Raises:
            LookupError: The end is that of several paths.
        """
        parts = [part for part in path.split("/") if part]
        if path.startswith("/"):
            return self._follow(self.root, parts)
        found: QomObject | None = None
        for start in self.root.walk():
            end = self._follow(start, parts)
            if end is None:
                continue
            if found is not None:
                raise LookupError(path)
            found = end
        return found

    def _follow(self, start: QomObject, parts: list[str]) -> QomObject | None:
        at: QomObject | None = start
        for part in parts:
            if at is None:
                return None
            child = at.children.get(part)
            if child is None and at.has(part):
                if not at.type_of(part).startswith("link<"):
                    return None
                target = at.get(part)
                child = self.resolve(target) if target else None
            at = child
        return at

    # Making them.

    def _build(self) -> QomObject:
        root = QomObject(self.types, _CONTAINER, "", None)
        template = None if self.is_bare else self._template()
        if template is None:
            machine = root.add("machine", ObjectTemplate(f"{self.board}-machine"))
            for name in _CONTAINERS:
                machine.add(name, _CONTAINER)
            unattached = machine.children["unattached"]
            unattached.add("sysbus", _SYSTEM_BUS)
            for name in ("io[0]", "system[0]"):
                unattached.add(name, _REGION)
            for number in range(_FLASHES if self.board.startswith("pc-") else 0):
                machine.add(f"system.flash{number}", _FLASH)
        else:
            root.grow(template)
        for name in ("objects", "chardevs"):
            root.children.pop(name, None)
            root.add(name, _CONTAINER)
        self._root = root  # links are followed from here on
        is_placeless = self.has_board and self.board in _PLACELESS
        if is_placeless and not self.processors.is_empty:
            self._add_processor(root)
        for each in root.children["machine"].walk():
            self.age(each)
        self._make_live(root.children["machine"])
        for each in root.children["machine"].walk():
            known = each.property_types()
            each.is_device = "realized" in known
            self.globals.give(each, self.types)
            for name in known:
                if name.startswith("child["):
                    child = self._follow(root, each.get(name).split("/")[1:])
                    if child is not None:
                        child.values["parent_bus"] = each.path
        return root

    def _add_processor(self, root: QomObject) -> None:
        """Make the processor that a board without any has if one is asked for."""
        template = self.types.template("board", "pc") or {}
        kept = {
            path: replace(facts, type=self.processors.type) if path == _FIRST else facts
            for path, facts in template.items()
            if path == _FIRST or path.startswith(f"{_FIRST}/")
        }
        kept.setdefault(_FIRST, ObjectTemplate(self.processors.type))
        root.grow({path: facts for path, facts in kept.items() if "smram" not in path})
        made = self._follow(root, _FIRST.split("/"))
        if made is not None:
            places = ("socket-id", "die-id", "core-id", "thread-id", "node-id")
            made.values |= dict.fromkeys(places, -1)

    def _make_live(self, machine: QomObject) -> None:
        ours = self._machine
        machine.values |= self.options
        if machine.has("memory-backend"):
            name = self.ram_name
            machine.values["memory-backend"] = f"/objects/{name}" if name else ""
        machine.live["memory"] = lambda: {
            "size": ours.memory_size,
            **(
                {"slots": self.memory_slots, "max-size": self.maximum_memory}
                if self.memory_slots
                else {}
            ),
        }
        if self.maximum_memory:
            ours_more = self.maximum_memory - ours.memory_size
            size = ours_more + self.memory_slots * _SLOT_ROOM
            machine.values["device-memory-region-size"] = size
            machine.add("device-memory[0]", ObjectTemplate("memory-region"))
            region = machine.children["device-memory[0]"]
            region.values["size"] = size
            link = machine.get("acpi-device") if machine.has("acpi-device") else ""
            controller = self._follow(machine, link.split("/")[2:]) if link else None
            if controller is not None:
                window = ObjectTemplate("memory-region")
                controller.add("acpi-mem-hotplug[0]", window)
        for slot in self.processors.slots[: ours.processor_count]:
            shown = self._boot_processor(machine, slot.index)
            if shown is not None:
                known = ours.numa.node_of(slot)
                node = -1 if known is None else known
                threads = self.processors.apic_id(slot)
                place = {} if self.board in _PLACELESS else slot.place
                shown.values |= {**place, "node-id": node, "apic-id": threads}
                self.processors.show(shown)
        machine.live["smp"] = lambda: dict(self.processors.topology)

    @staticmethod
    def _boot_processor(machine: QomObject, index: int) -> QomObject | None:
        """Return the object of a processor that is there from the start."""
        name = f"device[{index + 1 if index else 0}]"
        return machine.children["unattached"].children.get(name)

    def _template(self) -> Template | None:
        family = next(
            (ours for prefix, ours in _FAMILIES if self.board.startswith(prefix)), None
        )
        if family is None:
            return None
        template = self.types.template("board", family)
        if template is None:
            return None
        count, kind = self._machine.processor_count, self.processors.type
        return _fit(template, f"{self.board}-machine", count, kind, self.room)

    @property
    def is_board_known(self) -> bool:
        """Whether the objects of such a board are known."""
        return self._template() is not None

    @property
    def room_names(self) -> list[str]:
        """What the devices are called for which there is `room`, in its order."""
        more = self._machine.processor_count - 1
        return [
            f"device[{place + number + (more if place > 1 else 0)}]"
            for number, place in enumerate(sorted(self.room))
        ]

    def _show_objects(self, root: QomObject) -> None:
        """Show what users have created, and the character devices."""
        objects = root.children["objects"]
        created = dict(self._machine.objects)
        if self.is_bare and self.has_own_ram and self.ram_name is not None:
            created.pop(self.ram_name, None)  # that comes with the board
        for name in list(objects.children):
            if self._shown.get(name) is not created.get(name):
                del objects.children[name]
        for name, made in created.items():
            if name not in objects.children:
                self._shown[name] = made
                shown = objects.add(name, ObjectTemplate(made.kind))
                shown.called = name
                if made.kind.startswith("memory-backend-"):
                    count = self._machine.processor_count
                    shown.values["prealloc-threads"] = count
                made.show(shown)
        chardevs = root.children["chardevs"]
        devices = self._machine.__dict__.get("characters")
        labels = {} if devices is None else {d.label: d for d in devices}
        for name in [name for name in chardevs.children if name not in labels]:
            del chardevs.children[name]
        for name, device in labels.items():
            if name not in chardevs.children:
                kind = f"chardev-{device.filename.partition(':')[0]}"
                chardevs.add(name, ObjectTemplate(kind))
        texts = sum(device.filename.startswith("vc") for device in labels.values())
        self._show_consoles(root, texts)

    def _show_consoles(self, root: QomObject, texts: int) -> None:
        """Show what can be looked at: the screens of devices, and texts behind them."""
        machine = root.children["machine"]
        seen = [
            (shown.path, head)
            for place in ("unattached", "peripheral", "peripheral-anon")
            for shown in machine.children[place].children.values()
            if shown.type.startswith(_SCREENS)
            for head in range(_heads(shown))
        ] + [("", 0)] * texts
        if not seen:
            root.children.pop("backend", None)
            return
        backend = root.children.get("backend") or root.add("backend", _CONTAINER)
        for name in list(backend.children)[len(seen) :]:
            del backend.children[name]
        for number, (path, head) in enumerate(seen):
            name = f"console[{number}]"
            shown = backend.children.get(name) or backend.add(name, _CONSOLE)
            shown.values.update(device=path, head=head)


def _heads(screen: QomObject) -> int:
    """Return how many pictures a device shows."""
    return int(screen.get("max_outputs")) if screen.has("max_outputs") else 1


def _fit(
    template: Template,
    machine_type: str,
    processors: int,
    processor_type: str,
    room: Sequence[int],
) -> Template:
    """Return a board's objects for so many processors as there are.

    The first processor is ``device[0]``, and the next ones come after ``device[1]``.
    Room is left for devices that the board does not always have.
    """
    more = processors - 1

    def shift(text: Any) -> Any:
        if not (more or room) or not isinstance(text, str):
            return text
        found = _UNATTACHED.fullmatch(text)
        if found is None or int(found[2]) < 2:
            return text
        number = int(found[2])
        number += more + sum(place <= number for place in room)
        return f"{found[1]}{number}{found[3]}"

    fitted: dict[str, ObjectTemplate] = {}
    for path, facts in template.items():
        values = {name: shift(value) for name, value in facts.values.items()}
        kind = machine_type if path == "machine" else facts.type
        if path == _FIRST:
            kind = processor_type
        fitted[shift(path)] = ObjectTemplate(kind, values, facts.more, facts.less)
        if path == _FIRST or path.startswith(f"{_FIRST}/"):
            for number in range(2, 2 + more):
                other = path.replace("device[0]", f"device[{number}]", 1)
                fitted[other] = fitted[shift(path)]
    return dict(sorted(fitted.items(), key=lambda item: item[0].count("/")))
