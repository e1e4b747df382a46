"""Connecting: to what is there, to what comes later, to what says nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.transport.address import TcpAddress, UnixAddress
from tests.client.conftest import (
    SECONDS,
    ByHand,
    Conversation,
    Face,
    event,
    greet_not,
    hang_up_after_greeting,
    hang_up_in_negotiation,
    hang_up_within_greeting,
    refuse_negotiation,
    talk_garbage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path


def talk(peer: Conversation) -> None:
    """Negotiate and answer."""
    peer.negotiate()
    peer.serve()


@pytest.fixture
def tcp(pool: ThreadPoolExecutor) -> Iterator[tuple[int, Future[None]]]:
    """Serve one client on a TCP port of this host."""

    def serve() -> None:
        sock, _ = listening.accept()
        peer = Conversation(sock)
        talk(peer)
        peer.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1], pool.submit(serve)


# What is there.


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda path: f"unix:{path}",
        lambda path: f"unix:{path},server=on,wait=off",
        lambda path: f"socket,path={path}",
        lambda path: f'{{"type": "unix", "path": "{path}"}}',
        UnixAddress,
    ],
    ids=["path", "unix", "QEMU's", "chardev", "JSON", "value"],
)
def test_a_unix_socket_is_found_however_it_is_named(
    face: Face, path: str, by_hand: Callable[..., ByHand], spell: Callable[[str], Any]
) -> None:
    by_hand(talk)
    assert face.connect(spell(path)).execute("x") == "x"


def test_a_path_object_is_an_address(
    face: Face, directory: Path, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)
    assert face.connect(directory / "q.sock").execute("x") == "x"


@pytest.mark.parametrize("form", ["tcp:127.0.0.1:{}", "127.0.0.1:{}", "localhost:{}"])
def test_a_port_is_found(face: Face, tcp: tuple[int, Future[None]], form: str) -> None:
    port, serving = tcp
    vm = face.connect(form.format(port))
    assert vm.execute("x") == "x"
    vm.close()
    serving.result(SECONDS)


def test_a_connected_descriptor_is_an_address_and_stays_the_callers(
    face: Face, pool: ThreadPoolExecutor
) -> None:
    ours, theirs = socket.socketpair()
    peer = Conversation(theirs)
    serving = pool.submit(talk, peer)
    vm = face.connect(f"fd:{ours.fileno()}")
    assert vm.execute("x") == "x"
    vm.close()
    os.fstat(ours.fileno())
    ours.close()
    serving.result(SECONDS)
    peer.close()


def test_the_environment_names_the_default(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    by_hand(talk)
    monkeypatch.setenv("QMP_SOCKET", path)
    assert face.connect().execute("x") == "x"
    monkeypatch.setenv("QMP_SOCKET", "")
    with pytest.raises(qmpx.AddressError, match=r"^no address of a monitor"):
        face.connect()
    monkeypatch.setenv("QMP_SOCKET", "ftp://x")
    with pytest.raises(qmpx.AddressError, match=r"^QMP_SOCKET: "):
        face.connect()


def test_what_is_no_address_is_refused(face: Face) -> None:
    with pytest.raises(qmpx.AddressError):
        face.connect("telnet:localhost:1")


# What is not there.


def test_a_missing_socket_is_told_at_once(face: Face, path: str) -> None:
    with pytest.raises(qmpx.ConnectError) as caught:
        face.connect(path)
    assert caught.value.address == f"unix:{path}"
    assert str(caught.value).startswith(f"cannot talk to unix:{path}: ")


def test_a_socket_without_a_listener_is_told_at_once(face: Face, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    with pytest.raises(qmpx.ConnectError, match=r"nobody listens|refused"):
        face.connect(path)


def test_a_full_queue_is_waited_for_and_then_told(face: Face, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen(0)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(path)
            with pytest.raises(qmpx.ConnectError):
                face.connect(path, connect_timeout=0.05)


def test_a_queue_that_empties_in_time_lets_us_in(
    face: Face, path: str, pool: ThreadPoolExecutor
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(0)
        waiting = socket.socket(socket.AF_UNIX)
        waiting.connect(path)

        def serve() -> None:
            time.sleep(0.03)
            first, _ = listening.accept()
            first.close()
            sock, _ = listening.accept()
            peer = Conversation(sock)
            talk(peer)
            peer.close()

        serving = pool.submit(serve)
        vm = face.connect(path)
        assert vm.execute("x") == "x"
        vm.close()
        waiting.close()
        serving.result(SECONDS)


# What comes later.


@pytest.mark.parametrize("connect_timeout", [0.02, SECONDS])
@pytest.mark.parametrize("stale", [False, True])
def test_a_server_that_appears_later_is_waited_for(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    connect_timeout: float,
    stale: bool,
) -> None:
    if stale:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)

    def appear() -> None:
        if stale:
            os.unlink(path)
        by_hand(talk)

    timer = threading.Timer(0.06, appear)
    timer.start()
    # The time spent on waiting is not taken from what greeting and negotiation have.
    timeout = max(connect_timeout, 0.5) if connect_timeout != 0.02 else 0.05
    vm = face.connect(path, wait=SECONDS, connect_timeout=timeout)
    timer.join()
    assert vm.execute("x") == "x"


def test_a_port_that_opens_later_is_waited_for(
    face: Face, pool: ThreadPoolExecutor
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def serve() -> None:
        time.sleep(0.1)
        with socket.create_server(("127.0.0.1", port)) as listening:
            sock, _ = listening.accept()
        peer = Conversation(sock)
        talk(peer)
        peer.close()

    serving = pool.submit(serve)
    vm = face.connect(TcpAddress("127.0.0.1", port), wait=SECONDS, connect_timeout=0.05)
    assert vm.execute("x") == "x"
    vm.close()
    serving.result(SECONDS)


def test_waiting_ends_and_tells_why(face: Face, path: str) -> None:
    begin = time.monotonic()
    with pytest.raises(qmpx.ConnectError):
        face.connect(path, wait=0.05)
    assert time.monotonic() - begin >= 0.05


def test_waiting_ends_when_the_program_has(face: Face, path: str) -> None:
    looks: list[bool] = []

    def alive() -> bool:
        looks.append(len(looks) < 2)
        return looks[-1]

    with pytest.raises(qmpx.ConnectError, match=r"\(and the program has ended\)"):
        face.connect(path, wait=SECONDS, alive=alive)
    assert looks == [True, True, False]


def test_what_is_no_sign_of_a_start_is_not_waited_for(
    face: Face, directory: Path
) -> None:
    (directory / "file").touch()
    with pytest.raises(qmpx.ConnectError):
        face.connect(directory / "file" / "q.sock", wait=SECONDS)


# What is there and says nothing, or the wrong thing.


def test_a_silent_monitor_is_given_up_and_its_holder_named(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(talk)
    holder = face.connect(path)
    assert holder.execute("x") == "x"
    with pytest.raises(qmpx.GreetingTimeout) as caught:
        face.connect(path, connect_timeout=0.05)
    assert caught.value.address == f"unix:{path}"
    assert caught.value.reason == (
        "the monitor is held by this process, through another connection "
        "(waited 0.05 s)"
    )
    # The holder is not disturbed.
    assert holder.execute("x") == "x"


def test_events_alone_are_no_greeting(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(lambda peer: peer.send(event("STOP"), event("RESUME")))
    with pytest.raises(qmpx.GreetingTimeout):
        face.connect(path, connect_timeout=0.05)


def test_half_a_greeting_is_no_greeting(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(lambda peer: peer.send(b'{"QMP": {"version": {}, '))
    with pytest.raises(qmpx.GreetingTimeout):
        face.connect(path, connect_timeout=0.05)


def test_a_monitor_that_falls_silent_in_negotiation_is_given_up(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(Conversation.greet)
    with pytest.raises(qmpx.GreetingTimeout):
        face.connect(path, connect_timeout=0.05)


@pytest.mark.slow
def test_events_do_not_put_the_deadline_off(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        try:
            while True:
                peer.send(*[event("STOP")] * 50)
        except (BrokenPipeError, ConnectionResetError):
            pass

    by_hand(script)
    with pytest.raises(qmpx.GreetingTimeout):
        face.connect(path, connect_timeout=0.1)


def test_a_greeting_that_takes_its_time_is_waited_for(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        time.sleep(0.05)
        talk(peer)

    by_hand(script)
    assert face.connect(path).execute("x") == "x"


@pytest.mark.parametrize(
    "script",
    [
        Conversation.close,
        hang_up_after_greeting,
        hang_up_in_negotiation,
        hang_up_within_greeting,
    ],
)
def test_a_monitor_that_hangs_up_is_told(
    face: Face, path: str, by_hand: Callable[..., ByHand], script: Any
) -> None:
    by_hand(script)
    with pytest.raises(
        (qmpx.ConnectionLost, qmpx.ConnectError), match=r"closed the connection|broke"
    ):
        face.connect(path)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"QEMU 9.0.0 monitor - type 'help' for more information\r\n(qemu) ",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x00\n",
    ],
)
def test_what_is_no_monitor_is_told(
    face: Face, path: str, by_hand: Callable[..., ByHand], said: bytes
) -> None:
    by_hand(lambda peer: peer.send(said))
    with pytest.raises(qmpx.RemoteProtocolError, match="no QMP message"):
        face.connect(path, connect_timeout=1)


def test_a_refused_negotiation_is_told(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    by_hand(refuse_negotiation)
    with pytest.raises(qmpx.errors.CommandNotFound) as caught:
        face.connect(path)
    assert caught.value.command == "qmp_capabilities"


def test_a_reply_before_the_greeting_is_nobodys(
    face: Face, path: str, by_hand: Callable[..., ByHand]
) -> None:
    def script(peer: Conversation) -> None:
        peer.send({"return": 1}, {"return": 2, "id": 1})
        talk(peer)

    by_hand(script)
    vm = face.connect(path)
    assert vm.execute("x") == "x"
    assert vm.late_replies == 2


@pytest.mark.parametrize(
    "script",
    [
        talk_garbage,
        Conversation.close,
        pytest.param(greet_not, marks=pytest.mark.slow),
        refuse_negotiation,
    ],
)
def test_a_failed_try_leaves_nothing_open(
    face: Face,
    path: str,
    by_hand: Callable[..., ByHand],
    open_fds: Callable[[], int],
    script: Any,
) -> None:
    before = open_fds()
    server = by_hand(script)
    for _ in range(3):
        with pytest.raises(qmpx.QmpxError):
            face.connect(path, connect_timeout=0.05)
    server.stop()
    assert open_fds() == before
