"""Who is at the other end of a socket."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys

import pytest

from qmpx.gateway.access.identity import (
    UNKNOWN,
    Identity,
    identify,
    is_mapped,
    user_name,
)
from tests.programs import SECONDS


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


@pytest.mark.parametrize(
    ("lines", "known"),
    [
        (["         0          0 4294967295"], True),  # the host's own
        (["0 1000 1"], False),
        (["0 1000 1", "1 100000 65536"], True),
        (["0 1000 65534"], False),
        (["0 1000 65535"], True),
        (["65534 1000 1"], True),
        ([], False),
    ],
)
def test_a_number_is_of_a_user_namespace_or_not(lines: list[str], known: bool) -> None:
    assert is_mapped(65534, lines) is known


WITHIN = """
import os, socket
from qmpx.gateway.access.identity import identify
print(os.getuid(), identify(socket.socketpair()[0]))
"""


def test_whom_the_kernel_does_not_know_in_a_container_is_nobody_known() -> None:
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("there is no unshare")
    ended = subprocess.run(
        [unshare, "--user", sys.executable, "-c", WITHIN],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if "unshare" in ended.stderr:
        pytest.skip(f"no user namespace may be made: {ended.stderr.strip()}")
    uid, who = ended.stdout.split()
    assert int(uid) != 0  # it is the number for all who are not known there
    assert who == "unknown:"
