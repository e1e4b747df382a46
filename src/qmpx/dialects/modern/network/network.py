"""Network back ends: new ones, and their end.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Final

from qmpx.dialects.modern.network.opening import make_back_end
from qmpx.dialects.modern.network.options import (
    Netdev,
    NetdevNetmap,
    NetdevNic,
    NetdevNone,
)
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.identifiers import check_identifier
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.network import MAX_CLIENTS
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Boxed

commands = CommandRegistry(reads_late=True)
_PORTS: Final = 0x10000


@commands.command("netdev_add")
def netdev_add(
    machine: Machine, session: SessionLike, *, netdev: Annotated[Netdev, Boxed()]
) -> None:
    """Make a network back end.

    Raises:
        InvalidParameterValue: The id is none.
        GenericError: It is taken; or the back end cannot be made.
    """
    network = machine.network
    check_identifier(netdev.id)
    if isinstance(netdev, NetdevNetmap | NetdevNic | NetdevNone):
        kind = netdev.__struct_config__.tag
        message = f"network backend '{kind}' is not compiled into this binary"
        raise GenericError(message)
    network.check_free(netdev.id)
    if sum(1 for _ in network) >= MAX_CLIENTS:
        message = f"there are {MAX_CLIENTS} network clients already"
        raise GenericError(message)
    try:
        client = make_back_end(machine, session, netdev)
    except Failed as failed:
        raise GenericError(str(failed)) from failed
    network.add_back_end(client)


@commands.command("netdev_del")
def netdev_del(machine: Machine, *, id_: str) -> None:
    """Remove a network back end; an adapter that it has stays.

    Raises:
        DeviceNotFound: There is none of that id.
    """
    machine.network.remove_netdev(id_)
