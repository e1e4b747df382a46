"""An agent at its port: it reads commands from a character device, and answers there.

Unlike a monitor it does not greet, needs no negotiation, answers one command after the
other, and ends its lines with a line feed alone. What it does not do as it should, for
tests, is told by `AgentBehaviour`.

Source: QEMU's guest agent 7.2.22, observed.
"""

import asyncio
import logging
from collections import deque
from typing import Any, Final

from msgspec import UNSET

from qmpx.dialects.agent.behaviour import AgentBehaviour
from qmpx.errors import CommandError, CommandNotFound
from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.guest_system import GuestSystem
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.monitor import Monitor
from qmpx.monitor.registry import CommandRegistry, SessionLike
from qmpx.wire.encode import encode_plainly
from qmpx.wire.framing import Item
from qmpx.wire.server import (
    RETURN,
    Phase,
    Refused,
    ServerSession,
    end_of_reply,
    failure,
)

VERSION: Final = "7.2.22"
"""Which agent is stood in for."""

SENTINEL: Final = b"\xff"
"""What comes before the reply to ``guest-sync-delimited``: it begins no JSON."""

MAX_UNSENT: Final = 64 * 2**20
"""Bytes of replies that wait for a client that does not read: one reply with all that
a read may bring. Beyond it the agent drops what waits, and says so in the log."""

PIECE: Final = 64 * 1024
"""Bytes that are offered to the character device at a time: what it has room for."""

LOOKS: Final = 4
"""Looks at what has come in one turn of the loop: each covers
`qmpx.wire.framing.MAX_BYTES` of what must be read byte by byte."""

UNANSWERED: Final = frozenset(
    {
        "guest-shutdown",
        "guest-suspend-disk",
        "guest-suspend-ram",
        "guest-suspend-hybrid",
    }
)
"""The commands that are answered only if they fail."""

WHILE_FROZEN: Final = frozenset(
    {
        *("guest-ping", "guest-info", "guest-sync", "guest-sync-delimited"),
        *("guest-fsfreeze-status", "guest-fsfreeze-thaw"),
    }
)
"""The commands that an agent runs while file systems are frozen."""

UNSUPPORTED: Final = "guest-get-devices"
"""A command that the agent of another system has."""

logger = logging.getLogger("qmpx.standin")


