"""qtest, line by line; the answers are those of a real QEMU 7.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine import Machine
from qmpx.machine.clock import VirtualClock
from qmpx.standin.qtest import MAX_PIECE, Qtest, QtestError, QtestLog

if TYPE_CHECKING:
    from pathlib import Path


def qtest(*, has_clock: bool = True, clock: VirtualClock | None = None) -> Qtest:
    return Qtest(Machine(clock=clock), has_clock=has_clock, send=lambda _: None)


# Each line and its answer; they build on each other.
TALK = [
    ("endianness", "OK little"),
    ("foo", "FAIL Unknown command 'foo'"),
    ("", "FAIL Unknown command ''"),
    ("writel 0x1000 0x12345678", "OK"),
    ("readl 0x1000", "OK 0x0000000012345678"),
    ("readb 0x1000", "OK 0x0000000000000078"),
    ("readq 0x1000", "OK 0x0000000012345678"),
    ("read 0x1000 6", "OK 0x785634120000"),
    ("b64read 0x1000 6", "OK eFY0EgAA"),
    ("memset 0x1000 4 0xaa", "OK"),
    ("read 0x1000 6", "OK 0xaaaaaaaa0000"),
    ("write 0x1000 0x3 0x010203", "OK"),
    ("read 0x1000 010", "OK 0x010203aa00000000"),
    ("write 0x1000 3 0x", "ERR invalid argument size"),
    ("b64write 0x1000 6 eFY0EgAA", "OK"),
    ("readl 0x1000", "OK 0x0000000012345678"),
    ("outb 0x70 0x0f", "OK"),
    ("outb 0x71 0x5a", "OK"),
    ("inb 0x71", "OK 0x005a"),
    ("inl 0x5000", "OK 0xffffffff"),
    ("irq_intercept_in nothing", "FAIL Unknown device"),
    ("module_load x y", "FAIL"),
    ("rtas x", "FAIL Unknown command 'rtas'"),
    ("clock_step 1000", "OK 1000"),
    ("clock_set 500", "OK 1000"),
    ("clock_set 2000", "OK 2000"),
]


def test_lines_are_answered_as_by_qemu() -> None:
    driven = qtest()
    for line, answer in TALK:
        assert (line, driven.answer(line)) == (line, answer)


@pytest.mark.parametrize("line", ["clock_step 5", "clock_set 9"])
def test_only_the_accelerator_qtest_has_a_clock(line: str) -> None:
    name = line.split()[0]
    answer = qtest(has_clock=False).answer(line)
    assert answer == f"FAIL Unknown command '{name}'"


def test_virtual_time_passes_with_the_clock() -> None:
    clock = VirtualClock()
    before = clock.microseconds()
    assert qtest(clock=clock).answer("clock_step 3000000") == "OK 3000000"
    assert clock.microseconds() - before == 3000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("outl 0xcf8", "outl lacks a word"),
        ("readl here", "'here' is no number of 64 bits"),
        ("readl 0x10000000000000000", "'0x10000000000000000' is no number of 64 bits"),
        ("inb 0x10000", "there is no port 0x10000"),
        (
            f"read 0 {MAX_PIECE + 1}",
            f"{MAX_PIECE + 1} bytes at once are more than {MAX_PIECE}",
        ),
        ("write 0 2 0xzz", "0xzz is no hexadecimal number"),
        ("b64write 0 2 a===a", "a===a is no base64"),
    ],
)
def test_what_qemu_would_not_survive_is_told(line: str, message: str) -> None:
    with pytest.raises(QtestError) as caught:
        qtest().answer(line)
    assert str(caught.value) == message


def test_the_log_tells_what_came_and_what_was_sent(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = QtestLog(str(path))
    log.opened()
    log.note("R", "endianness")
    log.note("S", "OK little")
    log.closed()
    log.close()
    lines = [line.partition("] ")[2] for line in path.read_text().splitlines()]
    assert lines == ["OPENED", "endianness", "OK little", "CLOSED"]
