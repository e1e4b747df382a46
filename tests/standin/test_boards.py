"""What the name of a board tells of it."""

from __future__ import annotations

import pytest

from qmpx.standin.boards import takes_modules, takes_sizes, version_of

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
