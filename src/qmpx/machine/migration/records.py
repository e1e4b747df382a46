"""The stream of a machine: records, their checksums, and nothing that waits.

A stream is a preamble, `MAGIC` and `VERSION`, and records. A record is

* its kind, one byte, and the length of its payload, four bytes, big-endian;
* four bytes: CRC-32 of all of the stream so far;
* its payload;
* four bytes: CRC-32 of all of the stream so far.

So damage is found where it is, before a length is believed. The record `Kind.END` holds
the SHA-256 of all of the stream before that record: both sides then name the state that
they hold by it. The page ``docs/reference/migration-stream.md`` tells the whole.
"""

import enum
import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from qmpx.machine.migration.values import StreamError

MAGIC: Final = b"qmpx machine\n"
"""How each stream begins; with the newline, what mangles text files shows at once."""

VERSION: Final[int] = 1
"""Of the format; two bytes behind `MAGIC`."""

MAX_PAYLOAD: Final = 2 * 2**20
"""Bytes of a record's payload: a run of pages or blocks of one megabyte, with room."""

ONE_WAY: Final = b"\x00"
"""At the end of a stream: who has read this far may go on at once."""

TWO_WAY: Final = b"\x01"
"""At the end of a stream: who has read this far asks before it goes on."""

_HEAD: Final = struct.Struct(">BI")
_SUM: Final = struct.Struct(">I")
_PREAMBLE: Final = MAGIC + struct.pack(">H", VERSION)


class Kind(enum.IntEnum):
    """What a record is."""

    MACHINE = 1
    """What machine this is: a dictionary."""
    RAM = 2
    """Runs of pages."""
    DISK = 3
    """Runs of a disk's bytes."""
    PART = 4
    """A piece of the state of a part."""
    END = 5
    """The state is complete: its SHA-256, and who may go on."""
    BITMAP = 6
    """A piece of a dirty bitmap of a node."""
    POSTCOPY = 7
    """To the destination: the rest comes while the machine stands still."""
    GO = 16
    """To the destination: it is yours."""
    ABORT = 17
    """To the destination: forget it."""
    DONE = 18
    """To the destination: I know that it is yours."""
    HELLO = 32
    """To the source: there is a machine at this end, which answers."""
    READY = 33
    """To the source: all is here and sound; its SHA-256."""
    STARTED = 34
    """To the source: it is mine."""
    REFUSED = 35
    """To the source: I cannot take it; why."""


class Record(NamedTuple):
    """A record.

    Attributes:
        kind: What it is.
        payload: What it holds.
    """

    kind: Kind
    payload: bytes


class RecordWriter:
    """Turn records into the bytes of one stream."""

    def __init__(self) -> None:
        self._crc = 0
        self._sha = hashlib.sha256()
        self._began = False

    def write(self, kind: Kind, payload: bytes = b"") -> bytes:
        """Return a record as bytes, with the preamble if it is the first.

        Raises:
            ValueError: The payload is longer than `MAX_PAYLOAD`.
        """
        if len(payload) > MAX_PAYLOAD:
            message = f"a payload of {len(payload)} bytes is more than {MAX_PAYLOAD}"
            raise ValueError(message)
        out = b"" if self._began else _PREAMBLE
        self._began = True
        out += _HEAD.pack(kind, len(payload))
        crc = zlib.crc32(out, self._crc)
        middle = _SUM.pack(crc)
        crc = zlib.crc32(payload, zlib.crc32(middle, crc))
        tail = _SUM.pack(crc)
        self._crc = zlib.crc32(tail, crc)
        data = b"".join((out, middle, payload, tail))
        self._sha.update(data)
        return data

    def digest(self) -> bytes:
        """Return the SHA-256 of all that was written."""
        return self._sha.digest()


class RecordReader:
    """Turn the bytes of one stream, however it is cut, into records."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._crc = 0
        self._sha = hashlib.sha256()
        self._before = self._sha.digest()
        self._began = False
        self._head: tuple[Kind, int] | None = None
        self._offset = 0

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._data += data

    @property
    def is_between_records(self) -> bool:
        """Whether all that came was whole records."""
        return not self._data and self._head is None

    def digest_before(self) -> bytes:
        """Return the SHA-256 of all before the last record."""
        return self._before

    def records(self) -> Iterator[Record]:
        """Yield the records that are complete.

        Raises:
            StreamError: These are no records, or damaged ones.
        """
        if not self._began and not self._read_preamble():
            return
        while True:
            if self._head is None:
                if len(self._data) < _HEAD.size + _SUM.size:
                    return
                self._before = self._sha.digest()
                kind, size = _HEAD.unpack(self._take(_HEAD.size))
                self._check()
                if size > MAX_PAYLOAD:
                    message = f"a record of {size} bytes is too long"
                    raise StreamError(message)
                self._head = self._known(kind), size
            kind, size = self._head
            if len(self._data) < size + _SUM.size:
                return
            payload = self._take(size)
            self._check()
            self._head = None
            yield Record(kind, payload)

    def _read_preamble(self) -> bool:
        seen = bytes(self._data[: len(_PREAMBLE)])
        if not _PREAMBLE.startswith(seen):
            if seen[: len(MAGIC)] == MAGIC[: len(seen)]:
                message = f"the stream is not of version {VERSION}"
            else:
                message = (
                    f"this is no stream of a machine: it begins {seen[: len(MAGIC)]!r}"
                )
            raise StreamError(message)
        if len(seen) < len(_PREAMBLE):
            return False
        self._take(len(_PREAMBLE))
        self._began = True
        return True

    def _take(self, size: int) -> bytes:
        with memoryview(self._data) as view:
            data = bytes(view[:size])
        del self._data[:size]
        self._crc = zlib.crc32(data, self._crc)
        self._sha.update(data)
        self._offset += size
        return data

    def _check(self) -> None:
        expected = self._crc
        at = self._offset
        (found,) = _SUM.unpack(self._take(_SUM.size))
        if found != expected:
            message = f"the stream is damaged before byte {at}: its checksum is wrong"
            raise StreamError(message)

    def _known(self, kind: int) -> Kind:
        try:
            return Kind(kind)
        except ValueError:
            message = f"there is no record of kind {kind}"
            raise StreamError(message) from None
