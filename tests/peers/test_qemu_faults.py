"""Both clients when a real QEMU dies, stops, is taken or breaks off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.client import RECONNECTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.conftest import Block, Qemu, StartQemu
    from tests.peers.faces import Face

    Connect = Callable[..., Face]

pytestmark = pytest.mark.slow  # a start of QEMU takes 0.4 s

PROMPTLY = 5.0  # seconds; far less than any deadline in these tests


def stop(machine: Qemu) -> None:
    """Stop a QEMU, and wait until it has stopped."""
    machine.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, machine.process.pid, os.WSTOPPED | os.WNOWAIT)


def test_all_who_wait_are_told_when_qemu_is_killed(
    qemu: StartQemu, connect: Connect, block: Block
) -> None:
    machine = qemu()
    vm = connect(machine.qmp, timeout=None)
    waiting = [block(vm)]
    waiting += [vm.start("execute", "query-status") for _ in range(3)]
    waiting.append(vm.start("execute_many", ["query-status"] * 3))
    waiting += [vm.events().start(), vm.events("STOP").start()]
    assert vm.call("exec_oob", "query-yank")
    machine.process.kill()
    for call in waiting:
        with pytest.raises(qmpx.ConnectionLost):
            call.result(PROMPTLY)
    assert not vm.client.is_connected


def test_a_call_that_waited_is_not_repeated_on_a_new_connection(
    qemu: StartQemu, connect: Connect, block: Block
) -> None:
    machine = qemu()
    vm = connect(machine.qmp, reconnect=True)
    blocked = block(vm)
    machine.process.kill()
    with pytest.raises(qmpx.ConnectionLost):
        blocked.result(PROMPTLY)
    assert not vm.client.is_connected


def test_a_killed_qemu_is_told_of_at_the_next_call(
    qemu: StartQemu, connect: Connect
) -> None:
    machine = qemu()
    vm = connect(machine.qmp)
    events = vm.events()
    machine.process.kill()
    machine.process.wait()
    with pytest.raises(qmpx.ConnectionLost):
        vm.execute("query-status")
    with pytest.raises(qmpx.ConnectionLost):
        events.get()
    with pytest.raises(qmpx.ConnectError, match="QEMU has ended and left its socket"):
        connect(machine.qmp)


def test_a_deadline_leaves_the_connection_in_step(
    qemu: StartQemu, connect: Connect
) -> None:
    machine = qemu()
    vm = connect(machine.qmp)
    stop(machine)
    with pytest.raises(qmpx.DeadlineExceeded, match="no reply to 'query-name'"):
        vm.execute("query-name", timeout=0.05)
    with pytest.raises(qmpx.DeadlineExceeded, match="2 commands within"):
        vm.call("execute_many", ["query-uuid"] * 2, timeout=0.05)
    later = vm.start("execute", "query-status")
    machine.process.send_signal(signal.SIGCONT)
    assert later.result(PROMPTLY)["status"] == "prelaunch"
    assert vm.client.late_replies == 3
    assert vm.execute("query-uuid").keys() == {"UUID"}


def test_events_have_a_deadline_too(qemu: StartQemu, connect: Connect) -> None:
    vm = connect(qemu().qmp)
    events = vm.events()
    with pytest.raises(qmpx.DeadlineExceeded):
        events.get(0.05)
    vm.execute("cont")
    assert events.get().name == "RESUME"


def refusal(connect: Callable[[], None]) -> qmpx.GreetingTimeout:
    """Connect until it is refused, for somebody else was quicker; return the error."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            connect()
        except qmpx.GreetingTimeout as error:
            return error
    pytest.fail("it is never refused")


def test_who_holds_the_monitor_is_named(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu()
    with subprocess.Popen(
        [Path(sys.executable).with_name("qmpx"), "events", str(machine.qmp)]
    ) as holder:
        try:
            caught = refusal(lambda: connect(machine.qmp, connect_timeout=0.3).close())
        finally:
            holder.kill()
    assert f"the monitor is held by pid {holder.pid} (qmpx)" in caught.reason
    assert "QEMU serves one client per monitor" in caught.hint
    vm = connect(machine.qmp)  # it is free again
    assert vm.execute("query-status")["status"] == "prelaunch"


def test_a_stopped_qemu_is_named(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu()
    stop(machine)
    with pytest.raises(qmpx.GreetingTimeout) as caught:
        connect(machine.qmp, connect_timeout=0.1)
    assert f"pid {machine.process.pid} (qemu-system-x86) is stopped" in str(
        caught.value
    )
    assert caught.value.hint == f"resume it with: kill -CONT {machine.process.pid}"


def test_a_connection_that_was_broken_off_is_made_anew(
    qemu: StartQemu, connect: Connect
) -> None:
    machine = qemu(monitors=2)
    one, other = (connect(path, reconnect=True) for path in machine.monitors)
    events = one.events()
    instance = {"type": "chardev", "id": "qmp0"}
    assert other.execute("yank", instances=[instance]) == {}
    again = events.get()
    assert (again.name, again.synthetic) == (RECONNECTED, True)
    assert one.execute("query-status")["status"] == "prelaunch"
    other.execute("cont")
    assert events.get().name == "RESUME"
