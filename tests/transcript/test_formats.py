"""Conversations as others write them down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qmpx.transcript import Entry, TranscriptError
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from qmpx.transcript.formats import (
    FORMATS,
    read_any,
    recognise,
    write_arrows,
    write_replies,
)

SPIED = Path(__file__).parents[3] / "shared" / "libvirt" / "transcripts"
STOP: dict[str, Any] = {"execute": "stop"}
DONE: dict[str, Any] = {"return": {}}
TOLD: dict[str, Any] = {"event": "STOP"}

SAMPLES = {
    "qmpx": (
        '{"t": 0, "dir": "->", "conn": 1, "msg": {"execute": "stop"}}\n'
        '{"t": 0, "dir": "<-", "conn": 1, "msg": {"event": "STOP"}}\n'
        '{"t": 0, "dir": "<-", "conn": 1, "msg": {"return": {}}}\n'
    ),
    "libvirt": (
        '{"t": 0, "dir": "libvirt->qemu", "len": 1, "msg": {"execute": "stop"}}\n'
        '{"t": 0, "dir": "qemu->libvirt", "len": 1, "msg": {"event": "STOP"}}\n'
        '{"t": 0, "dir": "qemu->libvirt", "len": 1, "msg": {"return": {}}}\n'
    ),
    "arrows": (
        '-> { "execute": "stop" }\n'
        '<- { "event":\n     "STOP" }\n\n<- { "return": {} }\n'
    ),
    "incus": (
        '[1970-01-01T00:00:00Z] QUERY: {"execute": "stop"}\n'
        '[1970-01-01T00:00:00Z] Event: {"event": "STOP"}\n'
        '[1970-01-01T00:00:00Z] REPLY: {"return": {}}\n'
    ),
    "socat": (
        "> 1970/01/01 00:00:00.000000  length=22 from=0 to=21\n"
        '{"execute": "stop"}\\r\n'
        "< 1970/01/01 00:00:00.000000  length=50 from=0 to=49\n"
        '{"event": "STOP"}\\r\n{"return": {}}\\r\n'
    ),
    "log": (
        'I 12:00 QMP: {"execute": "stop"}\n'
        'I 12:00 QMP: {"event": "STOP"}\n'
        'I 12:00 QMP: {"return": {}}\n'
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_recognised_and_read(name: str) -> None:
    data = SAMPLES[name].encode()
    assert recognise(data) == name
    assert read_any(data) == [
        Entry(0.0, TO_SERVER, 1, STOP),
        Entry(0.0, TO_CLIENT, 1, TOLD),
        Entry(0.0, TO_CLIENT, 1, DONE),
    ]


def test_libvirt_s_replies_are_commands_and_replies_in_turn() -> None:
    data = b'{\n  "execute": "stop"\n}\n\n{\n  "return": {\n  }\n}\n'
    assert recognise(data) == "replies"
    assert read_any(data) == [
        Entry(0.0, TO_SERVER, 1, STOP),
        Entry(0.0, TO_CLIENT, 1, DONE),
    ]
    alone = b'{\n  "return": {\n  }\n}\n\n{\n  "return": {\n  }\n}\n'
    assert [entry.direction for entry in read_any(alone)] == [TO_CLIENT, TO_CLIENT]


def test_a_shell_s_merged_object_is_two_messages() -> None:
    data = b'{"execute": "stop", "id": 1, "return": {}}\n'
    assert read_any(data) == [
        Entry(0.0, TO_SERVER, 1, {"execute": "stop", "id": 1}),
        Entry(0.0, TO_CLIENT, 1, {"id": 1, "return": {}}),
    ]


def test_every_format_is_tried() -> None:
    assert {*SAMPLES, "replies"} == FORMATS.keys()


@pytest.mark.parametrize(
    ("format_", "data", "message"),
    [
        ("auto", b"hello\n", "x: there is no message in it"),
        ("socat", b"hello\n", "x:1: expected '> DATE TIME length=N from=... to=...'"),
        ("incus", b"[now] QUERY: {}\n", "x:1: 'now' is no time"),
        ("incus", b"hello\n", "x:1: expected '[TIME] QUERY: {...}', 'REPLY:' or"),
        ("arrows", b"{}\n", "x:1: expected '->' or '<-' first"),
        ("replies", b"hello\n", "x: expected a JSON object, not 'hello'"),
        ("libvirt", b"{}\n", 'x:1: expected an object with "t", a time'),
        ("xml", b"", "x: there is no format 'xml' (there are auto, qmpx, "),
    ],
)
def test_what_is_wrong_is_said(format_: str, data: bytes, message: str) -> None:
    with pytest.raises(TranscriptError) as raised:
        read_any(data, "x", format_)
    assert str(raised.value).startswith(message)


def test_written_arrows_are_read_again() -> None:
    entries = read_any(SAMPLES["qmpx"].encode())
    assert read_any(b"".join(write_arrows(entries))) == entries


def test_written_replies_are_read_again_without_events() -> None:
    entries = read_any(SAMPLES["qmpx"].encode())
    text = b"".join(write_replies(entries))
    assert text == b'{\n  "execute": "stop"\n}\n\n{\n  "return": {}\n}\n'
    assert read_any(text) == [entries[0], entries[2]]


@pytest.mark.skipif(not SPIED.is_dir(), reason=f"no recordings in {SPIED}")
def test_the_recordings_of_libvirt_are_read_whole() -> None:
    for path in sorted(SPIED.glob("*.jsonl")):
        data = path.read_bytes()
        spied = [json.loads(line) for line in data.splitlines()]
        if not any("msg" in each for each in spied):
            continue
        entries = read_any(data, path.name)
        assert len(entries) == len(spied)
        messages = [entry.message for entry in entries if entry.kind != "note"]
        assert messages == [each["msg"] for each in spied if "dir" in each]
