"""A monitor that is not to be trusted: its clients are, and the gateway stays well."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.gateway.attacks.conftest import MEGABYTE, Target, attacked
from tests.programs import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

GREETING = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}\r\n'  # noqa: E501
EVENT = (
    b'{"timestamp": {"seconds": 1, "microseconds": 1}, "event": "E%d", "data": {}}\r\n'
)

CONFIGURATION = """
[[listener]]
address = "unix:{folder}/all"
role = "everything"
[audit]
path = "{folder}/audit.jsonl"
[journal]
path = "{folder}/events"
"""


class Line:
    """One connection of the gateway's, seen from the monitor."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(SECONDS)
        self.sock = sock
        self._file = sock.makefile("rb")

    def send(self, *data: bytes) -> None:
        self.sock.sendall(b"".join(data))

    def read(self) -> dict[str, Any]:
        """Return the next command; at the end `ConnectionError`."""
        # The gateway puts no newline behind each.
        text = b""
        while True:
            byte = self._file.read(1)
            if not byte:
                raise ConnectionError
            text += byte
            if byte == b"}":
                with contextlib.suppress(ValueError):
                    return json.loads(text)  # type: ignore[no-any-return]

    def reply(self, command: dict[str, Any], value: bytes = b"{}") -> None:
        id_ = json.dumps(command["id"]).encode()
        self.send(b'{"return": %b, "id": %b}\r\n' % (value, id_))

    def open(self) -> None:
        """Greet, and agree."""
        self.send(GREETING)
        self.reply(self.read())

    def serve(self) -> None:
        """Answer well, until the end."""
        while True:
            self.reply(self.read(), b'{"name": "box"}')


@contextlib.contextmanager
def hostile(play: Callable[[Line, int], None]) -> Iterator[Target]:
    """Run a gateway in front of a monitor that behaves as *play* says.

    It is given each connection, and which one it is.
    """
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        path = f"{name}/up"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        socks: list[socket.socket] = []

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = listening.accept()
                    socks.append(sock)
                    with contextlib.suppress(OSError, TimeoutError), sock:
                        play(Line(sock), len(socks))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            with attacked(f"unix:{path}", configuration=CONFIGURATION) as target:
                yield target
                assert target.process.poll() is None
                target.verify()
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            for sock in socks:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            thread.join(SECONDS)


def works(target: Target, *, tries: int = 400) -> None:
    """See that a client is served, perhaps after the gateway has connected again."""
    with target.connect() as peer:
        peer.greeted()
        for _ in range(tries):
            reply = peer.ask({"execute": "query-name", "id": "mine"})
            assert reply["id"] == "mine"
            if "return" in reply:
                assert reply["return"] == {"name": "box"}
                return
            assert "behind the gateway" in reply["error"]["desc"], reply
            time.sleep(0.02)
    pytest.fail("the monitor is not found again")


