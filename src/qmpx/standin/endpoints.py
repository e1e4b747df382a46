"""Where the monitors are: sockets that are opened before anything else is imported.

``-qmp unix:PATH,server=on`` makes a character device and a monitor on it at once;
``-chardev socket,id=X,...`` with ``-mon chardev=X`` says the same in two options. Both
end up as an `Endpoint`: a listening socket, or a connected one.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

import os
import stat

from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList
from qmpx.standin.options import CHARDEV
from qmpx.standin.plain_sockets import (
    PlainSocket,
    accept,
    is_listening,
    unix_socket,
    whole,
)

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import Final

BACKLOG: Final = 1
"""Clients that wait while one is served: QEMU's figure."""

_BACKEND_NAMES: Final = """
    null socket udp msmouse vc ringbuf memory file pipe pty stdio serial tty parallel
    parport mux testdev wctablet qemu-vdagent
"""
BACKENDS: Final = frozenset(_BACKEND_NAMES.split())
"""The kinds of character devices of a QEMU 7.2."""

_PATH_SIZE: Final = 107  # Linux: sun_path has 108 bytes, the last one zero


class Endpoint:
    """A character device with a monitor on it.

    Args:
        label: Its name among the character devices.
        options: The character device, as ``-chardev`` has it.
        is_control: Whether it is for programs (QMP), or for people.
        pretty: Whether messages are spread over lines.

    Attributes:
        listening: The socket that clients come to, if it is a server.
        connected: The first client, if there is one already.
        is_greeted: Whether that one was greeted.
        log: The descriptor of the file that what is sent goes to as well, if one does.
        is_switched: Whether a port shares it; Ctrl-A then switches between them.
        place: What ``query-chardev`` shows of where it leads.
    """

    def __init__(
        self, label: str, options: OptionList, *, is_control: bool, pretty: bool = False
    ) -> None:
        self.label = label
        self.options = options
        self.is_control = is_control
        self.pretty = pretty
        self.listening: PlainSocket | None = None
        self.connected: PlainSocket | None = None
        self.is_greeted = self.is_switched = False
        self.log: int | None = None
        self._made: tuple[str, int] | None = None

    @property
    def backend(self) -> str:
        """The kind of character device."""
        return self.options["backend"]

    def open(self, tell: Callable[[str], None]) -> None:
        """Open it, if it is a socket; others are opened when all is imported.

        Args:
            tell: Is told that a client is waited for.

        Raises:
            StartFailure: It cannot be opened.
        """
        check_backend(self.options)
        if "logfile" in self.options:
            from qmpx.standin.device_log import open_log

            self.log = open_log(self.options)
        if self.backend != "socket" or self.options.switch("telnet"):
            return
        check_socket(self.options)
        if self.options.switch("server"):
            self._listen(tell)
        else:
            self._connect()

    def _listen(self, tell: Callable[[str], None]) -> None:
        options = self.options
        if "fd" in options:
            self.listening = _inherited(options)
            if not is_listening(self.listening):
                self.connected, self.listening = self.listening, None
        elif "path" in options:
            self.listening = self._bind_unix()
        else:
            self.listening = _bind_tcp(options)
        if self.listening is not None and options.switch("wait", default=True):
            tell(f"info: QEMU waiting for connection on: disconnected:{self.place}")
            self.connected = accept(self.listening)

    def sockets(self) -> tuple[socket.socket | None, socket.socket | None]:
        """Return its sockets as the rest of the program needs them.

        Returns:
            That on which it listens, and that of its first client.
        """
        listening = None if self.listening is None else whole(self.listening)
        connected = None if self.connected is None else whole(self.connected)
        self.listening, self.connected = listening, connected
        return listening, connected

    def _bind_unix(self) -> PlainSocket:
        path = self.options["path"]
        name = path
        if self.options.switch("abstract"):
            name = "\0" + path
        elif len(os.fsencode(path)) > _PATH_SIZE:
            raise self.options.failure(
                f"UNIX socket path '{path}' is too long\n"
                f"Path must be less than {_PATH_SIZE + 1} bytes"
            )
        else:
            _remove(path)
        made = unix_socket()
        try:
            made.bind(name)
            made.listen(BACKLOG)
        except OSError as error:
            made.close()
            reason = os.strerror(error.errno or 0)
            message = f"Failed to bind socket to {path}: {reason}"
            raise self.options.failure(message) from None
        if name == path:
            self._made = os.path.abspath(path), os.stat(path).st_ino
        return made

    def _connect(self) -> None:
        options = self.options
        if "fd" in options:
            self.connected = _inherited(options)
            return
        made: PlainSocket | None = None
        try:
            if "path" in options:
                place = options["path"]
                made = unix_socket()
                made.connect("\0" + place if options.switch("abstract") else place)
            else:
                import socket  # a greeting seldom needs it

                place = f"{options['host']}:{options['port']}"
                made = socket.create_connection(
                    (options["host"] or "localhost", int(options["port"]))
                )
        except (OSError, ValueError) as error:
            if made is not None:
                made.close()
            number = error.errno if isinstance(error, OSError) else None
            reason = os.strerror(number) if number else str(error)
            quoted = f"'{place}'"
            raise options.failure(f"Failed to connect to {quoted}: {reason}") from None
        self.connected = made

    @property
    def place(self) -> str:
        """What ``query-chardev`` shows of where it leads, if a client is there."""
        options = self.options
        if self.backend != "socket":
            return "mux" if options.switch("mux") else self.backend
        kind = ",server=on" if options.switch("server") else ""
        if "path" in options:
            return f"unix:{options['path']}{kind}"
        sock = self.listening or self.connected
        if "fd" in options and sock is not None:
            name = sock.getsockname()
            if isinstance(name, str):
                return f"unix:{name}{kind}"
            if isinstance(name, bytes):
                return f"unix:@{name[1:].decode(errors='replace')},abstract=on{kind}"
            return f"tcp:{name[0]}:{name[1]}{kind}"
        scheme = "telnet" if options.switch("telnet") else "tcp"
        return f"{scheme}:{options.get('host', '')}:{options.get('port', '')}{kind}"

    def close(self) -> None:
        """Close it, and remove its socket's file if it is still ours."""
        for sock in (self.listening, self.connected):
            if sock is not None:
                sock.close()
        self.remove()

    def remove(self) -> None:
        """Remove its socket's file if it is still ours."""
        if self._made is not None:
            path, inode = self._made
            try:
                is_ours = os.stat(path).st_ino == inode
            except OSError:
                return
            if is_ours:
                _remove(path)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it is not there


