"""What network adapters let through, how they make themselves known; their cables.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Final, TypedDict

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.network.clients import Client, Kind
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)

_VLANS: Final = 4096


RxState = Annotated[str, Values("normal", "none", "all")]

RxFilterInfo = TypedDict(
    "RxFilterInfo",
    {
        "name": str,
        "promiscuous": bool,
        "multicast": RxState,
        "unicast": RxState,
        "vlan": RxState,
        "broadcast-allowed": bool,
        "multicast-overflow": bool,
        "unicast-overflow": bool,
        "main-mac": str,
        "vlan-table": list[int],
        "unicast-table": list[str],
        "multicast-table": list[str],
    },
)


@commands.command("query-rx-filter")
def query_rx_filter(machine: Machine, *, name: str | None = None) -> list[RxFilterInfo]:
    """Tell what adapters let through: all of those that can tell, or one.

    No guest code has ever set a filter, so they are as after a reset.

    Raises:
        GenericError: There is no such adapter, or it cannot tell.
    """
    if name is None:
        return [_filter(client) for client in machine.network if _can_tell(client)]
    try:
        client = machine.network.find(name)
    except DeviceNotFound:
        message = f"invalid net client name: {name}"
        raise GenericError(message) from None
    if client.kind is not Kind.ADAPTER:
        message = f"net client({name}) isn't a NIC"
        raise GenericError(message)
    if not _can_tell(client):
        message = f"net client({name}) doesn't support rx-filter querying"
        raise GenericError(message)
    return [_filter(client)]


def _can_tell(client: Client) -> bool:
    return client.kind is Kind.ADAPTER and client.model.startswith("virtio-net")


def _filter(client: Client) -> RxFilterInfo:
    return {
        "name": client.name,
        "promiscuous": True,
        "multicast": "normal",
        "unicast": "normal",
        "vlan": "all",
        "broadcast-allowed": False,
        "multicast-overflow": False,
        "unicast-overflow": False,
        "main-mac": client.mac,
        "vlan-table": list(range(_VLANS - 1, -1, -1)),
        "unicast-table": [],
        "multicast-table": [],
    }


@commands.command("announce-self")
def announce_self(
    machine: Machine,
    *,
    initial: int,
    max_: int,
    rounds: int,
    step: int,
    interfaces: list[str] | None = None,
    id_: str | None = None,
) -> None:
    """Let adapters announce themselves; no frames leave this machine."""


@commands.command("set_link")
def set_link(machine: Machine, *, name: str, up: bool) -> None:
    """Plug the cable of a network adapter or back end in, or out."""
    machine.network.set_link(name, is_up=up)
