"""Who is at the other end of a socket."""

from __future__ import annotations

import os
import pwd
import socket

from qmpx.gateway.access.identity import UNKNOWN, Identity, identify, user_name


def test_a_unix_socket_tells_its_peers_user_groups_and_process() -> None:
    here, there = socket.socketpair()
    with here, there:
        who = identify(here)
    assert (who.kind, who.uid, who.gid) == ("unix", os.getuid(), os.getgid())
    assert who.pid == os.getpid()
    assert set(os.getgroups()) <= set(who.groups)
    name = pwd.getpwuid(os.getuid()).pw_name
    assert str(who) == f"unix:{name} (pid {os.getpid()})"


def test_tcp_tells_an_address_and_nothing_else() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with (
            socket.create_connection(listening.getsockname()),
            listening.accept()[0] as sock,
        ):
            assert str(identify(sock)) == "tcp:127.0.0.1"
    with socket.socket() as alone:
        assert identify(alone) is UNKNOWN


def test_a_user_without_a_name_is_a_number() -> None:
    assert user_name(2**31 - 5) == str(2**31 - 5)


def test_a_name_cannot_forge_lines_of_a_log() -> None:
    assert str(Identity("tls", "a\nb\x1b[2J")) == "tls:a?b?[2J"
