"""The network: back ends, links, and what adapters let through.

Source: QEMU 7.2.22, observed.
"""

import socket
from collections.abc import Callable
from typing import Annotated, Final, TypedDict

from msgspec import Struct

from qmpx.errors import DeviceNotFound, FdNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.identifiers import check_identifier
from qmpx.machine.network.back_ends import SocketLink, SocketListener, open_socket
from qmpx.machine.network.clients import BackEnd, Client, Failed, Kind
from qmpx.machine.network.network import MAX_CLIENTS
from qmpx.machine.network.tap import Tap, check_tap, make_tap
from qmpx.machine.network.user import UserNetwork
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Boxed, Described, Size, Values

commands = CommandRegistry()

_VLANS: Final = 4096
_PORTS: Final = 0x10000
_SOCKETS: Final = ("unix", "tcp", "telnet", "disconnected", "websocket")
_LONGEST_DOMAIN: Final = 255


class _Netdev(
    Struct, tag_field="type", rename="kebab", forbid_unknown_fields=True, kw_only=True
):
    id: str


class String(Struct, forbid_unknown_fields=True):
    """A string, wrapped."""

    str: str


class NetdevUser(_Netdev, tag="user", kw_only=True):
    """A network that QEMU itself is."""

    hostname: str | None = None
    restrict: bool | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    ip: str | None = None
    net: str | None = None
    host: str | None = None
    tftp: str | None = None
    bootfile: str | None = None
    dhcpstart: str | None = None
    dns: str | None = None
    dnssearch: list[String] | None = None
    domainname: str | None = None
    ipv6_prefix: str | None = None
    ipv6_prefixlen: int | None = None
    ipv6_host: str | None = None
    ipv6_dns: str | None = None
    smb: str | None = None
    smbserver: str | None = None
    hostfwd: list[String] | None = None
    guestfwd: list[String] | None = None
    tftp_server_name: str | None = None


class NetdevTap(_Netdev, tag="tap", rename=None, kw_only=True):
    """A TAP interface of the host."""

    ifname: str | None = None
    fd: str | None = None
    fds: str | None = None
    script: str | None = None
    downscript: str | None = None
    br: str | None = None
    helper: str | None = None
    sndbuf: Size | None = None
    vnet_hdr: bool | None = None
    vhost: bool | None = None
    vhostfd: str | None = None
    vhostfds: str | None = None
    vhostforce: bool | None = None
    queues: int | None = None


class NetdevSocket(_Netdev, tag="socket", kw_only=True):
    """A socket to another machine."""

    fd: str | None = None
    listen: str | None = None
    connect: str | None = None
    mcast: str | None = None
    localaddr: str | None = None
    udp: str | None = None


class NetdevHubPort(_Netdev, tag="hubport", kw_only=True):
    """A port of a hub."""

    hubid: Annotated[int, Described("int32")]
    netdev: str | None = None


class NetdevBridge(_Netdev, tag="bridge", kw_only=True):
    """A TAP interface that a helper makes."""

    br: str | None = None
    helper: str | None = None


class NetdevVhostUser(_Netdev, tag="vhost-user", kw_only=True):
    """A network that another program is."""

    chardev: str
    vhostforce: bool | None = None
    queues: int | None = None


class NetdevL2TPv3(_Netdev, tag="l2tpv3", rename=None, kw_only=True):
    """A tunnel, which cannot be had here."""

    src: str
    dst: str
    srcport: str | None = None
    dstport: str | None = None
    ipv6: bool | None = None
    udp: bool | None = None
    cookie64: bool | None = None
    counter: bool | None = None
    pincounter: bool | None = None
    txcookie: Size | None = None
    rxcookie: Size | None = None
    txsession: Size
    rxsession: Size | None = None
    offset: Size | None = None


class NetdevVde(_Netdev, tag="vde", kw_only=True):
    """A port of a VDE switch, which cannot be had here."""

    sock: str | None = None
    port: Size | None = None
    group: str | None = None
    mode: Size | None = None


class NetdevNetmap(_Netdev, tag="netmap", kw_only=True):
    """A netmap port, which cannot be had here."""

    ifname: str
    devname: str | None = None


class NetdevVdpa(_Netdev, tag="vhost-vdpa", kw_only=True):
    """A device that is an adapter, which cannot be had here."""

    vhostdev: str | None = None
    vhostfd: str | None = None
    queues: int | None = None
    x_svq: bool | None = None


