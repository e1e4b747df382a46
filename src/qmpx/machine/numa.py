"""NUMA: nodes of memory and processors, and how far they are from each other.

It is described before the machine is built, option by option, and completed then.

Source of rules and errors: QEMU 7.2.22, observed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError, GenericError
from qmpx.machine.memory_details import MemoryDetails
from qmpx.machine.objects import MemoryBackend

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.qom.processor_slots import Slot

MAX_NODES: Final = 128
"""Nodes of a machine: QEMU's figure."""

LOCAL: Final = 10
"""How far a node is from itself, and the least that anything is from anything."""

_LEVELS: Final = ("thread-id", "core-id", "cluster-id", "die-id", "socket-id")
_WIDTHS: Final = {
    **dict.fromkeys(("nodeid", "initiator", "src", "dst", "target", "line"), 16),
    **dict.fromkeys(("val", "level"), 8),
}
_NO_NODES: Final = ("none", "x-remote")


@dataclass(slots=True)
class Node:
    """A node.

    Attributes:
        memory: Its memory, in bytes.
        memdev: The id of the backend that its memory is, if it is one.
        initiator: The node whose processors use its memory, if that was told.
        has_processors: Whether processors were put on it.
    """

    memory: int = 0
    memdev: str | None = None
    initiator: int | None = None
    has_processors: bool = False


