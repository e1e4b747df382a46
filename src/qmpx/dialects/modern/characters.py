"""Character devices: what there are, new ones, and what is in ring buffers.

Source: QEMU 7.2.22, observed.
"""

import base64
import os
import re
import socket
from typing import Annotated, Final, NotRequired, TypedDict

from msgspec import Struct, field

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
from qmpx.machine.character.placed import open_client, open_server
from qmpx.machine.character.ring_buffer import DEFAULT_SIZE, RingBuffer
from qmpx.machine.character.sockets import Datagrams
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Values

commands = CommandRegistry()

BACKENDS: Final = (
    "null",
    "file",
    "serial",
    "parallel",
    "pipe",
    "socket",
    "udp",
    "pty",
    "mux",
    "msmouse",
    "wctablet",
    "testdev",
    "stdio",
    "vc",
    "ringbuf",
    "memory",
)
"""The backends that can be made here."""

_LEADING_NOWHERE: Final = ("null", "vc", "msmouse", "wctablet", "testdev")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\n]*")
_SPICE_CHANNELS: Final = frozenset({"vdagent", "smartcard", "usbredir", "port"})
_LAST_PORT: Final = 65535


class BackendInfo(TypedDict):
    """A kind of character device."""

    name: str


@commands.command("query-chardev-backends")
def query_chardev_backends(machine: Machine) -> list[BackendInfo]:  # noqa: ARG001
    """Tell which kinds of character devices there are."""
    return [{"name": name} for name in BACKENDS]


# New ones.


