"""Files of the host, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block.storage import LARGE, MAX_OFFSET, Statistics, Storage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path / "file"


def test_bytes_are_read_as_far_as_there_are_some(path: Path) -> None:
    storage = Storage(str(path), read_only=True)
    assert storage.size == 10
    assert [storage.read(at, 4) for at in (0, 8, 10, 99)] == [b"0123", b"89", b"", b""]
    assert storage.read(2, 2 * LARGE) == b"23456789"
    storage.close()
    storage.close()


def test_a_write_may_make_the_file_longer(path: Path) -> None:
    storage = Storage(str(path), read_only=False)
    storage.write(12, b"xy")
    storage.flush()
    assert path.read_bytes() == b"0123456789\0\0xy"
    storage.truncate(3)
    assert path.read_bytes() == b"012"
    storage.close()


def test_what_is_read_only_is_not_written(path: Path) -> None:
    storage = Storage(str(path), read_only=True)
    with pytest.raises(OSError, match="Bad file descriptor"):
        storage.write(0, b"x")
    storage.flush()
    storage.close()


@pytest.mark.parametrize("offset", [-1, MAX_OFFSET + 1, 2**64])
def test_there_are_offsets_that_no_file_has(path: Path, offset: int) -> None:
    storage = Storage(str(path), read_only=False)
    with pytest.raises(OSError, match="File too large"):
        storage.read(offset, 1)
    with pytest.raises(OSError, match="File too large"):
        storage.write(offset, b"x")
    storage.close()


def test_what_went_through_is_counted(path: Path) -> None:
    storage = Storage(str(path), read_only=False)
    storage.read(0, 4)
    storage.read(8, 4)
    storage.write(5, b"abc")
    storage.write(0, b"a")
    assert storage.statistics == Statistics(8, 4, 2, 2, 8)
    storage.close()
