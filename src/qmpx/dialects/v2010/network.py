"""The network: back ends, links, vlans and port forwards.

Source: QEMU 0.13.0, sections 2, 5.4 and 5.5 of the notes.
"""

import re
from typing import Any, Final

from qmpx.dialects.v2010.option_values import explain, option_texts
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.network import Network
from qmpx.machine.network.clients import Failed
from qmpx.machine.network.forwards import BadForward, parse_listener
from qmpx.machine.network.user import UserNetwork
from qmpx.monitor.human import CommandTable
from qmpx.monitor.human.options import parse_options

commands = CommandTable()

_NUMBER: Final = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")


@commands.command(
    "netdev_add",
    "netdev:O",
    "[user|tap|socket],id=str[,prop=value][,...]",
    help="make a network back end; the options are those of -netdev",
)
def netdev_add(machine: Machine, *, netdev: dict[str, Any]) -> None:
    """Make a network back end."""
    machine.network.add_netdev(option_texts(netdev))


@commands.command("netdev_del", "id:s", "id", help="remove a network back end")
def netdev_del(machine: Machine, *, id: str) -> None:  # noqa: A002 - its name there
    """Remove a network back end."""
    machine.network.remove_netdev(id)


@commands.command(
    "set_link", "name:s,up:b", "name on|off", help="plug a network cable in or out"
)
def set_link(machine: Machine, *, name: str, up: bool) -> None:
    """Plug the cable of a network client in or out."""
    _connect(machine).set_link(name, is_up=up)


def _connect(machine: Machine) -> Network:
    """Return the network with the adapters that the board's options ask for."""
    if machine.network.nics:
        _ = machine.devices.root
    return machine.network


@commands.human(
    "host_net_add",
    "device:s,opts:s?",
    "tap|user|socket|vde|dump [options]",
    help="put a client of the host on a vlan",
)
def host_net_add(machine: Machine, *, device: str, opts: str | None = None) -> str:
    """Put a client of the host on a vlan."""
    try:
        machine.network.add_host_client(device, parse_options(opts or ""))
    except GenericError as error:
        return explain(error)
    except CommandError as error:
        return f"{explain(error)}adding host network device {device} failed\n"
    return ""


@commands.human(
    "host_net_remove",
    "vlan_id:i,device:s",
    "vlan_id name",
    help="take a client of the host off a vlan",
)
def host_net_remove(machine: Machine, *, vlan_id: int, device: str) -> None:
    """Take a client of the host off a vlan."""
    _connect(machine).remove_host_client(vlan_id, device)


@commands.info("network", help="show vlans and network clients")
def info_network(machine: Machine) -> str:
    """Tell of the network clients."""
    network = _connect(machine)
    lines = []
    for number, clients in network.vlans.items():
        lines.append(f"VLAN {number} devices:")
        lines += [f"  {client.name}: {client.info}" for client in clients]
    lines.append("Devices not on any VLAN:")
    for client in network.others:
        peer = f" peer={client.peer.name}" if client.peer is not None else ""
        lines.append(f"  {client.name}: {client.info}{peer}")
    return "".join(f"{line}\n" for line in lines)


# Port forwards.


def _stack(machine: Machine, vlan: str | None, name: str | None) -> UserNetwork:
    """Return a user-mode network: the one that is named, or the first.

    Raises:
        GenericError: There is none; the text tells why.
    """
    network = machine.network
    if vlan is None or name is None:
        networks = network.user_networks()
        if not networks:
            message = "user mode network stack not in use"
            raise GenericError(message)
        return networks[0]
    match = _NUMBER.match(vlan)
    number = 0 if match is None else int(match[1] + match[2], 0 if "x" in vlan else 10)
    back_end = network.on_vlan(number, name).back_end
    if not isinstance(back_end, UserNetwork):
        message = "invalid device specified"
        raise GenericError(message)
    return back_end


def _split(
    arg1: str, arg2: str | None, arg3: str | None
) -> tuple[str | None, str | None, str]:
    """Return vlan, name and rule, of which the first two may be left out."""
    return (None, None, arg1) if arg2 is None else (arg1, arg2, arg3 or "")


@commands.human(
    "hostfwd_add",
    "arg1:s,arg2:s?,arg3:s?",
    "[vlan_id name] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport",
    help="pass a port of the host on to the guest",
)
def hostfwd_add(
    machine: Machine, *, arg1: str, arg2: str | None = None, arg3: str | None = None
) -> None:
    """Add a port forward to a user-mode network."""
    vlan, name, rule = _split(arg1, arg2, arg3)
    stack = _stack(machine, vlan, name)
    try:
        stack.add_forward(rule, machine.network.user_networks())
    except Failed as failed:
        raise GenericError(str(failed)) from failed


@commands.human(
    "hostfwd_remove",
    "arg1:s,arg2:s?,arg3:s?",
    "[vlan_id name] [tcp|udp]:[hostaddr]:hostport",
    help="pass a port of the host on no more",
)
def hostfwd_remove(
    machine: Machine, *, arg1: str, arg2: str | None = None, arg3: str | None = None
) -> str:
    """Remove a port forward from a user-mode network, and tell whether it was there."""
    vlan, name, rule = _split(arg1, arg2, arg3)
    stack = _stack(machine, vlan, name)
    try:
        listener = parse_listener(rule)
    except BadForward:
        return "invalid format\n"
    result = "removed" if stack.remove_forward(listener) else "not found"
    return f"host forwarding rule for {rule} {result}\n"


@commands.info("usernet", help="show the connections of user-mode networks")
def info_usernet(machine: Machine) -> str:
    """Tell of user-mode networks and their port forwards."""
    lines = []
    network = machine.network
    for client, stack in zip(network.users, network.user_networks(), strict=True):
        vlan = -1 if client.vlan is None else client.vlan
        lines.append(f"VLAN {vlan} ({client.name}):")
        lines.append(
            "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port "
            "RecvQ SendQ"
        )
        # TCP first; nothing listens, so there is no descriptor.
        for forward in sorted(stack.forwards, key=lambda f: f.protocol):
            state = f"  {forward.protocol.upper()}[HOST_FORWARD]"
            source = "*" if forward.host == "0.0.0.0" else forward.host  # noqa: S104
            lines.append(
                f"{state:<19} {-1:3d} {source:>15} {forward.host_port:5d} "
                f"{forward.guest:>15} {forward.guest_port:5d} {0:5d} {0:5d}"
            )
    return "".join(f"{line}\n" for line in lines)
