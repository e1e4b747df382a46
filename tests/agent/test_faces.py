"""What both clients do alike: one test for the two."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx import agent as agents
from qmpx import errors
from qmpx.transcript import read_transcript
from tests.agent.conftest import SECONDS, ByScript, Peer, base64_of, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., ByScript]
    Connect = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr("qmpx.agent.operations.THAW_PAUSE", 0.01)
    monkeypatch.setattr("qmpx.agent.waking.TRY_TIMEOUT", 0.1)
    monkeypatch.setattr("qmpx.agent.waking.TRY_PAUSE", 0.01)


def test_a_late_reply_is_not_taken_for_the_next(
    path: str, by_script: Start, connect: Connect
) -> None:
    gave_up = threading.Event()

    def script(peer: Peer) -> None:
        peer.sync()
        peer.read()
        assert gave_up.wait(SECONDS)
        peer.send({"return": "late"})
        peer.serve(ping="mine")

    by_script(script)
    guest = connect(path)
    with pytest.raises(qmpx.DeadlineExceeded, match=r"'guest-slow' within 0\.05 s"):
        guest.call("execute", "guest-slow", timeout=0.05)
    gave_up.set()
    assert guest.call("execute", "guest-ping") == "mine"


def test_a_connection_that_was_lost_is_made_anew_by_the_next_call(
    path: str, by_script: Start, connect: Connect
) -> None:
    def hang_up(peer: Peer) -> None:
        peer.sync()
        peer.read()

    server = by_script(hang_up, lambda peer: peer.serve(ping={}))
    guest = connect(path)
    with pytest.raises(qmpx.ConnectionLost):
        guest.call("execute", "guest-ping")
    assert guest.call("execute", "guest-ping") == {}
    assert server.connections == 2


def test_nobody_to_connect_to_is_told_from_an_agent_that_sleeps(
    path: str, by_script: Start, connect: Connect
) -> None:
    with pytest.raises(qmpx.ConnectError):
        connect(path)
    server = by_script(lambda peer: peer.sock.recv(1) and peer.read())
    guest = connect(path)
    with pytest.raises(qmpx.DeadlineExceeded, match="the guest is not up yet"):
        guest.call("wait_ready", 0.3)
    assert server.connections > 1


def test_an_agent_that_answers_a_new_connection_only_is_found(
    path: str, by_script: Start, connect: Connect
) -> None:
    def ignore(peer: Peer) -> None:
        while True:
            peer.read()

    server = by_script(ignore, lambda peer: peer.serve(ping={}))
    guest = connect(path)
    guest.call("wait_ready", SECONDS)
    assert guest.call("execute", "guest-ping") == {}
    assert server.connections == 2


def test_a_closed_client_says_so(path: str, by_script: Start, connect: Connect) -> None:
    by_script(lambda peer: peer.serve())
    guest = connect(path)
    guest.call("close")
    with pytest.raises(qmpx.ConnectionLost, match="this client was closed"):
        guest.call("execute", "guest-ping")
    with pytest.raises(qmpx.ConnectionLost, match="this client was closed"):
        guest.call("wait_ready", 1.0)


def test_what_the_agent_has_can_be_asked(
    path: str, by_script: Start, connect: Connect
) -> None:
    commands = [
        {"name": "guest-exec", "enabled": False, "success-response": True},
        {"name": "guest-ping", "enabled": True, "success-response": True},
    ]
    by_script(lambda peer: peer.serve(info={"supported_commands": commands}))
    guest = connect(path)
    names = ["guest-exec", "guest-ping", "guest-nope"]
    assert [guest.call("supports", name) for name in names] == [False, True, False]


# Programs and files.


def test_a_program_is_run_and_waited_for(
    path: str, by_script: Start, connect: Connect
) -> None:
    started: list[Any] = []
    looks = iter(
        [
            {"exited": False},
            {"exited": False},
            {"exited": True, "exitcode": 3, "out-data": base64_of(b"\0out")},
        ]
    )

    def start(arguments: Any) -> Any:
        started.append(arguments)
        return {"pid": 7}

    by_script(lambda peer: peer.serve(exec=start, exec_status=lambda _: next(looks)))
    guest = connect(path)
    done = guest.call("exec", "/bin/x", "-a", stdin=b"in", env={"A": "b"})
    assert done == agents.Finished("/bin/x", 3, None, b"\0out", b"")
    assert started == [
        {
            "path": "/bin/x",
            "arg": ["-a"],
            "input-data": base64_of(b"in"),
            "env": ["A=b"],
            "capture-output": True,
        }
    ]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"exitcode": 2}, "'/x' failed: exit status 2"),
        ({"signal": 9}, "'/x' failed: signal 9"),
        (
            {"exitcode": 1, "err-data": base64_of(b"so it is\n")},
            "'/x' failed: exit status 1: so it is",
        ),
    ],
)
def test_a_program_that_fails_is_an_error_if_that_is_wanted(
    path: str, by_script: Start, connect: Connect, status: Any, message: str
) -> None:
    status = {"exited": True, **status}
    by_script(lambda peer: peer.serve(exec={"pid": 7}, exec_status=status))
    with pytest.raises(qmpx.OperationFailed) as caught:
        connect(path).call("exec", "/x", check=True)
    assert str(caught.value) == message


class Files:
    """The files of a guest."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.at = 0
        self.opened: list[Any] = []
        self.closed = 0

    def open(self, arguments: Any) -> int:
        self.opened.append(arguments)
        return 5

    def close(self, arguments: Any) -> Any:
        assert arguments == {"handle": 5}
        self.closed += 1
        return {}

    def read(self, arguments: Any) -> Any:
        # A short read: the agent may give less than it is asked for.
        piece = self.content[self.at : self.at + min(arguments["count"], 1000)]
        self.at += len(piece)
        end = self.at == len(self.content)
        return {"count": len(piece), "buf-b64": base64_of(bytes(piece)), "eof": end}

    def write(self, arguments: Any) -> Any:
        taken = base64.b64decode(arguments["buf-b64"])[:70_000]
        self.content += taken
        return {"count": len(taken), "eof": False}

    def serve(self, peer: Peer) -> None:
        peer.serve(
            file_open=self.open,
            file_close=self.close,
            file_read=self.read,
            file_write=self.write,
            file_flush={},
        )


