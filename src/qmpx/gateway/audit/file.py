"""The files of an audit: appended to, rotated, and taken up again after a crash.

``audit.jsonl`` is written to; ``audit.jsonl.1`` and so on are what it was before, the
highest number last. ``audit.jsonl.head`` holds the number and the hash of the newest
line: see `qmpx.gateway.audit.chain`.

**After a crash.** A line is written with one call and ends with a newline; what stands
behind the last newline is torn. It is moved to ``audit.jsonl.torn-N``, where N is the
number of the last whole line, and the chain says so. A chain that ends before the line
that the head knows has lost lines, as after a loss of power, and says so, too.

**When it cannot be written** nothing is kept that was not promised: what was announced
for sure is taken back, and whoever announced it gets an `AuditError`. What is only told
waits until it can be written, within bounds; what is lost then is counted, and the
chain has the count.
"""

import contextlib
import glob
import logging
import os
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET

from qmpx.gateway.audit.chain import (
    MAX_LINE,
    NOTHING,
    AuditError,
    Head,
    Line,
    decode,
    encode,
    read_head,
)
from qmpx.gateway.audit.seal import Seal
from qmpx.gateway.audit.torn import put_aside, told_aside
from qmpx.gateway.host.own_files import open_own, try_to_lock
from qmpx.gateway.settings.records import MAX_AUDIT_FILE

MAX_UNWRITTEN: Final = 1024 * 1024
"""Bytes of lines that wait because the disk is full; more would only fill memory."""

MAX_GATHERED: Final = 64 * 1024
"""Bytes of lines that are gathered before they are written with one call."""

_FIRST: Final = 2  # lines that may be there before there was a head for the first time
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND

logger = logging.getLogger("qmpx.gateway")


