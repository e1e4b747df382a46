"""Character devices on files: pipes, terminals, standard streams; all real."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.character.device import MAX_UNREAD
from qmpx.machine.character.files import (
    HostDevice,
    NamedPipe,
    OutputFile,
    PseudoTerminal,
)
from tests.loops import LOOPS, run_on

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.character.device import CharacterDevice

pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def came(device: CharacterDevice, expected: bytes) -> None:
    data = bytearray()
    while len(data) < len(expected):
        await asyncio.sleep(0.001)
        data += device.read()
    assert data == expected


def test_a_terminal_has_a_name_that_can_be_opened(loop: str) -> None:
    async def main() -> None:
        device = PseudoTerminal("p")
        await device.open()
        name = device.filename.removeprefix("pty:")
        assert name != device.filename
        fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, b"to the machine\r\x03")  # raw: nothing is changed on the way
        await came(device, b"to the machine\r\x03")
        assert device.write(b"from the machine\n") == 17
        assert os.read(fd, 100) == b"from the machine\n"
        os.close(fd)
        device.close()
        with pytest.raises(OSError, match=r"."):
            os.open(name, os.O_RDWR | os.O_NOCTTY)

    run_on(loop, main())


def test_a_terminal_that_nobody_has_opened_keeps_what_it_is_given(loop: str) -> None:
    async def main() -> None:
        device = PseudoTerminal("p")
        await device.open()
        device.write(b"early")
        fd = os.open(device.filename.removeprefix("pty:"), os.O_RDWR | os.O_NOCTTY)
        assert os.read(fd, 100) == b"early"
        os.close(fd)
        device.close()

    run_on(loop, main())


def test_a_device_file_is_read_and_written(loop: str) -> None:
    async def main() -> None:
        theirs = PseudoTerminal("p")
        await theirs.open()
        ours = HostDevice("t", theirs.filename.removeprefix("pty:"))
        await ours.open()
        assert ours.filename == "tty"
        ours.write(b"ping")
        await came(theirs, b"ping")
        theirs.write(b"pong")
        await came(ours, b"pong")
        ours.close()
        theirs.close()

    run_on(loop, main())


def test_a_file_begins_empty(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("old")

    async def main() -> None:
        device = OutputFile("f", str(path))
        assert device.write(b"before it is open") == 17
        await device.open()
        assert device.write(b"new") == 3
        assert device.read() == b""
        device.close()
        device.write(b"after")

    run_on(loop, main())
    assert path.read_bytes() == b"new"


def test_two_pipes_are_one_for_each_way(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    for end in ("in", "out"):
        os.mkfifo(f"{path}.{end}")

    async def main() -> None:
        device = NamedPipe("p", str(path))
        await device.open()
        fd = os.open(f"{path}.in", os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"in")
        await came(device, b"in")
        os.close(fd)
        device.write(b"out")
        fd = os.open(f"{path}.out", os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(fd, 100) == b"out"
        os.close(fd)
        device.close()

    run_on(loop, main())


def test_one_pipe_is_for_both_ways(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    async def main() -> None:
        device = NamedPipe("p", str(path))
        await device.open()
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, b"in")
        await came(device, b"in")
        os.close(fd)
        device.close()

    run_on(loop, main())


@pytest.mark.parametrize("kind", [NamedPipe, OutputFile, HostDevice])
def test_what_is_not_there_cannot_be_opened(
    loop: str, kind: type[NamedPipe | OutputFile | HostDevice]
) -> None:
    async def main() -> None:
        device = kind("x", "/nonexistent/x")
        with pytest.raises(FileNotFoundError):
            await device.open()
        device.close()

    run_on(loop, main())


def test_a_full_pipe_refuses_bytes(loop: str, tmp_path: Path) -> None:
    for end in ("in", "out"):
        os.mkfifo(tmp_path / f"p.{end}")

    async def main() -> None:
        device = NamedPipe("p", str(tmp_path / "p"))
        await device.open()
        taken = 0
        while count := device.write(bytes(1 << 14)):
            taken += count
            assert taken < 1 << 24
        device.close()

    run_on(loop, main())


def test_what_nobody_reads_waits_in_the_terminal(loop: str) -> None:
    async def main() -> None:
        device = PseudoTerminal("p")
        await device.open()
        fd = os.open(
            device.filename.removeprefix("pty:"),
            os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK,
        )
        sent = 0
        stuck = 0
        while stuck < 20:
            try:
                sent += os.write(fd, bytes(1 << 12))
                stuck = 0
            except BlockingIOError:
                stuck += 1
            await asyncio.sleep(0.001)
            assert sent < 1 << 22
        kept = len(device.read(1 << 30))
        assert MAX_UNREAD <= kept < 2 * MAX_UNREAD
        while kept < sent:
            await asyncio.sleep(0.001)
            kept += len(device.read(1 << 30))
        os.close(fd)
        device.close()

    run_on(loop, main())


def test_standard_streams_are_this_process_s(loop: str) -> None:
    program = """
import asyncio
from qmpx.machine.character.files import StandardStreams

async def main():
    device = StandardStreams("s")
    await device.open()
    came = asyncio.Event()
    device.listener = came.set
    await came.wait()
    device.write(device.read().upper())
    device.close()

asyncio.run(main())
"""
    del loop
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=b"hello",
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stdout == b"HELLO"
