"""The gateway's own monitor: how it is, and to read its configuration anew.

It speaks QMP as any monitor does, introspection included, on a socket of its own that
only the gateway's user can reach.
"""

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from qmpx.gateway.care.care import HealthInfo
from qmpx.monitor.monitor import Monitor
from qmpx.monitor.registry import CommandRegistry

if TYPE_CHECKING:
    from qmpx.gateway.daemon.gateway import Gateway
    from qmpx.gateway.daemon.member import Member
    from qmpx.gateway.sharing.client import Client

MAX_CLIENTS: Final = 16
"""Clients of the control socket at once: it is for one person and a script or two."""

commands: Final = CommandRegistry()
"""The commands of the control socket."""


class ClientInfo(Struct, rename="kebab"):
    """A client of one upstream.

    Attributes:
        number: Which one it is, of all since the process began.
        identity: Who it is.
        role: What it may do.
        listener: Where it came in.
        since: When it came: seconds since 1970.
        events_dropped: Events that it was too slow to get.
    """

    number: int
    identity: str
    role: str
    listener: str
    since: float
    events_dropped: int


class UpstreamInfo(Struct, rename="kebab", omit_defaults=True):
    """A monitor that is shared.

    Attributes:
        name: What it is called.
        address: Where it is, or where it connects to.
        health: How it is.
        listen: Where its clients connect to; empty: it was never found.
        clients: Who is connected.
        problem: Why nobody can connect.
    """

    name: str
    address: str
    health: HealthInfo
    listen: list[str]
    clients: list[ClientInfo]
    problem: str | None = None


class GatewayInfo(Struct, rename="kebab"):
    """The gateway.

    Attributes:
        since: When it began: seconds since 1970.
        configured: When its configuration was put in force, likewise.
        upstreams: The monitors that are shared.
    """

    since: float
    configured: float
    upstreams: list[UpstreamInfo]


class Controlled:
    """What the control socket's commands act on.

    Args:
        gateway: The gateway.
        reload: Reads the configuration anew, and puts it in force.

    Attributes:
        configured: When a configuration was put in force last: seconds since 1970.
    """

    def __init__(
        self, gateway: "Gateway", reload: Callable[[], Awaitable[None]]
    ) -> None:
        self.gateway = gateway
        self.reload = reload
        self.since = self.configured = time.time()

    def note(self) -> None:
        """Note that a configuration was put in force now."""
        self.configured = time.time()


def control_monitor(target: Controlled) -> Monitor:
    """Return the monitor for the control socket."""
    return Monitor(target, commands=commands, introspection=True)


@commands.command("x-qmpx-status")
def status(target: Controlled) -> GatewayInfo:
    """Tell of the monitors that are shared, how each is, and who its clients are."""
    members = target.gateway.members.values()
    return GatewayInfo(target.since, target.configured, list(map(_upstream, members)))


@commands.command("x-qmpx-reload")
async def reload(target: Controlled) -> None:
    """Read the configuration anew; if it is bad, the old one stays, and why is told."""
    await target.reload()


def _upstream(member: "Member") -> UpstreamInfo:
    return UpstreamInfo(
        name=member.name,
        address=str(member.monitor.upstream.address),
        health=member.care.info(),
        listen=list(member.addresses()),
        clients=[_client(client) for client in member.monitor.clients],
        problem=member.problem or None,
    )


def _client(client: "Client") -> ClientInfo:
    return ClientInfo(
        number=client.number,
        identity=str(client.identity),
        role=client.role.name,
        listener=client.listener,
        since=client.since,
        events_dropped=client.session.events_dropped,
    )
