"""A server's bytes to its messages, whatever kind of server it is."""

from __future__ import annotations

import contextlib
import json
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import UNSET

from qmpx.errors import RemoteProtocolError
from qmpx.wire import MAX_MESSAGE_SIZE, MessageReader, ServerMessage
from qmpx.wire import client as client_module
from tests.wire.streams import pieces

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}
MESSAGES: list[dict[str, Any]] = [
    {"QMP": {"version": VERSION, "capabilities": ["oob"]}},
    {"return": {}, "id": 1},
    {"return": [{"a": '}\\"{é', "b": [1.5, None, {}]}, []], "id": 2},
    {"error": {"class": "GenericError", "desc": "no {such} thing"}, "id": "three"},
    {
        "timestamp": {"seconds": 1, "microseconds": 2},
        "event": "STOP",
        "data": {"a": {"b": []}},
    },
    {"return": "text"},
]


def plain(message: ServerMessage) -> dict[str, Any]:
    """Return a message as the plain data that it was."""
    found: dict[str, Any] = {}
    if message.greeting is not UNSET:
        found["QMP"] = msgspec.to_builtins(message.greeting)
    if message.returned is not UNSET:
        found["return"] = json.loads(bytes(message.returned))
    for name in ("error", "event", "data", "timestamp", "id"):
        value = getattr(message, name)
        if value is not UNSET:
            found[name] = msgspec.to_builtins(value)
    return found


def read(chunks: list[bytes], reader: MessageReader | None = None) -> list[Any]:
    reader = reader or MessageReader()
    return [plain(message) for chunk in chunks for message in reader.receive(chunk)]


def pretty(message: Any, depth: int = 0) -> str:
    """Return a message as QEMU spreads it with pretty=on: empty objects, too."""
    inner, outer = "    " * (depth + 1), "    " * depth
    if isinstance(message, dict):
        members = (
            f"{inner}{json.dumps(n)}: {pretty(v, depth + 1)}"
            for n, v in message.items()
        )
        lines = [*",\n".join(members).splitlines(), outer + "}"]
        return "{\n" + "\n".join(lines)
    if isinstance(message, list):
        elements = (inner + pretty(each, depth + 1) for each in message)
        lines = [*",\n".join(elements).splitlines(), outer + "]"]
        return "[\n" + "\n".join(lines)
    return json.dumps(message)


def ended(end: str) -> Callable[[Any], str]:
    return lambda message: json.dumps(message) + end


# How servers write a message.
SPELLINGS: dict[str, Callable[[Any], str]] = {
    "crlf": ended("\r\n"),
    "lf": ended("\n"),
    "none": ended(""),
    "blank line": ended("\r\n\r\n"),
    "raw utf-8": lambda message: json.dumps(message, ensure_ascii=False) + "\n",
    "pretty": lambda message: pretty(message) + "\r\n",
    "pretty lf": lambda message: pretty(message) + "\n",
    "indent 4": lambda message: json.dumps(message, indent=4) + "\n",
    "indent 0": lambda message: json.dumps(message, indent=0) + "\n",
    "pretty blank line": lambda message: pretty(message) + "\n\n",
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_messages_are_the_same_however_they_are_spelled_and_cut(
    spell: Callable[[Any], str],
) -> None:
    data = "".join(map(spell, MESSAGES)).encode()
    sizes = {*range(1, 40), *range(40, len(data), 17), len(data)}
    for size in sizes:
        assert read(pieces(data, size)) == MESSAGES, f"in pieces of {size}"


@pytest.mark.parametrize("name", [name for name in SPELLINGS if name != "none"])
def test_each_message_is_there_with_its_last_byte(name: str) -> None:
    reader = MessageReader()
    for message in MESSAGES:
        data = SPELLINGS[name](message).encode()
        assert read([data], reader) == [message]


def test_without_newlines_a_message_is_there_with_its_bracket() -> None:
    reader = MessageReader()
    for message in MESSAGES:
        data = json.dumps(message).encode()
        assert read([data[:-1]], reader) == []
        assert read([data[-1:]], reader) == [message]


def test_once_lines_were_ended_half_a_line_is_not_tried(attempts: list[int]) -> None:
    reader = MessageReader()
    read([b'{"return": {}}\r\n'], reader)
    attempts.clear()
    assert read([b'{"return": {"a": {}'], reader) == []
    assert read([b"}}", b"\r"], reader) == []
    assert attempts == []
    assert read([b"\n"], reader) == [{"return": {"a": {}}}]


@pytest.mark.parametrize("chunk", [b"", b"\n", b"\r\n\r\n", b" "])
def test_blanks_are_no_message(chunk: bytes) -> None:
    reader = MessageReader()
    assert read([chunk], reader) == []
    assert read([b'{"return": {}}\n'], reader) == [{"return": {}}]


def test_members_that_we_do_not_know_are_passed_over() -> None:
    data = b'{"x": [1], "return": {}, "id": 1, "y": {"return": 2}}\n{"new": 1}\n'
    assert read([data]) == [{"return": {}, "id": 1}, {}]


def test_an_event_and_an_error_may_leave_members_out() -> None:
    reader = MessageReader()
    event, error = reader.receive(b'{"event": "X"}\n{"error": {}}\n')
    assert (event.event, event.data, event.timestamp) == ("X", UNSET, UNSET)
    assert error.error is not UNSET
    assert (error.error.error_class, error.error.desc) == ("GenericError", "")
    assert error.error.data is UNSET


def test_what_old_servers_add_to_an_error_is_kept() -> None:
    (message,) = MessageReader().receive(
        b'{"error": {"class": "DeviceNotFound", "desc": "gone", '
        b'"data": {"device": "x"}}}\r\n'
    )
    assert message.error is not UNSET
    assert message.error.data == {"device": "x"}


def test_what_was_returned_stays_what_it_was_when_more_comes() -> None:
    reader = MessageReader()
    text = b"".join(b'{"return": [%d], "id": %d}\n' % (i, i) for i in range(4))
    kept = [m for chunk in pieces(text, 30) for m in reader.receive(chunk)]
    assert list(map(plain, kept)) == [{"return": [i], "id": i} for i in range(4)]


def test_what_was_returned_is_not_read() -> None:
    (message,) = MessageReader().receive(b'{"return":  [1.0, "\\u00e9" ]}\n')
    assert message.returned is not UNSET
    assert bytes(message.returned) == b'[1.0, "\\u00e9" ]'


# Old servers sent halves of surrogate pairs.
@pytest.mark.parametrize("end", ["\r\n", ""])
@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (r"\ud800", "?"),
        (r"\uD83D", "?"),
        (r"\udc80", "?"),
        (r"\uDC80x", "?x"),
        (r"\ud800x", "?x"),
        (r"\ud800\n", "?\n"),
        (r"\ud800\u0041", "?A"),
        (r"\ude00\ud83d", "??"),
        (r"\ud83d\ude00\ud83d", "😀?"),
        (r"\udc80\u00e9", "?é"),
    ],
)
def test_a_lone_surrogate_becomes_a_question_mark(
    sent: str, text: str, end: str
) -> None:
    returned = f'{{"return": "{sent}", "id": 1}}{end}'.encode()
    event = f'{{"event": "X", "data": {{"{sent}": 1}}}}{end}'.encode()
    reader = MessageReader()
    assert read([returned], reader) == [{"return": text, "id": 1}]
    assert read([event], reader) == [{"event": "X", "data": {text: 1}}]
    assert read([returned + event], reader) == [
        {"return": text, "id": 1},
        {"event": "X", "data": {text: 1}},
    ]


