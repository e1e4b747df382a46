"""Listening: who may connect, how many at once, what is left behind."""

from __future__ import annotations

import asyncio
import errno
import functools
import logging
import os
import resource
import socket
import stat
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import pytest

from qmpx.errors import AddressError
from qmpx.transport import listener as module
from qmpx.transport.address import (
    Address,
    FdAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
)
from qmpx.transport.listener import Listener
from tests.loops import LOOPS, run_on, settle, short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on an event loop of each kind."""
    return functools.partial(run_on, request.param)


@pytest.fixture
def directory() -> Iterator[Path]:
    """Give a directory for sockets."""
    with short_directory() as path:
        yield path


@pytest.fixture
def path(directory: Path) -> str:
    """Name a place for a socket."""
    return str(directory / "q.sock")


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Hold that no test leaves a descriptor open."""
    for name in LOOPS:
        run_on(name, settle())  # the first loop of a kind opens some for ever
    before = os.listdir("/proc/self/fd")
    yield
    assert len(os.listdir("/proc/self/fd")) == len(before)


class Doorman:
    """A listener, and the sockets that it has taken in.

    It is a context manager, which closes all.
    """

    def __init__(
        self, address: str | Address, max_sessions: int = 100, **options: Any
    ) -> None:
        self.taken: list[socket.socket] = []
        self.listener = Listener(
            asyncio.get_running_loop(),
            parse_address(address),
            self._accept,
            max_sessions=max_sessions,
            **options,
        )

    def _accept(self, sock: socket.socket, listener: Listener) -> None:
        assert listener is self.listener
        with suppress(BrokenPipeError):  # a caller who only looked
            sock.send(b"welcome")
        self.taken.append(sock)

    def dismiss(self) -> None:
        """End the oldest session."""
        self.taken.pop(0).close()
        self.listener.release()

    def __enter__(self) -> Self:
        self.listener.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.listener.close()
        for sock in self.taken:
            sock.close()


def caller(address: str | tuple[Any, ...], family: int = socket.AF_UNIX) -> Any:
    """Return a socket that is connected, taken in or not."""
    sock = socket.socket(family)
    try:
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    sock.settimeout(0)
    return sock


def was_welcomed(sock: socket.socket) -> bool:
    """Tell whether a connection has been taken in."""
    try:
        return sock.recv(99) == b"welcome"
    except BlockingIOError:
        return False


# Unix sockets.


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_a_unix_socket_is_its_users_alone(run: Run, path: str, umask: int) -> None:
    async def main() -> None:
        was = os.umask(umask)
        try:
            with Doorman(path):
                mode = os.stat(path).st_mode
                assert stat.S_ISSOCK(mode)
                assert stat.S_IMODE(mode) == 0o600
        finally:
            os.umask(was)

    run(main())


