"""The parts of a machine, of which most are made when somebody first looks."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from qmpx.machine.balloon import Balloon

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.character import CharacterDevices
    from qmpx.machine.debugger import Debugger
    from qmpx.machine.devices import DeviceTree
    from qmpx.machine.dirty_rate import DirtyRate
    from qmpx.machine.display import Display
    from qmpx.machine.hardware.boot import Boot
    from qmpx.machine.hardware.chipset import Chipset
    from qmpx.machine.hardware.ports import Ports
    from qmpx.machine.log import MachineLog
    from qmpx.machine.machine import Machine
    from qmpx.machine.memory import Memory
    from qmpx.machine.memory_dump import MemoryDump
    from qmpx.machine.migration import Migration
    from qmpx.machine.network import Network
    from qmpx.machine.numa import Numa
    from qmpx.machine.processor import Processors
    from qmpx.machine.qom.tree import QomTree
    from qmpx.machine.serial_ports import SerialPorts
    from qmpx.machine.snapshots import Snapshots
    from qmpx.machine.sound import Captures

PARTS: Final = ("processors", "chipset", "balloon", "display", "devices", "network")
"""The attributes that hold parts with state of their own, in the order of moving."""

RESET_PARTS: Final = (
    "processors",
    "chipset",
    "balloon",
    "display",
    "devices",
    "qom",
)
"""The attributes that hold parts with a ``reset``, in its order."""

_REACHING_OUT: Final = (
    "dump",
    "objects",
    "qom",
    "migration",
    "debugger",
    "display",
    "characters",
    "network",
    "blocks",
)
"""The attributes that hold parts with listeners, connections and files."""


class Part(Protocol):
    """A part of a machine whose state can be saved, moved and restored."""

    def state(self) -> dict[str, Any]:
        """Return its state: integers, strings, bytes, truth values, lists, dicts."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""


class Parts:
    """The parts of a machine, each an attribute; for `Machine` to be one of.

    Attributes:
        memory_size: Bytes of RAM; a machine without any has a page all the same.
        processor_count: How many virtual processors it has.
    """

    memory_size: int
    processor_count: int

    @property
    def _whole(self) -> "Machine":
        return cast("Machine", self)

    @cached_property
    def memory(self) -> "Memory":
        """RAM, and what lies over it."""
        from qmpx.machine.memory import PAGE_SIZE, Memory

        return Memory(self.memory_size or PAGE_SIZE)

    @cached_property
    def processors(self) -> "Processors":
        """The virtual processors, by their numbers."""
        from qmpx.machine.processor import Processors

        return Processors(self.processor_count, self.memory)

    @cached_property
    def chipset(self) -> "Chipset":
        """The devices of its board: clock, watchdog, power management and others."""
        from qmpx.machine.hardware.chipset import Chipset

        return Chipset(self._whole)

    @property
    def ports(self) -> "Ports":
        """The I/O ports."""
        return self.chipset.ports

    @cached_property
    def boot(self) -> "Boot":
        """What the firmware does with disks; made with the first that is plugged in."""
        from qmpx.machine.hardware.boot import Boot

        return Boot(self._whole)

    @cached_property
    def balloon(self) -> Balloon:
        """The memory balloon; it works while its device is plugged in."""
        return Balloon(self._whole)

    @cached_property
    def snapshots(self) -> "Snapshots":
        """What was saved of it in its disk images."""
        from qmpx.machine.snapshots import Snapshots  # few machines are saved

        return Snapshots(self._whole)

    @cached_property
    def migration(self) -> "Migration":
        """Its way to elsewhere, or from there."""
        from qmpx.machine.migration import Migration  # few machines are moved

        return Migration(self._whole)

    @cached_property
    def devices(self) -> "DeviceTree":
        """What is plugged in where; the board's devices are made at the first look."""
        from qmpx.machine.devices import DeviceTree  # few machines are looked into

        return DeviceTree(self._whole)

    @cached_property
    def blocks(self) -> "BlockGraph":
        """Its block nodes, and the jobs that work on them."""
        from qmpx.machine.block.graph import BlockGraph  # most machines have none

        return BlockGraph(self._whole)

    @cached_property
    def qom(self) -> "QomTree":
        """Its objects as clients of today see them, and the devices among them."""
        from qmpx.machine.qom.tree import QomTree

        return QomTree(self._whole)

    @cached_property
    def numa(self) -> "Numa":
        """Its nodes of memory and processors."""
        from qmpx.machine.numa import Numa  # few machines have any

        return Numa(self._whole)

    @cached_property
    def network(self) -> "Network":
        """Network clients, vlans and links."""
        from qmpx.machine.network import Network

        return Network(self._whole)

    @cached_property
    def serial_ports(self) -> "SerialPorts":
        """The ports that programs of the guest can open."""
        from qmpx.machine.serial_ports import SerialPorts

        return SerialPorts(self._whole)

    @cached_property
    def characters(self) -> "CharacterDevices":
        """The character devices."""
        from qmpx.machine.character import CharacterDevices

        return CharacterDevices()

    @cached_property
    def dirty_rate(self) -> "DirtyRate":
        """How fast its memory is written, as far as somebody has measured that."""
        from qmpx.machine.dirty_rate import DirtyRate

        return DirtyRate(self._whole)

    @cached_property
    def dump(self) -> "MemoryDump":
        """The writing of its memory into a file for a debugger."""
        from qmpx.machine.memory_dump import MemoryDump  # few machines are dumped

        return MemoryDump(self._whole)

    @cached_property
    def captures(self) -> "Captures":
        """The recordings of what the guest plays."""
        from qmpx.machine.sound import Captures

        return Captures()

    @cached_property
    def display(self) -> "Display":
        """What there is to see, to type on and to point with."""
        from qmpx.machine.display import Display  # few machines are looked at

        return Display(self._whole)

    @cached_property
    def log(self) -> "MachineLog":
        """The log file, and what is written to it."""
        from qmpx.machine.log import MachineLog  # few machines write one

        return MachineLog()

    @cached_property
    def debugger(self) -> "Debugger":
        """Where a debugger may connect."""
        from qmpx.machine.debugger import Debugger  # few machines are debugged

        return Debugger(self._whole)

    def parts(self) -> Iterator[tuple[str, "Part"]]:
        """Yield the parts that have state to move, by name: those that were made.

        Memory is not among them: it moves by pages.
        """
        for name in PARTS:
            part = self.__dict__.get(name)
            if part is not None:
                yield name, part

    def reset_parts(self) -> None:
        """Reset the parts that were made, in their order."""
        for name in RESET_PARTS:
            if (part := self.__dict__.get(name)) is not None:
                part.reset()

    def close_parts(self) -> None:
        """Let the parts that were made go of what they have of the world outside."""
        for name in _REACHING_OUT:
            if (part := self.__dict__.get(name)) is not None:
                part.close()
