"""A client's own transcript: ``connect(..., record=FILE)``.

Every message is written with its time and direction, as in `qmpx.transcript`, and
without the secrets that are known to be in it.
"""

import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final

from qmpx.client.arguments import Arguments
from qmpx.client.core import ClientCore, Waiter
from qmpx.client.verbs import EXECUTE
from qmpx.errors import LocalProtocolError, QmpxError
from qmpx.transcript.entry import (
    TO_CLIENT,
    TO_SERVER,
    Entry,
    entry_for,
    write_entry,
)
from qmpx.transcript.redaction import redactor
from qmpx.transcript.splitter import Splitter
from qmpx.transport.bearer import Token
from qmpx.wire.client import MAX_MESSAGE_SIZE

Watch = Callable[[str, bytes], None]
"""Takes a direction (``->`` or ``<-``) and a message."""

_GARBAGE: Final = b" \t\r\n\xff"

logger = logging.getLogger("qmpx.client")


class Recording:
    """A transcript that is being written.

    The file is opened for each message, so it can be moved away at any time. What
    cannot be written, because the disk is full, say, is logged once; then the recording
    ends, and the conversation goes on.

    Args:
        path: The file; what is in it stays. A new one is for its owner only.

    Raises:
        LocalProtocolError: It cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(path)
        self._redact = redactor()
        self._connection = 0
        self._is_new = True
        self._is_broken = False
        self._received = Splitter()
        try:
            os.close(self._open())
        except OSError as error:
            message = f"cannot write {os.fspath(path)}: {error.strerror}"
            raise LocalProtocolError(message) from None

    def end(self) -> None:
        """Note that the connection is over; what comes next is of another."""
        if not self._is_new:
            self._note("closed")
        self._is_new = True
        self._received = Splitter()

    def __call__(self, direction: str, message: bytes) -> None:
        """Write down one message."""
        if self._is_new:
            self._is_new = False
            self._connection += 1
            self._note("connected")
        entry = entry_for(time.time(), direction, self._connection, message)
        self._write(self._redact(entry))

    def sent(self, data: bytes) -> None:
        """Write down what is sent: messages, a line each."""
        for line in data.splitlines():
            if line.strip(_GARBAGE):
                self(TO_SERVER, line)

    def received(self, data: bytes) -> None:
        """Write down what is received, however it is cut."""
        for message in self._received.feed(data):
            if message.strip(_GARBAGE):
                self(TO_CLIENT, message)

    def _note(self, text: str) -> None:
        self._write(Entry(time.time(), connection=self._connection, note=text))

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._path, flags, 0o600)

    def _write(self, entry: Entry) -> None:
        if self._is_broken:
            return
        line = memoryview(write_entry(entry))
        try:
            descriptor = self._open()
            try:
                while line:
                    line = line[os.write(descriptor, line) :]
            finally:
                os.close(descriptor)
        except OSError as error:
            self._is_broken = True
            logger.warning(
                "the conversation is not written down any more: %s: %s",
                self._path,
                error.strerror,
            )


class WatchedCore(ClientCore):
    """A client's conversation whose every message is shown to somebody.

    Args:
        watch: Takes every message, before it is acted on.
        max_message_size: As for `ClientCore`.
        reconnects: As for `ClientCore`.
    """

    __slots__ = ("_splitter", "_watch")

    def __init__(
        self,
        watch: Watch,
        max_message_size: int = MAX_MESSAGE_SIZE,
        *,
        reconnects: bool = False,
    ) -> None:
        self._watch: Final = watch
        self._splitter = Splitter()
        super().__init__(max_message_size, reconnects=reconnects)

    def restart(self) -> None:
        """Begin a new conversation."""
        self._splitter = Splitter()
        super().restart()

    def issue(
        self,
        waiter: Waiter,
        name: str,
        arguments: Arguments = None,
        *,
        verb: bytes = EXECUTE,
    ) -> bytes:
        """Show a command."""
        data = super().issue(waiter, name, arguments, verb=verb)
        self._watch(TO_SERVER, data)
        return data

    def issue_many(self, waiter: Waiter, commands: Any) -> bytes:
        """Show many of them."""
        data = super().issue_many(waiter, commands)
        for line in data.splitlines():
            self._watch(TO_SERVER, line)
        return data

    def authentication(self, waiter: Waiter, token: Token) -> bytes:
        """Show that there is a token, and not which."""
        data = super().authentication(waiter, token)
        self._watch(TO_SERVER, data.replace(token.reveal().encode(), b"(hidden)"))
        return data

    def feed(self, data: bytes) -> None:
        """Show what comes."""
        for message in self._splitter.feed(data):
            self._watch(TO_CLIENT, message)
        super().feed(data)


class RecordedCore(WatchedCore):
    """A client's conversation that is written down.

    Args:
        record: The file.
        max_message_size: As for `ClientCore`.
        reconnects: As for `ClientCore`.

    Raises:
        LocalProtocolError: The file cannot be written.
    """

    __slots__ = ("_recording",)

    def __init__(
        self,
        record: str | os.PathLike[str],
        max_message_size: int,
        *,
        reconnects: bool,
    ) -> None:
        self._recording = Recording(record)
        super().__init__(self._recording, max_message_size, reconnects=reconnects)

    def restart(self) -> None:
        """Begin a new conversation."""
        self._recording.end()
        super().restart()

    def lose(self, error: QmpxError, *, for_good: bool = False) -> None:
        """End it."""
        self._recording.end()
        super().lose(error, for_good=for_good)