@pytest.mark.parametrize("name", ["text", "tokens", "deep", "garbage"])
def test_a_frame_without_an_end_ends_the_connection_and_no_more(name: str) -> None:
    endless = {
        "text": (b'{"return": "', b"x" * MEGABYTE),
        "tokens": (b'{"return": [', b"1," * (MEGABYTE // 2)),
        "deep": (b'{"return": ', b"[" * MEGABYTE),
        "garbage": (b"", b"no json at all\r\n" * 100),
    }

    def play(line: Line, number: int) -> None:
        line.open()
        if number > 1:
            line.serve()
        line.read()
        opening, more = endless[name]
        line.send(opening)
        for _ in range(80):
            line.send(more)

    with hostile(play) as target:
        with target.connect() as peer:
            peer.greeted()
            reply = peer.ask({"execute": "query-name", "id": 1})
            assert reply["id"] == 1
            assert "lost before it replied" in reply["error"]["desc"]
        works(target)
        assert target.memory() - target.before < 200 * MEGABYTE


def test_replies_with_other_ids_reach_nobody() -> None:
    def play(line: Line, number: int) -> None:  # noqa: ARG001
        line.open()
        while True:
            command = line.read()
            for id_ in (b"0", b"-1", b"99999", b'"1"', b"null", b"[1]", b"1.0", b"{}"):
                line.send(b'{"return": {"name": "forged"}, "id": %b}\r\n' % id_)
            line.reply(command, b'{"name": "box"}')
            line.reply(command, b'{"name": "twice"}')

    with hostile(play) as target, target.connect() as one, target.connect() as two:
        one.greeted()
        two.greeted()
        for number in range(200):
            for peer in (one, two):
                asked = {"execute": "query-name", "id": number}
                expected = {"return": {"name": "box"}, "id": number}
                assert peer.ask(asked) == expected
        assert target.process.poll() is None


def test_a_storm_of_events_is_bounded_and_replies_come_through() -> None:
    def play(line: Line, number: int) -> None:  # noqa: ARG001
        line.open()
        while True:
            command = line.read()
            line.send(b"".join(EVENT % each for each in range(20_000)))
            line.reply(command, b'{"name": "box"}')

    with hostile(play) as target, contextlib.ExitStack() as stack:
        for _ in range(100):  # these read nothing at all
            stack.enter_context(target.connect()).greeted()
        with target.connect() as peer:
            peer.greeted()
            for number in range(3):
                asked = {"execute": "query-name", "id": number}
                assert peer.ask(asked) == {"return": {"name": "box"}, "id": number}
        assert target.memory() - target.before < 160 * MEGABYTE


def test_greetings_at_any_time_change_nothing_for_those_who_are_in() -> None:
    def play(line: Line, number: int) -> None:  # noqa: ARG001
        line.send(GREETING)
        line.open()
        while True:
            command = line.read()
            line.send(GREETING, GREETING.replace(b"7", b"99"))
            line.reply(command, b'{"name": "box"}')

    with hostile(play) as target:
        works(target, tries=1)
        with target.connect() as peer:
            assert peer.receive()["QMP"]["version"]["qemu"]["major"] == 7


@pytest.mark.parametrize(
    "said",
    [
        b"[]\r\n",
        b"1\r\n",
        b'"text"\r\n',
        b"null\r\n",
        b"{}\r\n",
        b'{"id": 1}\r\n',
        b'{"return": {}}\r\n',
        b'{"error": 1, "id": 2}\r\n',
        b'{"error": {"class": 1, "desc": []}, "id": 2}\r\n',
        b'{"event": 1}\r\n',
        b'{"event": "E", "data": [], "timestamp": "now"}\r\n',
        b'{"QMP": 1}\r\n',
        b'{"QMP": {"version": [], "capabilities": {}}}\r\n',
        b'{"event": "\\ud800", "data": {}, "timestamp": {"seconds": 1}}\r\n',
        b"\xff\xfe\x00\x00\r\n",
        b'{"return": {}, "id": 2, "id": 3}\r\n',
    ],
    ids=range(16),
)
def test_what_is_no_message_of_a_monitor_breaks_at_most_the_connection(
    said: bytes,
) -> None:
    def play(line: Line, number: int) -> None:
        line.open()
        if number > 1:
            line.serve()
        command = line.read()
        line.send(said)
        line.reply(command, b'{"name": "box"}')
        line.serve()

    with hostile(play) as target:
        with target.connect() as peer:
            reply = peer.greeted().ask({"execute": "query-name", "id": "x"})
            assert reply["id"] == "x"
        works(target)


@pytest.mark.parametrize("name", ["query-commands", "query-qmp-schema"])
def test_what_is_no_list_of_commands_keeps_no_reply_from_anybody(name: str) -> None:
    def play(line: Line, number: int) -> None:  # noqa: ARG001
        line.open()
        asked = {each["execute"]: each["id"] for each in (line.read(), line.read())}
        line.send(  # all at once: what comes behind it is taken, too
            b'{"return": {"no": "list"}, "id": %d}\r\n' % asked[name],
            b'{"return": {"name": "box"}, "id": %d}\r\n' % asked["query-name"],
        )
        line.serve()

    with hostile(play) as target, target.connect() as one, target.connect() as two:
        one.greeted().send({"execute": name, "id": 1})
        two.greeted()
        named = {"return": {"name": "box"}, "id": 2}
        assert two.ask({"execute": "query-name", "id": 2}) == named
        assert one.receive() == {"return": {"no": "list"}, "id": 1}


def test_a_monitor_that_never_answers_holds_up_nobody_but_who_asks_it() -> None:
    def play(line: Line, number: int) -> None:  # noqa: ARG001
        line.open()
        while True:
            line.read()

    with hostile(play) as target:
        with contextlib.ExitStack() as stack:
            for number in range(50):
                peer = stack.enter_context(target.connect()).greeted()
                peer.send({"execute": "query-name", "id": number})
            with target.connect() as late:  # the gateway itself still answers
                refused = late.greeted().ask({"execute": "qmp_capabilities", "id": 1})
                assert refused["error"]["class"] == "CommandNotFound"
        with target.connect() as peer:
            peer.greeted()
