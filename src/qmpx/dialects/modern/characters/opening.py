"""Making a character device of what ``chardev-add`` was given.

Source: QEMU 7.2.22, observed.
"""

import os
import socket
from typing import Final, NotRequired, TypedDict

from qmpx.dialects.modern.characters.options import (
    Address,
    Backend,
    BrailleBackend,
    ChardevFile,
    ChardevSocket,
    ChardevSpiceChannel,
    DescriptorWrapper,
    FileBackend,
    InetAddressWrapper,
    MemoryBackend,
    MuxBackend,
    Options,
    ParallelBackend,
    PipeBackend,
    PtyBackend,
    RingbufBackend,
    SerialBackend,
    SocketBackend,
    SpiceChannelBackend,
    SpicePortBackend,
    StdioBackend,
    UdpBackend,
    UnixAddressWrapper,
    VsockAddressWrapper,
    VsockSocketAddress,
    WindowsConsoleBackend,
)
from qmpx.errors import CommandError, FdNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.character.device import MUX_USERS, CharacterDevice
from qmpx.machine.character.files import (
    HostDevice,
    NamedPipe,
    OutputFile,
    PseudoTerminal,
    StandardStreams,
)
from qmpx.machine.character.placed import open_client, open_server, resolve
from qmpx.machine.character.ring_buffer import DEFAULT_SIZE, RingBuffer
from qmpx.machine.character.sockets import Datagrams
from qmpx.monitor.registry import SessionLike

_SPICE_CHANNELS: Final = frozenset({"vdagent", "smartcard", "usbredir", "port"})
_PORTS: Final = 65536


class ChardevReturn(TypedDict):
    """The name of a pseudo terminal, if it is one."""

    pty: NotRequired[str]


async def open_character(
    machine: Machine, session: SessionLike, label: str, backend: Backend
) -> ChardevReturn:
    """Make a character device, and enter it into the machine.

    Args:
        machine: The machine.
        session: Who asks; its named descriptors are at hand.
        label: What it is called.
        backend: What it is to be.

    Raises:
        GenericError: The options do not fit, or the host refuses.
    """
    try:
        _open_log(backend.data)
        device = await _make(machine, session, label, backend)
        await machine.characters.add(device)
    except (CommandError, OSError) as error:
        message = f"Failed to add chardev '{label}': {_why(error, backend)}"
        raise GenericError(message) from error
    if isinstance(backend, PtyBackend):
        return {"pty": device.filename.removeprefix("pty:")}
    return {}


def _open_log(options: Options) -> None:
    """Make the log, as it is asked for; nothing is written to it.

    Raises:
        GenericError: It cannot be made.
    """
    path = options.logfile
    if path is None:
        return
    mode = os.O_APPEND if options.logappend else os.O_TRUNC
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | mode | os.O_CLOEXEC, 0o666))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"Could not create '{path}': {why}"
        raise GenericError(message) from error


def _why(error: CommandError | OSError, backend: Backend) -> str:
    """Return what is told of a failure; one of the host with the path it is about."""
    if isinstance(error, CommandError):
        return str(error.desc)
    why = os.strerror(error.errno) if error.errno else str(error)
    match backend:
        case FileBackend(data=ChardevFile(out=path)):
            return f"Could not open '{path}': {why}"
        case PipeBackend(data=data) | SerialBackend(data=data):
            return f"Could not open '{data.device}': {why}"
        case ParallelBackend(data=data):
            return f"Could not open '{data.device}': {why}"
    return why


async def _make(
    machine: Machine, session: SessionLike, label: str, backend: Backend
) -> CharacterDevice:
    match backend:
        case SpiceChannelBackend(data=ChardevSpiceChannel(type=kind)):
            message = f"unsupported type name: {kind}"
            if kind in _SPICE_CHANNELS:
                message = "spice not enabled"
            raise GenericError(message)
        case SpicePortBackend():
            message = "spice not enabled"
            raise GenericError(message)
        case BrailleBackend():
            message = "brlapi__openConnection: connect: No such file or directory"
            raise GenericError(message)
        case FileBackend(data=ChardevFile(in_=source, out=path, append=append)):
            if source is not None:
                _check_source(source, path)
            return OutputFile(label, path, appends=bool(append), files=machine.files)
        case SerialBackend(data=data):
            return HostDevice(label, data.device, kind="serial")
        case ParallelBackend(data=data):
            os.close(os.open(data.device, os.O_RDWR | os.O_CLOEXEC))
            message = "not a parallel port: Inappropriate ioctl for device"
            raise GenericError(message)
        case WindowsConsoleBackend():
            message = "'console' is not a valid char driver name"
            raise GenericError(message)
        case PipeBackend(data=data):
            return NamedPipe(label, data.device)
        case PtyBackend():
            return PseudoTerminal(label)
        case StdioBackend():
            return StandardStreams(label)
        case RingbufBackend(data=ring):
            return RingBuffer(label, DEFAULT_SIZE if ring.size is None else ring.size)
        case MemoryBackend(data=ring):
            size = DEFAULT_SIZE if ring.size is None else ring.size
            return RingBuffer(label, size, "memory")
        case MuxBackend(data=mux):
            return _make_mux(machine, label, mux.chardev)
        case SocketBackend(data=data):
            return await _make_socket(session, label, data)
        case UdpBackend(data=udp):
            local = ("", 0) if udp.local is None else _host_port(udp.local)
            _, host, port = resolve(*_host_port(udp.remote), socket.SOCK_DGRAM)
            return Datagrams(label, (host, port), local)
    return CharacterDevice(label, str(backend.__struct_config__.tag))