def _bind_tcp(options: OptionList) -> PlainSocket:
    import socket  # a greeting seldom needs it

    try:
        first = int(options["port"])
        last = max(first, options.number("to", first))
        found = socket.getaddrinfo(
            options["host"] or None,
            first,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except (ValueError, socket.gaierror) as error:
        reason = getattr(error, "strerror", None) or "Servname not supported"
        message = (
            f"address resolution failed for {options['host']}:{options['port']}: "
            f"{reason}"
        )
        raise options.failure(message) from None
    family, _, _, _, name = found[0]
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in range(first, last + 1):
        try:
            made.bind((name[0], port, *name[2:]))
            made.listen(BACKLOG)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
        else:
            return made
    made.close()
    raise options.failure(f"Failed to find an available port: {reason}")


def _inherited(options: OptionList) -> PlainSocket:
    fd = int(options["fd"])
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise OSError
        return PlainSocket(fileno=fd)
    except OSError:
        message = f"File descriptor '{fd}' is not a socket"
        raise options.failure(message) from None


def check_backend(options: OptionList) -> None:
    """Check what every character device needs.

    Raises:
        StartFailure: Its name or its kind is missing, or there is no such kind.
    """
    if options.id is None:
        raise options.failure("chardev: no id specified")
    if "backend" not in options:
        raise options.failure(f'chardev: "{options.id}" missing backend')
    if options["backend"] not in BACKENDS:
        message = f"'{options['backend']}' is not a valid char driver name"
        raise options.failure(message)


def check_socket(options: OptionList) -> None:
    """Check a character device on a socket.

    Raises:
        StartFailure: It does not name one socket, or contradicts itself.
    """
    if len(options.keys() & {"path", "host", "fd"}) > 1:
        message = "None or one of 'path', 'fd' or 'host' option required."
        raise options.failure(message)
    if "host" in options and "port" not in options:
        raise options.failure("chardev: socket: no port given")
    if not options.keys() & {"path", "host"} and not options.get("fd", "").isdecimal():
        message = f"Unable to parse FD number {options.get('fd', '')}"
        raise options.failure(message)
    is_server = options.switch("server")
    if not is_server and "wait" in options:
        message = "'wait' option is incompatible with socket in client connect mode"
        raise options.failure(message)
    if is_server and options.number("reconnect"):
        message = "'reconnect' option is incompatible with socket in server listen mode"
        raise options.failure(message)


def legacy_options(option: str, text: str, label: str) -> OptionList:
    """Return what stands after ``-qmp``, ``-monitor`` or ``-serial`` as a chardev.

    Args:
        option: The option, for messages.
        text: Such as ``unix:PATH,server=on``, ``tcp:HOST:PORT``, ``stdio``.
        label: What the character device is called.

    Raises:
        StartFailure: It is none.
    """
    where = text.removeprefix("mon:")
    translated = _translate(where)
    if translated is None:
        if where.partition(":")[0] in ("tcp", "telnet", "udp", "websocket"):
            raise StartFailure(f"parse error: {text}", option, text)
        message = f"'{where}' is not a valid char driver"
        raise StartFailure(message, option, text)
    try:
        options = OptionList(option, translated, CHARDEV, "backend")
    except StartFailure as failure:
        raise StartFailure(failure.message, option, text) from None
    options.id, options.text = label, text
    return options


def _translate(where: str) -> str | None:
    """Return ``unix:PATH,...`` and the like in the words of ``-chardev``."""
    scheme, colon, rest = where.partition(":")
    if where in ("null", "pty", "msmouse", "wctablet", "stdio", "vc"):
        return where
    if not colon:
        return f"serial,path={where}" if where.startswith("/dev/") else None
    if scheme == "unix":
        path, comma, more = _cut(rest)
        given = path if path.startswith("path=") else f"path={path}"
        return f"socket,{given}{comma}{more}" if path else f"socket{comma}{more}"
    if scheme in ("tcp", "telnet", "websocket", "tn3270"):
        place, comma, more = _cut(rest)
        host, colon, port = place.rpartition(":")
        if not colon or not port:
            return None
        extra = "" if scheme == "tcp" else f",{scheme}=on"
        host = host.strip("[]") if host.startswith("[") else host
        return f"socket,host={host},port={port}{comma}{more}{extra}"
    if scheme in ("file", "pipe"):
        return f"{scheme},path={rest}"
    if scheme == "vc":
        return "vc"
    if scheme == "udp":
        host, colon, port = rest.partition("@")[0].rpartition(":")
        return f"udp,host={host},port={port}" if colon and port else None
    return None


def _cut(text: str) -> tuple[str, str, str]:
    """Cut at the first single comma."""
    place = 0
    while (place := text.find(",", place)) >= 0:
        if text[place : place + 2] != ",,":
            return text[:place], ",", text[place + 1 :]
        place += 2
    return text, "", ""
