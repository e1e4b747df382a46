"""A real QEMU is recorded, and replayed; and real clients go through the recorder."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.testing import Recorder, Replay
from qmpx.transcript.difference import difference
from tests.loops import run_on, short_directory

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.transcript import Entry
    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.slow, pytest.mark.peer("qemu")]


async def talk(path: Path) -> list[Any]:
    """Have the conversation that is recorded; return what was heard."""
    async with qmpx.connect_async(path) as vm:
        heard = [
            await vm.execute("query-version"),
            await vm.execute("query-status"),
            await vm.execute("query-qmp-schema"),
        ]
        events = vm.events("RESUME")
        heard.append(await vm.execute("cont"))
        heard.append((await events.get(10)).name)
        with pytest.raises(qmpx.CommandError) as raised:
            await vm.execute("device_del", id="none")
        return [*heard, str(raised.value)]


async def recorded(real: Path, folder: Path, entries: list[Entry]) -> list[Any]:
    async with Recorder(real, folder / "tap", entries.append):
        return await talk(folder / "tap")


async def replayed(folder: Path, entries: list[Entry]) -> tuple[list[Any], Any]:
    again: list[Entry] = []
    async with (
        Replay(entries, folder / "again") as replay,
        Recorder(folder / "again", folder / "tap", again.append),
    ):
        heard = await talk(folder / "tap")
        divergence = await replay.wait()
    assert difference(entries, again) == []
    return heard, divergence


def test_a_real_qemu_is_recorded_and_replayed_word_by_word(qemu: StartQemu) -> None:
    entries: list[Entry] = []
    machine = qemu()
    with short_directory() as folder:
        heard = run_on("asyncio", recorded(machine.qmp, folder, entries))
        again, divergence = run_on("asyncio", replayed(folder, entries))
    assert divergence is None
    assert again == heard


async def pass_descriptor(real: Path, folder: Path) -> list[Entry]:
    entries: list[Entry] = []
    async with (
        Recorder(real, folder / "tap", entries.append),
        qmpx.connect_async(folder / "tap") as vm,
    ):
        null = os.open(os.devnull, os.O_RDONLY)
        await vm.execute("getfd", fdname="null", fds=[null])
        os.close(null)
        await vm.execute("closefd", fdname="null")
    return entries


def test_a_descriptor_reaches_qemu_through_the_recorder(qemu: StartQemu) -> None:
    machine = qemu()
    with short_directory() as folder:
        entries = run_on("asyncio", pass_descriptor(machine.qmp, folder))
    assert [entry.fds for entry in entries if entry.name == "getfd"] == [1]


@pytest.mark.peer("socat")
def test_socat_is_recorded_until_it_closes_its_half(qemu: StartQemu) -> None:
    machine = qemu()
    entries: list[Entry] = []

    async def through(folder: Path) -> bytes:
        async with Recorder(machine.qmp, folder / "tap", entries.append):
            return await asyncio.to_thread(
                subprocess.check_output,
                ["socat", "-t5", "-", f"UNIX-CONNECT:{folder}/tap"],
                input=b'{"execute":"qmp_capabilities"}{"execute":"query-name"}',
            )

    with short_directory() as folder:
        out = run_on("asyncio", through(folder))
    assert out.count(b'"return"') == 2
    told = [entry.name for entry in entries if entry.kind == "command"]
    assert told == ["qmp_capabilities", "query-name"]