class _FlatAddress(
    Struct, tag_field="type", rename="kebab", forbid_unknown_fields=True, kw_only=True
):
    pass


class FlatInetAddress(_FlatAddress, tag="inet", kw_only=True):
    """A TCP or UDP address."""

    host: str
    port: str
    numeric: bool | None = None
    to: Size | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    keep_alive: bool | None = None
    mptcp: bool | None = None


class FlatUnixAddress(_FlatAddress, tag="unix", kw_only=True):
    """The path of a UNIX socket."""

    path: str
    abstract: bool | None = None
    tight: bool | None = None


class FlatDescriptor(_FlatAddress, tag="fd", kw_only=True):
    """A descriptor."""

    str: str


class FlatVsockAddress(_FlatAddress, tag="vsock", kw_only=True):
    """An address of a hypervisor's sockets."""

    cid: str
    port: str


FlatAddress = FlatInetAddress | FlatUnixAddress | FlatDescriptor | FlatVsockAddress


class NetdevStream(_Netdev, tag="stream", kw_only=True):
    """A stream socket to another machine."""

    addr: FlatAddress
    server: bool | None = None


class NetdevDgram(_Netdev, tag="dgram", kw_only=True):
    """A datagram socket to another machine."""

    local: FlatAddress | None = None
    remote: FlatAddress | None = None


class NetdevNone(_Netdev, tag="none", kw_only=True):
    """Nothing."""


class NetdevNic(_Netdev, tag="nic", kw_only=True):
    """An adapter, which is no back end."""

    netdev: str | None = None
    macaddr: str | None = None
    model: str | None = None
    addr: str | None = None
    vectors: Size | None = None


Netdev = (
    NetdevUser
    | NetdevTap
    | NetdevSocket
    | NetdevHubPort
    | NetdevBridge
    | NetdevVhostUser
    | NetdevL2TPv3
    | NetdevVde
    | NetdevNetmap
    | NetdevVdpa
    | NetdevStream
    | NetdevDgram
    | NetdevNone
    | NetdevNic
)


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
        client = _make(machine, session, netdev)
    except Failed as failed:
        raise GenericError(str(failed)) from failed
    network.add_back_end(client)


def _make(machine: Machine, session: SessionLike, netdev: Netdev) -> Client:
    take = session.frontend.named.take
    match netdev:
        case NetdevUser():
            user = _make_user(machine, netdev)
            return _client(netdev.id, Kind.USER, "user", user, user.info)
        case NetdevTap():
            tap = _make_tap(netdev, take)
            return _client(netdev.id, Kind.SOCKET, "tap", tap, tap.info)
        case NetdevSocket():
            return _make_socket(netdev, take)
        case NetdevStream(addr=FlatInetAddress(host=host, port=port)):
            way = "listen" if netdev.server else "connect"
            named = NetdevSocket(id=netdev.id, **{way: f"{host}:{port}"})
            client = _make_socket(named, take)
            client.model = "stream"
            return client
        case NetdevVde():
            message = "Could not open vde: No such file or directory"
            raise Failed(message)
        case NetdevL2TPv3(src=src):
            message = f"could not resolve {src}, errno = Name or service not known"
            raise Failed(message)
        case NetdevVdpa(vhostdev=None, vhostfd=None):
            message = "vhost-vdpa: neither vhostdev= nor vhostfd= was specified"
            raise Failed(message)
        case NetdevStream():
            # Whether it can be connected is found out later, and told to nobody.
            return _client(netdev.id, Kind.SOCKET, "stream", None, "stream")
        case NetdevDgram(local=None, remote=remote):
            message = "dgram requires local= parameter"
            if isinstance(remote, FlatInetAddress) and not remote.port.isdecimal():
                message = f"port number '{remote.port}' is invalid"
            raise Failed(message)
        case NetdevDgram(
            local=FlatInetAddress(port=here), remote=FlatInetAddress(port=far)
        ):
            for port in (far, here):
                if not port.isdecimal():
                    message = f"port number '{port}' is invalid"
                    raise Failed(message)
            return _client(netdev.id, Kind.SOCKET, "dgram", None, "dgram")
        case NetdevDgram(local=local, remote=remote) if remote is not None:
            message = "remote and local types must be the same"
            if isinstance(local, FlatDescriptor):
                message = "don't set remote with local.fd"
            raise Failed(message)
        case NetdevDgram() | NetdevVdpa():
            tag = netdev.__struct_config__.tag
            message = f"network back ends of type '{tag}' are not supported like that"
            raise Failed(message)
        case NetdevHubPort(netdev=peer):
            if peer is not None and machine.network.back_end(peer) is None:
                message = f"netdev '{peer}' not found"
                raise Failed(message)
            return _client(netdev.id, Kind.SOCKET, "hubport", None, "")
        case NetdevVhostUser(chardev=label):
            if label not in machine.characters:
                message = f'chardev "{label}" not found'
                raise Failed(message)
            message = "vhost-user is not supported by this machine"
            kind = machine.characters[label].filename.partition(":")[0]
            if kind not in _SOCKETS:
                message = f'chardev "{label}" is not reconnectable'
            raise Failed(message)
        case NetdevBridge():
            message = "bridge helper failed"
            raise Failed(message)
    tag = netdev.__struct_config__.tag
    message = f"network backend '{tag}' is not compiled into this binary"
    raise Failed(message)