def test_a_lone_surrogate_may_be_cut_and_spread() -> None:
    text = '{\n  "event": "X",\n  "data": "a\\udc80b"\n}\n{\n  "return": 1\n}\n'
    for size in range(1, len(text) + 1):
        assert read(pieces(text.encode(), size)) == [
            {"event": "X", "data": "a?b"},
            {"return": 1},
        ]


def test_a_lone_surrogate_may_be_cut_within_its_string() -> None:
    first, rest = b'{"return": "\\ud800}', b'"}'
    reader = MessageReader()
    assert read([first], reader) == []
    assert read([rest], reader) == [{"return": "?}"}]


def test_bytes_that_are_no_utf8_beside_a_lone_surrogate_are_replaced() -> None:
    assert read([b'{"return": "\\ud800\xff"}\n']) == [{"return": "?\ufffd"}]


def test_good_surrogate_pairs_are_read_as_ever() -> None:
    data = b'{"event": "\\ud83d\\ude00", "data": "\\uD83D\\uDE00"}\n'
    for size in range(1, len(data) + 1):
        assert read(pieces(data, size)) == [{"event": "😀", "data": "😀"}]


NO_JSON = "the server sent what is no QMP message"


@pytest.mark.parametrize(
    ("data", "why", "quoted"),
    [
        (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            "JSON is malformed: invalid character (byte 0)",
            r"'SSH-2.0-OpenSSH_9.2\r\n'",
        ),
        (
            b"QEMU 7.2 monitor - type help\r\n(qemu) ",
            "JSON is malformed: invalid character (byte 0)",
            r"'QEMU 7.2 monitor - type help\r\n'",
        ),
        (b"[1]\n", "Expected `object`, got `array` - at `$[0]`", r"'[1]\n'"),
        (
            b'{"event": 1}\n',
            "Expected `str`, got `int` - at `$[0].event`",
            r"""'{"event": 1}\n'""",
        ),
        (
            b'{"error": "no"}\n',
            "Expected `object`, got `str` - at `$[0].error`",
            r"""'{"error": "no"}\n'""",
        ),
        (
            b'{"return": 1]\n',
            "JSON is malformed: expected ',' or '}' (byte 12)",
            r"""'{"return": 1]\n'""",
        ),
        (
            b'{"event": "\xff"}\n',
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
            r"""'{"event": "\\xff"}\n'""",
        ),
        (
            b"\x1b[2J\n",
            "JSON is malformed: invalid character (byte 0)",
            r"'\x1b[2J\n'",
        ),
    ],
)
def test_what_is_no_message_is_the_peers_fault(
    data: bytes, why: str, quoted: str
) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        MessageReader().receive(data)
    assert str(caught.value) == f"{NO_JSON} ({why}): {quoted}"
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "data",
    [
        b'{"event": 5, "data": "\\ud800"}\n',
        b'{"return": NaN, "id": "\\ud800"}\n',
        b'["\\ud800"]\n',
        b'"\\ud800"\n',
        b'{"return": "\\ud800"]\n',
        b'{"return": "\\ud800" 1}\n',
        b'{"return": "\\ud800", "id": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
        b'{"return": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        b'{"id": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001 + b"\n",
    ],
)
def test_only_the_documented_exception_escapes(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=NO_JSON):
        MessageReader().receive(data)


