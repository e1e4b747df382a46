"""Whether an audit is whole: each line is held against the one before. Pure."""

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from qmpx.gateway.audit.chain import NOTHING, Head, Line, Problem, decode
from qmpx.gateway.audit.seal import Seal


class Verifier:
    """Holds lines against those before them, over any number of files.

    Args:
        seal: What proves them: with the key, if there is one.

    Attributes:
        first: The number of the first line; 0 before there was one.
        head: The line that came last.
        lines: How many there were.
    """

    def __init__(self, seal: Seal | None = None) -> None:
        self.first = 0
        self.head = Head(0, NOTHING)
        self.lines = 0
        self._seal = seal or Seal()
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
        if wrong := self._look_at_key(line):
            return wrong
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
        self.head = Head(line.sequence, self._seal.digest_of(text))
        awaited = self._awaited.get(line.sequence, self.head.digest)
        if awaited != self.head.digest:
            known = f"the line of SHA-256 {awaited}, as the head says"
            return known, self.head.digest
        self.lines += 1
        self._time = line.time
        return None

    def _look_at_key(self, line: Line) -> tuple[str, str] | None:
        """Say what is wrong with the key by which a file was begun."""
        if line.kind not in {"genesis", "continued"}:
            return None
        more = {} if line.more is UNSET else line.more
        named, own = more.get("key", ""), self._seal.key_name
        if named == own:
            return None
        if not own:
            return "a file without a key", f"one by the key {named}: give its file"
        return f"a file by the key {own}", f"the key {named}" if named else "no key"
