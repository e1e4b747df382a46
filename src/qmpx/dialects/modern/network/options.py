"""What ``netdev_add`` takes for each kind of back end.

Source: QEMU 7.2.22, schema file ``net.json``.
"""

from typing import Annotated

from msgspec import Struct

from qmpx.qapi import Described, Size


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
