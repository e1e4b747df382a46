"""Spans: one for each command, and nothing is imported where there are none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qmpx.errors import AddressError
from qmpx.gateway.metrics.tracing import Spans, Tracing
from qmpx.gateway.policy import Decision
from qmpx.gateway.settings.process import TracingSettings
from tests.monitor.conftest import NEGOTIATE, command

if TYPE_CHECKING:
    from tests.monitor.conftest import Connect, Run


def test_each_command_has_a_span(run: Run, share: Any, connect: Connect) -> None:
    async def main() -> None:
        class Closed:
            def check(self, _: Any, name: str, __: Any) -> Decision | None:
                return Decision("deny", "r", "no") if name == "large" else None

        async with share() as shared:
            shared.observers.append(Spans(provider.get_tracer("t"), "box"))
            shared.gates.append(Closed())
            peer = await connect(NEGOTIATE)
            await peer.ask(command("value", 1))
            await peer.ask(command("refuse", 2))
            await peer.ask(command("none", 3))
            await peer.ask(command("large", 4))

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    run(main())
    spans = exporter.get_finished_spans()
    told = [(span.name, dict(span.attributes or {})) for span in spans]
    outcomes = [
        ("value", "return"),
        ("refuse", "GenericError"),
        ("none", "CommandNotFound"),
        ("large", "refused"),
    ]
    assert [(name, a["rpc.method"], a["qmpx.outcome"]) for name, a in told] == [
        (f"qmp {name}", name, outcome) for name, outcome in outcomes
    ]
    for span, (_, attributes) in zip(spans, told, strict=True):
        assert attributes["rpc.system"] == "qmp"
        assert attributes["qmpx.upstream"] == "box"
        assert attributes["qmpx.identity"]
        assert span.status.is_unset == (attributes["qmpx.outcome"] == "return")
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
    provider.shutdown()


def test_an_exporter_is_found_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AddressError, match=r"installed: .*console"):
        Tracing(TracingSettings(exporter="nowhere"))
    tracing = Tracing(TracingSettings(exporter="console", service="here"))
    tracing.observer("box")
    tracing.close()
    assert "here" not in capsys.readouterr().out  # there was no span


ABSENT = """
import sys
import qmpx.gateway.daemon.service, qmpx.cli.gateway
heavy = {"opentelemetry", "prometheus_client", "inotify_simple", "sqlite3"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
for name in heavy:
    sys.modules[name] = None
from qmpx.errors import AddressError
from qmpx.gateway.daemon.instruments import Instruments, check_instruments
from qmpx.gateway.settings.process import MetricsSettings
from qmpx.gateway.settings.process import TracingSettings
Instruments(MetricsSettings(), TracingSettings(), {}).close()
check_instruments(MetricsSettings(), TracingSettings())
for metrics, tracing in (
    (MetricsSettings(listen="tcp:127.0.0.1:0"), TracingSettings()),
    (MetricsSettings(), TracingSettings(exporter="console")),
):
    for use in (lambda *both: Instruments(*both, {}), check_instruments):
        try:
            use(metrics, tracing)
        except AddressError as error:
            print(error)
"""


def test_what_is_off_is_not_imported_and_what_is_absent_is_said() -> None:
    said = subprocess.run(
        [sys.executable, "-c", ABSENT],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    loaded, metrics, metrics_checked, tracing, tracing_checked = (
        said.stdout.splitlines()
    )
    assert "opentelemetry" not in loaded
    assert "prometheus_client" not in loaded
    assert "inotify_simple" not in loaded
    assert "install qmpx[gateway]" in metrics
    assert "install qmpx[tracing]" in tracing
    assert (metrics_checked, tracing_checked) == (metrics, tracing)
