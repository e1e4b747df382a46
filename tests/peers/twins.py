"""The same requests to a real QEMU and to our machine, and what they say to them."""

from __future__ import annotations

import json
import socket
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine
from tests.loop_thread import LoopThread
from tests.peers.conftest import running_qemu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SECONDS = 20.0
Message = dict[str, Any]


class Talk:
    """A conversation with one monitor, message by message."""

    def __init__(self, path: Path, enable: Sequence[str] = ()) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        arguments = {"enable": list(enable)} if enable else {}
        self.run("qmp_capabilities", arguments)

    def read(self) -> Message:
        """Return the next message."""
        line = self._lines.readline()
        if not line:
            raise EOFError
        message = json.loads(line)
        assert isinstance(message, dict)
        message.pop("timestamp", None)
        return message

    def run(
        self,
        name: str,
        arguments: Message | None = None,
        *,
        fds: Sequence[int] = (),
    ) -> list[Message]:
        """Send a command; return all up to its reply, which is the last."""
        request: Message = {"execute": name}
        if arguments:
            request["arguments"] = arguments
        text = json.dumps(request).encode()
        if fds:
            socket.send_fds(self._socket, [text], list(fds))
        else:
            self._socket.sendall(text)
        heard = [self.read()]
        while "event" in heard[-1]:
            heard.append(self.read())
        return heard

    def until(self, event: str, **data: Any) -> list[Message]:
        """Return all messages up to an event with these data."""
        heard = [self.read()]
        while heard[-1].get("event") != event or heard[-1].get("data", {}) != data:
            heard.append(self.read())
        return heard

    def close(self) -> None:
        """End it."""
        self._lines.close()
        self._socket.close()


@dataclass
class Twins:
    """A QEMU and our machine.

    Attributes:
        theirs: The conversation with QEMU.
        ours: The conversation with our machine.
        machine: Our machine; use it by `do` only.
        thread: The thread that it lives in.
    """

    theirs: Talk
    ours: Talk
    machine: Machine
    thread: LoopThread

    def run(
        self, name: str, /, **arguments: Any
    ) -> tuple[list[Message], list[Message]]:
        """Send a command to both; return what QEMU said, and what ours did."""
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        return self.theirs.run(name, named), self.ours.run(name, named)

    def do(self, function: Callable[[], Any]) -> Any:
        """Do something to our machine, in the thread that it lives in."""
        return self.thread.run(function)


@contextmanager
def served(machine: Machine) -> Iterator[tuple[Path, LoopThread]]:
    """Serve a machine until the end of the block."""
    monitor = modern_monitor(machine, offers_async=False)
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder, LoopThread() as thread:
        path = Path(folder) / "qmp"
        server = monitor.serve(f"unix:{path}")
        thread.wait_for(server.__aenter__())
        try:
            yield path, thread
        finally:
            thread.wait_for(server.close())
            thread.run(machine.close)


@contextmanager
def twins(*arguments: str, machine: Machine | None = None) -> Iterator[Twins]:
    """Run a QEMU with a PC's board, and our machine, until the end of the block."""
    ours = machine if machine is not None else Machine()
    board = arguments if "-machine" in arguments else ("-machine", "pc", *arguments)
    with ExitStack() as stack:
        qemu = stack.enter_context(running_qemu(board, 1, "off"))
        path, thread = stack.enter_context(served(ours))
        talks = Talk(qemu.qmp), Talk(path)
        for talk in talks:
            stack.callback(talk.close)
        yield Twins(*talks, ours, thread)


def shape(value: Any) -> Any:
    """Return what kind of values there are, and under which names."""
    match value:
        case dict():
            return {key: shape(each) for key, each in sorted(value.items())}
        case list():
            return [shape(each) for each in value[:1]]
        case bool():
            return "boolean"
        case int() | float():
            return "number"
    return type(value).__name__
