"""Character devices and descriptors.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly
from qmpx.errors import GenericError
from qmpx.monitor.human.options import parse_options
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

KINDS: Final = (
    *("stdio", "ringbuf", "mux", "pipe", "qemu-vdagent", "null", "msmouse", "socket"),
    *("vc", "parallel", "udp", "memory", "file", "serial", "wctablet", "pty"),
    "testdev",
)
"""The kinds of character devices, in the order of their list."""

_RENAMED: Final = {"memory": "ringbuf", "tty": "serial", "parport": "parallel"}
_SWITCHES: Final = (
    *("server", "wait", "nodelay", "telnet", "tn3270", "websocket", "append"),
    *("signal", "logappend", "ipv4", "ipv6", "abstract", "tight", "keep-alive"),
)
_NUMBERS: Final = ("reconnect", "size", "width", "height", "cols", "rows")
_FLAGGED: Final = {"socket": ("addr",), "udp": ("remote",)}
_ADDRESS: Final = (
    *("host", "port", "path", "fd", "to", "ipv4", "ipv6", "abstract", "tight"),
    *("localaddr", "localport", "keep-alive"),
)


def backend_of(options: dict[str, str]) -> dict[str, Any]:
    """Return what ``chardev-add`` takes for what ``-chardev`` says.

    Raises:
        GenericError: It has no kind of device, or one that there is not.
    """
    kind = options.get("backend")
    if kind is None:
        raise GenericError('chardev: "backend" missing')
    kind = _RENAMED.get(kind, kind)
    if kind not in KINDS:
        raise GenericError(f"'{kind}' is not a valid char driver name")
    data: dict[str, Any] = {}
    for name, text in options.items():
        if name in ("backend", "id", "mux") or (kind in _FLAGGED and name in _ADDRESS):
            continue
        data[name] = _value(name, text)
    if kind == "socket":
        data.setdefault("server", False)
        data["addr"] = _socket_address(options)
    elif kind == "udp":
        data["remote"] = _inet(
            options.get("host", "localhost"), options.get("port", "")
        )
        if "localaddr" in options or "localport" in options:
            data["local"] = _inet(
                options.get("localaddr", ""), options.get("localport", "0")
            )
    elif kind in ("file", "pipe", "serial", "parallel"):
        path = data.pop("path", None)
        if path is None:
            raise GenericError(f"chardev: {kind}: no device path given")
        data["out" if kind == "file" else "device"] = path
    elif kind == "mux":
        data["chardev"] = options.get("chardev", "")
    return {"type": kind, "data": data}


def _value(name: str, text: str) -> Any:
    if name in _SWITCHES:
        return text in ("on", "yes", "y", "true")
    if name in _NUMBERS and text.isdigit():
        return int(text)
    return text


def _socket_address(options: dict[str, str]) -> dict[str, Any]:
    if "path" in options:
        return {"type": "unix", "data": {"path": options["path"]}}
    if "fd" in options:
        return {"type": "fd", "data": {"str": options["fd"]}}
    if "port" not in options:
        raise GenericError("chardev: socket: no port given")
    return _inet(options.get("host", ""), options["port"])


def _inet(host: str, port: str) -> dict[str, Any]:
    return {"type": "inet", "data": {"host": host, "port": port}}


@commands.does("chardev-add")
async def chardev_add(session: SessionLike, *, args: str) -> str | None:
    """Open a character device."""
    options = parse_options(args, "backend")
    if options.get("backend") in ("help", "?"):
        listed = "".join(f"\n  {kind}" for kind in KINDS)
        return f"Available chardev backend types: {listed}\n"
    if "id" not in options:
        raise GenericError("chardev: no id specified")
    await ask(session, "chardev-add", id=options["id"], backend=backend_of(options))
    return None


@commands.does("chardev-change")
async def chardev_change(session: SessionLike, *, id: str, args: str) -> None:  # noqa: A002
    """Let a character device be another."""
    backend = backend_of(parse_options(args, "backend"))
    await ask_exactly(session, "chardev-change", {"id": id, "backend": backend})


@commands.does("chardev-remove")
async def chardev_remove(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Close a character device."""
    await ask(session, "chardev-remove", id=id)


@commands.does("chardev-send-break")
async def chardev_send_break(session: SessionLike, *, id: str) -> None:  # noqa: A002
    """Send a break on a character device."""
    await ask(session, "chardev-send-break", id=id)


@commands.shows("chardev")
async def info_chardev(session: SessionLike) -> str:
    """Return the character devices."""
    found = await ask(session, "query-chardev")
    return "".join(f"{x['label']}: filename={x['filename']}\n" for x in found)


@commands.does("ringbuf_write")
async def ringbuf_write(session: SessionLike, *, device: str, data: str) -> None:
    """Write to a ring buffer."""
    await ask(session, "ringbuf-write", device=device, data=data)


@commands.does("ringbuf_read")
async def ringbuf_read(session: SessionLike, *, device: str, size: int) -> str:
    """Read from a ring buffer; what cannot be shown is shown by its code."""
    text = await ask(session, "ringbuf-read", device=device, size=size)
    shown = "".join(
        "\\\\"
        if each == "\\"
        else each
        if each in "\n\t" or (each.isprintable() and each.isascii())
        else f"\\u{ord(each):04x}"
        for each in text
    )
    return f"{shown}\n"


@commands.does("getfd")
async def getfd(session: SessionLike, *, fdname: str) -> None:
    """Keep the descriptor that came with the line."""
    await ask(session, "getfd", fdname=fdname)


@commands.does("closefd")
async def closefd(session: SessionLike, *, fdname: str) -> None:
    """Close a kept descriptor."""
    await ask(session, "closefd", fdname=fdname)