class _Options(Struct, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    logfile: str | None = None
    logappend: bool | None = None


class ChardevCommon(_Options, kw_only=True):
    """What all character devices take; no log is kept here."""


class ChardevFile(_Options, kw_only=True):
    """A file."""

    in_: str | None = field(default=None, name="in")
    out: str
    append: bool | None = None


class ChardevHostdev(_Options, kw_only=True):
    """A device of the host, or a named pipe."""

    device: str


class ChardevRingbuf(_Options, kw_only=True):
    """A ring buffer."""

    size: int | None = None


class ChardevMux(_Options, kw_only=True):
    """A device that several share."""

    chardev: str


class ChardevVC(_Options, kw_only=True):
    """A text console."""

    width: int | None = None
    height: int | None = None
    cols: int | None = None
    rows: int | None = None


class ChardevStdio(_Options, kw_only=True):
    """Standard input and output."""

    signal: bool | None = None


class InetSocketAddress(
    Struct, rename="kebab", forbid_unknown_fields=True, kw_only=True
):
    """A TCP or UDP address."""

    host: str
    port: str
    numeric: bool | None = None
    to: int | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None
    keep_alive: bool | None = None
    mptcp: bool | None = None


class UnixSocketAddress(Struct, rename="kebab", forbid_unknown_fields=True):
    """The path of a UNIX socket."""

    path: str
    abstract: bool | None = None
    tight: bool | None = None


class NamedDescriptor(Struct, forbid_unknown_fields=True):
    """A descriptor that was handed over, or inherited."""

    str: str


class _Address(Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class InetAddressWrapper(_Address, tag="inet"):
    """A TCP or UDP address."""

    data: InetSocketAddress


class UnixAddressWrapper(_Address, tag="unix"):
    """The path of a UNIX socket."""

    data: UnixSocketAddress


class DescriptorWrapper(_Address, tag="fd"):
    """A descriptor."""

    data: NamedDescriptor


class VsockSocketAddress(Struct, forbid_unknown_fields=True):
    """A socket between a machine and its host."""

    cid: str
    port: str


class VsockAddressWrapper(_Address, tag="vsock"):
    """A socket between a machine and its host."""

    data: VsockSocketAddress


Address = (
    InetAddressWrapper | UnixAddressWrapper | VsockAddressWrapper | DescriptorWrapper
)


class ChardevSocket(_Options, kw_only=True):
    """A stream socket."""

    addr: Address
    server: bool | None = None
    wait: bool | None = None
    nodelay: bool | None = None
    telnet: bool | None = None
    tn3270: bool | None = None
    websocket: bool | None = None
    tls_creds: str | None = None
    tls_authz: str | None = None
    reconnect: int | None = None


class ChardevUdp(_Options, kw_only=True):
    """A UDP socket."""

    remote: Address
    local: Address | None = None


class _Backend(Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class NullBackend(_Backend, tag="null"):
    """What is written there is lost."""

    data: ChardevCommon


class TestBackend(_Backend, tag="testdev"):
    """A device for tests of processors."""

    data: ChardevCommon


class MouseBackend(_Backend, tag="msmouse"):
    """A mouse at a serial port; nobody moves it."""

    data: ChardevCommon


class TabletBackend(_Backend, tag="wctablet"):
    """A tablet at a serial port; nobody touches it."""

    data: ChardevCommon


class ConsoleBackend(_Backend, tag="vc"):
    """A text console; nobody looks at it."""

    data: ChardevVC


class FileBackend(_Backend, tag="file"):
    """A file."""

    data: ChardevFile


class SerialBackend(_Backend, tag="serial"):
    """A serial port of the host."""

    data: ChardevHostdev


class ParallelBackend(_Backend, tag="parallel"):
    """A parallel port of the host."""

    data: ChardevHostdev


class PipeBackend(_Backend, tag="pipe"):
    """Named pipes."""

    data: ChardevHostdev


class PtyBackend(_Backend, tag="pty"):
    """A pseudo terminal."""

    data: ChardevCommon


class StdioBackend(_Backend, tag="stdio"):
    """Standard input and output."""

    data: ChardevStdio


class RingbufBackend(_Backend, tag="ringbuf"):
    """A ring buffer."""

    data: ChardevRingbuf


class MemoryBackend(_Backend, tag="memory"):
    """A ring buffer, by its old name."""

    data: ChardevRingbuf


class MuxBackend(_Backend, tag="mux"):
    """A device that several share."""

    data: ChardevMux


class SocketBackend(_Backend, tag="socket"):
    """A stream socket."""

    data: ChardevSocket


class UdpBackend(_Backend, tag="udp"):
    """A UDP socket."""

    data: ChardevUdp


class ChardevSpiceChannel(_Options, kw_only=True):
    """A channel of SPICE."""

    type: str


class ChardevSpicePort(_Options, kw_only=True):
    """A port of SPICE."""

    fqdn: str


class ChardevAgent(_Options, kw_only=True):
    """The clipboard and the mouse of SPICE's agent."""

    mouse: bool | None = None
    clipboard: bool | None = None


class ChardevDBus(_Options, kw_only=True):
    """A channel of the display on D-Bus."""

    name: str


class SpiceChannelBackend(_Backend, tag="spicevmc"):
    """A channel of SPICE, which is not here."""

    data: ChardevSpiceChannel


class SpicePortBackend(_Backend, tag="spiceport"):
    """A port of SPICE, which is not here."""

    data: ChardevSpicePort


class AgentBackend(_Backend, tag="qemu-vdagent"):
    """QEMU's own side of SPICE's agent; no guest talks to it."""

    data: ChardevAgent


class DBusBackend(_Backend, tag="dbus"):
    """A channel of the display on D-Bus; nobody is there."""

    data: ChardevDBus


class BrailleBackend(_Backend, tag="braille"):
    """A braille display, which the host has not."""

    data: ChardevCommon


Backend = (
    NullBackend
    | SpiceChannelBackend
    | SpicePortBackend
    | AgentBackend
    | DBusBackend
    | BrailleBackend
    | TestBackend
    | MouseBackend
    | TabletBackend
    | ConsoleBackend
    | FileBackend
    | SerialBackend
    | ParallelBackend
    | PipeBackend
    | PtyBackend
    | StdioBackend
    | RingbufBackend
    | MemoryBackend
    | MuxBackend
    | SocketBackend
    | UdpBackend
)


class ChardevReturn(TypedDict):
    """The name of a pseudo terminal, if it is one."""

    pty: NotRequired[str]


@commands.command("chardev-add")
async def chardev_add(
    machine: Machine, session: SessionLike, *, id_: str, backend: Backend
) -> ChardevReturn:
    """Make a character device.

    Raises:
        GenericError: The id is taken, the options do not fit, or the host refuses.
    """
    if id_ in machine.characters or id_ in _of_monitors(session):
        message = f"Chardev with id '{id_}' already exists"
        raise GenericError(message)
    return await _open(machine, session, id_, backend)


async def _open(
    machine: Machine, session: SessionLike, label: str, backend: Backend
) -> ChardevReturn:
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


def _open_log(options: _Options) -> None:
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
        case SerialBackend(data=data) | ParallelBackend(data=data):
            return HostDevice(label, data.device)
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
            return Datagrams(label, _host_port(udp.remote), local)
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
    device = CharacterDevice(label, "mux", users=MUX_USERS)
    device.is_mux = True
    return device


def _host_port(address: Address) -> tuple[str, int]:
    match address:
        case InetAddressWrapper(data=inet) if inet.port.isdecimal():
            if int(inet.port) <= _LAST_PORT:
                return inet.host, int(inet.port)
            message = f"Port out of range: {inet.port}"
            raise GenericError(message)
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
        return open_server(label, place, is_telnet=is_telnet)
    return await open_client(
        label, place, is_telnet=is_telnet, reconnects=bool(data.reconnect)
    )


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


@commands.command("chardev-change")
async def chardev_change(
    machine: Machine, session: SessionLike, *, id_: str, backend: Backend
) -> ChardevReturn:
    """Put another character device in the place of one; its user stays.

    Raises:
        GenericError: There is none, it cannot be replaced, or the new one not be made.
    """
    if id_ in _of_monitors(session):
        message = "Chardev user does not support chardev hotswap"
        raise GenericError(message)
    if id_ not in machine.characters:
        message = f"Chardev '{id_}' does not exist"
        raise GenericError(message)
    before = machine.characters[id_]
    if before.is_mux:
        message = "Mux device hotswap not supported yet"
        raise GenericError(message)
    is_used = before.free_users < before.users
    if is_used and (not before.can_be_replaced or _minds(machine, id_)):
        message = "Chardev user does not support chardev hotswap"
        raise GenericError(message)
    with machine.characters.set_aside(id_):
        return await _open(machine, session, id_, backend)


def _minds(machine: Machine, label: str) -> bool:
    """Whether the port of a machine that stands still has a character device."""
    if machine.state.is_running or "qom" not in machine.__dict__:
        return False
    return any(
        device.object.values.get("chardev") == label
        for device in machine.qom.devices
        if device.object.type in ("virtserialport", "virtconsole")
    )


@commands.command("chardev-remove")
def chardev_remove(machine: Machine, session: SessionLike, *, id_: str) -> None:
    """Close a character device that nobody uses.

    Raises:
        GenericError: There is none, or it is in use.
    """
    device = _find(machine, session, id_)
    if device is None or device.is_mux or device.free_users < device.users:
        message = f"Chardev '{id_}' is busy"
        raise GenericError(message)
    machine.characters.remove(id_)


@commands.command("chardev-send-break")
def chardev_send_break(machine: Machine, session: SessionLike, *, id_: str) -> None:
    """Send a break to the guest; there is no guest code that would notice.

    Raises:
        GenericError: There is no such device.
    """
    _find(machine, session, id_)


def _of_monitors(session: SessionLike) -> set[str]:
    return {label for label, _, _ in session.monitor.character_devices()}


def _find(machine: Machine, session: SessionLike, id_: str) -> CharacterDevice | None:
    """Return a device; ``None`` if it is a monitor's.

    Raises:
        GenericError: There is none.
    """
    if id_ in machine.characters:
        return machine.characters[id_]
    if id_ in _of_monitors(session):
        return None
    message = f"Chardev '{id_}' not found"
    raise GenericError(message)


# Ring buffers.

DataFormat = Annotated[str, Values("utf8", "base64")]


def _ring(machine: Machine, session: SessionLike, name: str) -> RingBuffer:
    if name not in machine.characters and name not in _of_monitors(session):
        message = f"Device '{name}' not found"
        raise GenericError(message)
    for device in machine.characters:
        if device.label == name and isinstance(device, RingBuffer):
            return device
    message = f"{name} is not a ringbuf device"
    raise GenericError(message)


@commands.command("ringbuf-write")
def ringbuf_write(
    machine: Machine,
    session: SessionLike,
    *,
    device: str,
    data: str,
    format: DataFormat | None = None,  # noqa: A002 - its name in QEMU
) -> None:
    """Write to a ring buffer.

    Raises:
        GenericError: There is none of that name, or the data are not base64.
    """
    ring = _ring(machine, session, device)
    if format == "base64":
        ring.write(_decode(data.encode()))
    else:
        # A zero has two bytes in the strings of QEMU.
        ring.write(data.encode("utf-8", "replace").replace(b"\0", b"\xc0\x80"))


def _decode(text: bytes) -> bytes:
    """Decode base64; padding may be anywhere or nowhere, as glib has it."""
    if not _BASE64.fullmatch(text):
        message = "Base64 data contains invalid characters"
        raise GenericError(message)
    digits = text.translate(None, b"=\n")
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]  # six bits are no byte
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


@commands.command("ringbuf-read")
def ringbuf_read(
    machine: Machine,
    session: SessionLike,
    *,
    device: str,
    size: int,
    format: DataFormat | None = None,  # noqa: A002 - its name in QEMU
) -> str:
    """Read from a ring buffer.

    Raises:
        GenericError: There is none of that name, or no such size.
    """
    ring = _ring(machine, session, device)
    if size <= 0:
        message = "size must be greater than zero"
        raise GenericError(message)
    data = ring.take(size)
    if format == "base64":
        return base64.b64encode(data).decode()
    data = data.partition(b"\0")[0].replace(b"\xc0\x80", b"\0")
    return data.decode("utf-8", "replace")