def _client(
    name: str, kind: Kind, model: str, back_end: BackEnd | None, info: str
) -> Client:
    return Client(kind, model, name, info=info, back_end=back_end)


def _make_user(machine: Machine, netdev: NetdevUser) -> UserNetwork:
    if netdev.ipv4 is False and netdev.ipv6 is False:
        message = "IPv4 and IPv6 disabled"
        raise Failed(message)
    if netdev.domainname is not None and len(netdev.domainname) > _LONGEST_DOMAIN:
        message = f"'domainname' parameter cannot exceed {_LONGEST_DOMAIN} bytes"
        raise Failed(message)
    # To switch one version on is to switch the other one off, if that is not named.
    has_ipv4 = netdev.ipv4 is not False and (netdev.ipv4 or not netdev.ipv6)
    given = {
        name: value
        for name in ("net", "host", "dhcpstart", "dns")
        if (value := getattr(netdev, name)) is not None
    }
    if not has_ipv4 and given:
        message = "IPv4 disabled but netmask/host/dns provided"
        raise Failed(message)
    if netdev.guestfwd:
        message = f"Invalid guest forwarding rule '{netdev.guestfwd[0].str}'"
        raise Failed(message)
    options = given | ({"restrict": "yes"} if netdev.restrict else {})
    user = _user_network(options)
    for rule in netdev.hostfwd or ():
        _check_forward(rule.str)
        user.add_forward(_with_port(rule.str), machine.network.user_networks())
    return user


def _user_network(options: dict[str, str]) -> UserNetwork:
    """Return a network; of several addresses that do not belong to it, name the first.

    Raises:
        Failed: An address is none, or does not belong to the network.
    """
    try:
        return UserNetwork(options)
    except Failed as failed:
        for names, text in (
            (("net",), "Failed to parse netmask"),
            (("net", "host"), "Host doesn't belong to network"),
            (("net", "host", "dhcpstart"), "DHCP doesn't belong to network"),
        ):
            try:
                UserNetwork({n: options[n] for n in names if n in options})
            except Failed:
                raise Failed(text) from failed
        message = "DNS doesn't belong to network"
        if not _is_address(options.get("dns", "")):
            message = "Failed to parse DNS"
        raise Failed(message) from failed


def _is_address(text: str) -> bool:
    try:
        socket.inet_aton(text)
    except OSError:
        return False
    return True


def _check_forward(rule: str) -> None:
    """Look whether a text is a rule, and word it as QEMU does if it is none.

    Raises:
        Failed: It is none.
    """
    if (why := _fault_of(rule)) is not None:
        message = f"Invalid host forwarding rule '{rule}' ({why})"
        raise Failed(message)


def _with_port(rule: str) -> str:
    """Return a rule with a free port of the host in the place of port 0."""
    protocol, host, rest = rule.split(":", 2)
    port, _, guest = rest.partition("-")
    if int(port):
        return rule
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(type=kind) as free:
        free.bind(("127.0.0.1", 0))
        return f"{protocol}:{host}:{free.getsockname()[1]}-{guest}"


def _fault_of(rule: str) -> str | None:
    protocol, colon, rest = rule.partition(":")
    if not colon:
        return "No : separators"
    if protocol not in ("", "tcp", "udp"):
        return "Bad protocol name"
    _, colon, rest = rest.partition(":")
    if not colon:
        return "Missing : separator"
    port, dash, rest = rest.partition("-")
    if not dash:
        return "Bad host port separator"
    if not port.isdecimal() or int(port) >= _PORTS:
        return "Bad host port"
    _, colon, port = rest.partition(":")
    if not colon:
        return "Missing guest address"
    if not port.isdecimal() or not 0 < int(port) < _PORTS:
        return "Bad guest port"
    return None


