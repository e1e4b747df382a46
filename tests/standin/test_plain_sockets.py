"""Sockets without the module `socket`, and how they become its own."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.standin.plain_sockets import accept, is_listening, unix_socket, whole

if TYPE_CHECKING:
    from pathlib import Path


def test_a_client_is_accepted_and_both_become_whole(tmp_path: Path) -> None:
    listening = unix_socket()
    assert not is_listening(listening)
    listening.bind(str(tmp_path / "s"))
    listening.listen(1)
    assert is_listening(listening)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "s"))
        accepted = accept(listening)
        fd = accepted.fileno()
        with whole(accepted) as server:
            assert isinstance(server, socket.socket)
            assert (server.fileno(), server.family) == (fd, socket.AF_UNIX)
            assert accepted.fileno() == -1
            assert whole(server) is server
            server.sendall(b"x")
            assert client.recv(1) == b"x"
    with whole(listening) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_nobody_is_accepted_who_is_not_there(tmp_path: Path) -> None:
    listening = unix_socket()
    listening.bind(str(tmp_path / "s"))
    listening.listen(1)
    listening.settimeout(0)
    with pytest.raises(BlockingIOError):
        accept(listening)
    listening.close()
