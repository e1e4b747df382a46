"""Sizes as people write them."""

from __future__ import annotations

import pytest

from qmpx.monitor.human.sizes import read_size

MIB = 1 << 20


@pytest.mark.parametrize(
    ("line", "size", "end"),
    [
        ("10", 10 * MIB, 2),
        ("10M", 10 * MIB, 3),
        ("10b", 10, 3),
        ("1.5k", 1536, 4),
        ("0.1G", (1 << 30) // 10, 4),
        ("2t", 2 << 40, 2),
        ("1E", 1 << 60, 2),
        ("0x10", 16 * MIB, 4),
        ("0x10k", 16 << 10, 5),
        ("7 and more", 7 * MIB, 1),
        ("3Q", 3 * MIB, 1),
    ],
)
def test_a_size_is_read(line: str, size: int, end: int) -> None:
    assert read_size(line, 0) == (size, end)


@pytest.mark.parametrize("line", ["", "x", "-1", ".5", "8E", "99999999999999999999"])
def test_what_is_no_size_is_none(line: str) -> None:
    assert read_size(line, 0) is None
