"""Network back ends, adapters and port forwards.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import (
    HumanTable,
    ask,
    ask_exactly,
    nested,
    on_off,
    read_options,
)
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.identifiers import is_identifier
from qmpx.machine.network.clients import Client, Failed, Kind
from qmpx.machine.network.forwards import BadForward, parse_forward, parse_listener
from qmpx.machine.network.hubs import hub_of, hubs
from qmpx.machine.network.user import UserNetwork
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

KINDS: Final = (
    *("socket", "stream", "dgram", "hubport", "tap", "user", "l2tpv3", "vde"),
    *("bridge", "vhost-user", "vhost-vdpa"),
)
"""The kinds of back ends that there are, in the order of their list."""

_LINE: Final = (
    "  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ"
)
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - what is shown as a star


@commands.does("netdev_add")
async def netdev_add(session: SessionLike, *, netdev: dict[str, str]) -> str | None:
    """Make a network back end."""
    if netdev.get("type") in ("help", "?"):
        return "Available netdev backend types:\n" + "".join(f"{x}\n" for x in KINDS)
    label = netdev.get("id")
    known = session.monitor.target.network.back_end(label or "")
    # QEMU does not say what is wrong with the id.
    if known is not None or not (label is None or is_identifier(label)):
        return 'Try "help netdev_add" for more information\n'
    if "id" not in netdev:
        raise GenericError("Parameter 'id' is missing")
    if "type" not in netdev:
        raise GenericError("Parameter 'type' is missing")
    if netdev["type"] == "stream":  # whose address cannot be told in one line
        raise GenericError("Parameter 'type' is missing")
    listed: dict[str, Any] = {
        name: [{"str": netdev[name]}]
        for name in ("hostfwd", "guestfwd", "dnssearch")
        if name in netdev
    }
    plain = {name: text for name, text in netdev.items() if name not in listed}
    try:
        values = read_options(session, "netdev_add", nested(plain))
    except CommandError as error:
        raise GenericError(_as_options_say(error.desc)) from None
    await ask_exactly(session, "netdev_add", {**values, **listed})
    return None


def _as_options_say(text: str) -> str:
    """Return what QEMU says of an option, for what it says of an argument."""
    if text.endswith(" is unexpected"):
        name = text.removeprefix("Parameter ").removesuffix(" is unexpected")
        return f"Invalid parameter {name}"
    return text.replace(" expects integer", " expects an int64 value")


@commands.does("netdev_del")
async def netdev_del(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Remove a network back end."""
    await ask(session, "netdev_del", id=id)


@commands.does("set_link")
async def set_link(session: SessionLike, *, name: str, up: bool) -> None:
    """Plug a cable in or out."""
    await ask(session, "set_link", name=name, up=up)


@commands.does("announce_self")
async def announce_self(
    session: SessionLike,
    *,
    interfaces: str | None = None,
    id: str | None = None,  # noqa: A002
) -> None:
    """Let switches know where the machine is now, as migration's parameters say."""
    values = await ask(session, "query-migrate-parameters")
    arguments: dict[str, Any] = {
        name: values[f"announce-{name}"]
        for name in ("initial", "max", "rounds", "step")
    }
    if interfaces is not None:
        arguments["interfaces"] = interfaces.split(",")
    if id is not None:
        arguments["id"] = id
    await ask_exactly(session, "announce-self", arguments)


def _text(client: Client) -> str:
    """Return what there is to say of a client."""
    if client.kind is Kind.ADAPTER:
        mac = client.mac.lower()
        return f"index=0,type=nic,model={client.model},macaddr={mac}"
    if isinstance(client.back_end, UserNetwork):
        network = client.back_end
        restrict = on_off(network.is_restricted)
        return (
            f"index=0,type=user,net={network.network.network_address},"
            f"restrict={restrict}"
        )
    return f"index=0,type={client.model},{client.info}"


