"""Commands that hold nothing up, sent by both clients to a monitor of ours."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.peers.faces import FACES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOTH = ("oob", "async")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A monitor with a command that ends when another has come."""
    monitor = qmpx.Monitor(capabilities=BOTH)
    came = asyncio.Event()

    @monitor.command("wait-for-it")
    async def wait_for_it() -> str:
        await came.wait()
        return "it came"

    @monitor.command("let-it-come")
    def let_it_come() -> None:
        came.set()

    @monitor.command("fail")
    async def fail() -> None:
        await asyncio.sleep(0)
        message = "it did not work"
        raise qmpx.errors.GenericError(message)

    path = f"unix:{tmp_path}/qmp.sock"
    with monitor.serve_in_thread(path):
        yield path


@pytest.mark.parametrize("face", FACES)
def test_what_comes_later_is_answered_first(address: str, face: str) -> None:
    with (
        closing(FACES[face](address, capabilities=BOTH, timeout=10.0)) as vm,
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(vm.call, "execute_async", "wait-for-it")
        with pytest.raises(qmpx.CommandError, match="it did not work"):
            vm.call("execute_async", "fail")
        assert not waiting.done()
        assert vm.execute("let-it-come") == {}
        assert waiting.result(10) == "it came"


@pytest.mark.parametrize("face", FACES)
def test_it_must_be_enabled(address: str, face: str) -> None:
    with closing(FACES[face](address)) as vm:
        with pytest.raises(qmpx.LocalProtocolError, match="add 'async'"):
            vm.call("execute_async", "wait-for-it")
        assert vm.execute("let-it-come") == {}
