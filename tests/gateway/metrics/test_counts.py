"""What is counted: every command once, and no more series than there may be."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from qmpx.client.deadlines import DEADLINES
from qmpx.gateway.metrics import counts as counting
from qmpx.gateway.metrics.counts import BUCKETS, OTHER, Counts, Latencies
from qmpx.gateway.policy import Decision
from qmpx.gateway.sharing.client import Client
from qmpx.monitor import Monitor, Session
from qmpx.monitor.frontend import Frontend

ALLOWED = Decision("allow", "r", "")
REFUSED = Decision("deny", "r", "")


@pytest.fixture
def client() -> Client:
    """Make a client that may do anything."""
    return Client(Session(Monitor(), Frontend()))


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (0.0, 0),
        (BUCKETS[0], 0),
        (BUCKETS[0] * 1.01, 1),
        (BUCKETS[-1], len(BUCKETS) - 1),
        (1e9, len(BUCKETS)),
    ],
)
def test_latencies_are_counted_by_their_bound(seconds: float, bucket: int) -> None:
    latencies = Latencies()
    latencies.add(seconds)
    expected = [0] * (len(BUCKETS) + 1)
    expected[bucket] = 1
    assert latencies.counts == expected
    assert latencies.seconds == seconds


def test_each_class_of_latency_is_counted_apart(client: Client) -> None:
    counts = Counts()
    for name in ("query-status", "stop", "block-commit", "memsave"):
        counts.answered(client, name, UNSET, ALLOWED, "return", 1.0)
    told = {name: each.seconds for name, each in counts.latencies.items()}
    assert told == {"quick": 1.0, "disk": 1.0, "image": 1.0, "memory": 1.0}
    assert {counting.CLASSES[each] for each in DEADLINES.values() if each} == {
        "disk",
        "image",
        "memory",
    }


def test_made_up_names_share_one_label(client: Client) -> None:
    counts = Counts()
    for number in range(5000):
        name = f"none-{number}"
        counts.answered(client, name, UNSET, ALLOWED, "CommandNotFound", 0.0)
        counts.decided(client, name, UNSET, REFUSED)
        counts.event(number, name, UNSET, b"")
    role = client.role.name
    assert counts.commands == {(OTHER, "CommandNotFound"): 5000}
    assert counts.roles == {(role, "CommandNotFound"): 5000}
    assert len(counts.refusals) == counting.MAX_REFUSALS + 1
    assert sum(counts.refusals.values()) == 5000
    assert len(counts.events) == counting.MAX_EVENTS + 1
    assert sum(counts.events.values()) == 5000
    # What was carried out has its label all the same.
    counts.answered(client, "query-name", UNSET, ALLOWED, "return", 0.0)
    counts.decided(client, "query-name", UNSET, REFUSED)
    counts.decided(client, "query-name", UNSET, ALLOWED)
    assert counts.commands["query-name", "return"] == 1
    assert counts.refusals[role, "query-name"] == 1


def test_too_many_commands_share_one_label(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "MAX_COMMANDS", 2)
    counts = Counts()
    for name in "abca":
        counts.answered(client, name, UNSET, ALLOWED, "return", 0.0)
    expected: dict[Any, int] = {("a", "return"): 2, ("b", "return"): 1}
    assert counts.commands == expected | {(OTHER, "return"): 1}


def test_a_name_that_is_very_long_is_no_label(client: Client) -> None:
    counts = Counts()
    counts.decided(client, "x" * (counting.MAX_LABEL + 1), UNSET, REFUSED)
    assert counts.refusals == {(client.role.name, OTHER): 1}


def test_clients_and_losses_are_counted(client: Client) -> None:
    counts = Counts()
    counts.connected(client)
    client.session.events_dropped = 7
    counts.disconnected(client, "")
    counts.disconnected(client, "too slow")
    for state in ("open", "away", "open"):
        counts.upstream_changed(state, "")
    assert counts.connections == 1
    assert counts.departures == {"left": 1, "dropped": 1}
    assert counts.events_dropped == 14
    assert counts.losses == 1
