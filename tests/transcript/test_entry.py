"""A line of a transcript: what it says, and what is said of one that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import UNSET

from qmpx.transcript import Entry, TranscriptError, read_transcript, write_entry
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER, entry_for

LINES: list[tuple[Entry, dict[str, Any]]] = [
    (
        Entry(1.5, TO_SERVER, 1, {"execute": "stop", "id": 7}),
        {"t": 1.5, "dir": "->", "conn": 1, "msg": {"execute": "stop", "id": 7}},
    ),
    (
        Entry(2.0, TO_CLIENT, 3, {"return": {}}, fds=2),
        {"t": 2.0, "dir": "<-", "conn": 3, "msg": {"return": {}}, "fds": 2},
    ),
    (
        Entry(2.0, TO_CLIENT, 1, raw="\x00]"),
        {"t": 2.0, "dir": "<-", "conn": 1, "raw": "\x00]"},
    ),
    (
        Entry(3.0, connection=2, note="closed"),
        {"t": 3.0, "conn": 2, "note": "closed"},
    ),
]


@pytest.mark.parametrize(("entry", "line"), LINES)
def test_an_entry_is_a_line_and_comes_back(entry: Entry, line: dict[str, Any]) -> None:
    written = write_entry(entry)
    assert json.loads(written) == line
    assert list(json.loads(written)) == list(line)
    assert list(read_transcript([written, b"\n"])) == [entry]


def test_members_that_nobody_knows_are_passed_over() -> None:
    line = b'{"t": 1, "dir": "->", "conn": 1, "msg": {"execute": "x"}, "host": "a"}'
    assert list(read_transcript([line])) == [Entry(1, TO_SERVER, 1, {"execute": "x"})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", 'f:2: expected {"t": ..., "dir": "->" or "<-", "conn"'),
        (b'{"t": "x"}', 'f:2: expected {"t": ..., "dir"'),
        (b'{"t": 1}', 'f:2: expected a "dir", "->" or "<-", or a "note"'),
        (
            b'{"t": 1, "dir": "to", "msg": {}}',
            'f:2: expected "dir": "->" or "<-", not \'to\'',
        ),
        (
            b'{"t": 1, "dir": "->", "msg": ' + b"[" * 5000 + b"]" * 5000 + b"}",
            'f:2: expected {"t": ..., "dir"',
        ),
    ],
    ids=["no object", "no time", "no direction", "another direction", "too deep"],
)
def test_a_line_that_is_none_is_named(line: bytes, message: str) -> None:
    with pytest.raises(TranscriptError) as raised:
        list(read_transcript([b"", line], "f"))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("direction", "data", "kind", "name"),
    [
        (TO_SERVER, b'{"execute": "stop"}\n', "command", "stop"),
        (TO_SERVER, b"{'exec-oob': 'stop'}", "command", "stop"),
        (TO_CLIENT, b'{"QMP": {}}\r\n', "greeting", ""),
        (TO_CLIENT, b'{"return": 1, "id": 2}\r\n', "reply", ""),
        (TO_CLIENT, b'{"error": {}, "id": 2}\r\n', "error", ""),
        (TO_CLIENT, b'{"event": "STOP"}\r\n', "event", "STOP"),
        (TO_CLIENT, b'{"retur', "raw", ""),
        (TO_SERVER, b"GET / HTTP/1.1", "raw", ""),
        (TO_SERVER, b"[1]", "raw", ""),
        (TO_SERVER, b"\xff\xfe", "raw", ""),
    ],
)
def test_what_crossed_the_wire_is_told_apart(
    direction: str, data: bytes, kind: str, name: str
) -> None:
    entry = entry_for(1.0, direction, 1, data)
    assert (entry.kind, entry.name) == (kind, name)
    if entry.message is UNSET:
        assert str(entry.raw).encode("latin-1") == data.strip(b"\xff")
