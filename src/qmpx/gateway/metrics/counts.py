"""What a gateway counts: commands, latencies, refusals, events, clients.

Counting happens in the loop's thread, by plain numbers; who scrapes reads them from
another one, and waits for nobody. How many series there may be is bounded: names that
clients make up are counted under one label.
"""

from bisect import bisect_left
from typing import Final

from msgspec import Raw, UnsetType

from qmpx.client.deadlines import (
    DEADLINES,
    DISK_TIMEOUT,
    IMAGE_TIMEOUT,
    MEMORY_TIMEOUT,
)
from qmpx.gateway.policy import Decision
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.observing import Bystander

BUCKETS: Final = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
)
"""Upper bounds of the latencies that are counted together, in seconds: from a query's
tenths of a millisecond to what a job may hold a monitor up."""

MAX_COMMANDS: Final = 384
"""Names of commands that have a label of their own, for each monitor: all of QEMU's. A
name gets one when such a command was carried out; the others share `OTHER`."""

MAX_EVENTS: Final = 128
"""Names of events that have a label of their own, for each monitor: twice QEMU's."""

MAX_REFUSALS: Final = 256
"""Pairs of a role and a refused command that have a label, for each monitor, beside
those of commands that were carried out: what is tried in good faith is less."""

MAX_LABEL: Final = 64
"""Characters of a refused command's name that becomes a label; QEMU's have 41."""

OTHER: Final = "other"
"""The label of what has none of its own."""


CLASSES: Final = {
    DISK_TIMEOUT: "disk",
    IMAGE_TIMEOUT: "image",
    MEMORY_TIMEOUT: "memory",
}
"""Classes of latency by their deadlines (`qmpx.client.deadlines`); else ``quick``."""


class Latencies:
    """How long commands of one class took.

    Attributes:
        counts: How many, for each of `BUCKETS`, and one for those beyond.
        seconds: All together.
    """

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Counts(Bystander):
    """What happened with one shared monitor: an observer.

    Attributes:
        commands: By name and outcome.
        roles: Commands by role and outcome.
        refusals: By role and name.
        latencies: By class of latency.
        events: By name.
        connections: Clients that have come.
        departures: Clients that have gone: ``left`` or ``dropped``.
        events_dropped: Events that clients who have gone were too slow to get.
        losses: How often the monitor was lost.
    """

    def __init__(self) -> None:
        self.commands: dict[tuple[str, str], int] = {}
        self.roles: dict[tuple[str, str], int] = {}
        self.refusals: dict[tuple[str, str], int] = {}
        self.latencies: dict[str, Latencies] = {}
        self.events: dict[str, int] = {}
        self.connections = 0
        self.departures: dict[str, int] = {}
        self.events_dropped = 0
        self.losses = 0
        self._known: dict[str, str] = {}  # to the class of latency

    def connected(self, client: Client) -> None:  # noqa: ARG002 - the observer's form
        """Count a client that has come."""
        self.connections += 1

    def disconnected(self, client: Client, reason: str) -> None:
        """Count a client that has gone."""
        _add(self.departures, "dropped" if reason else "left")
        self.events_dropped += client.session.events_dropped

    def decided(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: Decision,
    ) -> None:
        """Count a refusal."""
        if not decision.is_allowed:
            label = client.role.name, name
            if label not in self.refusals and not self._may_label(name):
                label = client.role.name, OTHER
            _add(self.refusals, label)

    def answered(
        self,
        client: Client,
        name: str,
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: Decision,  # noqa: ARG002
        outcome: str,
        seconds: float,
    ) -> None:
        """Count a command, and how long it took."""
        latency = self._known.get(name)
        if latency is None:
            name, latency = self._meet(name, outcome)
        _add(self.commands, (name, outcome))
        _add(self.roles, (client.role.name, outcome))
        latencies = self.latencies.get(latency)
        if latencies is None:
            latencies = self.latencies[latency] = Latencies()
        latencies.add(seconds)

    def event(
        self,
        sequence: int,  # noqa: ARG002
        name: str,
        data: Raw | UnsetType,  # noqa: ARG002
        text: bytes,  # noqa: ARG002
    ) -> None:
        """Count an event."""
        if name not in self.events and len(self.events) >= MAX_EVENTS:
            name = OTHER
        _add(self.events, name)

    def upstream_changed(self, state: str, reason: str) -> None:  # noqa: ARG002
        """Count a loss."""
        if state == "away":
            self.losses += 1

    def _may_label(self, name: str) -> bool:
        """Whether a refused command gets a label: clients can make names up."""
        if len(name) > MAX_LABEL:
            return False
        return name in self._known or len(self.refusals) < MAX_REFUSALS

    def _meet(self, name: str, outcome: str) -> tuple[str, str]:
        """Return label and class of a command that was not met before."""
        if outcome != "return" or len(self._known) >= MAX_COMMANDS:
            return OTHER, "quick"
        latency = CLASSES.get(DEADLINES.get(name) or 0.0, "quick")
        self._known[name] = latency
        return name, latency


def _add(counts: dict[str, int] | dict[tuple[str, str], int], key: object) -> None:
    counts[key] = counts.get(key, 0) + 1  # type: ignore[index,call-overload]
