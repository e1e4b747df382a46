"""How a real QEMU's monitor is: well, busy, silent, gone or held; asked by both."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.client import examine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.peers.conftest import Block, StartQemu
    from tests.peers.faces import Face

    Connect = Callable[..., Face]

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


def test_a_monitor_is_well(qemu: StartQemu, connect: Connect) -> None:
    health = connect(qemu().qmp).call("examine")
    assert (health.state, health.reason, health.out_of_band) == ("ok", "", None)
    assert health.in_band < 2.0


def test_a_busy_one_answers_out_of_band(
    qemu: StartQemu, connect: Connect, block: Block
) -> None:
    vm = connect(qemu().qmp)
    blocked = block(vm)
    health = vm.call("examine", timeout=0.2)
    assert (health.state, health.in_band) == ("busy", None)
    assert health.out_of_band is not None
    block.release()
    blocked.result(20)
    assert vm.call("examine").state == "ok"


def test_a_busy_one_that_offers_no_more_is_silent(
    qemu: StartQemu, connect: Connect, block: Block
) -> None:
    vm = connect(qemu().qmp, capabilities=())
    blocked = block(vm)
    health = vm.call("examine", timeout=0.2)
    assert (health.state, health.out_of_band) == ("silent", None)
    assert "cannot be asked out of band" in health.reason
    block.release()
    blocked.result(20)


def test_a_stopped_one_is_silent_and_named(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu()
    vm = connect(machine.qmp)
    machine.process.send_signal(signal.SIGSTOP)
    health = vm.call("examine", timeout=0.2)
    machine.process.send_signal(signal.SIGCONT)
    assert health.state == "silent"
    assert health.reason == f"pid {machine.process.pid} (qemu-system-x86) is stopped"
    assert health.hint == f"resume it with: kill -CONT {machine.process.pid}"
    assert vm.call("examine").state == "ok"


def test_one_that_has_ended_is_gone(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu()
    vm = connect(machine.qmp)
    machine.process.kill()
    machine.process.wait()
    assert vm.call("examine").state == "gone"
    assert examine(machine.qmp).state == "gone"


def test_one_that_another_client_has_is_held(qemu: StartQemu) -> None:
    machine = qemu()
    with qmpx.connect(machine.qmp):
        health = examine(machine.qmp, timeout=0.3)
    assert health.state == "held"
    assert "the monitor is held by this process" in health.reason
    assert examine(machine.qmp).state == "ok"


def test_nobody_is_gone_and_what_is_no_monitor_is_silent(
    tmp_path: Path, qemu: StartQemu
) -> None:
    assert examine(tmp_path / "nobody").state == "gone"
    path = qemu().qmp.with_name("serial")
    qemu("-serial", f"unix:{path},server=on,wait=off", "-machine", "pc")
    assert examine(path, timeout=0.3).state == "silent"
