"""Spans of OpenTelemetry: one for each command, made when its reply is there.

Nothing of it is imported unless it is asked for, and it need not be installed. Which
exporter takes the spans is found by its name, as OpenTelemetry's own programs do it;
where it sends them is up to the environment (``OTEL_EXPORTER_OTLP_ENDPOINT`` and the
like).

Source: OpenTelemetry's API and SDK for Python, 1.20 and later; its conventions for
remote calls (``rpc.system``, ``rpc.method``).
"""

import time
from typing import TYPE_CHECKING, Any

from msgspec import Raw, UnsetType

from qmpx.errors import AddressError
from qmpx.gateway.settings.process import TracingSettings
from qmpx.gateway.sharing.observing import Bystander

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from qmpx.gateway.policy import Decision
    from qmpx.gateway.sharing.client import Client

GROUP = "opentelemetry_traces_exporter"
"""The entry points by which exporters are found."""


class Tracing:
    """Makes spans, and hands them to an exporter in the background.

    Args:
        settings: Which exporter.

    Raises:
        AddressError: OpenTelemetry is not installed, or there is no such exporter.
    """

    def __init__(self, settings: TracingSettings) -> None:
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            message = (
                f"[tracing] exporter = {settings.exporter!r}: OpenTelemetry is not "
                "installed; install qmpx[tracing]"
            )
            raise AddressError(message) from error
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": settings.service})
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter_named(settings.exporter)())
        )

    def observer(self, upstream: str) -> "Spans":
        """Return what makes the spans of one monitor."""
        return Spans(self._provider.get_tracer("qmpx.gateway"), upstream)

    def close(self) -> None:
        """Hand over what there is, and end."""
        self._provider.shutdown()


class Spans(Bystander):
    """Makes a span for each command of one monitor.

    Args:
        tracer: Makes them.
        upstream: What the monitor is called.
    """

    def __init__(self, tracer: "Tracer", upstream: str) -> None:
        self._tracer = tracer
        self._upstream = upstream

    def decided(
        self,
        client: "Client",
        name: str,
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: "Decision",
    ) -> None:
        """Make a span for a refusal; others are made when they are answered."""
        if not decision.is_allowed:
            self._make(client, name, decision, "refused", 0.0)

    def answered(
        self,
        client: "Client",
        name: str,
        arguments: Raw | UnsetType,  # noqa: ARG002
        decision: "Decision",
        outcome: str,
        seconds: float,
    ) -> None:
        """Make a span for a command."""
        self._make(client, name, decision, outcome, seconds)

    def _make(
        self,
        client: "Client",
        name: str,
        decision: "Decision",
        outcome: str,
        seconds: float,
    ) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        end = time.time_ns()
        span = self._tracer.start_span(
            f"qmp {name}",
            kind=SpanKind.SERVER,
            start_time=end - round(seconds * 1e9),
            attributes={
                "rpc.system": "qmp",
                "rpc.method": name,
                "qmpx.upstream": self._upstream,
                "qmpx.client": client.number,
                "qmpx.identity": str(client.identity),
                "qmpx.role": client.role.name,
                "qmpx.rule": decision.rule,
                "qmpx.outcome": outcome,
            },
        )
        if outcome != "return":
            span.set_status(Status(StatusCode.ERROR, outcome))
        span.end(end)


def exporter_named(name: str) -> Any:
    """Return the class of an exporter.

    Raises:
        AddressError: There is none of that name, or it cannot be loaded.
    """
    from importlib.metadata import entry_points

    there = {each.name: each for each in entry_points(group=GROUP)}
    if name not in there:
        known = ", ".join(sorted(there)) or "none"
        message = (
            f"[tracing] exporter = {name!r}: there is no such exporter (installed: "
            f"{known}); otlp_proto_http is in opentelemetry-exporter-otlp-proto-http"
        )
        raise AddressError(message)
    try:
        return there[name].load()
    except ImportError as error:
        message = f"[tracing] exporter = {name!r} cannot be loaded: {error}"
        raise AddressError(message) from error