@pytest.mark.parametrize("size", [0, 1, 1000, 2500])
def test_a_file_is_read_in_pieces(
    path: str, by_script: Start, connect: Connect, size: int
) -> None:
    files = Files(bytes(range(256)) * 10)
    del files.content[size:]
    by_script(files.serve)
    assert connect(path).call("read_file", "/f") == bytes(files.content)
    assert files.opened == [{"path": "/f", "mode": "rb"}]
    assert files.closed == 1


def test_a_file_that_is_too_long_is_not_read_to_its_end(
    path: str, by_script: Start, connect: Connect
) -> None:
    files = Files(bytes(5000))
    by_script(files.serve)
    with pytest.raises(qmpx.OperationFailed, match="it holds more than 1500 bytes"):
        connect(path).call("read_file", "/f", limit=1500)
    assert (files.at, files.closed) == (2000, 1)


@pytest.mark.parametrize(("append", "mode"), [(False, "wb"), (True, "ab")])
def test_a_file_is_written_in_pieces(
    path: str, by_script: Start, connect: Connect, append: bool, mode: str
) -> None:
    files = Files()
    by_script(files.serve)
    data = bytes(range(250)) * 1200
    connect(path).call("write_file", "/f", data, append=append)
    assert bytes(files.content) == data
    assert files.opened == [{"path": "/f", "mode": mode}]
    assert files.closed == 1


# Freezing.


class FileSystems:
    """A guest's file systems, frozen or not."""

    def __init__(self) -> None:
        self.is_frozen = False
        self.thaws = 0

    def freeze(self, arguments: Any) -> int:
        assert arguments in (None, {"mountpoints": ["/a"]})
        self.is_frozen = True
        return 2

    def thaw(self, _: Any) -> int:
        self.is_frozen = False
        self.thaws += 1
        return 2

    def serve(self, peer: Peer) -> None:
        peer.serve(
            fsfreeze_freeze=self.freeze,
            fsfreeze_freeze_list=self.freeze,
            fsfreeze_thaw=self.thaw,
            fsfreeze_status=lambda _: "frozen" if self.is_frozen else "thawed",
        )


@pytest.mark.parametrize("mountpoints", [(), (["/a"],)])
def test_file_systems_are_frozen_for_a_block(
    path: str, by_script: Start, connect: Connect, mountpoints: Any
) -> None:
    guest = FileSystems()
    by_script(guest.serve)
    inside = connect(path).frozen(lambda n: (n, guest.is_frozen), *mountpoints)
    assert inside == (2, True)
    assert (guest.is_frozen, guest.thaws) == (False, 1)


def test_an_error_in_the_block_thaws_them(
    path: str, by_script: Start, connect: Connect
) -> None:
    guest = FileSystems()
    by_script(guest.serve)

    def fail(_: int) -> None:
        raise KeyError("backup")

    with pytest.raises(KeyError, match="backup"):
        connect(path).frozen(fail)
    assert (guest.is_frozen, guest.thaws) == (False, 1)


