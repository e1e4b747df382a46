"""What people write behind ``chardev-add``, as ``-chardev`` takes it.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.identifiers import HINT, is_identifier
from qmpx.monitor.human.options import parse_options
from qmpx.monitor.human.sizes import read_size

KINDS: Final = (
    *("stdio", "ringbuf", "mux", "pipe", "qemu-vdagent", "null", "msmouse", "socket"),
    *("vc", "parallel", "udp", "memory", "file", "serial", "wctablet", "pty"),
    "testdev",
)
"""The kinds of character devices, in the order of their list."""

_RENAMED: Final = {"memory": "ringbuf", "tty": "serial", "parport": "parallel"}
_CALLED: Final = {
    "serial": "serial/tty",
    "parallel": "parallel",
    "pipe": "pipe",
    "file": "file",
}
_TEXTS: Final = (
    *("backend", "path", "host", "port", "fd", "localaddr", "localport", "tls-creds"),
    *("tls-authz", "name", "chardev", "logfile"),
)
_SWITCHES: Final = (
    *("server", "wait", "nodelay", "telnet", "tn3270", "websocket", "append"),
    *("signal", "logappend", "ipv4", "ipv6", "abstract", "tight", "delay", "mux"),
    *("mouse", "clipboard"),
)
_NUMBERS: Final = ("reconnect", "width", "height", "cols", "rows", "to", "debug")
_OF_ALL: Final = ("logfile", "logappend")
_OF_KIND: Final = {
    "socket": (
        *("server", "wait", "nodelay", "telnet", "tn3270", "websocket", "reconnect"),
        *("tls-creds", "tls-authz"),
    ),
    "vc": ("width", "height", "cols", "rows"),
    "ringbuf": ("size",),
    "file": ("append",),
    "stdio": ("signal",),
    "qemu-vdagent": ("mouse", "clipboard"),
}
_ON: Final = ("on", "yes", "true", "y")
_OFF: Final = ("off", "no", "false", "n")
_NO_IDENTIFIER: Final = f"Parameter 'id' expects an identifier\n{HINT}"
_NO_SIZE: Final = (
    "expects a non-negative number below 2^64\n"
    "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
    "and exabytes, respectively."
)


class BadOptions(Exception):
    """The options cannot be read; the message tells why."""


def read_options(text: str) -> dict[str, Any]:
    """Return the options that a person wrote, each as what it is.

    Raises:
        BadOptions: There is no such option, or it does not take that.
    """
    read: dict[str, Any] = {}
    for name, value in parse_options(text, "backend").items():
        if name == "id":
            if not is_identifier(value):
                raise BadOptions(_NO_IDENTIFIER)
            read[name] = value
        elif name in _TEXTS:
            read[name] = value
        elif name in _SWITCHES:
            if value not in (*_ON, *_OFF):
                raise BadOptions(f"Parameter '{name}' expects 'on' or 'off'")
            read[name] = value in _ON
        elif name in _NUMBERS:
            read[name] = _number(name, value)
        elif name == "size":
            read[name] = _size(name, value)
        else:
            raise BadOptions(f"Invalid parameter '{name}'")
    return read


def _number(name: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise BadOptions(f"Parameter '{name}' expects a number") from None


def _size(name: str, text: str) -> int:
    found = read_size(text, 0)
    if found is None or found[1] < len(text):
        raise BadOptions(f"Parameter '{name}' {_NO_SIZE}")
    return found[0] if text[-1:].isalpha() else int(text, 0)  # no MiB by themselves


def backend_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return what ``chardev-add`` takes for what ``-chardev`` says.

    Raises:
        GenericError: It has no kind of device, or one that there is not; or it lacks
            what a device of that kind needs.
    """
    kind = options.get("backend")
    if kind is None:
        raise GenericError('chardev: "backend" missing')
    kind = _RENAMED.get(kind, kind)
    if kind not in KINDS:
        raise GenericError(f"'{kind}' is not a valid char driver name")
    taken = (*_OF_ALL, *_OF_KIND.get(kind, ()))
    data = _chosen(options, *taken)
    if kind == "socket":
        data.setdefault("server", False)
        data["addr"] = _socket_address(options)
    elif kind == "udp":
        data |= _datagrams(options)
    elif kind in _CALLED:
        path = options.get("path")
        if path is None:
            what = "filename" if kind == "file" else "device path"
            raise GenericError(f"chardev: {_CALLED[kind]}: no {what} given")
        data["out" if kind == "file" else "device"] = path
    elif kind == "mux":
        data["chardev"] = _needed(options, "chardev", "chardev: mux: no chardev given")
    return {"type": kind, "data": data}


def _needed(options: dict[str, Any], name: str, complaint: str) -> Any:
    if name not in options:
        raise GenericError(complaint)
    return options[name]


def _chosen(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options[name] for name in names if name in options}


def _socket_address(options: dict[str, Any]) -> dict[str, Any]:
    ways = [way for way in ("path", "fd", "host") if way in options]
    if len(ways) > 1:
        message = "None or one of 'path', 'fd' or 'host' option required."
        raise GenericError(message)
    if "host" in options and "port" not in options:
        raise GenericError("chardev: socket: no port given")
    if "path" in options:
        data = {"path": options["path"], **_chosen(options, "abstract", "tight")}
        return {"type": "unix", "data": data}
    if "port" in options and "fd" not in options:
        data = _inet(options.get("host", ""), options["port"])
        data["data"] |= _chosen(options, "to", "ipv4", "ipv6")
        return data
    return {"type": "fd", "data": {"str": options.get("fd", "")}}


def _datagrams(options: dict[str, Any]) -> dict[str, Any]:
    port = options.get("port", "")
    if not port:
        raise GenericError("chardev: udp: remote port not specified")
    data = {"remote": _inet(options.get("host") or "localhost", port)}
    if "localaddr" in options or "localport" in options:
        here = options.get("localaddr", ""), options.get("localport", "0")
        data["local"] = _inet(*here)
    return data


def _inet(host: str, port: str) -> dict[str, Any]:
    return {"type": "inet", "data": {"host": host, "port": port}}
