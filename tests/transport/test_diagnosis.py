"""What a failed connection is explained with: real failures where they can be had."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.address import (
    Address,
    FdAddress,
    StdioAddress,
    TcpAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.diagnosis import Diagnosis, explain_connect_error

if TYPE_CHECKING:
    from tests.transport.conftest import StartProcess

QEMU, DAEMON = "qemu-system-x86", "libvirtd"
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Work in an empty directory, so that paths in messages are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failure(path: str) -> Diagnosis:
    """Connect to *path* and explain the error that comes of it."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        with pytest.raises(OSError) as caught:  # noqa: PT011
            client.connect(path)
    return explain_connect_error(UnixAddress(path), caught.value)


def start(path: str) -> str:
    """Return how QEMU is started with the socket *path*."""
    return f"start QEMU with -qmp unix:{path},server=on,wait=off"


def bind(path: str) -> None:
    """Leave a socket at *path* that nobody listens on."""
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)


@pytest.mark.usefixtures("folder")
def test_a_missing_socket() -> None:
    assert failure("./q") == (
        "there is no socket './q'",
        f"{start('./q')}, or correct the path",
    )


@pytest.mark.usefixtures("folder")
def test_a_bare_name_may_have_meant_a_host() -> None:
    assert failure("localhost") == (
        "there is no socket 'localhost'",
        f"{start('localhost')}, or correct the path; for TCP write tcp:HOST:PORT",
    )


@pytest.mark.usefixtures("folder")
def test_a_missing_socket_among_others() -> None:
    for name in ("vm1.qmp", "vm2.qmp"):
        bind(name)
    Path("vm.log").touch()
    assert failure("./q") == (
        "there is no socket './q'",
        f"{start('./q')}, or correct the path; sockets there: 'vm1.qmp', 'vm2.qmp'",
    )
    for number in range(3, 9):
        bind(f"vm{number}.qmp")
    assert failure("./q").hint == (
        f"{start('./q')}, or correct the path; sockets there: 'vm1.qmp', 'vm2.qmp', "
        "'vm3.qmp', 'vm4.qmp', 'vm5.qmp', ..."
    )


def test_a_missing_directory(folder: Path) -> None:
    assert failure("a/b/q") == (
        f"there is no socket 'a/b/q': there is no directory '{folder}/a'",
        f"{start('a/b/q')}, or correct the path",
    )


def test_a_directory_that_is_none(folder: Path) -> None:
    Path("a").touch()
    assert failure("a/q") == (
        f"there is no socket 'a/q': '{folder}/a' is a regular file, not a directory",
        "correct the path",
    )
    Path("b").symlink_to("absent")
    assert failure("b/q") == (
        f"there is no socket 'b/q': '{folder}/b' is a broken link, not a directory",
        "correct the path",
    )


@pytest.mark.usefixtures("folder")
def test_a_link_that_leads_nowhere() -> None:
    Path("q").symlink_to("absent")
    assert failure("./q") == (
        "'./q' is a link to 'absent', which is not there",
        f"{start('./q')}, or correct the path",
    )


@pytest.mark.usefixtures("folder")
def test_a_socket_without_a_listener() -> None:
    bind("q x")
    assert failure("q x") == (
        (
            "nobody listens on 'q x': QEMU has ended and left its socket behind, "
            "or has not come so far yet"
        ),
        (
            "start QEMU with -qmp 'unix:q x,server=on,wait=off', which replaces the "
            "socket; a stale one may be removed: rm 'q x'"
        ),
    )


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_no_socket() -> None:
    hint = "give the path of the socket that QEMU's -qmp option names"
    Path("file").touch()
    assert failure("file") == ("'file' is a regular file, not a socket", hint)
    os.mkfifo("fifo")
    assert failure("fifo") == ("'fifo' is a named pipe, not a socket", hint)
    Path("folder").mkdir()
    assert failure("folder") == ("'folder' is a directory, not a socket", hint)
    bind("folder/qmp.sock")
    assert failure("folder") == (
        "'folder' is a directory, not a socket",
        f"{hint}; sockets there: 'qmp.sock'",
    )
    assert failure("/dev/null") == ("'/dev/null' is a device, not a socket", hint)


@linux
@pytest.mark.usefixtures("folder")
def test_a_socket_of_another_kind() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind("q")
        other.listen()
        assert failure("q") == (
            "'q' is a socket of another kind than a monitor's (no stream)",
            "give the path that QEMU's -qmp option names",
        )


def test_a_path_that_is_too_long() -> None:
    path = "/" + "x" * 200
    assert failure(path) == (
        f"the path {path!r} has 201 bytes, and a socket's may have 107",
        "use a shorter path, for example through a symbolic link in /tmp",
    )


@linux
def test_an_abstract_name_without_a_listener() -> None:
    address = UnixAddress("qmpx-absent", abstract=True)
    with (
        socket.socket(socket.AF_UNIX) as client,
        pytest.raises(ConnectionRefusedError) as caught,
    ):
        client.connect(address.kernel_name)
    assert explain_connect_error(address, caught.value) == (
        "nobody listens on the abstract socket 'qmpx-absent' of this network namespace",
        (
            "start QEMU with -qmp unix:qmpx-absent,abstract=on,server=on,wait=off, "
            "or correct the name"
        ),
    )


@linux
@pytest.mark.usefixtures("folder")
def test_a_full_queue_names_the_holder(other_process: StartProcess) -> None:
    qemu = other_process("listen", QEMU, "./q", accept=1)
    holder = other_process("connect", DAEMON, "./q")
    qemu.line()
    with ExitStack() as queue:
        for _ in range(2):  # QEMU asks for a queue of one, and the kernel gives two
            client = queue.enter_context(closing(socket.socket(socket.AF_UNIX)))
            client.connect("./q")
        assert failure("./q") == (
            (
                "the queue of clients that wait for the monitor is full: "
                f"the monitor is held by pid {holder.pid} (libvirtd)"
            ),
            (
                "QEMU serves one client per monitor: disconnect that one, or give QEMU "
                "one more monitor: -qmp unix:./q-2,server=on,wait=off"
            ),
        )


