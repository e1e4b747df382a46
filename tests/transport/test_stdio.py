"""Standard input and output as one socket, whatever they are."""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from qmpx.monitor import Monitor
from qmpx.transport.address import StdioAddress
from qmpx.transport.stdio import stdio_socket
from tests.loops import LOOPS, run_on

if TYPE_CHECKING:
    from pathlib import Path


class Pipes:
    """A socket made of two pipes, and the pipes' other ends."""

    def __init__(self) -> None:
        read_fd, self.writer = os.pipe()
        self.reader, write_fd = os.pipe()
        self.inner = (read_fd, write_fd)
        self.sock = stdio_socket(read_fd, write_fd)
        self.sock.settimeout(10)

    def close(self) -> None:
        self.sock.close()
        for fd in (*self.inner, self.reader, self.writer):
            with suppress(OSError):
                os.close(fd)


def open_in_the_end() -> int:
    """Wait until nothing is carried any more; return how many descriptors are open."""
    for thread in threading.enumerate():
        if thread.name in ("qmpx-stdin", "qmpx-stdout"):
            thread.join(10)
    return len(os.listdir("/proc/self/fd"))


def test_bytes_go_through_both_ways_in_order() -> None:
    pipes = Pipes()
    os.write(pipes.writer, b"in")
    assert pipes.sock.recv(9) == b"in"
    pipes.sock.sendall(b"out")
    assert os.read(pipes.reader, 9) == b"out"
    os.close(pipes.writer)
    assert pipes.sock.recv(9) == b""
    # The input's end is not the output's.
    pipes.sock.sendall(b"still")
    assert os.read(pipes.reader, 9) == b"still"
    pipes.close()


def test_the_end_of_input_and_output_leaves_nothing_open() -> None:
    def talk() -> None:
        pipes = Pipes()
        os.close(pipes.writer)
        assert pipes.sock.recv(9) == b""
        pipes.sock.shutdown(socket.SHUT_WR)
        pipes.close()

    before = open_in_the_end()
    for _ in range(3):
        talk()
    assert open_in_the_end() == before


def test_an_output_that_nobody_reads_any_more_ends_the_conversation() -> None:
    pipes = Pipes()
    os.close(pipes.reader)
    with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012
        while True:
            pipes.sock.sendall(b"x" * 1000)
    pipes.close()


def test_a_terminal_is_as_good_as_a_pipe() -> None:
    controller, terminal = pty.openpty()
    tty.setraw(terminal)
    sock = stdio_socket(terminal, terminal)
    sock.settimeout(10)
    os.write(controller, b"in")
    assert sock.recv(9) == b"in"
    sock.sendall(b"out")
    assert os.read(controller, 9) == b"out"
    os.close(controller)
    sock.close()
    os.close(terminal)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_monitor_is_served_on_standard_input_and_output(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipes = Pipes()
    monkeypatch.setattr(
        "qmpx.transport.listening.stdio_socket", lambda **_: pipes.sock.dup()
    )
    monitor = Monitor()

    async def main() -> bytes:
        async with monitor.serve(StdioAddress()) as server:
            assert str(server.addresses[0]) == "stdio"
            os.write(pipes.writer, b'{"execute": "qmp_capabilities"}')
            os.close(pipes.writer)
            pipes.sock.close()
            said = b""
            while said.count(b"\n") < 2:
                said += await asyncio.to_thread(os.read, pipes.reader, 4096)
            return said

    greeting, reply = run_on(kind, main()).splitlines()
    assert b'"QMP"' in greeting
    assert reply == b'{"return": {}}'
    pipes.close()


PROGRAM = """
import qmpx

monitor = qmpx.Monitor()

@monitor.command("large")
def large() -> str:
    return "x" * 1_000_000

@monitor.command("quit")
def leave() -> None:
    monitor.shut_down()

monitor.run("stdio")
"""


@pytest.mark.slow
def test_a_program_ends_with_all_said(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(
        b'{"execute": "qmp_capabilities"}{"execute": "large"}{"execute": "quit"}'
    )
    with (tmp_path / "input").open() as given:
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            stdin=given,
            capture_output=True,
            timeout=20,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")
    lines = ended.stdout.splitlines()
    assert len(lines) == 4
    assert len(lines[2]) > 1_000_000
    assert lines[3] == b'{"return": {}}'
