"""The tree of a machine's objects, from its root on.

The board's objects are made when somebody first looks. Objects that users create and
character devices are kept elsewhere; they are shown here as they are at that moment.
"""

from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom.board import BoardMaker, template_of
from qmpx.machine.qom.globals import Globals
from qmpx.machine.qom.objects import QomObject
from qmpx.machine.qom.showing import SCREENS, Showcase
from qmpx.machine.qom.types import NoTypes, TypeSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.plugging import Devices
    from qmpx.machine.qom.processor_slots import ProcessorSlots

_OWN_RAM: Final = {"microvm": "microvm.ram", "none": "ram", "x-remote": None}
_USUAL_RAM: Final = "pc.ram"


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
        self.maximum_memory = 0
        self.is_bare = False
        self.room: Sequence[int] = ()
        self._machine = machine
        self._showcase = Showcase(self, machine)
        self._root: QomObject | None = None
        self._devices: Devices | None = None
        self._processors: ProcessorSlots | None = None

    def become(
        self, board: str, ram_name: str | None = None, *, is_ram_told: bool = False
    ) -> None:
        """Be the objects of a certain board, before anybody looks.

        Args:
            board: The machine's name among machines, such as ``pc-q35-7.2``.
            ram_name: The id of the backend that users make for its RAM; without one,
                the machine makes its own.
            is_ram_told: Whether somebody said how much there is: machine ``none`` has
                none otherwise.
        """
        self.board = board
        self.has_board = True
        has_any = is_ram_told or board != "none"
        own = _OWN_RAM.get(board, _USUAL_RAM) if has_any else None
        self.ram_name = ram_name or own
        self.has_own_ram = ram_name is None and self.ram_name is not None
        if self.has_own_ram and self.ram_name is not None:
            ours = MemoryBackend(self._machine.memory_size, users=["/machine"])
            self._machine.objects[self.ram_name] = ours

    def make_board(self) -> None:
        """Make the board of a machine that was only described so far."""
        self.is_bare = False
        self._root = self._devices = None
        self._showcase.clear()

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
            maker = BoardMaker(self, self._machine)
            self._root = maker.make()
            maker.settle(self._root)
        self._showcase.show(self._root)
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
            device.object.type.startswith(SCREENS) for device in self._devices
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
            return self.follow(self.root, parts)
        found: QomObject | None = None
        for start in self.root.walk():
            end = self.follow(start, parts)
            if end is None:
                continue
            if found is not None:
                raise LookupError(path)
            found = end
        return found

    def follow(self, start: QomObject, parts: list[str]) -> QomObject | None:
        """Return what a path leads to from an object on; ``None`` if that is nothing.

        Args:
            start: Where it begins.
            parts: The names on it; those of links are followed.
        """
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

    @property
    def is_board_known(self) -> bool:
        """Whether the objects of such a board are known."""
        return template_of(self, self._machine) is not None

    @property
    def room_names(self) -> list[str]:
        """What the devices are called for which there is `room`, in its order."""
        more = self._machine.processor_count - 1
        return [
            f"device[{place + number + (more if place > 1 else 0)}]"
            for number, place in enumerate(sorted(self.room))
        ]
