"""Files by name, and descriptors that somebody lends under one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.files import HostFiles, NotLent

if TYPE_CHECKING:
    from pathlib import Path


def test_a_name_is_the_host_s(tmp_path: Path) -> None:
    files = HostFiles()
    fd = files.open(str(tmp_path / "new"), os.O_RDWR | os.O_CREAT, 0o600)
    assert os.get_inheritable(fd) is False
    files.close(fd)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileNotFoundError):
        files.open(str(tmp_path / "none"), os.O_RDONLY)


def test_of_a_set_a_descriptor_is_lent_and_taken_back(tmp_path: Path) -> None:
    files, asked, returned = HostFiles(), list[tuple[int, int]](), list[int]()
    (tmp_path / "lent").write_bytes(b"data")

    def lend(number: int, flags: int) -> int:
        asked.append((number, flags))
        return os.open(tmp_path / "lent", os.O_RDONLY)

    def take_back(fd: int) -> None:
        returned.append(fd)
        os.close(fd)

    files.lend, files.take_back = lend, take_back
    fd = files.open("/dev/fdset/7", os.O_RDONLY)
    assert os.read(fd, 9) == b"data"
    files.close(fd)
    assert (asked, returned) == ([(7, os.O_RDONLY)], [fd])


def test_where_nothing_is_lent_there_is_no_set() -> None:
    with pytest.raises(NotLent) as caught:
        HostFiles().open("/dev/fdset/0", os.O_RDWR)
    error = caught.value
    assert (error.filename, error.access) == ("/dev/fdset/0", os.O_RDWR)
    assert isinstance(error, OSError)