class Numa:
    """The nodes of a machine.

    Args:
        machine: The machine.

    Attributes:
        nodes: The nodes by their numbers.
        has_details: Whether details of memory may be told: ``-machine hmat=on``.
        takes_sizes: Whether nodes may have memory without a backend: old machines.
        makes_one: Whether there is a node if memory can be plugged in, at any rate.
        is_complete: Whether the machine is built.
        details: Latencies, bandwidths and caches.
        warn: Is told what does not stop anything.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.nodes: dict[int, Node] = {}
        self.has_details = False
        self.takes_sizes = False
        self.makes_one = True
        self.is_complete = True
        self.details = MemoryDetails()
        self.warn: Callable[[str], None] = lambda _: None
        self._distances: dict[tuple[int, int], int] = {}
        self._nodes_of: dict[int, int] = {}

    # Describing.

    def add(self, options: Mapping[str, Any]) -> None:
        """Take one option.

        Args:
            options: As ``set-numa-node`` has them: ``type`` and what that takes.

        Raises:
            GenericError: It contradicts what is there, or this machine has no nodes.
        """
        if self._machine.qom.board in _NO_NODES:
            message = "NUMA is not supported by this machine-type"
            raise GenericError(message)
        for name, bits in _WIDTHS.items():
            if not 0 <= options.get(name, 0) < 1 << bits:
                message = f"Parameter '{name}' expects uint{bits}_t"
                raise GenericError(message)
        match options["type"]:
            case "node":
                self._add_node(options)
            case "dist":
                self._add_distance(options["src"], options["dst"], options["val"])
            case "cpu":
                self._add_processor(options)
            case "hmat-lb":
                self._require_details()
                self.details.add_figure(self.nodes, options)
            case _:
                self._require_details()
                self.details.add_cache(self.nodes, options)

    def _require_details(self) -> None:
        if not self.has_details:
            message = (
                "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled, enable "
                "it with -machine hmat=on before using any of hmat specific options"
            )
            raise GenericError(message)

    def _add_node(self, options: Mapping[str, Any]) -> None:
        number = options.get("nodeid", len(self.nodes))
        if number >= MAX_NODES:
            message = f"Max number of NUMA nodes reached: {number}"
            raise GenericError(message)
        if number in self.nodes:
            message = f"Duplicate NUMA nodeid: {number}"
            raise GenericError(message)
        node = Node(initiator=options.get("initiator"))
        if node.initiator is not None:
            self._require_details()
            if node.initiator >= MAX_NODES:
                self.warn(
                    f"The initiator id {node.initiator} expects an integer between 0 "
                    f"and {MAX_NODES - 1}"
                )
                return
        places = self._places(options.get("cpus", ()))
        self.nodes[number] = node
        try:
            for slot in places:
                self._assign(slot, number)
            self._give_memory(node, options)
        except CommandError:
            del self.nodes[number]
            raise

    def _places(self, numbers: Sequence[int]) -> "list[Slot]":
        slots = self._machine.qom.processors.slots
        for number in numbers:
            if number >= len(slots):
                message = (
                    f"CPU index ({number}) should be smaller than maxcpus "
                    f"({len(slots)})"
                )
                raise GenericError(message)
        return [slots[number] for number in numbers]

    def _give_memory(self, node: Node, options: Mapping[str, Any]) -> None:
        name, size = options.get("memdev"), options.get("mem")
        others = [other for other in self.nodes.values() if other is not node]
        with_backends = name is not None or any(x.memdev is not None for x in others)
        with_sizes = size is not None or any(
            x.memdev is None and x.memory for x in others
        )
        if with_backends and with_sizes:
            message = (
                "numa configuration should use either mem= or memdev=,mixing both is "
                "not allowed"
            )
            raise GenericError(message)
        if size is not None:
            if not self.takes_sizes:
                message = (
                    "Parameter -numa node,mem is not supported by this machine type\n"
                    "Use -numa node,memdev instead"
                )
                raise GenericError(message)
            self.warn(
                "warning: Parameter -numa node,mem is deprecated, use -numa "
                "node,memdev instead"
            )
            node.memory = size
        if name is not None:
            backend = self._machine.objects.get(name.rpartition("/")[2])
            if not isinstance(backend, MemoryBackend):
                message = f"memdev={name} is ambiguous"
                raise GenericError(message)
            node.memory, node.memdev = backend.size, name

    def _add_distance(self, source: int, target: int, value: int) -> None:
        for name, number in (("src", source), ("dst", target)):
            if number >= MAX_NODES:
                message = (
                    f"Parameter '{name}' expects an integer between 0 and "
                    f"{MAX_NODES - 1}"
                )
                raise GenericError(message)
        if source not in self.nodes or target not in self.nodes:
            message = (
                "Source/Destination NUMA node is missing. Please use '-numa node' "
                "option to declare it first."
            )
            raise GenericError(message)
        if value < LOCAL:
            message = (
                f"NUMA distance ({value}) is invalid, it shouldn't be less than "
                f"{LOCAL}."
            )
            raise GenericError(message)
        if source == target and value != LOCAL:
            message = f"Local distance of node {source} should be {LOCAL}."
            raise GenericError(message)
        self._distances[source, target] = value

    def _add_processor(self, options: Mapping[str, Any]) -> None:
        number = options.get("node-id")
        if number is None:
            message = "Missing mandatory node-id property"
            raise GenericError(message)
        if number not in self.nodes:
            message = (
                f"Invalid node-id={number}, NUMA node must be defined with -numa "
                "node,nodeid=ID before it's used with -numa cpu,node-id=ID"
            )
            raise GenericError(message)
        slots = self._machine.qom.processors
        levels = [level for level in _LEVELS if level in options]
        found = False
        for slot in slots.slots:
            shown = slots.shown(slot)
            for level in levels:
                if level not in shown:
                    message = f"{level} is not supported"
                    raise GenericError(message)
            if all(shown[level] == options[level] for level in levels):
                self._assign(slot, number)
                found = True
        if not found:
            message = "no match found"
            raise GenericError(message)

    def _assign(self, slot: "Slot", number: int) -> None:
        if (taken := self._nodes_of.get(slot.index)) is not None:
            message = f"CPU is already assigned to node-id: {taken}"
            raise GenericError(message)
        self._nodes_of[slot.index] = number
        node = self.nodes[number]
        if self.has_details:
            self._check_own_initiator(number, node)
            node.initiator = number
        node.has_processors = True

    @staticmethod
    def _check_own_initiator(number: int, node: Node) -> None:
        if node.initiator not in (None, number):
            message = (
                f"The initiator of CPU NUMA node {number} should be itself "
                f"(got {node.initiator})"
            )
            raise GenericError(message)

    # Completing.

    def complete(self) -> None:
        """Check the whole, and work out what was left out: the machine is built.

        Raises:
            GenericError: It contradicts itself, or the machine's memory.
        """
        self._make_one()
        if self.nodes:
            self._check_numbers()
            self._check_memory(self._machine.memory_size)
            self._check_distances()
            self._place_processors()
        if self.has_backends:
            self._machine.qom.do_without_ram()
        self.is_complete = True
        for node in self.nodes.values():
            if node.memdev is not None:
                backend = self._machine.objects[node.memdev.rpartition("/")[2]]
                backend.users.append("/machine")

    def _make_one(self) -> None:
        """Make the node that a machine has for memory that comes later."""
        if not self.nodes and self.makes_one and self._machine.qom.memory_slots:
            self.nodes[0] = Node(memory=self._machine.memory_size)

    def _check_numbers(self) -> None:
        # The highest one is looked at first.
        for number in reversed(range(max(self.nodes))):
            if number not in self.nodes:
                message = f"numa: Node ID missing: {number}"
                raise GenericError(message)

    def _check_memory(self, size: int) -> None:
        total = sum(node.memory for node in self.nodes.values())
        if total != size:
            message = (
                f"total memory for NUMA nodes ({total:#x}) should equal RAM size "
                f"({size:#x})"
            )
            raise GenericError(message)

    def _check_distances(self) -> None:
        told = self._distances
        if not told:
            return
        pairs = [(a, b) for a in self.nodes for b in self.nodes if a < b]
        for first, second in sorted(pairs):
            if (first, second) not in told and (second, first) not in told:
                message = (
                    f"The distance between node {first} and {second} is missing, at "
                    "least one distance value between each nodes should be provided."
                )
                raise GenericError(message)
        is_lopsided = any(
            a in told and b in told and told[a] != told[b]
            for a, b in ((pair, pair[::-1]) for pair in pairs)
        )
        for pair in pairs:
            one, other = told.get(pair), told.get(pair[::-1])
            if is_lopsided and (one is None or other is None):
                message = (
                    "At least one asymmetrical pair of distances is given, please "
                    "provide distances for both directions of all node pairs."
                )
                raise GenericError(message)
            told[pair] = told[pair[::-1]] if one is None else one
            told[pair[::-1]] = told[pair] if other is None else other

    def _place_processors(self) -> None:
        slots = self._machine.qom.processors.slots
        if not self._nodes_of:
            for slot in slots:
                self._assign(slot, slot.place["socket-id"] % len(self.nodes))
        missing = [slot for slot in slots if slot.index not in self._nodes_of]
        for slot in missing:
            self._assign(slot, 0)
        if missing:
            self._warn_of(missing)
        if self.has_details:
            for number, node in sorted(self.nodes.items()):
                if node.initiator is None:
                    continue
                initiator = self.nodes.get(node.initiator)
                if initiator is None or not initiator.has_processors:
                    message = f"The initiator of NUMA node {number} is invalid"
                    raise GenericError(message)

    def _warn_of(self, missing: "Sequence[Slot]") -> None:
        slots = self._machine.qom.processors
        names = []
        for slot in missing:
            shown = slots.shown(slot)
            order = ("socket-id", "die-id", "core-id", "thread-id")
            place = ", ".join(f"{x}: {shown[x]}" for x in order if x in shown)
            names.append(f"CPU {slot.index} [{place}]")
        self.warn(f"warning: CPU(s) not present in any NUMA nodes: {', '.join(names)}")
        self.warn(
            "warning: All CPU(s) up to maxcpus should be described in NUMA config, "
            "ability to start up with partial NUMA mappings is obsoleted and will be "
            "removed in future"
        )

    # Looking.

    @property
    def has_backends(self) -> bool:
        """Whether the memory is what users have made for the nodes."""
        return any(node.memdev is not None for node in self.nodes.values())

    def node_of(self, slot: "Slot") -> int | None:
        """Return the node of a place for a processor, if that is known."""
        if self.is_complete and not self._nodes_of:
            self._make_one()
            if self.nodes:
                self._place_processors()
        return self._nodes_of.get(slot.index)

    def places_of(self, number: int) -> Iterator[int]:
        """Yield the numbers of the places for processors that are on a node."""
        for index, node in sorted(self._nodes_of.items()):
            if node == number:
                yield index

    def distance(self, source: int, target: int) -> int:
        """Return how far a node is from another; 20 unless somebody told."""
        if source == target:
            return LOCAL
        return self._distances.get((source, target), 2 * LOCAL)
