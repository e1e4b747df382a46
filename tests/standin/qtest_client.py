"""The side of QEMU's own test programs: they start a QEMU, and drive it by qtest.

They listen on two sockets, one for qtest and one for QMP; the QEMU comes to both. In
the end they send it a SIGTERM, and want it to end with status 0.

Source: QEMU 7.2's ``tests/qtest``, read; nothing of it is copied.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = BIN / "qmpx-system-x86_64"

Message = dict[str, Any]


class Driven:
    """A program that is driven.

    Args:
        process: The program.
        qtest: The connection for qtest.
        qmp: The connection for QMP.

    Attributes:
        events: What came in between, and nobody has waited for yet.
    """

    def __init__(
        self, process: subprocess.Popen[str], qtest: socket.socket, qmp: socket.socket
    ) -> None:
        self.process = process
        self.events: list[Message] = []
        self._qtest = qtest.makefile("rwb")
        self._qmp = qmp.makefile("rwb")

    def ask(self, line: str) -> str:
        """Send a line of qtest, and return the line that is the answer."""
        self._qtest.write(line.encode() + b"\n")
        self._qtest.flush()
        return self._qtest.readline().decode().removesuffix("\n")

    def send(self, text: str | bytes | Message) -> None:
        """Send a command, with a newline; or bytes as they are, which may be none."""
        if isinstance(text, dict):
            text = json.dumps(text)
        data = text.encode() + b"\n" if isinstance(text, str) else text
        self._qmp.write(data)
        self._qmp.flush()

    def receive(self) -> Message:
        """Return the next message."""
        line = self._qmp.readline()
        assert line, f"the program has gone: {self.process.poll()}"
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def reply(self) -> Message:
        """Return the next message that is no event."""
        while "event" in (message := self.receive()):
            self.events.append(message)
        return message

    def run(self, name: str, arguments: Message | None = None) -> Message:
        """Run a command, and return the reply."""
        self.send({"execute": name, "arguments": arguments or {}})
        return self.reply()

    def value(self, name: str, arguments: Message | None = None) -> Any:
        """Run a command that succeeds, and return its value."""
        reply = self.run(name, arguments)
        assert "return" in reply, (name, arguments, reply)
        return reply["return"]

    def error(self, name: str, arguments: Message | None = None) -> str:
        """Run a command that fails, and return the class of the error."""
        reply = self.run(name, arguments)
        assert "error" in reply, (name, arguments, reply)
        return str(reply["error"]["class"])

    def type(self, line: str) -> str:
        """Run a line of the human monitor."""
        return str(self.value("human-monitor-command", {"command-line": line}))

    def wait(self, name: str) -> Message:
        """Wait for an event, unless it has come already."""
        for place, event in enumerate(self.events):
            if event["event"] == name:
                return self.events.pop(place)
        while (message := self.receive()).get("event") != name:
            assert "event" in message, message
            self.events.append(message)
        return message


@contextlib.contextmanager
def starting(arguments: str, *, negotiates: bool = True) -> Iterator[Driven]:
    """Start the stand-in as these programs do, and end it so, too.

    Args:
        arguments: What comes between the sockets and ``-accel qtest``, as for a shell.
        negotiates: Whether QMP is ready for commands then.
    """
    with (
        tempfile.TemporaryDirectory(prefix="qmpx-") as folder,
        contextlib.ExitStack() as open_,
    ):
        paths = [Path(folder, "qtest.sock"), Path(folder, "qtest.qmp")]
        servers = []
        for path in paths:
            server = open_.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(str(path))
            server.listen(1)
            server.settimeout(SECONDS)
            servers.append(server)
        words = f"-qtest unix:{paths[0]} -qtest-log /dev/null"
        words += f" -chardev socket,path={paths[1]},id=char0"
        words += f" -mon chardev=char0,mode=control -display none {arguments}"
        process = subprocess.Popen(
            [PROGRAM, *shlex.split(words), "-accel", "qtest"],
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            connections = []
            for server in servers:
                connection = open_.enter_context(_accepted(server, process))
                connection.settimeout(SECONDS)
                connections.append(connection)
            driven = Driven(process, connections[0], connections[1])
            assert driven.ask("endianness") == "OK little"
            if negotiates:
                assert "QMP" in driven.receive()
                assert driven.value("qmp_capabilities") == {}
            yield driven
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=SECONDS)[1]
            assert process.returncode == 0, said
        finally:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()


def _accepted(server: socket.socket, process: subprocess.Popen[str]) -> socket.socket:
    try:
        return server.accept()[0]
    except TimeoutError:
        process.kill()
        said = process.communicate()[1]
        message = f"the program has not come: {said}"
        raise AssertionError(message) from None
