"""What ``chardev-add`` takes for each kind of character device.

Source: QEMU 7.2.22, schema file ``char.json`` and observed.
"""

from msgspec import Struct, field


class Options(Struct, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """What all of them take."""

    logfile: str | None = None
    logappend: bool | None = None


class ChardevCommon(Options, kw_only=True):
    """What all character devices take; no log is kept here."""


class ChardevFile(Options, kw_only=True):
    """A file."""

    in_: str | None = field(default=None, name="in")
    out: str
    append: bool | None = None


class ChardevHostdev(Options, kw_only=True):
    """A device of the host, or a named pipe."""

    device: str


class ChardevRingbuf(Options, kw_only=True):
    """A ring buffer."""

    size: int | None = None


class ChardevMux(Options, kw_only=True):
    """A device that several share."""

    chardev: str


class ChardevVC(Options, kw_only=True):
    """A text console."""

    width: int | None = None
    height: int | None = None
    cols: int | None = None
    rows: int | None = None


class ChardevStdio(Options, kw_only=True):
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


class ChardevSocket(Options, kw_only=True):
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


class ChardevUdp(Options, kw_only=True):
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


class ChardevSpiceChannel(Options, kw_only=True):
    """A channel of SPICE."""

    type: str


class ChardevSpicePort(Options, kw_only=True):
    """A port of SPICE."""

    fqdn: str


class ChardevAgent(Options, kw_only=True):
    """The clipboard and the mouse of SPICE's agent."""

    mouse: bool | None = None
    clipboard: bool | None = None


class ChardevDBus(Options, kw_only=True):
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


class WindowsConsoleBackend(_Backend, tag="console"):
    """The console of a Windows program, which is not here."""

    data: ChardevCommon


Backend = (
    NullBackend
    | WindowsConsoleBackend
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