def test_a_stale_socket_is_replaced(run: Run, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
        stale.listen()

    async def main() -> None:
        with Doorman(path), caller(path) as sock:
            await settle()
            assert was_welcomed(sock)

    run(main())


def test_a_socket_that_somebody_listens_on_is_refused_and_left_alone(
    run: Run, path: str
) -> None:
    async def main() -> None:
        with Doorman(path) as first:
            with pytest.raises(
                AddressError,
                match=rf"^cannot listen on {path}: another program listens there",
            ):
                Doorman(path)
            with caller(path) as sock:
                await settle()
                assert was_welcomed(sock)
            assert len(first.taken) == 2  # the other one looked

    run(main())


def test_a_socket_whose_queue_is_full_is_refused_too(run: Run, path: str) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as busy:
            busy.bind(path)
            busy.listen(0)
            with (
                caller(path),
                pytest.raises(AddressError, match="another program listens there"),
            ):
                Doorman(path)
            assert os.path.exists(path)  # noqa: ASYNC240

    run(main())


@pytest.mark.parametrize("kind", ["file", "directory", "pipe"])
def test_what_is_no_socket_is_refused_and_left_alone(
    run: Run, directory: Path, kind: str
) -> None:
    there = directory / kind
    match kind:
        case "file":
            there.write_text("precious")
        case "directory":
            there.mkdir()
        case _:
            os.mkfifo(there)

    async def main() -> None:
        with pytest.raises(
            AddressError,
            match=rf"^cannot listen on {there}: it exists and is no socket$",
        ):
            Doorman(str(there))

    run(main())
    assert there.exists()


def test_a_place_that_cannot_be_had_is_told(run: Run, directory: Path) -> None:
    async def main() -> None:
        with pytest.raises(
            AddressError,
            match=rf"^cannot listen on unix:{directory}/no/q: No such file",
        ):
            Doorman(f"{directory}/no/q")

    run(main())


def test_the_socket_is_removed_in_the_end(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path) as doorman:
            doorman.listener.close()
            doorman.listener.close()
            assert os.listdir(os.path.dirname(path)) == []

    run(main())


def test_a_socket_that_is_not_ours_any_more_is_left_alone(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path):
            os.unlink(path)
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(path)
        assert os.listdir(os.path.dirname(path)) == ["q.sock"]

    run(main())


def test_an_abstract_name_has_no_file(run: Run) -> None:
    name = f"qmpx-test-{os.getpid()}"

    async def main() -> None:
        with Doorman(UnixAddress(name, abstract=True)):
            with caller(f"\0{name}") as sock:
                await settle()
                assert was_welcomed(sock)
            with pytest.raises(AddressError, match=r"Address already in use$"):
                Doorman(UnixAddress(name, abstract=True))

    run(main())


def test_a_path_beyond_the_kernels_limit_is_listened_on(
    run: Run, directory: Path
) -> None:
    deep = directory / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    async def main() -> None:
        with Doorman(str(deep / "q.sock")):
            here = os.open(deep, os.O_PATH)
            with caller(f"/proc/self/fd/{here}/q.sock") as sock:
                await settle()
                assert was_welcomed(sock)
            os.close(here)
        assert os.listdir(deep) == []

    run(main())


# TCP.


def test_a_port_of_this_host_is_listened_on_and_told(run: Run) -> None:
    async def main() -> None:
        with Doorman("tcp:127.0.0.1:0") as doorman:
            address = doorman.listener.address
            assert isinstance(address, TcpAddress)
            assert address.port != 0
            with caller(("127.0.0.1", address.port), socket.AF_INET) as sock:
                await settle()
                assert was_welcomed(sock)
            with pytest.raises(
                AddressError,
                match=rf"^cannot listen on tcp:127.0.0.1:{address.port}: Address",
            ):
                Doorman(address)

    run(main())


def has_ipv6() -> bool:
    """Tell whether this host can listen on IPv6's loopback."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this host has no IPv6")


@needs_ipv6
def test_ipv6_is_listened_on(run: Run) -> None:
    async def main() -> None:
        with Doorman("tcp:[::1]:0") as doorman:
            port = doorman.listener.address.port  # type: ignore[union-attr]
            with caller(("::1", port), socket.AF_INET6) as sock:
                await settle()
                assert was_welcomed(sock)

    run(main())


@needs_ipv6
def test_a_name_with_several_addresses_has_one_port_on_all(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = (socket.SOCK_STREAM, 0, "")
    found = [
        (socket.AF_INET6, *stream, ("::1", 0, 0, 0)),
        (socket.AF_INET, *stream, ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    async def main() -> None:
        with Doorman("tcp:twofold:0", max_sessions=1) as doorman:
            port = doorman.listener.address.port  # type: ignore[union-attr]
            with (
                caller(("::1", port, 0, 0), socket.AF_INET6) as first,
                caller(("127.0.0.1", port), socket.AF_INET) as second,
            ):
                await settle()
                # The limit holds for both together.
                assert [was_welcomed(first), was_welcomed(second)].count(True) == 1
                doorman.dismiss()
                await settle()
                assert was_welcomed(first) or was_welcomed(second)

    run(main())


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.0.2.1", "[::]"])
def test_an_address_that_others_can_reach_is_refused(run: Run, host: str) -> None:
    async def main() -> None:
        with pytest.raises(
            AddressError,
            match=r"^refusing to listen on tcp:.*: others could reach it, .*"
            r"allow it with --allow-remote \(allow_remote=True\)$",
        ):
            Doorman(f"tcp:{host}:0")

    run(main())


def test_an_address_that_others_can_reach_is_had_when_asked_for(run: Run) -> None:
    async def main() -> None:
        with Doorman("tcp:0.0.0.0:0", allow_remote=True) as doorman:
            port = doorman.listener.address.port  # type: ignore[union-attr]
            with caller(("127.0.0.1", port), socket.AF_INET) as sock:
                await settle()
                assert was_welcomed(sock)

    run(main())


def test_a_name_that_is_none_is_told(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(AddressError, match=r"^cannot listen on tcp:no.invalid:1: "):
            Doorman("tcp:no.invalid:1")

    run(main())


# Descriptors.


def test_a_listening_descriptor_is_taken_over_and_stays_the_callers(
    run: Run, path: str
) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            for _ in range(2):
                with Doorman(FdAddress(listening.fileno())), caller(path) as sock:
                    await settle()
                    assert was_welcomed(sock)
            assert os.listdir(os.path.dirname(path)) == ["q.sock"]

    run(main())


def test_a_connected_descriptor_is_a_session_from_the_start(run: Run) -> None:
    async def main() -> None:
        mine, theirs = socket.socketpair()
        with mine, theirs, Doorman(FdAddress(theirs.fileno())) as doorman:
            assert doorman.listener.sessions == 1
            assert mine.recv(99) == b"welcome"
            os.fstat(theirs.fileno())
            doorman.dismiss()
            assert doorman.listener.sessions == 0

    run(main())


@pytest.mark.parametrize("kind", ["pipe", "closed"])
def test_a_descriptor_that_is_no_socket_is_told(run: Run, kind: str) -> None:
    async def main() -> None:
        reader, writer = os.pipe()
        if kind == "closed":
            os.close(reader)
        with pytest.raises(AddressError, match=rf"^cannot listen on fd:{reader}: "):
            Doorman(FdAddress(reader))
        if kind == "pipe":
            os.close(reader)
        os.close(writer)

    run(main())


# How many at once.


def test_beyond_the_limit_clients_wait_ungreeted_and_are_served_in_their_turn(
    run: Run, path: str
) -> None:
    async def main() -> None:
        with Doorman(path, max_sessions=1) as doorman, ExitStack() as stack:
            callers = [stack.enter_context(caller(path)) for _ in range(4)]
            for n in range(4):
                await settle()
                assert [was_welcomed(sock) for sock in callers] == [
                    m == n for m in range(4)
                ]
                assert doorman.listener.sessions == 1
                doorman.dismiss()

    run(main())


def test_beyond_the_backlog_clients_are_refused(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path, max_sessions=1, backlog=1), ExitStack() as stack:
            stack.enter_context(caller(path))
            await settle()
            waiting = []
            with pytest.raises(BlockingIOError):  # noqa: PT012
                for _ in range(10):
                    sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                    sock.settimeout(0)
                    sock.connect(path)
                    waiting.append(sock)
            assert 1 <= len(waiting) <= 2

    run(main())


def test_all_who_come_at_once_are_taken_in(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path) as doorman, ExitStack() as stack:
            callers = [stack.enter_context(caller(path)) for _ in range(100)]
            await settle(300)
            assert all(map(was_welcomed, callers))
            assert doorman.listener.sessions == 100

    run(main())


def test_who_has_gone_before_being_taken_in_does_no_harm(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path) as doorman:
            for _ in range(3):
                caller(path).close()
            with caller(path):
                await settle(20)
            assert len(doorman.taken) == 4

    run(main())


def test_nobody_is_taken_in_after_the_end(run: Run, path: str) -> None:
    async def main() -> None:
        with Doorman(path) as doorman, caller(path) as sock:
            doorman.listener.close()
            doorman.listener.release()
            await settle()
            with suppress(ConnectionResetError):
                assert sock.recv(99) == b""
            assert doorman.taken == []

    run(main())


# No descriptors left.


def test_want_of_descriptors_is_told_and_outlived(
    run: Run,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.02)

    async def main() -> None:
        with Doorman(path) as doorman, caller(path) as sock:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            taken = max(map(int, os.listdir("/proc/self/fd")))
            free = [os.open(os.devnull, os.O_RDONLY) for _ in range(taken)]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1] + 1, limits[1]))
                await settle()
                await asyncio.sleep(0.05)
                assert doorman.taken == []
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for fd in free:
                    os.close(fd)
            await asyncio.sleep(0.05)
            assert was_welcomed(sock)
            with caller(path) as other:
                await settle()
                assert was_welcomed(other)

    run(main())
    # It tried again and again, and did not spin.
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert 1 <= len(warnings) < 10
    assert warnings[0] == (
        f"unix:{path}: cannot take in a client: {os.strerror(errno.EMFILE)}; "
        "trying again in 0.02 s"
    )


@needs_ipv6
def test_a_listener_that_wants_for_descriptors_can_be_closed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though one of its two sockets has been given up for the moment."""
    monkeypatch.setattr(module, "RETRY", 0.02)
    stream = (socket.SOCK_STREAM, 0, "")
    found = [
        (socket.AF_INET6, *stream, ("::1", 0, 0, 0)),
        (socket.AF_INET, *stream, ("127.0.0.1", 0)),
    ]

    async def main() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            doorman = Doorman("tcp:twofold:0")
        doorman.listener.start()
        port = doorman.listener.address.port  # type: ignore[union-attr]
        with caller(("::1", port, 0, 0), socket.AF_INET6):
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            taken = max(map(int, os.listdir("/proc/self/fd")))
            free = [os.open(os.devnull, os.O_RDONLY) for _ in range(taken)]
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1] + 1, limits[1]))
                await settle()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for fd in free:
                    os.close(fd)
            listening = [s.fileno() for s in doorman.listener._sockets.listening]  # noqa: SLF001
            doorman.listener.close()
        # Nothing watches the numbers of the sockets that were closed.
        loop = asyncio.get_running_loop()
        assert not any(map(loop.remove_reader, listening))
        await asyncio.sleep(0.05)
        assert doorman.taken == []

    run(main())
