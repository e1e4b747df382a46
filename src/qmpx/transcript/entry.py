"""One line of a transcript, and how it is spelled.

The members of a line:

``t``
    When, in seconds since 1970, with a fraction. 0 where that is unknown.
``dir``
    ``->`` from client to server, ``<-`` from server to client; absent in a note.
``conn``
    The number of the connection, from 1.
``msg``
    The message.
``raw``
    Instead of ``msg``: bytes that are no JSON, each as the character of its number.
``fds``
    How many descriptors came with it; absent if none.
``note``
    Instead of a message: what happened, such as ``connected`` and ``closed``.

Readers pass over members that they do not know.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from qmpx.errors import QmpxError

TO_SERVER: Final = "->"
"""The direction of commands."""

TO_CLIENT: Final = "<-"
"""The direction of greetings, replies and events."""

MAX_LINE: Final = 256 * 1024 * 1024
"""Characters of one line: four times the largest message that a client takes."""


class TranscriptError(QmpxError, ValueError):
    """A file is no transcript.

    Args:
        message: What is wrong.
        name: The file's name.
        line: The line, from 1; ``None`` if it is about the whole.
    """

    exit_status = 2

    def __init__(self, message: str, name: str = "", line: int | None = None) -> None:
        place = name if line is None else f"{name}:{line}"
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.name = name
        self.line = line


class Entry(Struct, omit_defaults=True, frozen=True):
    """One line of a transcript: a message, or what happened.

    Attributes:
        time: When, in seconds since 1970; 0 where that is unknown. In a file: ``t``.
        direction: ``->`` from client to server, ``<-`` from server to client; unset in
            a note. In a file: ``dir``.
        connection: The number of the connection, from 1. In a file: ``conn``.
        message: The message. In a file: ``msg``.
        raw: Instead of it, bytes that are no JSON, each as the character of its number.
        fds: How many descriptors came with it.
        note: Instead of a message: what happened, such as ``connected``, ``closed``.
    """

    time: float = msgspec.field(name="t", default=0.0)
    direction: str | UnsetType = msgspec.field(name="dir", default=UNSET)
    connection: int = msgspec.field(name="conn", default=1)
    message: Any = msgspec.field(name="msg", default=UNSET)
    raw: str | UnsetType = UNSET
    fds: int = 0
    note: str | UnsetType = UNSET

    @property
    def kind(self) -> str:
        """command, reply, error, event, greeting, raw or note."""
        if self.note is not UNSET:
            return "note"
        message = self.message
        if not isinstance(message, dict):
            return "raw"
        if self.direction == TO_SERVER:
            return "command"
        for member, kind in _KINDS:
            if member in message:
                return kind
        return "raw"

    @property
    def name(self) -> str:
        """The name of the command or the event; empty for anything else."""
        if isinstance(self.message, dict):
            for member in ("execute", "exec-oob", "execute_async", "event"):
                if isinstance(name := self.message.get(member), str):
                    return name
        return ""


_KINDS: Final = (
    ("event", "event"),
    ("QMP", "greeting"),
    ("error", "error"),
    ("return", "reply"),
)
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Entry).decode


def entry_for(
    time: float, direction: str, connection: int, data: bytes, fds: int = 0
) -> Entry:
    """Return the entry for one message as it crossed the wire.

    Args:
        time: When, in seconds since 1970.
        direction: `TO_SERVER` or `TO_CLIENT`.
        connection: The number of the connection.
        data: The bytes, those that end the message included or not.
        fds: How many descriptors came with it.
    """
    text = data.strip(b" \t\r\n\xff")
    message, raw = _message_in(text)
    return Entry(time, direction, connection, message, raw, fds)


def _message_in(text: bytes) -> tuple[Any, str | UnsetType]:
    try:
        return msgspec.json.decode(text), UNSET
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # QMP lets a client write single quotes; everything else is no message.
        value = json.loads(text.replace(b"'", b'"'))
    except (ValueError, RecursionError):
        return UNSET, text.decode("latin-1")
    return (
        (value, UNSET) if isinstance(value, dict) else (UNSET, text.decode("latin-1"))
    )


def as_object(entry: Entry) -> dict[str, Any]:
    """Return an entry as the object that is its line; it has a connection always."""
    line: dict[str, Any] = msgspec.to_builtins(entry)
    ordered = {"t": entry.time}
    if "dir" in line:
        ordered["dir"] = line["dir"]
    return ordered | {"conn": entry.connection} | line


def write_entry(entry: Entry) -> bytes:
    """Return an entry as a line, its end included."""
    return _encode(as_object(entry)) + b"\n"


def read_transcript(lines: Iterable[bytes], name: str = "") -> Iterator[Entry]:
    """Yield the entries of a transcript; empty lines are passed over.

    Args:
        lines: The lines, with or without their ends.
        name: The file's name, for errors.

    Raises:
        TranscriptError: A line is none of a transcript.
    """
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            message = f"a line of {len(line)} bytes; at most {MAX_LINE} are read"
            raise TranscriptError(message, name, number)
        if not line.strip():
            continue
        try:
            entry = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = (
                'expected {"t": ..., "dir": "->" or "<-", "conn": ..., "msg": {...}}: '
                f"{error}"
            )
            raise TranscriptError(message, name, number) from None
        if entry.note is UNSET and entry.direction not in (TO_SERVER, TO_CLIENT):
            message = f'expected "dir": "->" or "<-", not {entry.direction!r}'
            if entry.direction is UNSET:
                message = 'expected a "dir", "->" or "<-", or a "note"'
            raise TranscriptError(message, name, number)
        yield entry