def test_a_long_garbage_is_quoted_in_part() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        MessageReader().receive(b"x" * 10_000 + b"\n")
    assert str(caught.value).endswith(f": {'x' * 80!r}")


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_bytes_nothing_else_is_raised(seed: int) -> None:
    chance = random.Random(seed)
    good = "".join(
        chance.choice(list(SPELLINGS.values()))(message) for message in MESSAGES
    ).encode()
    refused = 0
    for _ in range(50):
        data = bytearray(good)
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.3:
            data = bytearray(chance.randbytes(100))
        reader = MessageReader(10_000)
        with contextlib.suppress(RemoteProtocolError):
            for chunk in pieces(bytes(data), chance.randrange(1, 300)):
                assert len(reader.receive(chunk)) <= len(data)
            continue
        refused += 1
    assert 0 < refused < 50


# Size.


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that tells how many bytes each try to decode was given."""
    sizes: list[int] = []
    decode = client_module._decode  # noqa: SLF001 - to count what the reader does

    def count(text: bytes) -> list[ServerMessage]:
        sizes.append(len(text))
        return decode(text)

    monkeypatch.setattr(client_module, "_decode", count)
    return sizes


def large(size: int) -> dict[str, Any]:
    element = {"name": "x" * 60, "members": [{"a": 1}, {}]}
    return {"return": [element] * (size // len(json.dumps(element)))}


@pytest.mark.parametrize("size", [200_000, 10_000_000])
def test_a_long_line_is_decoded_once(size: int, attempts: list[int]) -> None:
    message = {"return": "x" * size, "id": 1}
    data = json.dumps(message).encode() + b"\r\n"
    reader = MessageReader()
    reader.receive(b'{"return": {}}\r\n')
    attempts.clear()
    assert read(pieces(data, 65536), reader) == [message]
    assert attempts == [len(data)]


@pytest.mark.parametrize("size", [200_000, 500_000])
def test_a_pretty_reply_is_decoded_a_few_times_however_long_it_is(
    size: int, attempts: list[int]
) -> None:
    message = large(size)
    data = (pretty(message) + "\r\n").encode()
    assert read(pieces(data, 65536)) == [message]
    assert len(attempts) == 2  # the first tells that lines do not end messages
    attempts.clear()
    reader = MessageReader()
    reader.receive(pretty({"return": {}}).encode() + b"\r\n")
    attempts.clear()
    assert read(pieces(data, 65536), reader) == [message]
    assert sum(attempts) <= 2 * len(data) + 65536


def test_many_lines_in_one_chunk_are_decoded_together(attempts: list[int]) -> None:
    data = b'{"return": {}}\r\n' * 1000
    assert len(read([data])) == 1000
    assert attempts == [len(data)]


def test_the_most_is_64_megabytes() -> None:
    assert MAX_MESSAGE_SIZE == 64 * 1024 * 1024


TOO_LONG = (
    "a message of the server exceeds 100 bytes; if that is what it should send, "
    "raise max_message_size"
)


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b"x" * 10),
        (b'{"return": "', b"x" * 10),
        (b'{"return": {}}\n{"return": "', b"x" * 10),
        (b'{\n  "return": [\n', b"  1,\n  1,\n"),
        (b"", b" " * 10),
    ],
)
def test_a_message_that_does_not_end_is_given_up(first: bytes, piece: bytes) -> None:
    reader = MessageReader(100)
    reader.receive(first)
    taken = 0

    def go_on() -> None:
        nonlocal taken
        for _ in range(20):
            reader.receive(piece)
            taken += 1

    with pytest.raises(RemoteProtocolError) as caught:
        go_on()
    assert str(caught.value) == TOO_LONG
    assert taken <= 10


def test_a_message_of_just_the_limit_is_read() -> None:
    data = b'{"return": "' + b"x" * 84 + b'"}\r\n'
    assert len(data) == 100
    for size in (1, 7, 100):
        assert len(read(pieces(data, size), MessageReader(100))) == 1


def test_many_messages_may_be_longer_together_than_the_limit() -> None:
    data = b'{"return": 12345}\n' * 50
    for size in (1, 7, 99, 900):
        assert len(read(pieces(data, size), MessageReader(100))) == 50
