"""The files of a guest."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.guest_system.files import (
    FIRST_HANDLE,
    MAX_FILES,
    MAX_OPEN,
    MAX_STORED,
    GuestFiles,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files() -> GuestFiles:
    return GuestFiles({"/etc/motd": b"hello"})


def number_of(call: Callable[[], object]) -> int:
    with pytest.raises(OSError, match=r".") as caught:
        call()
    return caught.value.errno or 0


def test_a_file_is_read_from_where_it_is(files: GuestFiles) -> None:
    handle = files.open("/etc/motd", "r")
    assert handle == FIRST_HANDLE
    assert files.read(handle, 2) == b"he"
    assert not files.find(handle).at_end
    assert files.read(handle, 9) == b"llo"
    assert files.find(handle).at_end
    assert files.seek(handle, 1, 0) == 1
    assert files.seek(handle, 1, 1) == 2
    assert files.read(handle, 1) == b"l"
    assert files.seek(handle, -1, 2) == 4
    assert files.read(handle, 9) == b"o"
    assert number_of(lambda: files.seek(handle, -9, 0)) == errno.EINVAL
    files.close(handle)
    with pytest.raises(KeyError):
        files.read(handle, 1)


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ("w", b"XY"),
        ("wb", b"XY"),
        ("w+", b"XY"),
        ("a", b"helloXY"),
        ("ab+", b"helloXY"),
        ("r+", b"XYllo"),
        ("rb+", b"XYllo"),
    ],
)
def test_how_it_was_opened_says_where_it_is_written(
    files: GuestFiles, mode: str, left: bytes
) -> None:
    handle = files.open("/etc/motd", mode)
    files.write(handle, b"XY")
    assert files.read_whole("/etc/motd") == left


def test_what_was_not_opened_for_it_is_refused(files: GuestFiles) -> None:
    reader, writer = files.open("/etc/motd", "r"), files.open("/etc/motd", "a")
    assert number_of(lambda: files.write(reader, b"x")) == errno.EBADF
    assert number_of(lambda: files.read(writer, 1)) == errno.EBADF


@pytest.mark.parametrize(
    ("path", "mode", "expected"),
    [
        ("/nope", "r", errno.ENOENT),
        ("/nope/file", "w", errno.ENOENT),
        ("/etc", "w", errno.EISDIR),
        ("/etc", "r", errno.EACCES),
    ],
)
def test_what_cannot_be_opened(
    files: GuestFiles, path: str, mode: str, expected: int
) -> None:
    assert number_of(lambda: files.open(path, mode)) == expected


def test_a_mode_that_there_is_not(files: GuestFiles) -> None:
    with pytest.raises(ValueError, match="q"):
        files.open("/etc/motd", "q")


def test_directories_are_where_files_are(files: GuestFiles) -> None:
    assert files.list("/") == ["bin", "etc", "root", "tmp", "usr"]
    assert files.list("/etc") == ["motd"]
    assert number_of(lambda: files.list("/etc/motd")) == errno.ENOTDIR
    assert number_of(lambda: files.list("/nope")) == errno.ENOENT
    assert files.read_whole("/tmp/../etc//motd") == b"hello"


def test_a_gap_is_filled_with_zeros(files: GuestFiles) -> None:
    handle = files.open("/tmp/gap", "w")
    files.seek(handle, 3, 0)
    files.write(handle, b"x")
    assert files.read_whole("/tmp/gap") == b"\0\0\0x"


def test_there_is_only_so_much_room(files: GuestFiles) -> None:
    files.write_whole("/tmp/big", bytes(MAX_STORED - 5))
    handle = files.open("/etc/motd", "a")
    assert number_of(lambda: files.write(handle, b"x")) == errno.ENOSPC
    files.write_whole("/tmp/big", b"")
    files.write(handle, b"x")
    for number in range(MAX_FILES - 2):
        files.write_whole(f"/tmp/{number}", b"")
    assert number_of(lambda: files.open("/tmp/one-more", "w")) == errno.ENOSPC
    for _ in range(MAX_OPEN - 1):
        files.open("/etc/motd", "r")
    assert number_of(lambda: files.open("/etc/motd", "r")) == errno.EMFILE