class AuditFile:
    """A chain of lines, in files.

    Args:
        path: The file that is written to. Only one process may write there.
        max_size: Bytes after which the next file is begun.
        keep: How many earlier files stay; 0: all.
        key: By which lines are proved; empty: by their hashes alone.
        clock: The time, in nanoseconds since 1970.

    Attributes:
        head: The newest line.
        lost: Lines that could not be written, and are not told of yet.
        failure: Why the last attempt to write failed; empty if it did not.

    Raises:
        AuditError: It cannot be opened, is no audit, was begun by another key, or
            another process writes it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_size: int = MAX_AUDIT_FILE,
        keep: int = 0,
        key: bytes = b"",
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.path = os.fspath(path)
        self.head = Head(0, NOTHING)
        self.lost = 0
        self.failure = ""
        self._max_size = max_size
        self._keep = keep
        self._seal = Seal(key)
        self._clock = clock
        self._last_time = 0  # microseconds
        self._second = -1
        self._stamp = ""
        self._fd = self._head_fd = -1
        self._size = 0
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._parts = _parts_of(self.path)
        try:
            self._open()
        except OSError as error:
            self._close_fds()
            message = f"{self.path}: {error.strerror or error}"
            raise AuditError(message) from None
        except BaseException:
            self._close_fds()
            raise

    @property
    def fd(self) -> int:
        """The descriptor of the file that is written to, for ``fdatasync``."""
        return self._fd

    def announce(self, line: Line) -> int:
        """Write a line now, with all that waits; return its number.

        Raises:
            AuditError: It cannot be written, and is not in the chain.
        """
        was = self.head, self._last_time
        self._append(line)
        try:
            self.flush()
        except AuditError:
            self._waiting_size -= len(self._waiting.pop())
            self.head, self._last_time = was
            raise
        return line.sequence

    def tell(self, line: Line) -> None:
        """Write a line with the next flush; if that will not do, count it as lost."""
        if self._waiting_size >= MAX_UNWRITTEN:
            self.lost += 1
            return
        self._append(line)
        if self._waiting_size >= MAX_GATHERED:
            with contextlib.suppress(AuditError):  # told by `failure`
                self.flush()

    def adapt(self, max_size: int, keep: int) -> None:
        """Keep files of another size, and another number of them, from now on."""
        self._max_size = max_size
        self._keep = keep

    def withdraw(self) -> list[Line]:
        """Return what waits, which is not written here any more."""
        lines = [decode(text) for text in self._waiting]
        if lines:
            self.head = Head(lines[0].sequence - 1, lines[0].previous)
        self._waiting.clear()
        self._waiting_size = 0
        return lines

    def flush(self) -> None:
        """Write what waits.

        Raises:
            AuditError: It cannot be written; it goes on waiting.
        """
        if not self._waiting:
            return
        data = b"".join(self._waiting)
        try:
            self._write(data)
            os.pwrite(self._head_fd, self._seal.spell(self.head), 0)
        except OSError as error:
            # Half a line must not stay: the next one would be taken for its end.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self._failed(error.strerror or str(error))
        self.failure = ""
        self._size += len(data)
        self._waiting.clear()
        self._waiting_size = 0
        if self._size >= self._max_size:
            self._rotate()
        if self.lost:
            count, self.lost = self.lost, 0
            reason = "they could not be written"
            self._append(self._line("lost", reason=reason, more={"lines": count}))

    def close(self) -> None:
        """Write what waits, and close.

        Raises:
            AuditError: It cannot be written.
        """
        try:
            self.flush()
            self.flush()  # the count of what was lost
        finally:
            self._close_fds()

    def _failed(self, reason: str) -> None:
        if reason != self.failure:
            logger.error("%s cannot be written: %s", self.path, reason)
        self.failure = reason
        message = f"{self.path} cannot be written: {reason}"
        raise AuditError(message)

    def _write(self, data: bytes) -> None:
        size = os.lseek(self._fd, 0, os.SEEK_END)
        if size != self._size:  # half of what was written before could not be taken out
            os.ftruncate(self._fd, self._size)
        done = 0
        while done < len(data):
            done += os.write(self._fd, memoryview(data)[done:])

    def _line(self, kind: str, **members: Any) -> Line:
        return Line(0, "", "", kind, **members)

    def _append(self, line: Line) -> None:
        line.sequence = self.head.sequence + 1
        line.time = self._now()
        line.previous = self.head.digest
        text = encode(line)
        self.head = Head(line.sequence, self._seal.digest_of(text))
        self._waiting.append(text + b"\n")
        self._waiting_size += len(text) + 1

    def _now(self) -> str:
        """Return the time, which is always later than that of the line before."""
        now = max(self._clock() // 1000, self._last_time + 1)
        self._last_time = now
        second, micro = divmod(now, 1_000_000)
        if second != self._second:
            self._second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._stamp}.{micro:06d}Z"

    # Its beginning.

    def _open(self) -> None:
        self._fd = open_own(self.path, _FLAGS)
        _lock(self._fd, self.path)
        self._head_fd = open_own(f"{self.path}.head", os.O_RDWR | os.O_CREAT)
        text = os.pread(self._head_fd, 4096, 0)
        known = read_head(text)
        self._size = os.fstat(self._fd).st_size
        torn = self._read_end(self.path)
        if self.head.sequence == 0 and self._parts:
            # It was about to go on in a new file.
            self._read_end(self._part(self._parts[-1]), is_whole=True)
        if torn:
            self._put_aside(torn)
        is_ours = known is not None and self._seal.vouches_for(known, text)
        name = os.path.basename(self.path)
        if self.head.sequence == 0:
            more: dict[str, Any] = {"file": name, "pid": os.getpid()}
            self._append(self._line("genesis", more=more | self._key_told))
        elif self._size == 0:
            more = {"file": name}
            self._append(self._line("continued", more=more | self._key_told))
        self._note_aside()
        if self._seal.key_name and not is_ours and self._sequence_on_disk > _FIRST:
            # Without it nobody knows whether lines are gone.
            reason = "the head was gone, or by another key"
            self._append(self._line("missing", reason=reason))
            logger.error("%s: %s", self.path, reason)
        elif known is not None and known.sequence > self._sequence_on_disk:
            reason = f"the lines up to {known.sequence} were here, and are gone"
            more = {"sha256": known.digest, "sequence": known.sequence}
            self._append(self._line("missing", reason=reason, more=more))
            logger.error("%s: %s", self.path, reason)
        self.flush()

    def _read_end(self, path: str, *, is_whole: bool = False) -> bytes:
        """Take up the chain where a file ends; return what is torn behind it."""
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            self._look_at_key(path, file.readline(MAX_LINE))
            start = file.seek(max(0, size - 2 * MAX_LINE))
            end = file.read()
        whole, newline, torn = end.rpartition(b"\n")
        if not newline:
            if start:
                message = f"{path}: there is no whole line at its end"
                raise AuditError(message)
            return end
        last = whole.rpartition(b"\n")[2]
        try:
            line = decode(last)
        except (ValueError, UnicodeDecodeError) as error:
            message = f"{path}: its last line is none of an audit: {error}"
            raise AuditError(message) from None
        if torn and is_whole:
            message = f"{path}: {len(torn)} bytes without an end, in an earlier file"
            raise AuditError(message)
        self.head = Head(line.sequence, self._seal.digest_of(last))
        self._sequence_on_disk = line.sequence
        self._last_time = _microseconds(line.time)
        return torn

    def _look_at_key(self, path: str, first: bytes) -> None:
        """See that a file was begun by our key, or like us without one.

        Raises:
            AuditError: It was not.
        """
        if not first.endswith(b"\n"):
            return  # nothing was written yet, or not to its end
        try:
            line = decode(first)
        except (ValueError, UnicodeDecodeError):
            return  # its end is looked at, too, and says what is wrong
        more = {} if line.more is UNSET else line.more
        if more.get("key", "") != self._seal.key_name:
            how = "another key" if "key" in more else "no key"
            message = (
                f"{path}: it was begun with {how}: move its files away, or give the "
                "key that it was begun with"
            )
            raise AuditError(message)

    @property
    def _key_told(self) -> dict[str, Any]:
        """What the first line of a file says of the key."""
        name = self._seal.key_name
        return {"key": name} if name else {}

    _sequence_on_disk = 0

    def _put_aside(self, torn: bytes) -> None:
        """Move what is torn to a file of its own; after that it is here no more."""
        put_aside(self.path, self._sequence_on_disk, torn)
        self._size -= len(torn)
        os.ftruncate(self._fd, self._size)

    def _note_aside(self) -> None:
        """Tell in the chain of what is torn, also if we died before we could."""
        more = told_aside(self.path, self._sequence_on_disk)
        if more is not None:
            reason = "the line was not written to its end"
            self._append(self._line("torn", reason=reason, more=more))
            logger.warning("%s: a torn line is kept in %s", self.path, more["file"])

    # The next file.

    def _part(self, number: int) -> str:
        return f"{self.path}.{number}"

    def _rotate(self) -> None:
        number = self._parts[-1] + 1 if self._parts else 1
        try:
            os.fdatasync(self._fd)
            os.rename(self.path, self._part(number))
            fd = open_own(self.path, _FLAGS)
        except OSError as error:
            logger.error(  # noqa: TRY400 - the reason is all there is to tell
                "%s: no new file was begun: %s", self.path, error.strerror
            )
            with contextlib.suppress(OSError):
                if not os.path.exists(self.path):
                    os.rename(self._part(number), self.path)
            return
        _lock(fd, self.path)
        os.close(self._fd)
        self._fd, self._size = fd, 0
        self._parts.append(number)
        earlier = os.path.basename(self._part(number))
        more = {"file": os.path.basename(self.path), "from": earlier}
        self._append(self._line("continued", more=more | self._key_told))
        while self._keep and len(self._parts) > self._keep:
            with contextlib.suppress(OSError):
                os.unlink(self._part(self._parts.pop(0)))

    def _close_fds(self) -> None:
        for fd in (self._fd, self._head_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._head_fd = -1


def _parts_of(path: str) -> list[int]:
    """Return the numbers of the earlier files, in order."""
    names = glob.glob(f"{glob.escape(path)}.[0-9]*")
    ends = (name.removeprefix(f"{path}.") for name in names)
    return sorted(int(end) for end in ends if end.isdecimal())


def _lock(fd: int, path: str) -> None:
    """Let no other process write to this file.

    Raises:
        AuditError: One does.
    """
    if not try_to_lock(fd):
        message = f"{path}: another process writes this audit"
        raise AuditError(message)


def _microseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
