"""Throttle groups hold jobs back: a request waits until its group has paid for it.

What goes through a node with the driver ``throttle`` costs its group time: bytes and
requests over the limits of their kind. A group that is behind lets the next request
wait, in the machine's time, so that the last of a job is not waited for. All nodes of a
group share it. Of bursts a tenth of a second is free, as in QEMU; longer ones, which a
group may be given, are kept and shown only.

Source: QEMU 7.2.22, observed: a mirror through a group with ``bps-total``.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

REQUEST: Final = 1 << 20
"""Bytes of one of a job's requests, where they are counted: QEMU copies so much."""

_FREE: Final = 0.1  # seconds of a burst
_SECOND: Final = 1_000_000  # microseconds


class Pacing:
    """The throttle groups of a machine, and how far each is behind.

    Args:
        graph: The graph with the nodes.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        self._graph = graph
        self._until: dict[str, tuple[object, float]] = {}

    def delay(self, node: "Node", count: int, *, is_write: bool) -> float:
        """Let bytes go through a node; return for how many seconds to wait after it.

        Args:
            node: Where they go in.
            count: How many bytes.
            is_write: Whether they are written, or read.
        """
        longest = 0.0
        for group in _groups(node):
            limits = self._limits(group)
            cost = _cost(limits, count, is_write=is_write)
            if cost:
                last = _cost(limits, min(count, REQUEST), is_write=is_write)
                longest = max(longest, self._pay(group, cost) - last)
        return longest

    def _pay(self, group: str, cost: float) -> float:
        now = self._graph.machine.clock.microseconds() / _SECOND
        made = self._graph.machine.objects.get(group)
        known, before = self._until.get(group, (None, 0.0))
        until = max(before if known is made else 0.0, now) + cost
        self._until[group] = made, until
        return max(0.0, until - now - _FREE)

    def _limits(self, group: str) -> Mapping[str, Any]:
        """Return the limits of a group as they are now."""
        shown = self._graph.machine.qom.resolve(f"/objects/{group}")
        return {} if shown is None else shown.values.get("limits", {})


def _groups(node: "Node | None") -> Iterator[str]:
    """Yield the groups of a node, and of what is below it."""
    while node is not None:
        if node.driver == "throttle":
            yield str(node.options.get("throttle-group"))
        node = node.file


def _cost(limits: Mapping[str, Any], count: int, *, is_write: bool) -> float:
    """Return the seconds that a request takes under limits."""
    way = "write" if is_write else "read"
    size = limits.get("iops-size") or REQUEST
    requests = -(-count // size)
    costs = (
        amount / limit
        for unit, amount in (("bps", count), ("iops", requests))
        for kind in ("total", way)
        if (limit := limits.get(f"{unit}-{kind}", 0))
    )
    return max(costs, default=0.0)
