"""Terminals that hand over each key, and are put back as they were."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.stdio import stdio_socket
from qmpx.transport.terminal import leave_alone, set_raw

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Give both ends of a terminal: the program's, and the person's."""
    person, program = pty.openpty()
    yield program, person
    os.close(person)
    os.close(program)


def test_each_key_comes_at_once_and_unechoed(terminal: tuple[int, int]) -> None:
    program, person = terminal
    restore = set_raw(program)
    os.write(person, b"a\x01\r\x7f")
    assert os.read(program, 9) == b"a\x01\r\x7f"
    os.write(program, b"\n")
    assert os.read(person, 9) == b"\r\n"  # nothing came before: there is no echo
    restore()


def test_control_c_still_makes_a_signal(terminal: tuple[int, int]) -> None:
    program, _ = terminal
    restore = set_raw(program)
    assert termios.tcgetattr(program)[3] & termios.ISIG
    restore()


def test_it_is_put_back_as_it_was(terminal: tuple[int, int]) -> None:
    program, _ = terminal
    before = termios.tcgetattr(program)
    restore = set_raw(program)
    assert termios.tcgetattr(program) != before
    restore()
    assert termios.tcgetattr(program) == before


def test_what_is_no_terminal_is_left_alone() -> None:
    with open(os.devnull, "rb") as file:
        assert set_raw(file.fileno()) is leave_alone
    leave_alone()


def test_a_terminal_is_put_back_when_its_socket_is_closed(
    terminal: tuple[int, int],
) -> None:
    program, person = terminal
    before = termios.tcgetattr(program)
    sock = stdio_socket(program, program, is_raw=True)
    assert termios.tcgetattr(program) != before
    os.write(person, b"k")
    assert sock.recv(9) == b"k"
    sock.sendall(b"done")
    sock.close()
    assert os.read(person, 9) == b"done"
    wait_for("qmpx-stdout")
    assert termios.tcgetattr(program) == before
    os.write(person, b"\n")  # now the thread that reads finds that nobody listens
    wait_for("qmpx-stdin")


def wait_for(name: str) -> None:
    """Wait until a thread of that name has ended."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(10)
            assert not thread.is_alive()


ENDS = """
import os
from qmpx.transport.terminal import set_raw
set_raw(0)
os.write(1, b"raw")
"""


def test_the_end_of_the_program_puts_it_back(terminal: tuple[int, int]) -> None:
    program, person = terminal
    before = termios.tcgetattr(program)
    subprocess.run(
        [sys.executable, "-c", ENDS], stdin=program, stdout=program, check=True
    )
    assert os.read(person, 9) == b"raw"
    assert termios.tcgetattr(program) == before
