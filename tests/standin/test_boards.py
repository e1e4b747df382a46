"""What the name of a board tells of it."""

from __future__ import annotations

import pytest

from qmpx.standin.boards import (
    can_sleep,
    has_acpi,
    has_keyboard_controller,
    takes_modules,
    takes_sizes,
    version_of,
)

NEWEST = (99, 0)


@pytest.mark.parametrize(
    ("board", "version"),
    [
        ("pc-i440fx-7.2", (7, 2)),
        ("pc-q35-2.12", (2, 12)),
        ("pc-q35-4.0.1", (4, 0)),
        ("pc-i440fx-10.0", (10, 0)),
        ("pc-i440fx-2.11-hpe", (2, 11)),
        ("pc", NEWEST),
        ("q35", NEWEST),
        ("isapc", NEWEST),
        ("none", NEWEST),
        ("pc-i440fx-", NEWEST),
        ("pc-i440fx-7", NEWEST),
        ("pc-i440fx-7.", NEWEST),
        ("pc-i440fx-x.2", NEWEST),
        ("7.2", NEWEST),
    ],
)
def test_a_version_is_read_from_the_name_of_a_pc(
    board: str, version: tuple[int, int]
) -> None:
    assert version_of(board) == version


def test_old_boards_behave_as_when_they_were_new() -> None:
    assert takes_sizes("pc-q35-5.0")
    assert not takes_sizes("pc-q35-5.1")
    assert takes_modules("pc-i440fx-2.1")
    assert not takes_modules("pc-i440fx-2.0")
    assert not takes_modules("isapc")


@pytest.mark.parametrize(
    ("board", "options", "facts"),
    [
        ("pc-i440fx-7.2", {}, (True, True, True)),
        ("pc-i440fx-7.2", {"acpi": "off"}, (False, False, True)),
        ("pc-i440fx-7.2", {"i8042": False}, (True, True, False)),
        ("pc-q35-7.2", {"acpi": "off"}, (True, True, True)),
        ("isapc", {}, (False, False, True)),
        ("microvm", {}, (True, False, False)),
        ("none", {}, (False, False, False)),
        ("x-remote", {}, (False, False, False)),
    ],
)
def test_a_board_has_acpi_sleep_and_a_keyboard(
    board: str, options: dict[str, object], facts: tuple[bool, bool, bool]
) -> None:
    asked = (has_acpi, can_sleep, has_keyboard_controller)
    assert tuple(ask(board, options) for ask in asked) == facts
