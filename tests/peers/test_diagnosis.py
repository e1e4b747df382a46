"""A real QEMU that does not answer, and what is said about it."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.address import UnixAddress
from qmpx.transport.diagnosis import explain_connect_error, explain_silence, listener

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.conftest import Qemu, StartQemu


def connected(path: Path) -> socket.socket:
    """Connect to *path*, without waiting for a greeting."""
    with ExitStack() as undo:
        client = undo.enter_context(socket.socket(socket.AF_UNIX))
        client.settimeout(5)
        client.connect(str(path))
        undo.pop_all()
    return client


def name_of(machine: Qemu) -> str:
    """Return how a message names a QEMU."""
    return f"pid {machine.process.pid} (qemu-system-x86)"


def test_the_client_that_holds_a_monitor_is_named(qemu: StartQemu) -> None:
    machine = qemu()
    assert str(listener(machine.qmp)) == name_of(machine)
    holder = connected(machine.qmp)
    with holder:
        assert holder.recv(1) == b"{"
        if (pid := os.fork()) == 0:
            try:
                signal.pause()
            finally:
                os._exit(1)
        try:
            holder.close()  # now it is the child's alone
            with connected(machine.qmp):
                reason, hint = explain_silence(UnixAddress(str(machine.qmp)))
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert reason.startswith(f"the monitor is held by pid {pid} (")
    assert hint == (
        "QEMU serves one client per monitor: disconnect that one, or give QEMU one "
        f"more monitor: -qmp unix:{machine.qmp}-2,server=on,wait=off"
    )


def test_a_stopped_qemu_is_named(qemu: StartQemu) -> None:
    machine = qemu()
    machine.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, machine.process.pid, os.WSTOPPED | os.WNOWAIT)
    with connected(machine.qmp):
        assert explain_silence(UnixAddress(str(machine.qmp))) == (
            f"{name_of(machine)} is stopped",
            f"resume it with: kill -CONT {machine.process.pid}",
        )


def test_a_full_queue_is_told_of(qemu: StartQemu) -> None:
    machine = qemu()
    address = UnixAddress(str(machine.qmp))
    with connected(machine.qmp) as holder:
        assert holder.recv(1) == b"{"
        with (
            connected(machine.qmp),
            connected(machine.qmp),
            pytest.raises(BlockingIOError) as caught,
        ):
            connected(machine.qmp)
        reason, _ = explain_connect_error(address, caught.value)
    assert reason == (
        "the queue of clients that wait for the monitor is full: "
        "the monitor is held by this process, through another connection"
    )


def test_a_socket_that_qemu_left_behind_is_told_of(qemu: StartQemu) -> None:
    machine = qemu()
    machine.process.kill()
    machine.process.wait()
    with pytest.raises(ConnectionRefusedError) as caught:
        connected(machine.qmp)
    reason, _ = explain_connect_error(UnixAddress(str(machine.qmp)), caught.value)
    assert reason == (
        f"nobody listens on {str(machine.qmp)!r}: QEMU has ended and left its socket "
        "behind, or has not come so far yet"
    )