def _check_source(path: str, target: str) -> None:
    """Make sure that a file can be read; there is nobody in the guest who would.

    Raises:
        GenericError: It cannot be opened.
    """
    if path == target:
        return  # it is made now
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        message = f"Could not open '{path}': {why}"
        raise GenericError(message) from error


def _make_mux(machine: Machine, label: str, base: str) -> CharacterDevice:
    if base not in machine.characters:
        message = f"mux: base chardev {base} not found"
        raise GenericError(message)
    if not machine.characters.take(base):
        message = f"Device '{base}' is in use"
        raise GenericError(message)
    machine.characters[base].can_be_replaced = False
    device = CharacterDevice(label, "mux", users=MUX_USERS)
    device.is_mux = True
    return device


def _host_port(address: Address) -> tuple[str, int]:
    match address:
        case InetAddressWrapper(data=inet) if inet.port.isdecimal():
            return inet.host, int(inet.port) % _PORTS  # what does not fit is cut off
        case InetAddressWrapper(data=inet):
            message = (
                f"address resolution failed for {inet.host}:{inet.port}: "
                "Servname not supported for ai_socktype"
            )
            raise GenericError(message)
    message = "socket type unsupported for datagram"
    raise GenericError(message)


async def _make_socket(
    session: SessionLike, label: str, data: ChardevSocket
) -> CharacterDevice:
    is_server = data.server is None or data.server
    if data.reconnect and is_server:
        message = "'reconnect' option is incompatible with socket in server listen mode"
        raise GenericError(message)
    if data.wait is not None and not is_server:
        message = "'wait' option is incompatible with socket in client connect mode"
        raise GenericError(message)
    if data.tls_authz is not None and data.tls_creds is None:
        message = "'tls_authz' option requires 'tls_creds' option"
        raise GenericError(message)
    if data.tls_creds is not None:
        made = session.monitor.target.objects.get(data.tls_creds)
        if made is None:
            message = f"No TLS credentials with id '{data.tls_creds}'"
            raise GenericError(message)
        if not made.kind.startswith("tls-creds-"):
            message = f"Object with id '{data.tls_creds}' is not TLS credentials"
            raise GenericError(message)
    if data.tls_creds is not None or data.websocket or data.tn3270:
        message = "TLS, websockets and TN3270 are not supported by this machine"
        raise GenericError(message)
    place: str | tuple[str, int] | socket.socket
    match data.addr:
        case VsockAddressWrapper(data=vsock):
            raise _vsock_failure(vsock)
        case UnixAddressWrapper(data=unix):
            place = f"\0{unix.path}" if unix.abstract else unix.path
        case DescriptorWrapper(data=named):
            place = _descriptor(session, named.str)
        case _:
            place = _host_port(data.addr)
    is_telnet = bool(data.telnet)
    if is_server:
        return open_server(
            label, place, is_telnet=is_telnet, family=_family_of(data.addr)
        )
    return await open_client(
        label, place, is_telnet=is_telnet, reconnects=bool(data.reconnect)
    )


def _family_of(address: Address) -> int:
    """Return the family that an address is restricted to; 0 if it is to none."""
    if not isinstance(address, InetAddressWrapper):
        return socket.AF_UNSPEC
    inet = address.data
    if inet.ipv4 is False and inet.ipv6 is False:
        message = "Cannot disable IPv4 and IPv6 at same time"
        raise GenericError(message)
    if inet.ipv6 is False or (inet.ipv4 and not inet.ipv6):
        return socket.AF_INET
    if inet.ipv4 is False or (inet.ipv6 and not inet.ipv4):
        return socket.AF_INET6
    return socket.AF_UNSPEC


def _vsock_failure(data: VsockSocketAddress) -> GenericError:
    """Return why there is no socket between a machine and its host."""
    for name, text in (("cid", data.cid), ("port", data.port)):
        if not text.isdecimal():
            return GenericError(f"Failed to parse {name} '{text}'")
    return GenericError("sockets between machines and their host are not supported")


def _descriptor(session: SessionLike, name: str) -> socket.socket:
    try:
        return socket.socket(fileno=session.frontend.named.take(name))
    except FdNotFound:
        message = f"File descriptor named '{name}' has not been found"
        raise GenericError(message) from None
    except OSError as error:
        message = f"File descriptor '{name}' is not a socket"
        raise GenericError(message) from error
