"""Limits hold requests back: each waits until what came before it was paid for.

A limit is a bucket that leaks: requests fill it with their bytes or their number, and
while there is more in it than it holds, the next one waits. What holds back is a
throttle group, for all that goes through its nodes (jobs and exports among them), and
the limits of a drive, for what its device does. All who share a group share its
buckets. Time is the machine's.

Source: QEMU 7.2.22, observed: mirrors, NBD clients and ``qemu-io`` under limits; the
lengths of bursts by ``docs/throttle.txt``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node
    from qmpx.machine.block.throttling import Limits

REQUEST: Final = 1 << 20
"""Bytes of one of a job's requests, where they are counted: QEMU copies so much."""

_FREE: Final = 0.1  # seconds that a bucket holds at the rate that it is filled with
_SECOND: Final = 1_000_000  # microseconds
_DRIVES: Final = "drives of "  # groups of drives are others than those that are objects
_WAYS: Final = {"": "total", "_rd": "read", "_wr": "write"}


class Rule(NamedTuple):
    """A limit of one kind.

    Attributes:
        unit: ``bps`` or ``iops``.
        way: ``total``, ``read`` or ``write``.
        average: A second, in the long run.
        most: A second, in a burst; 0 for no more than a moment of the average.
        length: Seconds of a burst.
    """

    unit: str
    way: str
    average: int
    most: int = 0
    length: int = 1


@dataclass(slots=True)
class Bucket:
    """What has come under a limit, and has not leaked away.

    Attributes:
        level: How much, leaking at the average rate.
        burst: How much, leaking at the rate of a burst.
        at: When that was, in seconds.
    """

    level: float = 0.0
    burst: float = 0.0
    at: float = 0.0

    def leak(self, rule: Rule, now: float) -> None:
        """Let leak what has had the time to."""
        passed, self.at = max(0.0, now - self.at), now
        self.level = max(0.0, self.level - rule.average * passed)
        self.burst = max(0.0, self.burst - rule.most * passed)

    def wait(self, rule: Rule, without: float = 0.0) -> float:
        """Return how many seconds it takes until the next may come.

        Args:
            rule: The limit.
            without: What is not counted, as nobody waits for it.
        """
        holds = rule.most * rule.length if rule.most else rule.average * _FREE
        surplus = self.level - without - holds
        if surplus > 0:
            return surplus / rule.average
        if rule.most and rule.length > 1:
            surplus = self.burst - without - rule.most * _FREE
            return max(0.0, surplus / rule.most)
        return 0.0

    def fill(self, amount: float) -> None:
        """Put something in."""
        self.level += amount
        self.burst += amount


class _Group:
    """The buckets of those who share limits.

    Args:
        made: What the group is; another one has other buckets.
        rules: Its limits; when they change, all buckets are empty.
    """

    def __init__(self, made: object, rules: tuple[Rule, ...]) -> None:
        self.made = made
        self.buckets = {rule: Bucket() for rule in rules}

    def pay(
        self, amounts: Mapping[str, float], last: Mapping[str, float], way: str
    ) -> Iterator[tuple[Rule, Bucket, float, float]]:
        """Yield limits of a way, their buckets, what to put in, and the last of it."""
        for rule, bucket in self.buckets.items():
            if rule.way in ("total", way):
                yield rule, bucket, amounts[rule.unit], last[rule.unit]


class Pacing:
    """What holds requests back in a machine.

    Args:
        graph: The graph with the nodes.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        self._graph = graph
        self._groups: dict[str, _Group] = {}

    def longest_delay(self, passed: "Iterable[tuple[Node, bool]]", count: int) -> float:
        """Let a job's bytes go through several nodes; return how long to wait then.

        Args:
            passed: The nodes, and whether they are written there.
            count: How many bytes.

        Returns:
            Seconds.
        """
        delays = [self.delay(node, count, is_write=write) for node, write in passed]
        return max(delays, default=0.0)

    def delay(self, node: "Node", count: int, *, is_write: bool) -> float:
        """Let a job's bytes go through a node; return how long to wait after it.

        The last of its requests is not waited for.

        Args:
            node: Where they go in.
            count: How many bytes.
            is_write: Whether they are written, or read.

        Returns:
            Seconds.
        """
        longest, now = 0.0, self._now()
        for group, size in self._groups_of(node):
            amounts = _amounts(count, size or REQUEST)
            last = _amounts(min(count, REQUEST), size or REQUEST)
            way = "write" if is_write else "read"
            for rule, bucket, amount, rest in group.pay(amounts, last, way):
                bucket.leak(rule, now)
                bucket.fill(amount)
                longest = max(longest, bucket.wait(rule, rest))
        return longest

    def enter(
        self,
        node: "Node",
        count: int,
        *,
        is_write: bool,
        limits: "Limits | None" = None,
    ) -> float:
        """Let one request go through a node; return how long it is to wait before it.

        Args:
            node: Where it goes in.
            count: Its bytes.
            is_write: Whether they are written, or read.
            limits: Those of the drive that it comes from.

        Returns:
            Seconds.
        """
        longest, now = 0.0, self._now()
        way = "write" if is_write else "read"
        for group, size in self._groups_of(node, limits):
            amounts = _amounts(count, size or max(count, 1))
            for rule, bucket, amount, _ in group.pay(amounts, amounts, way):
                bucket.leak(rule, now)
                longest = max(longest, bucket.wait(rule))
                bucket.fill(amount)
        return longest

    def _now(self) -> float:
        return self._graph.machine.clock.microseconds() / _SECOND

    def _groups_of(
        self, node: "Node | None", limits: "Limits | None" = None
    ) -> Iterator[tuple[_Group, int]]:
        """Yield the groups of what is above and below, and what counts as a request."""
        machine = self._graph.machine
        if limits is not None:
            name = _DRIVES + limits.group
            yield self._group(name, None, _of_drive(limits)), limits.iops_size
        while node is not None:
            if node.driver == "throttle":
                name = str(node.options.get("throttle-group"))
                shown = machine.qom.resolve(f"/objects/{name}")
                told = {} if shown is None else shown.values.get("limits", {})
                group = self._group(name, machine.objects.get(name), _of_group(told))
                yield group, int(told.get("iops-size", 0))
            node = node.file

    def _group(self, name: str, made: object, rules: Iterable[Rule]) -> _Group:
        wanted = tuple(rules)
        group = self._groups.get(name)
        if group is None or group.made is not made or tuple(group.buckets) != wanted:
            group = self._groups[name] = _Group(made, wanted)
        return group


def _amounts(count: int, size: int) -> dict[str, float]:
    """Return what bytes count as: themselves, and requests of a size."""
    return {"bps": count, "iops": max(1.0, count / size)}


def _of_group(limits: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the limits of a throttle group."""
    for unit in ("bps", "iops"):
        for way in _WAYS.values():
            name = f"{unit}-{way}"
            if average := limits.get(name, 0):
                most = limits.get(f"{name}-max", 0)
                length = limits.get(f"{name}-max-length", 1)
                yield Rule(unit, way, average, most, length)


def _of_drive(limits: "Limits") -> Iterator[Rule]:
    """Yield the limits of a drive."""
    for unit in ("bps", "iops"):
        for end, way in _WAYS.items():
            if average := limits.average.get(unit + end, 0):
                most = limits.most.get(unit + end, 0)
                length = limits.length.get(unit + end, 1)
                yield Rule(unit, way, average, most, length)
