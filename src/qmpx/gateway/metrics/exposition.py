"""What a gateway has counted, as Prometheus reads it.

All of it is in memory already: making the text asks no monitor, and waits for nothing.
Every series has the label ``upstream``. What is bounded, and by what, see
`qmpx.gateway.metrics.counts`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final

from msgspec import Struct
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from qmpx.gateway.care.care import UpstreamCare
from qmpx.gateway.metrics.counts import BUCKETS, Counts
from qmpx.gateway.metrics.guest_series import KINDS, GuestSeries
from qmpx.gateway.sharing.monitor import SharedMonitor

STATES: Final = ("ok", "busy", "silent", "gone", "held")
"""The states of `qmpx.client.health.Health`."""


class Counted(Struct):
    """All that is known of one shared monitor.

    Attributes:
        monitor: The monitor.
        care: What looks after it.
        counts: What happened with it.
        guest: What its guest does.
    """

    monitor: SharedMonitor
    care: UpstreamCare
    counts: Counts
    guest: GuestSeries


class GatewayCollector(Collector):
    """Makes metrics of what was counted; called in any thread.

    Args:
        upstreams: The monitors, by name. It is copied before it is looked through.
    """

    def __init__(self, upstreams: Mapping[str, Counted]) -> None:
        self._upstreams = upstreams

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        upstreams = dict(self._upstreams)
        gauge = GaugeMetricFamily("qmpx_upstreams", "Monitors that are shared.")
        gauge.add_metric([], len(upstreams))
        yield gauge
        yield from _conditions(upstreams)
        yield from _commands(upstreams)
        yield from _clients(upstreams)
        yield from _guests(upstreams)


Upstreams = Mapping[str, Counted]


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"qmpx_{name}", text, labels=["upstream", *labels])


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"qmpx_{name}", text, labels=["upstream", *labels])


def _conditions(upstreams: Upstreams) -> Iterator[Metric]:
    now = time.time()
    up = _gauge("upstream_up", "Whether there is a conversation with the monitor.")
    state = _gauge("upstream_health", "1 for how the monitor is.", "state")
    since = _gauge("upstream_health_seconds", "Seconds since the monitor is like that.")
    age = _gauge(
        "upstream_last_answer_age_seconds",
        "Seconds since the monitor answered the gateway's own question.",
    )
    latency = _gauge("upstream_answer_seconds", "What that answer took.")
    sent = _gauge("upstream_in_flight", "Commands sent and not answered.", "band")
    waiting = _gauge("upstream_waiting", "Commands that wait for their turn.")
    opened = _counter("upstream_conversations", "How often there was a conversation.")
    losses = _counter("upstream_losses", "How often the monitor was lost.")
    for name, each in upstreams.items():
        upstream, watch = each.monitor.upstream, each.care.watch
        health, answered = watch.health, watch.answered_at
        up.add_metric([name], upstream.is_open)
        for known in STATES:
            state.add_metric([name, known], health.state == known)
        since.add_metric([name], max(now - watch.since, 0.0))
        if answered is not None:
            age.add_metric([name], max(now - answered, 0.0))
        if health.in_band is not None:
            latency.add_metric([name], health.in_band)
        in_band, out_of_band = upstream.in_flight
        sent.add_metric([name, "in"], in_band)
        sent.add_metric([name, "out"], out_of_band)
        waiting.add_metric([name], upstream.waiting)
        opened.add_metric([name], upstream.opened)
        losses.add_metric([name], each.counts.losses)
    yield from (up, state, since, age, latency, sent, waiting, opened, losses)


def _commands(upstreams: Upstreams) -> Iterator[Metric]:
    commands = _counter("commands", "Commands.", "command", "outcome")
    roles = _counter("role_commands", "Commands of a role.", "role", "outcome")
    refusals = _counter("refusals", "Commands that were refused.", "role", "command")
    remembered = _counter("remembered_answers", "Commands answered from memory.")
    latencies = HistogramMetricFamily(
        "qmpx_command_seconds",
        "Seconds from a command to its reply, by class of latency.",
        labels=["upstream", "class"],
    )
    for name, each in upstreams.items():
        counts = each.counts
        for pair, count in _copied(counts.commands):
            commands.add_metric([name, *pair], count)
        for pair, count in _copied(counts.roles):
            roles.add_metric([name, *pair], count)
        for pair, count in _copied(counts.refusals):
            refusals.add_metric([name, *pair], count)
        if each.care.answers is not None:
            remembered.add_metric([name], each.care.answers.hits)
        for latency, seen in list(counts.latencies.items()):
            sums = list(accumulate(seen.counts))
            bounds = [*map(str, BUCKETS), "+Inf"]
            buckets = list(zip(bounds, sums, strict=True))
            latencies.add_metric([name, latency], buckets, seen.seconds)
    yield from (commands, roles, refusals, remembered, latencies)


def _clients(upstreams: Upstreams) -> Iterator[Metric]:
    clients = _gauge("clients", "Clients that are connected.", "role")
    came = _counter("client_connections", "Clients that have come.")
    went = _counter("client_departures", "Clients that have gone.", "how")
    dropped = _counter(
        "client_events_dropped", "Events that clients were too slow to get."
    )
    events = _counter("events", "Events of the monitor.", "event")
    for name, each in upstreams.items():
        counts, now = each.counts, each.monitor.clients
        by_role: dict[str, int] = {}
        for client in now:
            by_role[client.role.name] = by_role.get(client.role.name, 0) + 1
        for role, count in by_role.items():
            clients.add_metric([name, role], count)
        came.add_metric([name], counts.connections)
        for how, count in list(counts.departures.items()):
            went.add_metric([name, how], count)
        here = sum(client.session.events_dropped for client in now)
        dropped.add_metric([name], counts.events_dropped + here)
        for event, count in list(counts.events.items()):
            events.add_metric([name, event], count)
    yield from (clients, came, went, dropped, events)


def _guests(upstreams: Upstreams) -> Iterator[Metric]:
    families: dict[str, Metric] = {}
    adders: dict[str, Callable[[list[str], float], None]] = {}
    for figure, kind in KINDS.items():
        make = _counter if kind.is_counter else _gauge
        labels = [kind.label] if kind.label else []
        family = make(f"guest_{figure}", kind.text, *labels)
        families[figure], adders[figure] = family, family.add_metric
    age = _gauge(
        "guest_sample_age_seconds", "Seconds since the guest's figures came.", "query"
    )
    left_out = _gauge(
        "guest_things_left_out", "Disks and processors without a series.", "query"
    )
    now = time.monotonic()
    for name, each in upstreams.items():
        for query, sample in list(each.guest.samples.items()):
            age.add_metric([name, query], now - sample.at)
            left_out.add_metric([name, query], sample.left_out)
            for each_one in sample.figures:
                labels = [each_one.label] if each_one.label else []
                adders[each_one.name]([name, *labels], each_one.value)
    yield from (*families.values(), age, left_out)


def _copied(
    counts: Mapping[tuple[str, str], int],
) -> Iterable[tuple[tuple[str, str], int]]:
    return list(counts.items())
