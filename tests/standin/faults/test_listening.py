"""Faults of sockets: what somebody sees who comes too early."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.machine import Machine
from qmpx.machine.clock import VirtualClock
from qmpx.standin.faults import FAULTS, Point, Scenario
from qmpx.standin.stage import Stage
from tests.loops import LOOPS, run_on, settle, short_directory

if TYPE_CHECKING:
    from pathlib import Path


async def open_late(path: Path, kind: str, early: type[OSError] | None) -> None:
    from qmpx.dialects.modern import modern_monitor

    scenario = Scenario(clock="virtual", faults=[{"kind": kind, "seconds": 60}])
    stage = Stage(scenario)
    assert isinstance(stage.clock, VirtualClock)
    machine = Machine("box", clock=stage.clock)
    monitor = modern_monitor(machine)
    stage.set(machine, monitor)
    served = asyncio.Event()
    done = asyncio.Event()

    async def serve() -> None:
        async with stage.opened(monitor.serve(path, grace=0.0)):
            served.set()
            await done.wait()

    task = asyncio.ensure_future(serve())
    await settle()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(0)
        if early is not None:
            with pytest.raises(early):
                sock.connect(str(path))
        else:
            sock.connect(str(path))
            with socket.socket(socket.AF_UNIX) as other:
                other.settimeout(0)
                with pytest.raises(BlockingIOError):
                    other.connect(str(path))
            await settle()
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        stage.advance(59)
        await settle()
        stage.advance(1)
        await served.wait()
    async with qmpx.connect_async(path) as vm:
        assert await vm.execute("query-name") == {"name": "box"}
    done.set()
    await task


CASES: dict[str, type[OSError] | None] = {
    "socket-late": FileNotFoundError,
    "socket-dead": ConnectionRefusedError,
    "socket-full": None,
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", CASES)
def test_who_comes_early_finds_no_monitor_and_who_comes_late_does(
    kind: str, loop: str
) -> None:
    with short_directory() as folder:
        run_on(loop, open_late(folder / "qmp", kind, CASES[kind]))


def test_all_of_them_are_tried() -> None:
    kinds = {x.name for x in FAULTS.values() if x.point is Point.LISTENING}
    assert kinds == CASES.keys()
