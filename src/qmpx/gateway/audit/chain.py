"""What an audit's lines are, and how one proves the next: a chain of hashes. Pure.

Each line is a JSON object with the number that follows that of the line before, a time
that is later, and the SHA-256 of that line. So a line that is edited, left out or moved
contradicts the one behind it. What only the newest line says nobody contradicts; it is
held by a second file, the head: see `Head`.

Who can write both files can write another history, unless it takes a key to do so: see
`qmpx.gateway.audit.seal`. A hash that is kept elsewhere helps, too: ``qmpx audit
verify`` prints the newest one.
"""

import hashlib
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from qmpx.errors import QmpxError

NOTHING: Final = "0" * 64
"""The hash before the first line."""

MAX_LINE: Final = 1024 * 1024
"""Bytes of one line that is read: far more than one that is written can have, see
`qmpx.gateway.audit.shortening.MAX_ARGUMENTS`."""


class AuditError(QmpxError):
    """An audit cannot be written, or read, or is not what it should be."""

    exit_status = 2


class Who(Struct, frozen=True, omit_defaults=True):
    """Whose a line is.

    Attributes:
        identity: Who the client is.
        role: What it is here as.
        client: Its number, which no other client of this process had.
        listener: Where it came in.
    """

    identity: str = ""
    role: str = ""
    client: int = 0
    listener: str = ""


class Line(Struct, omit_defaults=True):
    """One line.

    Attributes:
        sequence: Its number, from 1.
        time: When, by RFC 3339, in UTC, with microseconds.
        previous: The SHA-256 of the line before, in hexadecimal; with a key its HMAC.
        kind: ``genesis``, ``continued``, ``started``, ``ended``, ``torn``, ``missing``,
            ``lost``, ``connected``, ``turned-away``, ``identified``, ``disconnected``,
            ``intent``, ``outcome``, ``answered``, ``refused``, ``lease``, ``upstream``.
        upstream: Which monitor it is about.
        who: Which client.
        command: Its name.
        arguments: Without secrets.
        verdict: ``allow`` or ``deny``.
        rule: Which rule decided.
        reason: Why, in words.
        outcome: ``return``, the class of the error, or ``lost``.
        seconds: From the decision to the outcome.
        intent: The number of the line in which this was announced.
        more: What else belongs to lines of this kind.
    """

    sequence: int
    time: str
    previous: str
    kind: str
    upstream: str = ""
    who: Who | UnsetType = UNSET
    command: str = ""
    arguments: Any = UNSET
    verdict: str = ""
    rule: str = ""
    reason: str = ""
    outcome: str = ""
    seconds: float | UnsetType = UNSET
    intent: int = 0
    more: dict[str, Any] | UnsetType = UNSET


class Head(NamedTuple):
    """The newest line: its number and its hash."""

    sequence: int
    digest: str

    def spell(self) -> bytes:
        """Return it as the file of the head has it: always as many bytes."""
        return b'{"sequence":%-20d,"sha256":"%b"}\n' % (
            self.sequence,
            self.digest.encode(),
        )


class Problem(NamedTuple):
    """Where a chain is broken.

    Attributes:
        file: The file.
        line: The line in it, from 1.
        expected: What should have been there.
        found: What was.
    """

    file: str
    line: int
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: expected {self.expected}, found {self.found}"


_encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Line).decode
_decode_head: Final = msgspec.json.Decoder(dict[str, int | str]).decode


def encode(line: Line) -> bytes:
    """Return a line as it is written, without its end."""
    return _encode(line)


def digest_of(text: bytes) -> str:
    """Return the hash of a line, without its end."""
    return hashlib.sha256(text).hexdigest()


def read_head(text: bytes) -> Head | None:
    """Return what a file of the head says; ``None`` if that is nothing."""
    try:
        found = _decode_head(text)
    except msgspec.MsgspecError:
        return None
    sequence, digest = found.get("sequence"), found.get("sha256")
    if not isinstance(sequence, int) or not isinstance(digest, str):
        return None
    return Head(sequence, digest)
