"""Monitors that connect to us."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
import threading
import time
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.transport.address import TcpAddress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from qmpx.client import Listening


@contextlib.contextmanager
def dialling_in(listening: Listening, name: str) -> Iterator[None]:
    """Let a monitor connect to a place: one served on a socket that is connected."""
    address = listening.address
    if isinstance(address, TcpAddress):
        sock = socket.create_connection(("127.0.0.1", address.port))
    else:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address.path)  # type: ignore[union-attr]
    monitor = qmpx.Monitor()

    @monitor.command("query-name")
    def query_name() -> dict[str, str]:
        return {"name": name}

    with sock, monitor.serve_in_thread(f"fd:{sock.fileno()}"):
        yield


@pytest.mark.parametrize(
    "place", ["unix:{}/dial.sock", "{}/dial.sock", "tcp:127.0.0.1:0"]
)
def test_a_monitor_that_connects_is_talked_to(place: str, tmp_path: Path) -> None:
    with qmpx.listen(place.format(tmp_path)) as listening:
        for name in ("one", "two"):
            with dialling_in(listening, name), listening.accept(wait=10) as vm:
                assert vm.execute("query-name") == {"name": name}


def test_the_same_from_asyncio(tmp_path: Path) -> None:
    async def converse() -> None:
        with qmpx.listen(f"unix:{tmp_path}/dial.sock") as listening:
            waiting = asyncio.create_task(listening.accept_async(wait=10))
            await asyncio.sleep(0)
            with dialling_in(listening, "one"):
                vm = await waiting
                assert await vm.execute("query-name") == {"name": "one"}
                await vm.close()

    asyncio.run(converse())


def test_several_threads_get_one_each(tmp_path: Path) -> None:
    names: list[str] = []

    def take() -> None:
        with listening.accept(wait=10) as vm:
            names.append(vm.execute("query-name")["name"])

    with qmpx.listen(f"unix:{tmp_path}/dial.sock") as listening:
        threads = [threading.Thread(target=take) for _ in range(2)]
        for thread in threads:
            thread.start()
        with dialling_in(listening, "one"), dialling_in(listening, "two"):
            for thread in threads:
                thread.join(10)
    assert sorted(names) == ["one", "two"]


def test_nobody_comes(tmp_path: Path) -> None:
    with qmpx.listen(f"unix:{tmp_path}/dial.sock") as listening:
        with pytest.raises(
            qmpx.ConnectError, match=r"no monitor connected within 0\.05 s"
        ):
            listening.accept(wait=0.05)
        with pytest.raises(qmpx.ConnectError, match="that was to connect has ended"):
            listening.accept(wait=10, alive=lambda: False)


def test_a_place_that_was_closed_takes_in_nobody(tmp_path: Path) -> None:
    path = tmp_path / "dial.sock"
    with qmpx.listen(path) as listening:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
    with pytest.raises(qmpx.ConnectError, match="nobody listens there any more"):
        listening.accept(wait=1)


def test_who_comes_and_does_not_greet_is_told(tmp_path: Path) -> None:
    path = tmp_path / "dial.sock"
    with qmpx.listen(path) as listening, socket.socket(socket.AF_UNIX) as mute:
        mute.connect(str(path))
        begun = time.monotonic()
        with pytest.raises(qmpx.GreetingTimeout):
            listening.accept(wait=10, connect_timeout=0.1)
        assert time.monotonic() - begun < 10


def test_others_may_not_reach_it_unasked() -> None:
    with pytest.raises(qmpx.AddressError, match="others could reach it"):
        qmpx.listen("tcp:0.0.0.0:0")
    qmpx.listen("tcp:0.0.0.0:0", allow_remote=True).close()


@pytest.mark.slow
@pytest.mark.peer("qemu")
def test_a_real_qemu_connects(tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / "dial.sock"
    with qmpx.listen(path) as listening:
        machine = ["qemu-system-x86_64", "-M", "none", "-display", "none"]
        with subprocess.Popen([*machine, "-qmp", f"unix:{path}"]) as qemu:
            alive = lambda: qemu.poll() is None  # noqa: E731
            with listening.accept(wait=20, alive=alive) as vm:
                assert vm.greeting.version["qemu"]["major"] == 7
                vm.execute("quit")
            assert qemu.wait(10) == 0
