"""Connections to a QMP monitor as clients make them that cannot be installed by name.

Each reads and writes as one client does: what it sends, byte for byte, and what it
insists on in what comes. Scripts play what is said on them.
"""

import array
import json
import os
import re
import socket
import time
from typing import Any

SECONDS = 10.0  # as long as the most patient of them waits
CHUNK = 1024


class Refused(Exception):
    """A server did not say what a client insists on."""


def connect(path: str) -> socket.socket:
    """Connect to a monitor."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(SECONDS)
    client.connect(path)
    return client


def send_descriptor(client: socket.socket, data: bytes, fd: int) -> None:
    """Send bytes with a descriptor."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
    client.sendmsg([data], [rights])


class Ganeti:
    """Ganeti 3.0: lines that end in CR LF, or nothing; descriptors go with a blank."""

    def __init__(self, path: str) -> None:
        self._socket = connect(path)
        self._data = b""
        self.greeting = self._read()
        if sorted(self.greeting["QMP"]) != ["capabilities", "version"]:
            raise Refused(self.greeting)
        self.call("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        while b"\r\n" not in self._data:
            data = self._socket.recv(4096)
            if not data:
                raise EOFError
            self._data += data
        line, _, self._data = self._data.partition(b"\r\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def call(self, name: str, arguments: Any = None, fd: int | None = None) -> Any:
        """Run a command, and skip events before its reply."""
        request = {"execute": name}
        if arguments is not None:
            request["arguments"] = arguments
        if fd is not None:
            send_descriptor(self._socket, b" ", fd)
        self._socket.sendall(json.dumps(request).encode())
        while "event" in (reply := self._read()):
            pass
        if "error" in reply:
            return reply["error"]
        if "return" not in reply:
            raise Refused(reply)
        return reply["return"]

    def close(self) -> None:
        """End it."""
        self._socket.close()


class Proxmox:
    """Proxmox VE: a connection for a few commands, ids, no newline, no waiting.

    It negotiates before it has read the greeting, sends a command when the one before
    it is answered, and takes what has come up to the last brace before a newline.
    """

    _sent = 0

    def __init__(self, path: str) -> None:
        self._path = path
        self.events: list[Any] = []

    def run(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Run commands on a connection of their own; return their replies."""
        replies = []
        with connect(self._path) as client:
            data = b""
            for name, arguments, *fds in (("qmp_capabilities", {}), *commands):
                Proxmox._sent += 1
                id_ = f"{os.getpid()}:{Proxmox._sent}"
                text = json.dumps({"execute": name, "arguments": arguments, "id": id_})
                if fds:
                    send_descriptor(client, text.encode(), fds[0])
                else:
                    client.sendall(text.encode())
                reply = None
                while reply is None:
                    received = client.recv(CHUNK)
                    if not received:
                        raise EOFError
                    data += received
                    if whole := re.match(rb"(.*})\r?\n(.*)$", data, re.DOTALL):
                        data = whole[2]
                        reply = self._read(whole[1].split(b"\n"), id_)
                replies.append(reply)
        return replies[1:]

    def _read(self, lines: list[bytes], id_: str) -> Any:
        reply = None
        for line in lines:
            message = json.loads(line)
            if "QMP" in message:
                continue
            if "event" in message:
                self.events.append(message["event"])
                continue
            if "error" in message:
                return message["error"]
            if message.get("id") != id_:
                raise Refused(message)
            reply = message["return"]
        return reply


class GoQmp:
    """0xef53/go-qmp: a line for a command; one more command makes it close."""

    def __init__(self, path: str) -> None:
        self._socket = connect(path)
        self._lines = self._socket.makefile("rb")
        self.events: list[Any] = []
        if "QMP" not in json.loads(self._lines.readline()):
            raise Refused
        self._send({"execute": "qmp_capabilities"})
        # It takes the next line, whatever it is.
        if "return" not in json.loads(self._lines.readline()):
            raise Refused

    def _send(self, request: Any) -> None:
        text = json.dumps(request, separators=(",", ":"))
        self._socket.sendall(text.encode() + b"\n")

    def run(self, name: str, /, **arguments: Any) -> Any:
        """Run a command."""
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        self._send({"execute": name, **({"arguments": named} if named else {})})
        return self._reply()

    def _reply(self) -> Any:
        while True:
            message = self._message()
            if "event" not in message:
                return message.get("return", message.get("error"))
            self.events.append(message)

    def _message(self) -> Any:
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)

    def wait_for(self, name: str, /, **data: Any) -> Any:
        """Return the data of the first event of a name with these data."""
        while True:
            for event in self.events:
                told = event.get("data", {})
                if event["event"] == name and data.items() <= told.items():
                    return told
            self.events.append(self._message())

    def close(self) -> None:
        """End it: its reader goes when it has been given something to read."""
        self._send({"execute": "query-name"})
        self._reply()
        self._lines.close()
        self._socket.close()


class NodeQmp:
    """The npm package qemu-qmp: replies in the order of commands, sent all at once.

    It takes what is on a line for an event or the reply to the oldest command, and
    each line for JSON, an empty one, too.
    """

    def __init__(self, path: str) -> None:
        self._socket = connect(path)
        self._data = b""
        self.events: list[Any] = []
        self.greeting = self._line()["QMP"]
        self.run(("qmp_capabilities",))

    def _line(self) -> Any:
        while b"\n" not in self._data:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return json.loads(line)

    def run(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Send commands without a pause, and return their replies."""
        for name, *arguments in commands:
            request: dict[str, Any] = {"execute": name}
            if arguments:
                request["arguments"] = arguments[0]
            self._socket.sendall(json.dumps(request).encode())
        replies: list[Any] = []
        while len(replies) < len(commands):
            message = self._line()
            if "event" in message:
                self.events.append(message["event"])
            else:
                replies.append(message.get("return", message.get("error")))
        return replies

    def close(self) -> None:
        """End it."""
        self._socket.close()


class OpenQa:
    """openQA's backend: JSON as it comes, however it is cut; a descriptor with it."""

    def __init__(self, path: str) -> None:
        self._socket = connect(path)
        self._text = ""
        self.events: list[Any] = []
        self.greeting = self._read()
        self.run("qmp_capabilities")

    def _read(self) -> Any:
        while True:
            self._text = self._text.lstrip()
            try:
                value, end = json.JSONDecoder().raw_decode(self._text)
            except ValueError:
                data = self._socket.recv(CHUNK)
                if not data:
                    raise EOFError from None
                self._text += data.decode()
                continue
            self._text = self._text[end:]
            return value

    def run(self, name: str, arguments: Any = None, fd: int | None = None) -> Any:
        """Run a command; its events are noted and left."""
        request = {"execute": name}
        if arguments is not None:
            request["arguments"] = arguments
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        if fd is None:
            self._socket.sendall(line)
        else:
            send_descriptor(self._socket, line, fd)
        while "event" in (told := self._read()):
            self.events.append(told["event"])
        return told.get("return", told.get("error"))

    def close(self) -> None:
        """End it."""
        self._socket.close()


class Autotest:
    """KVM autotest, 2010: what can be read at once is read, in lines, until all parse.

    Args:
        path: The monitor's path.
        end: What it sends after a command: nothing, from January 2011 on.
    """

    def __init__(self, path: str, end: str = "\n") -> None:
        self._socket = connect(path)
        self._socket.settimeout(0)
        self._end = end
        self.events: list[Any] = []
        self.greeting = self._until("QMP")
        self.cmd("qmp_capabilities")

    def _all(self) -> str:
        text = b""
        while True:
            try:
                data = self._socket.recv(CHUNK)
            except BlockingIOError:
                return text.decode()
            if not data:
                return text.decode()
            text += data

    def _objects(self) -> list[Any]:
        text = ""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            text += self._all()
            try:
                objects = [json.loads(line) for line in text.splitlines() if line]
            except ValueError:
                time.sleep(0.01)
                continue
            self.events += [each["event"] for each in objects if "event" in each]
            return objects
        raise Refused(text)

    def _until(self, *keys: str) -> Any:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            for each in self._objects():
                for key in keys:
                    if key in each:
                        return each[key]
            time.sleep(0.01)
        raise Refused(keys)

    def cmd(self, name: str, arguments: Any = None) -> Any:
        """Run a command."""
        self._objects()
        request = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        self._socket.sendall((json.dumps(request) + self._end).encode())
        return self._until("return", "error")

    def get_events(self) -> list[Any]:
        """Return the names of the events that have come."""
        self._objects()
        return self.events

    def close(self) -> None:
        """End it."""
        self._socket.close()
