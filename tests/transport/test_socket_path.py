"""Sockets whose paths are longer than the kernel's field, with real sockets."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qmpx.errors import AddressError
from qmpx.transport.address import UnixAddress
from qmpx.transport.socket_path import SUN_PATH, short_path

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def long_path(tmp_path: Path) -> Path:
    """Give a path of 137 bytes or more that sockets cannot have."""
    directory = tmp_path
    while len(str(directory)) < 128:
        directory /= "d" * min(40, 127 - len(str(directory)) or 1)
    directory.mkdir(parents=True)
    return directory / "qmp.sock"


@pytest.fixture
def unix_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        yield made


@linux
def test_a_long_path_can_be_bound_and_connected_to(
    long_path: Path, unix_socket: socket.socket
) -> None:
    assert len(os.fsencode(long_path)) >= 137
    with pytest.raises(OSError, match="too long"):
        unix_socket.bind(str(long_path))
    with short_path(long_path) as name:
        unix_socket.bind(name)
    assert long_path.is_socket()
    unix_socket.listen()
    with (
        socket.socket(socket.AF_UNIX) as client,
        UnixAddress(str(long_path)).socket_name() as name,
    ):
        client.connect(name)
        served, _ = unix_socket.accept()
        with served:
            client.sendall(b"x")
            assert served.recv(1) == b"x"


@linux
def test_a_long_relative_path_works_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unix_socket: socket.socket
) -> None:
    monkeypatch.chdir(tmp_path)
    directory = Path("a" * 60, "b" * 60)
    directory.mkdir(parents=True)
    with short_path(directory / "q") as name:
        unix_socket.bind(name)
    assert (directory / "q").is_socket()


@linux
def test_the_directory_is_closed_afterwards(long_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with short_path(long_path) as name:
        opened = name.split("/")[4]
        assert os.readlink(f"/proc/self/fd/{opened}") == str(long_path.parent)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("length", [1, 107])
def test_a_path_that_fits_is_taken_as_it_is(length: int) -> None:
    with short_path("x" * length) as name:
        assert name == "x" * length


@linux
def test_a_long_name_is_told_its_length() -> None:
    path = "/tmp/" + "é" * 60
    with pytest.raises(AddressError) as caught, short_path(path):
        pass
    assert str(caught.value) == (
        "the path of the socket has 125 bytes, and this system takes at most 107: "
        f"{path!r}; its last part alone has 120, choose a shorter name"
    )


def test_a_system_without_proc_is_told_the_lengths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    path = "/tmp/" + "d" * 200 + "/q"
    with pytest.raises(AddressError) as caught, short_path(path):
        pass
    assert str(caught.value) == (
        f"the path of the socket has 207 bytes, and this system takes at most "
        f"{SUN_PATH - 1}: {path!r}; choose a shorter directory"
    )


@linux
def test_a_missing_directory_is_the_error_of_the_system(tmp_path: Path) -> None:
    path = tmp_path / "absent" / ("x" * 90) / "q"
    with ExitStack() as stack, pytest.raises(FileNotFoundError):
        stack.enter_context(short_path(path))
