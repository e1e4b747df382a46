"""The keyboard controller and port 0x92: keys, reset, address line 20."""

from __future__ import annotations

import pytest

from qmpx.machine.hardware.keyboard import MAX_KEY_CODES, KeyboardController

RESET = "reset"


class Board:
    """A controller, and what it did to the rest."""

    def __init__(self) -> None:
        self.done: list[str | bool] = []
        self.chip = KeyboardController(
            lambda: self.done.append(RESET), self.done.append
        )

    def write(self, *pairs: tuple[int, int]) -> None:
        for port, value in pairs:
            self.chip.write_port(port, 1, value)

    def read(self, port: int) -> int:
        return self.chip.read_port(port, 1)


@pytest.mark.parametrize(
    ("writes", "done"),
    [
        ([(0x64, 0xFE)], [RESET]),
        ([(0x92, 0x01)], [False, RESET]),
        ([(0x92, 0x03)], [True, RESET]),
        ([(0x92, 0x02)], [True]),
        ([(0x92, 0x00)], [False]),
        ([(0x64, 0xDF)], [True]),
        ([(0x64, 0xDD)], [False]),
        ([(0x64, 0xD1), (0x60, 0x03)], [True]),
        ([(0x64, 0xD1), (0x60, 0x01)], [False]),
        ([(0x64, 0xD1), (0x60, 0x02)], [True, RESET]),
        ([(0x64, 0xD1), (0x60, 0x03), (0x60, 0x00)], [True]),
        ([(0x60, 0xFE)], []),
        ([(0x64, 0xF0)], []),
        ([(0x64, 0x60), (0x60, 0x00)], []),
    ],
)
def test_what_a_guest_writes_resets_or_moves_line_20(
    writes: list[tuple[int, int]], done: list[str | bool]
) -> None:
    board = Board()
    board.write(*writes)
    assert board.done == done


@pytest.mark.parametrize(
    ("command", "answer"), [(0xAA, 0x55), (0xAB, 0x00), (0x20, 0x03), (0xD0, 0x03)]
)
def test_some_commands_answer(command: int, answer: int) -> None:
    board = Board()
    board.write((0x64, command))
    assert board.read(0x64) & 1
    assert board.read(0x60) == answer
    assert not board.read(0x64) & 1


def test_the_mode_is_what_was_written() -> None:
    board = Board()
    board.write((0x64, 0x60), (0x60, 0x47), (0x64, 0x20))
    assert board.read(0x60) == 0x47
    board.chip.reset()
    board.write((0x64, 0x20))
    assert board.read(0x60) == 0x03


def test_a_closed_line_shows_in_both_places() -> None:
    board = Board()
    assert board.read(0x92) == 0x02
    board.write((0x92, 0x00), (0x64, 0xD0))
    assert (board.read(0x92), board.read(0x60)) == (0x00, 0x01)


def test_status_tells_whether_a_command_was_last() -> None:
    board = Board()
    assert board.read(0x64) == 0x18
    board.write((0x60, 0x00))
    assert board.read(0x64) == 0x10
    board.write((0x64, 0xDF))
    assert board.read(0x64) == 0x18


def test_keys_come_in_their_order_and_the_last_stays() -> None:
    board = Board()
    assert board.read(0x60) == 0
    board.chip.put(0x1E)
    board.chip.put(0x19E)
    assert (board.chip.pending, board.read(0x64) & 1) == (2, 1)
    assert [board.read(0x60) for _ in range(3)] == [0x1E, 0x9E, 0x9E]
    assert (board.chip.pending, board.read(0x64) & 1) == (0, 0)


def test_keys_that_nobody_reads_are_lost() -> None:
    board = Board()
    for _ in range(MAX_KEY_CODES + 5):
        board.chip.put(1)
    assert board.chip.pending == MAX_KEY_CODES
    board.chip.reset()
    assert board.chip.pending == 0


def test_its_state_comes_back() -> None:
    board, other = Board(), Board()
    board.write((0x92, 0x00), (0x64, 0x60), (0x60, 0x47), (0x64, 0xD1))
    board.chip.put(7)
    other.chip.restore(board.chip.state())
    assert other.done == [False]
    assert other.chip.state() == board.chip.state()
    other.write((0x60, 0x02))
    assert other.done == [False, True, RESET]
