"""Files that are made for images: anew, but never while somebody uses them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.block import locks
from qmpx.machine.block.new_files import make_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "size", "made"),
    [(b"ab", None, b"ab"), (b"ab", 4, b"ab\0\0"), (b"", 3, bytes(3)), (b"", None, b"")],
)
def test_what_was_there_is_lost(
    tmp_path: Path, content: bytes, size: int | None, made: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100)
    make_file(str(path), content, size=size)
    assert path.read_bytes() == made


def test_a_file_in_use_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"in use")
    fd = os.open(path, os.O_RDWR)
    locks.take(fd, frozenset({locks.READ}), frozenset({locks.WRITE, locks.RESIZE}))
    with pytest.raises(GenericError, match='Failed to get "write" lock'):
        make_file(str(path), b"new")
    os.close(fd)
    assert path.read_bytes() == b"in use"
    make_file(str(path), b"new")
    assert path.read_bytes() == b"new"


def test_there_must_be_a_place_for_it(tmp_path: Path) -> None:
    path = str(tmp_path / "no/file")
    with pytest.raises(GenericError, match=f"Could not create '{path}': No such file"):
        make_file(path)
