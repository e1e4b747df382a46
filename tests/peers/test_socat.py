"""What ``socat`` passes on, byte for byte: the wire as a shell script meets it."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import SECONDS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Served

pytestmark = [pytest.mark.peer("socat"), pytest.mark.slow]

NEGOTIATE = b'{"execute": "qmp_capabilities"}'
ASK = b'{"execute": "query-name", "id": %d}'
RUNNING = {"status": "running", "singlestep": False, "running": True}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve a machine to the tests of this module; each leaves it running."""
    with serving("--name", "bóx") as server:
        yield server


def converse(served: Served, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces through socat, then the end; return all that comes back."""
    with subprocess.Popen(
        # -t: the reply to the end of what we send has so long to come.
        ["socat", "-t", str(SECONDS), "-", f"UNIX-CONNECT:{served.path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as socat:
        assert socat.stdin is not None
        assert socat.stdout is not None
        for piece in pieces:
            socat.stdin.write(piece)
            time.sleep(pause)
        socat.stdin.close()
        heard = socat.stdout.read()
        assert socat.wait(SECONDS) == 0
    return heard


def messages(heard: bytes) -> list[Any]:
    """Return the messages, each of which is a line of ASCII that ends in CR LF."""
    assert heard.isascii()
    *lines, rest = heard.split(b"\r\n")
    assert rest == b""
    assert not any(b"\n" in line or b"\r" in line for line in lines)
    return [json.loads(line) for line in lines]


def test_all_is_answered_before_the_end(served: Served) -> None:
    heard = converse(served, NEGOTIATE + ASK % 1 + ASK % 2)
    greeting, *replies = messages(heard)
    assert greeting.keys() == {"QMP"}
    assert replies == [
        {"return": {}},
        {"return": {"name": "bóx"}, "id": 1},
        {"return": {"name": "bóx"}, "id": 2},
    ]


def test_the_greeting_comes_unasked(served: Served) -> None:
    (greeting,) = messages(converse(served))
    assert greeting["QMP"]["version"].keys() == {"qemu", "package"}
    assert greeting["QMP"]["capabilities"] == ["oob", "async"]


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n", b"\n\n\n", b" \t"])
def test_joined_writes(served: Served, newline: bytes) -> None:
    asked = newline.join([NEGOTIATE, *(ASK % n for n in range(50)), b""])
    _, _, *replies = messages(converse(served, asked))
    assert [reply["id"] for reply in replies] == list(range(50))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_split_writes(served: Served, size: int) -> None:
    asked = NEGOTIATE + b'{"execute": "query-status", "id": "\xc3\xb6 \\u00f6"}\n'
    pieces = [asked[n : n + size] for n in range(0, len(asked), size)]
    _, _, reply = messages(converse(served, *pieces, pause=0.001))
    assert reply == {"return": RUNNING, "id": "ö ö"}


def test_the_bytes_of_a_reply_are_as_qemu_has_them(served: Served) -> None:
    heard = converse(served, NEGOTIATE + b"{'execute': 'query-name', 'id': [1, 'x']}")
    assert heard.endswith(
        b'{"return": {}}\r\n{"return": {"name": "b\\u00F3x"}, "id": [1, "x"]}\r\n'
    )


def test_events_come_before_the_reply(served: Served) -> None:
    asked = b'{"execute": "stop", "id": 1}{"execute": "cont", "id": 2}'
    _, _, *rest = messages(converse(served, NEGOTIATE + asked))
    assert [each.get("event") or each["id"] for each in rest] == [
        "STOP",
        1,
        "RESUME",
        2,
    ]
    assert rest[0].keys() == {"timestamp", "event"}
    assert rest[0]["timestamp"].keys() == {"seconds", "microseconds"}


@pytest.mark.parametrize(
    "junk", [b"junk\n", b"\x00\xff\x80\n", b"GET / HTTP/1.0\r\n\r\n", b"]\n", b'{"a":}']
)
def test_junk_is_refused_and_survived(served: Served, junk: bytes) -> None:
    _, _, *errors, reply = messages(converse(served, NEGOTIATE, junk, ASK % 1))
    assert errors
    assert {each["error"]["class"] for each in errors} == {"GenericError"}
    assert reply == {"return": {"name": "bóx"}, "id": 1}


def test_a_long_string_comes_back_whole(served: Served) -> None:
    asked = json.dumps({"execute": "query-name", "id": "é" * 200_000})
    _, _, reply = messages(converse(served, NEGOTIATE, asked.encode()))
    assert reply["id"] == "é" * 200_000


def test_half_a_command_at_the_end_is_dropped(served: Served) -> None:
    heard = messages(converse(served, NEGOTIATE, ASK % 1, b'{"execute": "stop"'))
    assert [each.get("id") for each in heard] == [None, None, 1]
    _, _, reply = messages(converse(served, NEGOTIATE, b'{"execute": "query-status"}'))
    assert reply == {"return": RUNNING}


def test_over_tcp_it_is_the_same() -> None:
    with serving("--qmp", "tcp:127.0.0.1:0") as server:
        address = server.addresses[1].removeprefix("tcp:")
        ended = subprocess.run(
            ["socat", "-t", str(SECONDS), "-", f"TCP-CONNECT:{address}"],
            input=NEGOTIATE + b'{"execute": "quit"}',
            capture_output=True,
            timeout=SECONDS,
        )
        greeting, negotiated, event, reply = messages(ended.stdout)
        assert server.ended() == (0, "")
    assert greeting.keys() == {"QMP"}
    assert (negotiated, event["event"]) == ({"return": {}}, "SHUTDOWN")
    assert reply == {"return": {}}
