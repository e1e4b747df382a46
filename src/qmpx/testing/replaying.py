"""Replaying: a recorded conversation, served again, to see who says something else.

A recording is cut into *steps*: a command, and what the server said from then on, the
command's own reply in its place however the recorded client had pipelined. A client is
held against the steps, in their order or in its own.
"""

import asyncio
import difflib
import os
import socket
from collections.abc import Iterable
from typing import Any, Final, Self

import msgspec
from msgspec import UNSET, Struct, field

from qmpx.errors import LocalProtocolError
from qmpx.testing.matching import is_alike
from qmpx.transcript.difference import STRICT, Looseness, command_lines
from qmpx.transcript.entry import Entry
from qmpx.transcript.splitter import Splitter
from qmpx.transport.address import ListenAddress, parse_listen_address
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.listener import Listener
from qmpx.wire.encode import encode

GREETING: Final = {
    "QMP": {
        "version": {
            "qemu": {"major": 7, "minor": 2, "micro": 0},
            "package": "qmpx-replay",
        },
        "capabilities": [],
    }
}
"""What is sent where the recording has no greeting."""

_NEGOTIATION: Final = "qmp_capabilities"
_WAYS: Final = ("execute", "exec-oob", "execute_async")


class Step(Struct):
    """A command, and what the server said then.

    Attributes:
        name: The command's name.
        arguments: Its arguments.
        said: What the server said: replies and events, in order.
        used: How often it was replayed.
    """

    name: str
    arguments: Any
    said: list[dict[str, Any]] = field(default_factory=list)
    used: int = 0


class Script(Struct):
    """One recorded connection.

    Attributes:
        greeting: What was said before the first command.
        steps: What followed.
    """

    greeting: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def has_negotiation(self) -> bool:
        """Whether it was recorded from the beginning."""
        return bool(self.steps) and self.steps[0].name == _NEGOTIATION


def scripts_of(entries: Iterable[Entry]) -> list[Script]:
    """Return the connections of a recording, in the order in which they began."""
    scripts: dict[int, Script] = {}
    awaited: dict[int, list[tuple[Any, Step]]] = {}
    for entry in entries:
        if not isinstance(entry.message, dict):
            continue
        script = scripts.setdefault(entry.connection, Script())
        waiting = awaited.setdefault(entry.connection, [])
        message = entry.message
        if entry.kind == "command":
            step = Step(entry.name, message.get("arguments", {}))
            script.steps.append(step)
            waiting.append((message.get("id", UNSET), step))
        elif entry.kind in ("reply", "error"):
            _step_of(message, waiting, script).said.append(message)
        elif script.steps:
            script.steps[-1].said.append(message)
        else:
            script.greeting.append(message)
    return list(scripts.values())


def _step_of(
    reply: dict[str, Any], waiting: list[tuple[Any, Step]], script: Script
) -> Step:
    """Return the step that a reply belongs to."""
    id_ = reply.get("id", UNSET)
    for each in waiting:
        if type(each[0]) is type(id_) and each[0] == id_:
            waiting.remove(each)
            return each[1]
    if id_ is UNSET and waiting:
        return waiting.pop(0)[1]
    if not script.steps:
        script.steps.append(Step("", {}))
    return script.steps[-1]


