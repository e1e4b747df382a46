"""Making the back end that ``netdev_add`` was asked for.

Source: QEMU 7.2.22, observed.
"""

import errno
import os
from collections.abc import Callable
from typing import Final

from qmpx.dialects.modern.network.options import (
    FlatInetAddress,
    Netdev,
    NetdevBridge,
    NetdevDgram,
    NetdevHubPort,
    NetdevL2TPv3,
    NetdevSocket,
    NetdevStream,
    NetdevTap,
    NetdevUser,
    NetdevVde,
    NetdevVdpa,
    NetdevVhostUser,
)
from qmpx.dialects.modern.network.sockets import (
    make_datagrams,
    make_socket,
    make_tunnel,
    new_client,
)
from qmpx.dialects.modern.network.tap import find_descriptor, make_tap_of
from qmpx.dialects.modern.network.user import make_user
from qmpx.machine import Machine
from qmpx.machine.network.clients import Client, Failed, Kind
from qmpx.monitor.registry import SessionLike

_SOCKETS: Final = ("unix", "tcp", "telnet", "disconnected", "websocket")


def make_back_end(machine: Machine, session: SessionLike, netdev: Netdev) -> Client:
    """Return a back end, which is not entered into the network yet.

    Raises:
        Failed: It cannot be made; the message tells why.
    """
    take = session.frontend.named.take
    match netdev:
        case NetdevUser():
            user = make_user(machine, netdev)
            return new_client(netdev.id, "user", user, user.info, kind=Kind.USER)
        case NetdevTap():
            tap = make_tap_of(netdev, take)
            return new_client(netdev.id, "tap", tap, tap.info)
        case NetdevSocket():
            return make_socket(netdev, take)
        case NetdevStream(addr=FlatInetAddress(host=host, port=port)):
            way = "listen" if netdev.server else "connect"
            named = NetdevSocket(id=netdev.id, **{way: f"{host}:{port}"})
            if not port.isdecimal():
                return new_client(netdev.id, "stream")
            client = make_socket(named, take)
            client.model = "stream"
            return client
        case NetdevVde():
            message = "Could not open vde: No such file or directory"
            raise Failed(message)
        case NetdevL2TPv3():
            return make_tunnel(netdev)
        case NetdevVdpa():
            raise Failed(_vdpa_fault(netdev, take))
        case NetdevStream():
            # Whether it can be connected is found out later, and told to nobody.
            return new_client(netdev.id, "stream")
        case NetdevDgram():
            return make_datagrams(netdev, take)
        case NetdevHubPort(hubid=hub, netdev=name):
            peer = machine.network.back_end(name) if name is not None else None
            if name is not None and peer is None:
                message = f"netdev '{name}' not found"
                raise Failed(message)
            made = new_client(netdev.id, "hubport")
            made.hub, made.peer = hub, peer
            if peer is not None:
                peer.peer = made
            return made
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


def _vdpa_fault(netdev: NetdevVdpa, take: Callable[[str], int]) -> str:
    """Return why a device that is an adapter cannot be had."""
    if netdev.vhostdev is not None and netdev.vhostfd is not None:
        return "vhost-vdpa: vhostdev= and vhostfd= are mutually exclusive"
    try:
        if netdev.vhostdev is not None:
            number = os.open(netdev.vhostdev, os.O_RDWR | os.O_CLOEXEC)
        elif netdev.vhostfd is not None:
            number = os.dup(find_descriptor(netdev.vhostfd, take))
        else:
            return "vhost-vdpa: neither vhostdev= nor vhostfd= was specified"
    except Failed as failed:
        return f"vhost-vdpa: unable to parse vhostfd: {failed}"
    except OSError as error:
        if netdev.vhostdev is not None:
            return f"Could not open '{netdev.vhostdev}': {error.strerror}"
        return f"Fail to query features from vhost-vDPA device: {error.strerror}"
    os.close(number)
    why = os.strerror(errno.ENOTTY)
    return f"Fail to query features from vhost-vDPA device: {why}"
