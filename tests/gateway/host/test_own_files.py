"""Files of the gateway's own: nothing else is opened, waited for or followed."""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

import pytest

from qmpx.gateway.host.own_files import open_own

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def test_a_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    fd = open_own(path, FLAGS)
    os.write(fd, b"text")
    os.close(fd)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    fd = open_own(path, os.O_RDWR)
    assert os.read(fd, 10) == b"text"
    assert not os.get_inheritable(fd)
    os.close(fd)


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "it is a symbolic link"),
        (lambda path: path.symlink_to(path.with_name("none")), "it is a symbolic link"),
        (os.mkfifo, "it is no regular file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (put_socket, "it is no regular file"),
    ],
    ids=["link", "dangling", "fifo", "directory", "socket"],
)
def test_what_is_something_else_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: object, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = tmp_path / "it"
    put(path.relative_to(tmp_path) if put is put_socket else path)  # type: ignore[operator]
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match=reason):
        os.close(open_own(path, FLAGS))
    assert not (tmp_path / "none").exists()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_pipe_that_is_read_is_no_file_either(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="no regular file"):
            os.close(open_own(path, FLAGS))
    finally:
        os.close(reader)
