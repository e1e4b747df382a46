"""Connecting a socket, blocking and on each kind of loop: how often, how long."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import ConnectError
from qmpx.transport import dial as module
from qmpx.transport.address import FdAddress, TcpAddress, UnixAddress, parse_address
from qmpx.transport.dial import Attempts, dial, dial_async
from tests.loops import LOOPS, loop_factory, run_on, short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = 10.0  # for what takes milliseconds

Dial = Any


@pytest.fixture(params=["blocking", *LOOPS])
def connect(request: pytest.FixtureRequest) -> Dial:
    """Connect in each way; addresses may be texts."""

    def call(address: Any, **options: Any) -> socket.socket:
        options = {"timeout": SECONDS} | options
        if request.param == "blocking":
            return dial(parse_address(address), **options)
        made: socket.socket = run_on(
            request.param, dial_async(parse_address(address), **options)
        )
        return made

    return call


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give a directory for sockets."""
    with short_directory() as path:
        yield path


@pytest.fixture
def path(directory: Path) -> str:
    """Name a place for a socket."""
    return str(directory / "q.sock")


@pytest.fixture
def listening(path: str) -> Iterator[socket.socket]:
    """Listen at `path`."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen(8)
        yield sock


@pytest.fixture
def port() -> Iterator[int]:
    """Listen on a port of this host."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number: int = sock.getsockname()[1]
    return number


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Hold that no test leaves a descriptor open."""
    for name in LOOPS:
        run_on(name, asyncio.sleep(0))  # the first loop of a kind opens some for ever
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("listening")
def test_a_unix_socket_is_connected(connect: Dial, path: str) -> None:
    with connect(path) as sock:
        assert sock.getpeername() == path


def test_a_path_beyond_the_kernels_limit_is_connected(
    connect: Dial, directory: Path
) -> None:
    deep = directory / ("d" * 150)
    deep.mkdir()
    here = os.open(deep, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"/proc/self/fd/{here}/q")
        sock.listen()
        connect(deep / "q").close()
    os.close(here)


def test_a_port_is_connected(connect: Dial, port: int) -> None:
    for text in (f"127.0.0.1:{port}", f"tcp:localhost:{port}", f"tcp::{port}"):
        with connect(text) as sock:
            assert sock.getpeername()[1] == port


def test_the_second_address_of_a_name_is_tried_when_the_first_refuses(
    connect: Dial, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = (socket.AF_INET, socket.SOCK_STREAM, 0, "")

    def look_up(host: str, port: int, **_: Any) -> Any:
        hosts = ["127.0.0.2", "127.0.0.1"] if host == "twofold" else [host]
        return [(*stream, (each, port)) for each in hosts]

    async def look_up_async(_: object, host: str, port: int, **__: Any) -> Any:
        return look_up(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for name in LOOPS:
        loop = loop_factory(name)()
        monkeypatch.setattr(type(loop), "getaddrinfo", look_up_async)
        loop.close()
    with connect(TcpAddress("twofold", port)) as sock:
        assert sock.getpeername() == ("127.0.0.1", port)


def test_a_connected_descriptor_is_copied(connect: Dial) -> None:
    mine, peer = socket.socketpair()
    with mine, peer:
        with connect(FdAddress(mine.fileno())) as sock:
            sock.send(b"x")
        assert peer.recv(1) == b"x"
        mine.send(b"y")
        assert peer.recv(1) == b"y"


# Why not.


def test_what_cannot_be_connected_is_told_at_once(
    connect: Dial, path: str, directory: Path, closed_port: int
) -> None:
    (directory / "file").touch()
    reader, writer = os.pipe()
    refused: list[Any] = [
        (path, FileNotFoundError),
        (directory / "file", ConnectionRefusedError),
        (directory / "file" / "x", NotADirectoryError),
        (f"tcp:127.0.0.1:{closed_port}", ConnectionRefusedError),
        ("tcp:no.invalid:1", socket.gaierror),
        (FdAddress(10_000), OSError),
        (FdAddress(reader), OSError),
    ]
    for address, cause in refused:
        with pytest.raises(ConnectError) as caught:
            connect(address)
        assert caught.value.address == str(parse_address(address))
        assert caught.value.reason
        assert isinstance(caught.value.__cause__, cause)
    os.close(reader)
    os.close(writer)


@pytest.mark.slow
def test_a_full_queue_is_tried_again_until_the_deadline(
    connect: Dial, path: str
) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first:
        busy.bind(path)
        busy.listen(0)
        first.connect(path)
        begin = time.monotonic()
        with pytest.raises(ConnectError):
            connect(path, timeout=0.05)
        assert time.monotonic() - begin >= 0.05
        timer = threading.Timer(0.03, lambda: busy.accept()[0].close())
        timer.start()
        connect(path).close()
        timer.join()


# What is starting.


@pytest.mark.parametrize("timeout", [0.01, SECONDS])
def test_a_socket_that_comes_later_is_waited_for(
    connect: Dial, path: str, timeout: float
) -> None:
    with socket.socket(socket.AF_UNIX) as sock:

        def appear() -> None:
            sock.bind(path)
            time.sleep(0.03)
            sock.listen()

        timer = threading.Timer(0.03, appear)
        timer.start()
        connect(path, wait=SECONDS, timeout=timeout).close()
        timer.join()


@pytest.mark.parametrize("timeout", [0.03, SECONDS])
def test_a_port_that_opens_later_is_waited_for(
    connect: Dial, closed_port: int, timeout: float
) -> None:
    opened: list[socket.socket] = []

    def appear() -> None:
        opened.append(socket.create_server(("127.0.0.1", closed_port)))

    timer = threading.Timer(0.1, appear)
    timer.start()
    connect(f"127.0.0.1:{closed_port}", wait=SECONDS, timeout=timeout).close()
    timer.join()
    opened[0].close()


def test_waiting_has_an_end_and_says_why(
    connect: Dial, path: str, closed_port: int
) -> None:
    for address, cause in (
        (path, FileNotFoundError),
        (f"127.0.0.1:{closed_port}", ConnectionRefusedError),
    ):
        begin = time.monotonic()
        with pytest.raises(ConnectError) as caught:
            connect(address, wait=0.06, timeout=1.0)
        assert time.monotonic() - begin >= 0.06
        assert isinstance(caught.value.__cause__, cause)


def test_waiting_ends_when_the_program_does(connect: Dial, path: str) -> None:
    lives = iter([True, True, False])
    with pytest.raises(ConnectError, match=r"\(and the program has ended\)"):
        connect(path, wait=SECONDS, alive=lambda: next(lives))
    # And is not even begun for one that has ended.
    with pytest.raises(ConnectError, match=r"\(and the program has ended\)"):
        connect(path, wait=SECONDS, alive=lambda: False)


def test_only_what_looks_like_a_start_is_waited_for(
    connect: Dial, directory: Path
) -> None:
    (directory / "file").touch()
    begin = time.monotonic()
    with pytest.raises(ConnectError):
        connect(directory / "file" / "x", wait=SECONDS)
    with pytest.raises(ConnectError):
        connect("tcp:no.invalid:1", wait=SECONDS)
    assert time.monotonic() - begin < SECONDS / 2


@pytest.mark.parametrize("kind", LOOPS)
def test_cancelling_leaves_nothing_open(
    kind: str, path: str, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE", SECONDS)

    async def main() -> None:
        for address in (UnixAddress(path), TcpAddress("127.0.0.1", closed_port)):
            dialling = asyncio.create_task(
                dial_async(address, timeout=SECONDS, wait=SECONDS)
            )
            await asyncio.sleep(0.01)
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling

    run_on(kind, main())


def test_a_host_that_does_not_answer_is_given_up(connect: Dial) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy:
        number = busy.getsockname()[1]
        fillers: list[socket.socket] = []
        # Once the queue is full the kernel lets callers wait without an answer.
        for _ in range(4):
            filler = socket.socket()
            filler.settimeout(0)
            filler.connect_ex(("127.0.0.1", number))
            fillers.append(filler)
        with pytest.raises(ConnectError) as caught:
            connect(f"127.0.0.1:{number}", timeout=0.05)
        assert isinstance(caught.value.__cause__, TimeoutError)
        for filler in fillers:
            filler.close()


# The arithmetic of patience.


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock; what it returns moves it on."""
    now = 1000.0

    def go_on(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("qmpx.transport.dial.time.monotonic", lambda: now)
    return go_on


@pytest.mark.parametrize(
    ("timeout", "wait", "left"),
    [
        # at the beginning, after 1, 4 and 9 seconds
        (2.0, 0.0, [2.0, 1.0, 0.001, 0.001]),
        (2.0, 5.0, [2.0, 2.0, 1.0, 0.001]),
        (8.0, 5.0, [8.0, 7.0, 4.0, 0.001]),
        (1e30, 0.0, [module.LONGEST, module.LONGEST - 1]),
    ],
)
def test_each_try_has_its_own_time_while_a_start_is_waited_for(
    clock: Callable[[float], None], timeout: float, wait: float, left: list[float]
) -> None:
    attempts = Attempts(UnixAddress("/x"), timeout, wait, None)
    seen = []
    for seconds in (1, 3, 5, 0)[: len(left)]:
        seen.append(attempts.left)
        clock(seconds)
    assert seen == pytest.approx(left)


@pytest.mark.parametrize(
    ("number", "wait", "after", "again"),
    [
        (errno.ENOENT, 5, 4.9, True),
        (errno.ENOENT, 5, 5.1, False),
        (errno.ENOENT, 0, 0, False),
        (errno.ECONNREFUSED, 5, 4.9, True),
        (errno.ECONNRESET, 5, 4.9, True),
        (errno.EAGAIN, 0, 1.9, True),
        (errno.EAGAIN, 0, 2.1, False),
        (errno.EAGAIN, 5, 4.9, True),
        (errno.EACCES, 5, 0, False),
        (errno.ENOTDIR, 5, 0, False),
        (errno.ETIMEDOUT, 5, 0, False),
    ],
)
def test_what_is_tried_again_and_how_long(
    clock: Callable[[float], None], number: int, wait: float, after: float, again: bool
) -> None:
    attempts = Attempts(UnixAddress("/x"), 2.0, wait, None)
    clock(after)
    error = OSError(number, os.strerror(number))
    if again:
        attempts.failed(error)
    else:
        with pytest.raises(ConnectError):
            attempts.failed(error)