def _make_tap(netdev: NetdevTap, take: Callable[[str], int]) -> Tap:
    if netdev.fd is not None:
        others = (
            netdev.ifname,
            netdev.script,
            netdev.downscript,
            netdev.vnet_hdr,
            netdev.helper,
            netdev.queues,
            netdev.fds,
            netdev.vhostfds,
        )
        if any(other is not None for other in others):
            message = (
                "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, "
                "and vhostfds= are invalid with fd="
            )
            raise Failed(message)
        return _given_tap(netdev, [netdev.fd], take)
    if netdev.fds is not None:
        return _given_tap(netdev, netdev.fds.split(":"), take)
    for script in (netdev.script, netdev.helper):
        if script not in (None, "no", ""):
            message = f"network script {script} is not run by this machine"
            raise Failed(message)
    fd, name = make_tap(netdev.ifname)
    return Tap([fd], f"ifname={name},script=no,downscript=no")


def _given_tap(netdev: NetdevTap, names: list[str], take: Callable[[str], int]) -> Tap:
    """Return the interface of descriptors that were handed over, or inherited."""
    others = [netdev.vhostfd] if netdev.vhostfd else (netdev.vhostfds or "").split(":")
    numbers: list[int] = []
    ours: list[int] = []  # those that were handed over; inherited ones stay
    try:
        for name in [*names, *filter(None, others)]:
            number = _descriptor(name, take)
            if _is_name(name):
                ours.append(number)
            if len(numbers) < len(names):
                check_tap(netdev.id, number)
            numbers.append(number)
    except Failed:
        Tap(ours, "").close()
        raise
    return Tap(numbers, f"fd={numbers[0]}")


def _is_name(text: str) -> bool:
    return not text[:1].isdigit()


def _descriptor(text: str, take: Callable[[str], int]) -> int:
    """Return the descriptor of a name, or of a number.

    Raises:
        Failed: There is none.
    """
    if not _is_name(text):
        if text.isdecimal():
            return int(text)
        message = f"Invalid file descriptor number '{text}'"
        raise Failed(message)
    try:
        return take(text)
    except FdNotFound:
        message = f"File descriptor named '{text}' has not been found"
        raise Failed(message) from None


def _make_socket(netdev: NetdevSocket, take: Callable[[str], int]) -> Client:
    ways = {
        name: value
        for name in ("fd", "listen", "connect", "mcast", "udp")
        if (value := getattr(netdev, name)) is not None
    }
    if len(ways) != 1:
        message = "exactly one of listen=, connect=, mcast= or udp= is required"
        raise Failed(message)
    ((way, where),) = ways.items()
    if netdev.localaddr is None and way == "udp":
        message = "localaddr= is mandatory with udp="
        raise Failed(message)
    if netdev.localaddr is not None and way not in ("udp", "mcast"):
        message = "localaddr= is only valid with mcast= or udp="
        raise Failed(message)
    if way == "fd":
        number = _descriptor(where, take)
        return _client(
            netdev.id, Kind.SOCKET, "socket", Tap([number], ""), f"fd={number}"
        )
    if way == "udp":
        message = "UDP sockets are not supported by this machine"
        raise Failed(message)
    if ":" not in where:
        message = (
            f"host address '{where}' doesn't contain ':' separating host from port"
        )
        raise Failed(message)
    client = _client(netdev.id, Kind.SOCKET, "socket", None, "")

    def link(made: SocketLink) -> None:
        client.back_end, client.info = made, made.info

    host, _, port = where.rpartition(":")
    if port.isdecimal():  # as QEMU has it: what does not fit into 16 bits is cut off
        where = f"{host}:{int(port) % _PORTS}"
    try:
        made = open_socket({way: where}, link)
    except Failed:
        if way != "connect":
            raise
        return client  # as QEMU has it: it may be there later
    client.back_end = made
    if not isinstance(made, SocketListener):
        client.info = made.info
    return client


@commands.command("netdev_del")
def netdev_del(machine: Machine, *, id_: str) -> None:
    """Remove a network back end; an adapter that it has stays.

    Raises:
        DeviceNotFound: There is none of that id.
    """
    machine.network.remove_netdev(id_)


# Adapters.

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