@linux
@pytest.mark.usefixtures("folder")
def test_a_full_queue_that_nobody_takes_from(other_process: StartProcess) -> None:
    qemu = other_process("listen", QEMU, "./q")
    with ExitStack() as queue:
        for _ in range(2):
            client = queue.enter_context(closing(socket.socket(socket.AF_UNIX)))
            client.connect("./q")
        reason, _ = failure("./q")
    assert reason == (
        "the queue of clients that wait for the monitor is full: "
        f"pid {qemu.pid} (qemu-system-x86) has not accepted the connection"
    )


def free_port() -> int:
    """Return a port of this host that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_a_port_without_a_listener() -> None:
    address = TcpAddress("127.0.0.1", free_port())
    with pytest.raises(ConnectionRefusedError) as caught:
        socket.create_connection((address.host, address.port))
    assert explain_connect_error(address, caught.value) == (
        f"nobody listens at 127.0.0.1 port {address.port}",
        (
            f"start QEMU with -qmp tcp:127.0.0.1:{address.port},server=on,wait=off, "
            "or correct the port"
        ),
    )


def test_a_host_that_has_no_address() -> None:
    address = TcpAddress("qmpx.invalid", 4444, "ipv4")
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert explain_connect_error(address, error) == (
        "the host 'qmpx.invalid' has no address for ipv4: Name or service not known",
        "correct the name, or give the number of the host",
    )


REFUSED = (
    "nobody listens at h port 1",
    "start QEMU with -qmp tcp:h:1,server=on,wait=off, or correct the port",
)
TIMED_OUT = (
    "no answer from h port 1 in time",
    "check the host, the route and the firewalls between",
)
ONE_OF_ASYNCIO = "[Errno 111] Connect call failed ('127.0.0.1', 1)"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), REFUSED),
        (OSError(f"Multiple exceptions: {ONE_OF_ASYNCIO}, {ONE_OF_ASYNCIO}"), REFUSED),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), TIMED_OUT),
        (TimeoutError(), TIMED_OUT),
        (TimeoutError("timed out"), TIMED_OUT),
        (
            OSError(errno.ECONNRESET, "reset"),
            (
                "reset by h port 1",
                "start QEMU with -qmp tcp:h:1,server=on,wait=off, or correct the port",
            ),
        ),
        (
            OSError(errno.EHOSTUNREACH, "unreachable"),
            (
                f"no way leads to h port 1: {os.strerror(errno.EHOSTUNREACH)}",
                "check the host and the network of this machine",
            ),
        ),
        (
            OSError(errno.EAFNOSUPPORT, "unsupported"),
            (
                (
                    "this machine cannot reach h port 1: "
                    f"{os.strerror(errno.EAFNOSUPPORT)}"
                ),
                "load the kernel's module for such addresses, or use another kind",
            ),
        ),
        (
            OSError("Multiple exceptions: [Errno 111] a, [Errno 101] b"),
            (
                "Multiple exceptions: [Errno 111] a, [Errno 101] b",
                (
                    "check that QEMU runs and was started with "
                    "-qmp tcp:h:1,server=on,wait=off"
                ),
            ),
        ),
    ],
)
def test_a_port_that_cannot_be_reached(
    error: OSError, expected: tuple[str, str]
) -> None:
    assert explain_connect_error(TcpAddress("h", 1), error) == expected


def test_an_unknown_error_is_passed_on() -> None:
    qemu = "check that QEMU runs and was started with -qmp"
    here = "check what this program was started with"
    cases: list[tuple[Address, str]] = [
        (UnixAddress("/q"), f"{qemu} unix:/q,server=on,wait=off"),
        (FdAddress(3), here),
        (StdioAddress(), here),
    ]
    for address, hint in cases:
        error = OSError(errno.EIO, "Input/output error")
        assert explain_connect_error(address, error) == ("Input/output error", hint)
    assert explain_connect_error(FdAddress(3), OSError()) == ("OSError", here)


def test_a_vsock_that_is_not_there() -> None:
    error = OSError(errno.ENODEV, "No such device")
    assert explain_connect_error(VsockAddress(2, 1), error) == (
        f"this machine cannot reach vsock:2:1: {os.strerror(errno.ENODEV)}",
        "load the kernel's module for such addresses, or use another kind",
    )


def test_a_file_descriptor_that_will_not_do() -> None:
    hint = "start this program with a connected socket, and give its number"
    for code, reason in (
        (errno.EBADF, "this process has no open file descriptor 9"),
        (errno.ENOTSOCK, "file descriptor 9 is no socket"),
        (errno.ENOTCONN, "file descriptor 9 is a socket without a peer"),
    ):
        error = OSError(code, os.strerror(code))
        assert explain_connect_error(FdAddress(9), error) == (reason, hint)


def test_what_stands_in_a_path_cannot_speak_to_the_terminal() -> None:
    reason, hint = failure("\x1b[2J")
    assert "\x1b" not in reason + hint
    assert "unix:\\x1b[2J,server=on" in hint


def test_the_errors_of_asyncio_are_understood_too() -> None:
    port = free_port()

    async def connect() -> tuple[str, str]:
        try:
            await asyncio.open_connection("localhost", port)
        except OSError as error:
            return explain_connect_error(TcpAddress("localhost", port), error)
        return "connected", ""

    assert asyncio.run(connect())[0] == f"nobody listens at localhost port {port}"