def test_thawing_is_tried_again_when_the_connection_breaks(
    path: str, by_script: Start, connect: Connect
) -> None:
    guest = FileSystems()

    def break_off(peer: Peer) -> None:
        peer.sync()
        assert peer.read()["execute"] == "guest-fsfreeze-freeze"
        peer.send({"return": guest.freeze(None)})
        assert peer.read()["execute"] == "guest-fsfreeze-thaw"

    def break_off_again(peer: Peer) -> None:
        peer.sync()

    server = by_script(break_off, break_off_again, guest.serve)
    assert connect(path).frozen(lambda _: guest.is_frozen)
    assert not guest.is_frozen
    assert server.connections == 3


def test_what_may_have_been_frozen_is_thawed(
    path: str, by_script: Start, connect: Connect
) -> None:
    guest = FileSystems()

    def break_off(peer: Peer) -> None:
        peer.sync()
        guest.freeze(peer.read().get("arguments"))

    by_script(break_off, guest.serve)
    with pytest.raises(qmpx.ConnectionLost):
        connect(path).frozen(lambda _: pytest.fail("nothing is frozen for sure"))
    assert not guest.is_frozen


def test_what_cannot_be_frozen_is_an_error(
    path: str, by_script: Start, connect: Connect
) -> None:
    text = "failed to freeze /: Operation not supported"
    by_script(
        lambda peer: peer.serve(fsfreeze_freeze=refusal(text), fsfreeze_status="thawed")
    )
    with pytest.raises(errors.GenericError, match=text):
        connect(path).frozen(lambda _: None)


def test_a_task_that_is_cancelled_twice_thaws_them_all_the_same(
    path: str, by_script: Start
) -> None:
    guest = FileSystems()
    is_thawing, may_go_on = threading.Event(), threading.Event()

    def thaw(_: Any) -> int:
        is_thawing.set()
        assert may_go_on.wait(SECONDS)
        return guest.thaw(None)

    by_script(lambda peer: peer.serve(fsfreeze_freeze=guest.freeze, fsfreeze_thaw=thaw))

    async def freeze(client: Any, frozen: asyncio.Event) -> None:
        async with client.frozen():
            frozen.set()
            await asyncio.sleep(SECONDS)

    async def main() -> None:
        async with agents.connect_async(path) as client:
            frozen = asyncio.Event()
            task = asyncio.create_task(freeze(client, frozen))
            await frozen.wait()
            task.cancel()
            await asyncio.to_thread(is_thawing.wait, SECONDS)
            task.cancel()
            await asyncio.sleep(0)
            may_go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert (guest.is_frozen, guest.thaws) == (False, 1)


# What does not answer.


def test_a_shutdown_that_is_not_answered_is_under_way(
    path: str, by_script: Start, connect: Connect
) -> None:
    modes: list[Any] = []

    def script(peer: Peer) -> None:
        peer.sync()
        modes.append(peer.read())

    by_script(script)
    connect(path).call("shutdown", "reboot")
    assert modes == [{"execute": "guest-shutdown", "arguments": {"mode": "reboot"}}]


def test_a_sleep_that_is_refused_is_an_error(
    path: str, by_script: Start, connect: Connect
) -> None:
    text = "the current guest kernel does not support suspend"
    by_script(lambda peer: peer.serve(suspend_disk=refusal(text)))
    with pytest.raises(errors.GenericError, match=text):
        connect(path).call("suspend", "disk")


def test_what_is_said_can_be_written_down(
    path: str, by_script: Start, connect: Connect, tmp_path: Path
) -> None:
    by_script(lambda peer: peer.serve(ping={}, set_user_password={}))
    file = tmp_path / "talk.jsonl"
    guest = connect(path, record=file)
    guest.call("execute", "guest-ping")
    secret = {"username": "a", "password": "hunter2", "crypted": 0}
    guest.call("execute", "guest-set-user-password", secret)
    guest.call("close")
    with file.open("rb") as lines:
        entries = list(read_transcript(lines))
    notes = [entry.note for entry in entries if entry.kind == "note"]
    said = [entry.message for entry in entries if entry.kind != "note"]
    assert notes == ["connected", "closed"]
    assert said == [
        {"execute": "guest-sync-delimited", "arguments": {"id": said[1]["return"]}},
        {"return": said[1]["return"]},
        {"execute": "guest-ping"},
        {"return": {}},
        {
            "execute": "guest-set-user-password",
            "arguments": {"username": "a", "password": "[redacted]", "crypted": 0},
        },
        {"return": {}},
    ]