class Divergence(Struct, frozen=True):
    """Where a client said something else than the recording.

    Attributes:
        connection: Which recorded connection, from 1.
        step: Which command of it, from 1.
        lines: The differences, as a unified diff, and what it is about.
    """

    connection: int
    step: int
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Replay:
    """Serve a recording: each client is held against the next recorded connection.

    To be used in ``async with``.

    Args:
        entries: The recording.
        listen: Where to listen.
        strict: Whether commands must come in the recorded order, and all of them.
        looseness: What does not count in arguments.
        allow_remote: Whether others may reach it, on a TCP address.

    Attributes:
        address: Where it listens, once it does.
        divergence: The first one; ``None`` so far.

    Raises:
        LocalProtocolError: There is no conversation in the recording.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        listen: str | os.PathLike[str],
        *,
        strict: bool = True,
        looseness: Looseness | None = None,
        allow_remote: bool = False,
    ) -> None:
        self._scripts = scripts_of(entries)
        if not any(script.steps for script in self._scripts):
            raise LocalProtocolError("there is no command in this recording")
        self.address: ListenAddress = parse_listen_address(listen)
        self.strict = strict
        self.looseness = looseness or (STRICT if strict else Looseness())
        self.divergence: Divergence | None = None
        self._allow_remote = allow_remote
        self._listener: Listener | None = None
        self._next = 0
        self._players: set[_Player] = set()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._listener = Listener(
            asyncio.get_running_loop(),
            self.address,
            self._accept,
            max_sessions=len(self._scripts),
            allow_remote=self._allow_remote,
        )
        self.address = self._listener.address
        self._listener.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._end()

    async def wait(self) -> Divergence | None:
        """Wait for the first divergence, or until every connection is over.

        Returns:
            The divergence; ``None`` if there was none.
        """
        await self._over.wait()
        return self.divergence

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for player in list(self._players):
            if player.channel is not None:
                player.channel.close()

    def _accept(self, sock: socket.socket, listener: Listener) -> None:
        if self._next >= len(self._scripts):
            sock.close()
            listener.release()
            return
        script = self._scripts[self._next]
        self._next += 1
        player = _Player(self, script, self._next)
        self._players.add(player)
        player.open(Channel(asyncio.get_running_loop(), sock, player))

    def ended(self, player: "_Player") -> None:
        """Note that a connection is over."""
        self._players.discard(player)
        if self._listener is not None:
            self._listener.release()
        if self._next == len(self._scripts) and not self._players:
            self._over.set()

    def diverged(self, divergence: Divergence) -> None:
        """Note the first difference, and end."""
        if self.divergence is None:
            self.divergence = divergence
            self._over.set()


class _Player:
    """One client, and the recorded connection that it is held against."""

    def __init__(self, replay: Replay, script: Script, number: int) -> None:
        self.channel: Channel | None = None
        self._replay = replay
        self._script = script
        self._number = number
        self._position = 0
        self._splitter = Splitter()
        self._is_negotiated = script.has_negotiation

    def open(self, channel: Channel) -> None:
        """Say what was said first."""
        self.channel = channel
        for message in self._script.greeting or [GREETING]:
            self._say(message)
        channel.resume_reading()

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Answer commands as they were answered."""
        close_fds(fds)
        for piece in self._splitter.feed(data):
            if self.channel is None or self._replay.divergence is not None:
                return
            try:
                message = msgspec.json.decode(piece)
            except (msgspec.DecodeError, UnicodeDecodeError):
                message = None
            if isinstance(message, dict):
                self._take(message)
            else:
                shown = piece[:60].decode("latin-1")
                self._diverge([f"the client sent what is no command: {shown!r}"], {})

    def _take(self, command: dict[str, Any]) -> None:
        name = next((str(command[x]) for x in _WAYS if x in command), "")
        if name == _NEGOTIATION and not self._is_negotiated:
            self._is_negotiated = True
            self._say(_with_id({"return": {}}, command))
            return
        arguments = command.get("arguments", {})
        step = self._find(name, arguments)
        if step is None:
            self._diverge(self._explain(name, arguments), command)
            return
        step.used += 1
        for message in step.said:
            is_reply = "return" in message or "error" in message
            self._say(_with_id(message, command) if is_reply else message)

    def _find(self, name: str, arguments: Any) -> Step | None:
        steps, looseness = self._script.steps, self._replay.looseness
        if self._replay.strict:
            if self._position < len(steps):
                step = steps[self._position]
                if step.name == name and is_alike(
                    step.arguments, arguments, looseness.members
                ):
                    self._position += 1
                    return step
            return None
        alike = [
            step
            for step in steps
            if step.name == name
            and (
                name == _NEGOTIATION
                or is_alike(step.arguments, arguments, looseness.members)
            )
        ]
        fresh = (step for step in alike if not step.used)
        return next(fresh, alike[-1] if alike else None)

    def _explain(self, name: str, arguments: Any) -> list[str]:
        steps, looseness = self._script.steps, self._replay.looseness
        got = command_lines(name, arguments, looseness)
        if self._replay.strict:
            where = f"command {self._position + 1} of connection {self._number}"
            if self._position >= len(steps):
                return [f"{where}: the recording has ended, and there came", *got]
            step = steps[self._position]
            expected = command_lines(step.name, step.arguments, looseness)
        else:
            where = f"connection {self._number}: no such command was recorded"
            named = [step for step in steps if step.name == name]
            near = named or steps
            close = max(near, key=lambda x: _likeness(x, name, arguments))
            expected = command_lines(close.name, close.arguments, looseness)
        diff = difflib.unified_diff(
            expected, got, "recorded", "sent", lineterm="", n=99
        )
        return [f"{where} is another", *diff] if self._replay.strict else [where, *diff]

    def _diverge(self, lines: list[str], command: dict[str, Any]) -> None:
        desc = "this differs from the recording"
        error = {"error": {"class": "GenericError", "desc": desc}}
        self._say(_with_id(error, command))
        divergence = Divergence(self._number, self._position + 1, tuple(lines))
        self._replay.diverged(divergence)
        if self.channel is not None:
            self.channel.close()

    def _say(self, message: dict[str, Any]) -> None:
        if self.channel is not None:
            self.channel.write(encode(message) + b"\r\n")

    def eof_received(self) -> None:
        """The client has ended; see whether that was too early."""
        left = len(self._script.steps) - self._position
        if self._replay.strict and left and self._replay.divergence is None:
            step = self._script.steps[self._position]
            expected = command_lines(step.name, step.arguments, self._replay.looseness)
            what = f"the client of connection {self._number} left {left} commands early"
            lines = [f"{what}; the next was", *expected]
            divergence = Divergence(self._number, self._position + 1, tuple(lines))
            self._replay.diverged(divergence)
        if self.channel is not None:
            self.channel.close()

    def drained(self) -> None:
        """There is room again; nothing waits for that."""

    def connection_lost(self, error: OSError | None) -> None:
        """The client has gone."""
        if error is not None:
            self.eof_received()
        self.channel = None
        self._replay.ended(self)


def _with_id(message: dict[str, Any], command: dict[str, Any]) -> dict[str, Any]:
    message = {name: value for name, value in message.items() if name != "id"}
    return message | {"id": command["id"]} if "id" in command else message


def _likeness(step: Step, name: str, arguments: Any) -> float:
    one, two = repr((step.name, step.arguments)), repr((name, arguments))
    return difflib.SequenceMatcher(None, one[:4096], two[:4096]).ratio()