class AgentPort(SessionLike):
    """An agent, and the port of the machine that it reads.

    Args:
        system: The guest.
        commands: What the agent knows; see `agent_commands`.
        device: The character device behind the port.
        behaviour: What it does not do as it should.
    """

    def __init__(
        self,
        system: GuestSystem,
        commands: CommandRegistry,
        device: CharacterDevice,
        behaviour: AgentBehaviour,
    ) -> None:
        self.monitor: Monitor = Monitor(system, capabilities=())
        self.monitor.commands = commands
        self.frontend = Frontend()
        self.pending = PendingDescriptors()
        self.answers_later = False
        self.behaviour = behaviour
        self._system = system
        self._entries = commands.entries
        self._device = device
        self._wire = self._new_wire()
        self._waiting: deque[Item] = deque()
        self._is_held = False
        self._has_turn = False  # which comes
        self._unsent = bytearray()

    def open(self) -> None:
        """Begin to listen."""
        if self.behaviour.stale:
            self._send(self.behaviour.stale)
        self._device.on_connection = self._connected
        self._device.on_drained = self._flush
        self._device.listener = self._came
        self._came()

    def close(self) -> None:
        """Listen no more."""
        self._device.listener = self._device.on_drained = None
        self._device.on_connection = None

    def _connected(self, has_come: bool) -> None:  # noqa: FBT001 - as devices call it
        """Note that somebody has connected to the device, or has left it.

        The agent itself knows nothing of it, and carries on where it was: what was half
        sent is still half read.
        """
        self._unsent.clear()
        if has_come:
            self.behaviour.is_deaf = False

    def _flush(self) -> None:
        """Send what a slow client had no room for."""
        sent = 0
        # What is taken may go out at once, and then there is room again.
        while piece := bytes(self._unsent[sent : sent + PIECE]):
            taken = self._device.write(piece)
            sent += taken
            if taken < len(piece):
                break
        del self._unsent[:sent]

    def _new_wire(self) -> ServerSession:
        wire = ServerSession(())
        wire.phase = Phase.READY
        return wire

    def _came(self) -> None:
        """Do what was asked for; when that is much, others have their turn between."""
        while not self._has_turn and self._take_some():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                continue  # there are no others
            self._has_turn = True
            loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._has_turn = False
        if self._device.listener == self._came:
            self._came()

    def _take_some(self) -> bool:
        """Take what can be taken in one turn; tell whether there is more."""
        reader = self._wire.reader
        for _ in range(LOOKS):
            if self._is_held:
                return False
            if not reader.unread:
                data = self._device.read()
                if not data:
                    return False
                if self.behaviour.is_deaf:
                    continue
                reader.feed(data)
            self._waiting.extend(reader.take())
            self._work()
        return True

    def _work(self) -> None:
        while self._waiting and not self._is_held:
            self._answer(self._waiting.popleft())

    def _answer(self, item: Item) -> None:
        command = self._wire.admit(item)
        if isinstance(command, Refused):
            self._reply(failure(self._id(command.id), self._encode(command.error)))
            return
        name = str(command.execute)
        id_ = self._id(command.id)
        try:
            self._check(name)
            body = self._run(name, command.arguments)
        except CommandError as error:
            self._after(name, failure(id_, self._encode(error)))
            return
        if name in UNANSWERED:
            return
        start = SENTINEL if name == "guest-sync-delimited" else b""
        self._after(name, start + RETURN + body + end_of_reply(id_))

    def _id(self, id_: Any) -> Any:
        return id_ if self.behaviour.echoes_ids else UNSET

    def _check(self, name: str) -> None:
        """Look whether a command may be run now.

        Raises:
            CommandNotFound: It may not, or there is none of that name.
        """
        reason = ""
        if name != UNSUPPORTED and name != "guest-info" and name not in self._entries:
            raise CommandNotFound(name=name)
        if name in self.behaviour.disabled or name == UNSUPPORTED:
            reason = f"Command {name} has been disabled"
        elif self._system.frozen and name not in WHILE_FROZEN:
            reason = f"Command {name} has been disabled: the agent is in frozen state"
        if reason:
            error = CommandNotFound(name=name)
            error.desc = reason
            raise error

    def _run(self, name: str, arguments: Any) -> bytes:
        if name == "guest-info":
            return self._encode_info()
        entry = self._entries[name]
        returned = entry.invoke(self, arguments)
        encoded: bytes = entry.signature.encode(returned)
        return encoded

    def _encode_info(self) -> bytes:
        names = sorted({*self._entries, "guest-info", UNSUPPORTED})
        supported = [
            {
                "enabled": self._is_enabled(name),
                "name": name,
                "success-response": name not in UNANSWERED,
            }
            for name in names
        ]
        told = {"version": VERSION, "supported_commands": supported}
        return encode_plainly(told)

    def _is_enabled(self, name: str) -> bool:
        try:
            self._check(name)
        except CommandError:
            return False
        return True

    def _encode(self, error: BaseException) -> bytes:
        return self.monitor.encode_error(error)

    def _after(self, name: str, reply: bytes) -> None:
        """Send a reply, when its time has come."""
        seconds = self.behaviour.delays.get(name, 0.0)
        if not seconds:
            self._reply(reply)
            return
        self._is_held = True

        def go_on() -> None:
            self._is_held = False
            self._reply(reply)
            self._work()
            self._came()

        self._system.clock.call_later(seconds, go_on)

    def _reply(self, reply: bytes) -> None:
        self._send(reply.removesuffix(b"\r\n") + b"\n")

    def _send(self, data: bytes) -> None:
        if len(self._unsent) + len(data) > MAX_UNSENT:
            logger.warning("the guest agent's client does not read: a reply is lost")
            return
        self._unsent += data
        self._flush()
