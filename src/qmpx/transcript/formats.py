"""Conversations as others write them down, read as entries.

``qmpx``
    JSON lines, as this package writes.
``libvirt``
    JSON lines of a spy between libvirt and QEMU: ``"dir": "libvirt->qemu"``.
``arrows``
    The examples of QEMU's documentation: ``-> {...}`` and ``<- {...}``; a message may
    go on over several lines.
``replies``
    libvirt's ``.replies``: values with empty lines between them, a command and its
    reply in turn.
``socat``
    What ``socat -v`` prints: ``> DATE length=N ...`` and ``< ...``, then the text.
``incus``
    ``[TIME] QUERY: {...}``, ``REPLY:`` and ``Event:``.
``log``
    Lines with a JSON message somewhere in each, as many programs log; who said it
    follows from its members. So is a QEMU character device's ``logfile=`` read.

A message whose direction the format does not tell is a command if it has ``execute`` or
``exec-oob``.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from qmpx.transcript.entry import (
    TO_CLIENT,
    TO_SERVER,
    Entry,
    TranscriptError,
    entry_for,
    read_transcript,
)
from qmpx.transcript.splitter import Splitter

_OWN: Final = re.compile(rb'\{("t": ?[0-9]|.*"dir": ?"(->|<-)")')
_SPY: Final = {"libvirt->qemu": TO_SERVER, "qemu->libvirt": TO_CLIENT}
_ARROW: Final = re.compile(rb"\s*(->|<-)\s*(.*)", re.DOTALL)
_SOCAT: Final = re.compile(
    rb"([<>]) (\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})\d*\s+length=\d+ .*"
)
_INCUS: Final = re.compile(rb"\[([^\]]+)\] (QUERY|REPLY|Event): (.*)", re.DOTALL)
_INCUS_WAYS: Final = {b"QUERY": TO_SERVER, b"REPLY": TO_CLIENT, b"Event": TO_CLIENT}

Reader = Callable[[bytes, str], Iterator[Entry]]


def read_any(data: bytes, name: str = "", format: str = "auto") -> list[Entry]:  # noqa: A002
    """Return the entries of a file of any format.

    Args:
        data: What the file holds.
        name: Its name, for errors.
        format: A name of `FORMATS`, or ``auto`` to find out.

    Raises:
        TranscriptError: It is none of these, or not as that format is.
    """
    if format == "auto":
        format = recognise(data)  # noqa: A001
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        message = f"there is no format {format!r} (there are auto, {known})"
        raise TranscriptError(message, name)
    return list(FORMATS[format](data, name))


def recognise(data: bytes) -> str:
    """Return the format that a file seems to have, by its first lines."""
    lines = [line for line in data[:65536].splitlines() if line.strip()][:20]
    if any(b'"libvirt->qemu"' in line or b'"qemu->libvirt"' in line for line in lines):
        return "libvirt"
    if any(_OWN.match(line) for line in lines):
        return "qmpx"
    for name, pattern in (("socat", _SOCAT), ("incus", _INCUS), ("arrows", _ARROW)):
        if any(pattern.match(line) for line in lines):
            return name
    is_spread = any(line in (b"{", b"}") for line in lines)
    is_one_object = all(
        line.startswith((b"{", b"}", b" ", b"[", b"]")) for line in lines
    )
    return "replies" if is_spread and is_one_object else "log"


def _read_own(data: bytes, name: str) -> Iterator[Entry]:
    return read_transcript(data.splitlines(), name)


def _read_libvirt_spy(data: bytes, name: str) -> Iterator[Entry]:
    numbers: dict[Any, int] = {}
    for line_number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            spied = msgspec.json.decode(line)
            time = float(spied["t"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError):
            message = 'expected an object with "t", a time'
            raise TranscriptError(message, name, line_number) from None
        connection = numbers.setdefault(spied.get("pid"), len(numbers) + 1)
        direction = _SPY.get(spied.get("dir"))
        if direction is None:
            said = {x: y for x, y in spied.items() if x != "t"}
            note = msgspec.json.encode(said).decode()
            yield Entry(time, connection=connection, note=note)
        else:
            fds = len(spied.get("fds", ()))
            message = spied.get("msg", UNSET)
            yield Entry(time, direction, connection, message, fds=fds)


def _read_arrows(data: bytes, name: str) -> Iterator[Entry]:
    direction, said = "", b""
    for number, line in enumerate([*data.splitlines(), b"->"], 1):
        arrow = _ARROW.fullmatch(line)
        if arrow is None:
            if not direction and line.strip():
                raise TranscriptError("expected '->' or '<-' first", name, number)
            said += b"\n" + line
            continue
        for piece in _values_in(said):
            yield entry_for(0.0, direction, 1, piece)
        direction, said = arrow[1].decode(), arrow[2]


def _read_replies(data: bytes, name: str) -> Iterator[Entry]:
    is_command = True
    for value in _values_in(data):
        entry = entry_for(0.0, TO_SERVER if is_command else TO_CLIENT, 1, value)
        if entry.kind == "raw":
            shown = value[:40].decode("latin-1")
            raise TranscriptError(f"expected a JSON object, not {shown!r}", name)
        has_command = entry.name != "" and "event" not in entry.message
        if has_command != is_command:
            # Only a command before each reply, or replies alone, can be meant.
            is_command = has_command
            entry = entry_for(0.0, TO_SERVER if has_command else TO_CLIENT, 1, value)
        yield entry
        is_command = not is_command


def _read_socat(data: bytes, name: str) -> Iterator[Entry]:
    splitters = {b">": Splitter(), b"<": Splitter()}
    mark, time = b"", 0.0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        header = _SOCAT.fullmatch(line.rstrip())
        if header is not None:
            mark = header[1]
            stamp = [int(part) for part in header.groups()[1:8]]
            moment = dt.datetime(*stamp, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]
            time = moment.timestamp()
            continue
        if not mark:
            message = "expected '> DATE TIME length=N from=... to=...'"
            raise TranscriptError(message, name, number)
        # It spells a carriage return as a backslash and an r.
        text = line.removesuffix(b"\\r\n") + b"\n" if line.endswith(b"\\r\n") else line
        for piece in splitters[mark].feed(text):
            way = TO_SERVER if mark == b">" else TO_CLIENT
            yield entry_for(time, way, 1, piece)


def _read_incus(data: bytes, name: str) -> Iterator[Entry]:
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        said = _INCUS.fullmatch(line)
        if said is None:
            message = "expected '[TIME] QUERY: {...}', 'REPLY:' or 'Event:'"
            raise TranscriptError(message, name, number)
        try:
            moment = dt.datetime.fromisoformat(said[1].decode())
        except ValueError:
            message = f"{said[1].decode('latin-1')!r} is no time"
            raise TranscriptError(message, name, number) from None
        yield entry_for(moment.timestamp(), _INCUS_WAYS[said[2]], 1, said[3])


def _read_log(data: bytes, name: str) -> Iterator[Entry]:
    found = False
    for value in _values_in(data):
        start = value.find(b"{")
        if start < 0:
            continue
        entry = entry_for(0.0, TO_CLIENT, 1, value[start:])
        if not isinstance(entry.message, dict):
            continue
        found = True
        if entry.message.keys() & {"return", "error"} and "execute" in entry.message:
            # qmp-shell's own: a command and its reply in one object.
            said = {"execute", "arguments", "id"}
            command = {x: y for x, y in entry.message.items() if x in said}
            reply = {x: y for x, y in entry.message.items() if x not in said - {"id"}}
            yield Entry(direction=TO_SERVER, message=command)
            yield Entry(direction=TO_CLIENT, message=reply)
        elif entry.message.keys() & {"execute", "exec-oob", "execute_async"}:
            yield entry_for(0.0, TO_SERVER, 1, value[start:])
        else:
            yield entry
    if not found and data.strip():
        raise TranscriptError("there is no message in it", name)


def _values_in(data: bytes) -> Iterable[bytes]:
    splitter = Splitter()
    yield from splitter.feed(data)
    if rest := splitter.rest():
        yield rest


FORMATS: Final[dict[str, Reader]] = {
    "qmpx": _read_own,
    "libvirt": _read_libvirt_spy,
    "arrows": _read_arrows,
    "replies": _read_replies,
    "socat": _read_socat,
    "incus": _read_incus,
    "log": _read_log,
}
"""The readers by the names of their formats."""


def write_arrows(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield lines as in QEMU's documentation; notes are left out."""
    for entry in entries:
        if entry.note is UNSET:
            yield f"{entry.direction} ".encode() + _text_of(entry) + b"\n"


def write_replies(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Yield libvirt's ``.replies``: commands and their replies, in turn, spread out.

    Greetings, events and notes have no place in that format.
    """
    is_first = True
    for entry in entries:
        if entry.kind not in ("command", "reply", "error"):
            continue
        text = msgspec.json.format(msgspec.json.encode(entry.message), indent=2)
        yield (b"" if is_first else b"\n") + text + b"\n"
        is_first = False


def _text_of(entry: Entry) -> bytes:
    if entry.message is UNSET:
        return str(entry.raw).encode("latin-1", "replace")
    return msgspec.json.encode(entry.message)
