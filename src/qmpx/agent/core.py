"""What both faces of the guest agent's client share: replies, and being in step.

The agent answers one command at a time, in order and without ids. So a reply that comes
after its caller gave up would be taken for the next one's. The way back into step is
``guest-sync-delimited``: its reply alone is preceded by the byte 0xFF, which is in no
JSON, and repeats a number. All that comes before it is old, and is dropped.

Source: QEMU's documentation of the guest agent (interop/qemu-ga-ref); observed on
qemu-ga 7.2.
"""

import itertools
import os
import random
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from qmpx.errors import CommandError, ConnectionLost, QmpxError, RemoteProtocolError

if TYPE_CHECKING:
    from qmpx.client.recording import Recording

MAX_MESSAGE_SIZE: Final = 64 * 1024 * 1024
"""Most bytes of one reply; the agent reads files in pieces of at most 48 MB."""

DELIMITER: Final = b"\xff"

SILENT: Final = (
    "guest-shutdown",
    "guest-suspend-disk",
    "guest-suspend-hybrid",
    "guest-suspend-ram",
)
"""Commands that answer only if they fail."""

Conversation = Generator[bytes | None, bytes | None, Any]
"""Yields bytes to be sent, or ``None`` to be sent what has come."""


class AgentCore:
    """One connection to an agent.

    Args:
        max_message_size: Most bytes of one reply.
        record: A file for the transcript.

    Attributes:
        is_in_step: Whether the next reply is that of the next command.
    """

    __slots__ = (
        "_buffer",
        "_max_message_size",
        "_numbers",
        "_recording",
        "_searched",
        "is_in_step",
    )

    def __init__(
        self,
        max_message_size: int = MAX_MESSAGE_SIZE,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        self._max_message_size = max_message_size
        self._recording: Recording | None = None
        if record is not None:
            from qmpx.client import recording  # few need it

            self._recording = recording.Recording(record)
        # Begun anywhere, so that the reply to a client before us is not taken for ours.
        self._numbers = itertools.count(random.randrange(1, 2**31))  # noqa: S311
        self.restart()

    def restart(self) -> None:
        """Begin a new connection."""
        self._buffer = bytearray()
        self._searched = 0
        self.is_in_step = False
        if self._recording is not None:
            self._recording.end()

    def sending(self, data: bytes) -> None:
        """Note that *data* is sent."""
        if self._recording is not None:
            self._recording.sent(data)

    def feed(self, data: bytes) -> None:
        """Take what was read.

        Raises:
            RemoteProtocolError: It is more than any reply.
        """
        if self._recording is not None:
            self._recording.received(data)
        self._buffer += data
        if len(self._buffer) > self._max_message_size:
            self.restart()
            message = f"a reply of the agent exceeds {self._max_message_size} bytes"
            raise RemoteProtocolError(message)

    def converse(self, name: str, arguments: Any) -> Conversation:
        """Run a command and return what it returned.

        Whoever drives this throws in what goes wrong; it is out of step then, and gets
        into step with the next command.

        Raises:
            CommandError: The agent said no.
            RemoteProtocolError: It sent no reply.
        """
        if not self.is_in_step:
            yield from self.synchronize()
        self.is_in_step = False  # until the reply has come
        yield spelled(name, arguments)
        if name in SILENT:
            return (yield from self._listen(name))
        reply = yield from self._next_line()
        self.is_in_step = True
        return _read(reply, name)

    def synchronize(self) -> Conversation:
        """Get into step: drop all that is old."""
        number = next(self._numbers)
        # The delimiter ends what somebody else may have left half said.
        yield DELIMITER + _sync(number)
        yield from self._find(number)
        self.is_in_step = True

    def _find(self, number: int) -> Generator[bytes | None, bytes | None, list[bytes]]:
        """Read up to the reply that repeats *number*; return the lines before it."""
        old: list[bytes] = []
        while True:
            while (end := self._buffer.find(DELIMITER, self._searched)) < 0:
                self._searched = len(self._buffer)
                self.feed((yield None) or b"")
            old = bytes(self._buffer[:end]).split(b"\n")
            del self._buffer[: end + 1]
            self._searched = 0
            line = yield from self._next_line()
            # There may be another within it: the first was old, and what it began
            # was never ended.
            if _number(line.rpartition(DELIMITER)[2]) == number:
                return old

    def _next_line(self) -> Generator[bytes | None, bytes | None, bytes]:
        while True:
            while (end := self._buffer.find(b"\n", self._searched)) < 0:
                self._searched = len(self._buffer)
                self.feed((yield None) or b"")
            line = bytes(self._buffer[:end]).strip()
            del self._buffer[: end + 1]
            self._searched = 0
            if line:
                return line

    def _listen(self, name: str) -> Conversation:
        """Wait for an error, which is all that a silent command may answer.

        If the agent answers a question after it, there was none. If nothing comes any
        more, or the connection ends, the guest is on its way down.
        """
        number = next(self._numbers)
        try:
            yield _sync(number)
            lines = yield from self._find(number)
        except (TimeoutError, ConnectionLost):
            return None
        self.is_in_step = True
        for line in filter(None, map(bytes.strip, lines)):
            _read(line, name)
        return None


def _sync(number: int) -> bytes:
    return spelled("guest-sync-delimited", {"id": number})


def spelled(name: str, arguments: Any) -> bytes:
    """Return a command as it is sent."""
    command = {"execute": name}
    if arguments:
        command["arguments"] = arguments
    return msgspec.json.encode(command) + b"\n"


def _number(line: bytes) -> Any:
    try:
        reply = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        return None
    return reply.get("return") if isinstance(reply, dict) else None


def _read(line: bytes, name: str) -> Any:
    try:
        reply = msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        message = f"the reply to {name!r} is no JSON ({error}): {line[:80]!r}"
        raise RemoteProtocolError(message) from error
    if isinstance(reply, dict) and "return" in reply:
        return reply["return"]
    raise _error(reply, name)


def _error(reply: Any, name: str) -> QmpxError:
    error = reply.get("error") if isinstance(reply, dict) else None
    if not isinstance(error, dict):
        return RemoteProtocolError(f"the reply to {name!r} holds nothing")
    kind, text = str(error.get("class", "GenericError")), str(error.get("desc", ""))
    return CommandError.from_reply(kind, text, {}, name)
