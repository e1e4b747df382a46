"""What an audit's lines are, and how one proves the next: a chain of hashes. Pure.

Each line is a JSON object with the number that follows that of the line before, a time
that is later, and the SHA-256 of that line. So a line that is edited, left out or moved
contradicts the one behind it. What only the newest line says nobody contradicts; it is
held by a second file, the head: see `Head`.

Who can write both files can write another history. Against that helps only to keep a
hash elsewhere: ``qmpx audit verify`` prints the newest one.
"""

import hashlib
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from qmpx.errors import QmpxError

NOTHING: Final = "0" * 64
"""The hash before the first line."""

MAX_LINE: Final = 1024 * 1024
"""Bytes of one line that is read: far more than one that is written can have, see
`qmpx.gateway.audit.MAX_ARGUMENTS`."""


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
        previous: The SHA-256 of the line before, in hexadecimal.
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


class Sound(NamedTuple):
    """What was found of a chain without a gap.

    Attributes:
        first: The number of its first line; not 1 if older files were not there.
        head: Its last line.
        lines: How many there are.
    """

    first: int
    head: Head
    lines: int


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


def stamp(seconds: float) -> str:
    """Return a time since 1970 by RFC 3339, in UTC, with microseconds."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))
    return f"{text}.{micro:06d}Z"


class Verifier:
    """Holds lines against those before them, over any number of files.

    Attributes:
        first: The number of the first line; 0 before there was one.
        head: The line that came last.
        lines: How many there were.
    """

    def __init__(self) -> None:
        self.first = 0
        self.head = Head(0, NOTHING)
        self.lines = 0
        self._time = ""
        self._awaited: dict[int, str] = {}  # hashes of lines that must be there

    def expect(self, head: Head) -> None:
        """Let the chain have this line; see `missing`."""
        self._awaited[head.sequence] = head.digest

    def read(self, file: str, lines: Iterable[bytes]) -> Problem | None:
        """Take the lines of one file; tell the first that does not fit.

        Args:
            file: Its name, for what is told.
            lines: With their ends.
        """
        for number, raw in enumerate(lines, 1):
            if found := self._take(raw):
                return Problem(file, number, *found)
        return None

    def missing(self) -> str:
        """Say what the chain should have at its end and has not; empty: nothing."""
        last = max(self._awaited, default=0)
        if last <= self.head.sequence:
            return ""
        return f"line {last}, which was there once: see the file of the head"

    def _take(self, raw: bytes) -> tuple[str, str] | None:
        text = raw.removesuffix(b"\n")
        if text == raw:
            return "a whole line", f"{len(raw)} bytes without an end"
        try:
            line = decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return "a line of an audit", str(error)
        sequence, digest = self.head
        if not self.lines:
            self.first = line.sequence
            if line.sequence == 1 and line.kind != "genesis":
                return "a genesis", repr(line.kind)
            if line.sequence != 1 and line.kind != "continued":
                return "the beginning of a file", f"line {line.sequence}"
            if line.sequence == 1 and line.previous != NOTHING:
                return f"previous {NOTHING}", line.previous
        else:
            if line.sequence != sequence + 1:
                return f"line {sequence + 1} of the chain", f"line {line.sequence}"
            if line.previous != digest:
                return f"previous {digest}", line.previous
            if line.time <= self._time:
                return f"a time after {self._time}", line.time
        if line.kind == "missing":
            return "the lines before this one", line.reason
        self.head = Head(line.sequence, digest_of(text))
        awaited = self._awaited.get(line.sequence, self.head.digest)
        if awaited != self.head.digest:
            known = f"the line of SHA-256 {awaited}, as the head says"
            return known, self.head.digest
        self.lines += 1
        self._time = line.time
        return None
