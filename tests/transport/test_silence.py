"""What a connection without a greeting is explained with; whole messages."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.address import FdAddress, TcpAddress, UnixAddress
from qmpx.transport.holders import Holder, Occupancy, peer
from qmpx.transport.silence import Diagnosis, explain_occupancy, explain_silence
from tests.transport.conftest import as_nobody

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.transport.conftest import OtherProcess, StartProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")

QEMU, DAEMON = "qemu-system-x86", "libvirtd"
PATH = UnixAddress("/run/q.sock")
SECOND = "give QEMU one more monitor: -qmp unix:/run/q-2.sock,server=on,wait=off"


@pytest.fixture
def address(public_directory: Path) -> UnixAddress:
    return UnixAddress(str(public_directory / "q.sock"))


@pytest.fixture
def second(public_directory: Path) -> str:
    path = public_directory / "q-2.sock"
    return f"give QEMU one more monitor: -qmp unix:{path},server=on,wait=off"


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        yield made


def stop(process: OtherProcess) -> None:
    """Stop a process, and wait until it stands."""
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def test_the_client_that_holds_the_monitor_is_named(
    address: UnixAddress,
    second: str,
    client: socket.socket,
    other_process: StartProcess,
) -> None:
    server = other_process("listen", QEMU, address.path, accept=1)
    holder = other_process("connect", DAEMON, address.path)
    server.line()
    client.connect(address.path)
    assert explain_silence(address) == (
        f"the monitor is held by pid {holder.pid} (libvirtd)",
        f"QEMU serves one client per monitor: disconnect that one, or {second}",
    )


def test_a_stopped_qemu_is_named_with_what_resumes_it(
    address: UnixAddress, client: socket.socket, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, address.path)
    client.connect(address.path)
    stop(server)
    assert explain_silence(address) == (
        f"pid {server.pid} (qemu-system-x86) is stopped",
        f"resume it with: kill -CONT {server.pid}",
    )


def test_both_are_said_where_both_are_so(
    address: UnixAddress,
    second: str,
    client: socket.socket,
    other_process: StartProcess,
) -> None:
    server = other_process("listen", QEMU, address.path, accept=1)
    holder = other_process("connect", DAEMON, address.path)
    server.line()
    client.connect(address.path)
    stop(server)
    assert explain_silence(address) == (
        (
            f"pid {server.pid} (qemu-system-x86) is stopped, and "
            f"the monitor is held by pid {holder.pid} (libvirtd)"
        ),
        (
            f"resume it with: kill -CONT {server.pid}; then "
            f"QEMU serves one client per monitor: disconnect that one, or {second}"
        ),
    )


def test_a_server_that_accepts_nobody_is_named(
    address: UnixAddress, client: socket.socket, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, address.path)
    client.connect(address.path)
    assert explain_silence(address) == (
        f"pid {server.pid} (qemu-system-x86) has not accepted the connection",
        (
            "if it is still starting, wait longer; if not, its main loop is stuck, "
            f"look at it: ps -o pid,stat,wchan:20,args -p {server.pid}"
        ),
    )


def test_a_server_that_accepts_and_says_nothing_may_be_no_monitor(
    address: UnixAddress, client: socket.socket, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, address.path, accept=2)
    other_process("connect", DAEMON, address.path)
    client.connect(address.path)
    server.line()
    server.line()
    assert explain_silence(address) == (
        (
            f"pid {server.pid} (qemu-system-x86) accepted the connection but sends no "
            "greeting"
        ),
        (
            "check that this is a QMP monitor, not a human monitor, a serial console "
            "or a guest agent, and that its process is alive and well: "
            f"ps -o pid,stat,wchan:20,args -p {server.pid}"
        ),
    )


def test_we_may_be_the_other_client(
    address: UnixAddress,
    second: str,
    client: socket.socket,
    other_process: StartProcess,
) -> None:
    server = other_process("listen", QEMU, address.path, accept=1)
    client.connect(address.path)
    server.line()
    with socket.socket(socket.AF_UNIX) as again:
        again.connect(address.path)
        assert explain_silence(address) == (
            "the monitor is held by this process, through another connection",
            (
                "QEMU serves one client per monitor: "
                f"use that connection, close it first, or {second}"
            ),
        )


@needs_root
def test_a_holder_of_another_user_is_at_least_told_of(
    address: UnixAddress,
    second: str,
    client: socket.socket,
    other_process: StartProcess,
) -> None:
    server = other_process("listen", QEMU, address.path, accept=1)
    other_process("connect", DAEMON, address.path)
    server.line()
    client.connect(address.path)
    stop(server)
    client_peer = peer(client)
    held = "the monitor is held by a process that this user may not see"
    find = f"find it with sudo ss -xp and disconnect it, or {second}"
    assert as_nobody(lambda: explain_silence(address)) == (held, find)
    assert as_nobody(lambda: explain_silence(address, server=client_peer)) == (
        f"pid {server.pid} (qemu-system-x86) is stopped, and {held}",
        f"resume it with: kill -CONT {server.pid}; then {find}",
    )


def test_a_tcp_monitor_of_this_host_is_looked_into(other_process: StartProcess) -> None:
    server = other_process("listen", QEMU, 0, accept=1)
    port = int(server.ready)
    holder = other_process("connect", DAEMON, port)
    server.line()
    with socket.create_connection(("127.0.0.1", port)):
        assert explain_silence(TcpAddress("127.0.0.1", port)) == (
            f"the monitor is held by pid {holder.pid} (libvirtd)",
            (
                "QEMU serves one client per monitor: disconnect that one, or give QEMU "
                f"one more monitor: -qmp tcp:127.0.0.1:{port + 1},server=on,wait=off"
            ),
        )


UNKNOWN = Diagnosis(
    "it was connected to, but sends no greeting",
    "check that no other client is connected, for QEMU serves one per monitor and lets "
    "the next wait; that this is a QMP monitor; and that QEMU is not stopped",
)


@pytest.mark.parametrize("address", [TcpAddress("192.0.2.1", 4444), FdAddress(0)])
def test_where_nothing_can_be_seen_the_causes_are_listed(
    address: TcpAddress | FdAddress,
) -> None:
    assert explain_silence(address) == UNKNOWN


def test_a_system_without_proc_lists_the_causes(
    address: UnixAddress,
    client: socket.socket,
    other_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other_process("listen", QEMU, address.path)
    client.connect(address.path)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert explain_silence(address) == UNKNOWN


@pytest.mark.parametrize(
    ("state", "reason", "hint"),
    [
        (
            "t",
            "pid 7 (q) is stopped by a debugger",
            "let the debugger continue it, or detach",
        ),
        (
            "D",
            (
                "pid 7 (q) is stuck in the kernel (state D), mostly on a disk or a "
                "network file system"
            ),
            "see what it waits for: sudo cat /proc/7/stack",
        ),
        ("Z", "pid 7 (q) has ended", "start QEMU again"),
    ],
)
def test_other_states_that_answer_nobody(
    state: str, reason: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qmpx.transport.silence._state", lambda _: state)
    now = Occupancy([], [], ours_waiting=1)
    assert explain_occupancy(PATH, now, Holder(7, "q")) == (reason, hint)


def test_a_process_that_is_gone_has_no_state() -> None:
    now = Occupancy([], [])
    assert explain_occupancy(PATH, now, Holder(2**22 + 1, "q")) == UNKNOWN


def test_many_holders_are_counted() -> None:
    many = [Holder(number, "virsh") for number in range(1, 8)]
    assert explain_occupancy(PATH, Occupancy([], many), None) == (
        (
            "the monitor is held by pid 1 (virsh), pid 2 (virsh), pid 3 (virsh), "
            "pid 4 (virsh), pid 5 (virsh) and 2 more"
        ),
        f"QEMU serves one client per monitor: disconnect that one, or {SECOND}",
    )
