"""Where VNC is served, and clients that are handed over: ``display-update``.

Source: QEMU 7.2.22, observed.
"""

import os
import socket
from typing import Annotated, Any, Final, Literal

from msgspec import Struct

from qmpx.errors import DeviceNotActive, FdNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.display.vnc_target import VncTarget
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Boxed, Described

commands = CommandRegistry(reads_late=True)

_LAST_PORT: Final = 65535
_CHECKED: Final = ("vnc", "spice", "@dbus-display")


class UpdateVnc(
    Struct, tag_field="type", tag="vnc", rename="kebab", forbid_unknown_fields=True
):
    """Where VNC is to be served."""

    addresses: list[Annotated[dict[str, Any], Described("SocketAddress")]] | None = None


@commands.command("display-update")
def display_update(
    machine: Machine,
    session: SessionLike,
    *,
    options: Annotated[UpdateVnc, Boxed()],
) -> None:
    """Serve VNC elsewhere; with an empty list, nowhere.

    Raises:
        GenericError: There is no VNC server, or it cannot be served there.
    """
    vnc = machine.display.vnc
    if not machine.shows_vnc:
        message = "Can not find vnc display"
        raise GenericError(message)
    if options.addresses is None:
        return
    wanted = [_target(session, address) for address in options.addresses]
    if len(wanted) > 1:
        message = "VNC is served at one address here"
        raise GenericError(message)
    auth = vnc.auth
    vnc.close_listener()
    vnc.auth = auth
    for target in wanted:
        try:
            vnc.serve_at(target)
        except OSError as error:
            where = target.path or f"{target.host}:{target.port}"
            why = error.strerror or str(error)
            message = f"Failed to bind socket to {where}: {why}"
            raise GenericError(message) from error


def _target(session: SessionLike, address: dict[str, Any]) -> VncTarget:
    match address["type"]:
        case "unix":
            return VncTarget(path=address["path"])
        case "inet":
            return _internet(address)
        case "fd":
            _take(session, address["str"])
            message = "VNC on a descriptor is not carried out here"
            raise GenericError(message)
    for name in ("cid", "port"):
        if not address[name].isdecimal():
            message = f"Failed to parse {name} '{address[name]}'"
            raise GenericError(message)
    message = "sockets between machines and their host are not supported"
    raise GenericError(message)


def _internet(address: dict[str, Any]) -> VncTarget:
    host, port = address["host"], address["port"]
    failed = f"address resolution failed for {host}:{port}: "
    if not port.isdecimal():
        raise GenericError(f"{failed}Servname not supported for ai_socktype")
    if int(port) > _LAST_PORT:
        raise GenericError(f"{failed}Servname not supported for ai_socktype")
    wants = address.get("ipv4"), address.get("ipv6")
    family: Literal["any", "ipv4", "ipv6"] = "any"
    if wants[0] and not wants[1]:
        family = "ipv4"
    if wants[1] and not wants[0]:
        family = "ipv6"
    kinds = {"any": 0, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
    try:
        socket.getaddrinfo(
            host or None, int(port), kinds[family], flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise GenericError(f"{failed}{error.strerror}") from error
    last = int(port) + (address.get("to") or 0)
    return VncTarget(host=host, port=int(port), last_port=last, family=family)


def _take(session: SessionLike, name: str) -> int:
    """Take a descriptor that was handed over.

    Raises:
        GenericError: There is none of that name.
    """
    try:
        return session.frontend.named.take(name)
    except FdNotFound:
        message = f"File descriptor named '{name}' has not been found"
        raise GenericError(message) from None


@commands.command("add_client")
def add_client(
    machine: Machine,
    session: SessionLike,
    *,
    protocol: str,
    fdname: str,
    skipauth: bool = False,  # noqa: ARG001 - who has the descriptor is let in
    tls: bool = False,  # noqa: ARG001 - nothing here has it
) -> None:
    """Take in a client whose connection was handed over.

    Raises:
        GenericError: There is no such descriptor, or nothing that takes clients.
    """
    fd = _take(session, fdname)
    try:
        if protocol == "spice":
            error = DeviceNotActive(device="spice")
            error.desc = "SPICE is not in use"
            raise error
        if protocol == "vnc" and machine.shows_vnc:
            machine.display.vnc.adopt(socket.socket(fileno=os.dup(fd)))
            return
        if protocol not in _CHECKED and protocol in machine.characters:
            message = "failed to add client"
            raise GenericError(message)
        message = f"protocol '{protocol}' is invalid"
        raise GenericError(message)
    finally:
        os.close(fd)