@commands.shows("network")
def info_network(machine: Machine) -> str:
    """Return the hubs, the adapters with what they are connected to, and the rest."""
    lines: list[str] = []
    network = machine.network
    for number, ports in hubs(network):
        lines.append(f"hub {number}")
        for name, client in ports:
            connected = "" if client is None else f": {client.name}: {_text(client)}"
            lines.append(f" \\ {name}{connected}")
    for client in network.others:
        if hub_of(client) is not None:
            continue
        if client.kind is Kind.ADAPTER:
            lines.append(f"{client.name}: {_text(client)}")
            peer = client.peer or client.former_peer
            if peer is not None:
                lines.append(f" \\ {peer.name}: {_text(peer)}")
        elif client.peer is None:
            lines.append(f"{client.name}: {_text(client)}")
    return "".join(f"{line}\n" for line in lines)


# User-mode networks.


def _networks(machine: Machine) -> list[tuple[str, UserNetwork]]:
    return [
        (client.name, client.back_end)
        for client in machine.network
        if isinstance(client.back_end, UserNetwork)
    ]


def _network(machine: Machine, name: str | None) -> UserNetwork | str:
    """Return a network, or what to say if there is none of that name."""
    networks = _networks(machine)
    if name is None:
        if not networks:
            return "user mode network stack not in use\n"
        return networks[0][1]
    for known, network in networks:
        if known == name:
            return network
    return f"unrecognized netdev id '{name}'\n"


@commands.does("hostfwd_add")
def hostfwd_add(machine: Machine, *, arg1: str, arg2: str | None = None) -> str | None:
    """Pass a port of the host on to the guest."""
    name, rule = (None, arg1) if arg2 is None else (arg1, arg2)
    network = _network(machine, name)
    if isinstance(network, str):
        return network
    try:
        parse_forward(rule, network.dhcp_start)
    except BadForward:
        return f"Invalid host forwarding rule '{rule}' ({_fault(rule)})\n"
    try:
        network.add_forward(rule, [each for _, each in _networks(machine)])
    except Failed:
        return f"Could not set up host forwarding rule '{rule}'\n"
    return None


def _fault(rule: str) -> str:
    protocol, colon, rest = rule.partition(":")
    if not colon:
        return "No : separators"
    if protocol not in ("", "tcp", "udp"):
        return "Bad protocol name"
    if ":" not in rest:
        return "Missing : separator"
    port, dash, guest = rest.partition(":")[2].partition("-")
    if not dash or not port.isdecimal():
        return "Bad host port separator" if not dash else "Bad host port"
    return "Missing guest port separator" if ":" not in guest else "Bad guest port"


@commands.does("hostfwd_remove")
def hostfwd_remove(machine: Machine, *, arg1: str, arg2: str | None = None) -> str:
    """Pass a port of the host on no more, and tell whether that was so."""
    name, rule = (None, arg1) if arg2 is None else (arg1, arg2)
    network = _network(machine, name)
    if isinstance(network, str):
        return network
    try:
        listener = parse_listener(rule)
    except BadForward:
        return "invalid format\n"
    result = "removed" if network.remove_forward(listener) else "not found"
    return f"host forwarding rule for {rule} {result}\n"


@commands.shows("usernet")
def info_usernet(machine: Machine) -> str:
    """Return the user-mode networks and the ports that they pass on."""
    lines: list[str] = []
    for client in machine.network:
        network = client.back_end
        if not isinstance(network, UserNetwork):
            continue
        hub = hub_of(client)
        lines += [f"Hub {-1 if hub is None else hub} ({client.name}):", _LINE]
        for forward in sorted(network.forwards, key=lambda each: each.protocol):
            state = f"  {forward.protocol.upper()}[HOST_FORWARD]"
            source = "*" if forward.host == _EVERYWHERE else forward.host
            lines.append(
                f"{state:<19} {-1:3d} {source:>15} {forward.host_port:5d} "
                f"{forward.guest:>15} {forward.guest_port:5d} {0:5d} {0:5d}"
            )
    return "".join(f"{line}\n" for line in lines)
