"""``[gateway]``, ``[health]``, ``[metrics]`` and ``[tracing]``: the process itself."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from qmpx.client.deadlines import EXAMINE_TIMEOUT

DRAIN: Final = 10.0
"""Seconds that a gateway which ends gives to what is being answered."""


class GatewaySettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"
):
    """``[gateway]``: the process itself.

    Attributes:
        control: Where ``qmpx gateway status`` asks; empty: nowhere.
        drain: Seconds that it gives, at its end, to what is being answered.
    """

    control: str = ""
    drain: Annotated[float, Meta(ge=0.0)] = DRAIN


HEALTH_INTERVAL: Final = 10.0
"""Seconds between questions: a monitor that hangs is noticed before people do."""


class HealthSettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"
):
    """``[health]``: how monitors are watched.

    Attributes:
        interval: Seconds between questions.
        timeout: Seconds for an answer.
    """

    interval: Annotated[float, Meta(ge=0.1)] = HEALTH_INTERVAL
    timeout: Annotated[float, Meta(gt=0.0)] = EXAMINE_TIMEOUT


GUEST_INTERVAL: Final = 30.0
"""Seconds between two looks at what a guest does; scrapes are seldom more frequent."""


class MetricsSettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"
):
    """``[metrics]``: what Prometheus reads, and where.

    Attributes:
        listen: Where it is read, by HTTP, such as ``tcp:127.0.0.1:9139`` or a unix
            socket; empty: nowhere, and nothing is counted.
        allow_remote: Whether to listen on a TCP address that others can reach.
        guest: Whether monitors are asked what their guests do: disks, balloon,
            processors, migration.
        interval: Seconds between two such questions.
    """

    listen: str = ""
    allow_remote: bool = False
    guest: bool = True
    interval: Annotated[float, Meta(ge=1.0)] = GUEST_INTERVAL


class TracingSettings(
    Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"
):
    """``[tracing]``: spans of OpenTelemetry.

    Attributes:
        exporter: What takes the spans: ``otlp_proto_http``, ``console`` or the like;
            empty: there are none.
        service: The name of the service that they tell.
    """

    exporter: str = ""
    service: str = "qmpx-gateway"
