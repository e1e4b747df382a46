"""What firmware can tell of a node's memory: latencies, bandwidths, caches before it.

The table that tells it has 16 bits for each figure, and one unit for all figures of a
kind; what does not fit is refused.

Source of rules and errors: QEMU 7.2.22, observed; the ACPI specification 6.3, HMAT.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.numa import Node

MAX_FIGURE: Final = 2**16 - 1
"""What a figure must be less than, in units: the table's own mark for none."""

CACHE_LEVELS: Final = 3
"""Levels of caches before memory: QEMU's figure."""

_MEBIBYTE: Final = 2**20
_NONE: Final = 2**64 - 1
_BITS: Final = 16


@dataclass(slots=True)
class _Figures:
    """The figures of one kind: of one hierarchy, and one kind of access.

    Attributes:
        told: By initiator and target.
        unit: What all of them are multiples of; none yet if it is 0.
        reach: The largest, in units; or the bits of all, for bandwidths.
    """

    told: dict[tuple[int, int], int] = field(default_factory=dict)
    unit: int = 0
    reach: int = 0


class MemoryDetails:
    """What is told of all nodes."""

    def __init__(self) -> None:
        self._figures: dict[tuple[str, str], _Figures] = {}
        self._caches: dict[tuple[int, int], int] = {}
        self._provided: dict[int, set[str]] = {}

    def add_figure(
        self, nodes: "Mapping[int, Node]", options: Mapping[str, Any]
    ) -> None:
        """Take a latency, in nanoseconds, or a bandwidth, in bytes a second.

        Raises:
            GenericError: It contradicts what is there, or has no room in the table.
        """
        initiator, target = options["initiator"], options["target"]
        for name, number in (("initiator", initiator), ("target", target)):
            if number > len(nodes):
                message = (
                    f"Invalid {name}={number}, it should be less than {len(nodes)}"
                )
                raise GenericError(message)
            node = nodes.get(number)
            if name == "initiator" and (node is None or not node.has_processors):
                message = (
                    f"Invalid initiator={number}, it isn't an initiator proximity "
                    "domain"
                )
                raise GenericError(message)
        if target not in nodes:
            message = f"The target={target} should point to an existing node"
            raise GenericError(message)
        kind = options["data-type"]
        what, other = "latency", "bandwidth"
        if kind.endswith("bandwidth"):
            what, other = other, what
        if what not in options:
            message = f"Missing '{what}' option"
            raise GenericError(message)
        if other in options:
            message = f"Invalid option '{other}' since the data type is {what}"
            raise GenericError(message)
        figures = self._figures.setdefault((options["hierarchy"], kind), _Figures())
        pair, value = (initiator, target), options[what]
        ends = f"between initiator={initiator} and target={target}"
        if what == "bandwidth" and value % _MEBIBYTE:
            message = f"Bandwidth {value} {ends} should be 1MB aligned"
            raise GenericError(message)
        if pair in figures.told:
            message = (
                f"Duplicate configuration of the {what} for initiator={initiator} and "
                f"target={target}"
            )
            raise GenericError(message)
        if value:
            fit = _fit_latency if what == "latency" else _fit_bandwidth
            fit(figures, value, ends)
            self._provided.setdefault(target, set()).add(what)
        figures.told[pair] = value

    def add_cache(
        self, nodes: "Mapping[int, Node]", options: Mapping[str, Any]
    ) -> None:
        """Take a cache before a node's memory.

        Raises:
            GenericError: It contradicts what is there.
        """
        node, level, size = options["node-id"], options["level"], options["size"]
        if node >= len(nodes):
            message = f"Invalid node-id={node}, it should be less than {len(nodes)}"
            raise GenericError(message)
        if self._provided.get(node) != {"latency", "bandwidth"}:
            message = (
                f"The latency and bandwidth information of node-id={node} should be "
                "provided before memory side cache attributes"
            )
            raise GenericError(message)
        if not 1 <= level <= CACHE_LEVELS:
            message = (
                f"Invalid level={level}, it should be larger than 0 and less than or "
                f"equal to {CACHE_LEVELS}"
            )
            raise GenericError(message)
        if (node, level) in self._caches:
            message = (
                f"Duplicate configuration of the side cache for node-id={node} and "
                f"level={level}"
            )
            raise GenericError(message)
        if level > 1:
            before = self._caches.get((node, level - 1))
            if before is None:
                message = f"Cache level={level - 1} shall be defined first"
                raise GenericError(message)
            if size <= before:
                message = (
                    f"Invalid size={size}, the size of level={level} should be larger "
                    f"than the size({before}) of level={level - 1}"
                )
                raise GenericError(message)
        self._caches[node, level] = size


def _fit_latency(figures: _Figures, value: int, ends: str) -> None:
    """Make the unit fit a latency: a power of ten.

    As in QEMU, what was told before is not looked at again when the unit shrinks.
    """
    unit = 1
    while value // unit % 10 == 0:
        unit *= 10
    before = figures.unit or _NONE
    reach = max(figures.reach, value // before)
    if reach >= MAX_FIGURE:
        message = (
            f"Latency {value} {ends} should not differ from previously entered min or "
            f"max values on more than {MAX_FIGURE - 1}"
        )
        raise GenericError(message)
    figures.unit, figures.reach = min(before, unit), reach


def _fit_bandwidth(figures: _Figures, value: int, ends: str) -> None:
    """Make the unit fit a bandwidth: a power of two."""
    bits = figures.reach | value
    lowest = (bits & -bits).bit_length() - 1
    if bits.bit_length() - lowest > _BITS or value >> lowest >= MAX_FIGURE:
        message = (
            f"Bandwidth {value} {ends} should not differ from previously entered "
            f"values on more than {MAX_FIGURE - 1}"
        )
        raise GenericError(message)
    figures.unit, figures.reach = 1 << lowest, bits
