"""Who is at a socket, asked about real processes."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from qmpx.transport.address import (
    FdAddress,
    TcpAddress,
    UnixAddress,
    VsockAddress,
)
from qmpx.transport.holders import (
    Holder,
    Occupancy,
    holders,
    listener,
    occupancy,
    peer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.transport.conftest import StartProcess

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

QEMU, DAEMON = "qemu-system-x86", "libvirtd"


def connected(path: str | Path) -> socket.socket:
    """Connect to *path*."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    return client


def test_the_client_that_was_accepted_holds_the_socket(
    tmp_path: Path, other_process: StartProcess
) -> None:
    path = tmp_path / "q"
    server = other_process("listen", QEMU, path, accept=1)
    client = other_process("connect", DAEMON, path)
    assert server.line() == "accepted"
    waiting = other_process("connect", "qmpx", path)
    assert holders(path) == [Holder(client.pid, DAEMON)]
    assert holders(str(path)) == holders(UnixAddress(str(path))) == holders(path)
    assert listener(path) == Holder(server.pid, QEMU)
    assert waiting.pid not in {holder.pid for holder in holders(path)}
    assert occupancy(path).others_waiting == 1


def test_a_client_that_waits_does_not_hold_it(
    tmp_path: Path, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, tmp_path / "q")
    with connected(tmp_path / "q"):
        assert occupancy(tmp_path / "q") == Occupancy(
            [Holder(server.pid, QEMU)], [], ours_waiting=1
        )


def test_our_own_connections_are_told_from_others(
    tmp_path: Path, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, tmp_path / "q", accept=2)
    with connected(tmp_path / "q"):
        server.line()
        client = other_process("connect", DAEMON, tmp_path / "q")
        server.line()
        with connected(tmp_path / "q"):
            assert occupancy(tmp_path / "q") == Occupancy(
                [Holder(server.pid, QEMU)],
                [Holder(client.pid, DAEMON)],
                ours=1,
                ours_waiting=1,
            )


def test_a_client_that_is_gone_holds_nothing(
    tmp_path: Path, other_process: StartProcess
) -> None:
    server = other_process("listen", QEMU, tmp_path / "q", accept=1)
    connected(tmp_path / "q").close()
    server.line()
    assert occupancy(tmp_path / "q") == Occupancy([Holder(server.pid, QEMU)], [])


def test_other_spellings_of_the_path_find_the_same(
    tmp_path: Path, other_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Holder(other_process("listen", QEMU, tmp_path / "q").pid, QEMU)
    (tmp_path / "link").symlink_to("q")
    monkeypatch.chdir(tmp_path)
    assert listener("./q") == listener("q") == listener("link") == server
    assert listener(f"unix:{tmp_path}/q,server=on") == server
    assert listener("other") is None


def test_the_server_that_replaced_the_socket_is_meant(
    tmp_path: Path, other_process: StartProcess
) -> None:
    other_process("listen", QEMU, tmp_path / "q")
    (tmp_path / "q").unlink()
    server = other_process("listen", QEMU, tmp_path / "q")
    assert listener(tmp_path / "q") == Holder(server.pid, QEMU)


def test_abstract_sockets_are_found_too(other_process: StartProcess) -> None:
    name = f"@qmpx-{os.getpid()}"
    server = other_process("listen", QEMU, name, accept=1)
    client = other_process("connect", DAEMON, name)
    server.line()
    assert listener(name) == Holder(server.pid, QEMU)
    assert holders(name) == [Holder(client.pid, DAEMON)]


def test_tcp_ports_of_this_host_are_found_too(other_process: StartProcess) -> None:
    server = other_process("listen", QEMU, 0, accept=1)
    port = int(server.ready)
    client = other_process("connect", DAEMON, port)
    server.line()
    with socket.create_connection(("127.0.0.1", port)):
        assert occupancy(TcpAddress("127.0.0.1", port)) == Occupancy(
            [Holder(server.pid, QEMU)], [Holder(client.pid, DAEMON)], ours_waiting=1
        )


def test_ipv4_clients_of_an_ipv6_port_are_found() -> None:
    with (
        socket.create_server(
            ("", 0), family=socket.AF_INET6, dualstack_ipv6=True
        ) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])),
    ):
        found = occupancy(TcpAddress("localhost", server.getsockname()[1]))
    assert (found.ours, found.ours_waiting) == (0, 1)
    assert found.server is not None
    assert found.server.pid == os.getpid()


@pytest.mark.parametrize("address", [FdAddress(0), VsockAddress(2, 1)])
def test_other_addresses_have_nobody(address: FdAddress | VsockAddress) -> None:
    assert occupancy(address) == Occupancy([], [])


def test_the_work_is_bounded(tmp_path: Path, other_process: StartProcess) -> None:
    other_process("listen", QEMU, tmp_path / "q")
    with connected(tmp_path / "q"):
        # The one process that is looked at is our own.
        assert occupancy(tmp_path / "q", max_processes=1) == Occupancy(
            [], [], ours_waiting=1
        )
    assert listener(tmp_path / "q", max_processes=1) is None
    assert holders(tmp_path / "q", max_processes=0) == []


def test_without_sock_diag_the_holder_stays_hidden(
    tmp_path: Path, other_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden() -> None:
        raise PermissionError

    monkeypatch.setattr("qmpx.transport.kernel_sockets._unix_sockets", forbidden)
    server = other_process("listen", QEMU, tmp_path / "q", accept=1)
    other_process("connect", DAEMON, tmp_path / "q")
    server.line()
    assert occupancy(tmp_path / "q") == Occupancy(
        [Holder(server.pid, QEMU)], [], hidden=1
    )
    name = f"@qmpx-{os.getpid()}"
    other = other_process("listen", QEMU, name)
    assert listener(name) == Holder(other.pid, QEMU)


def test_without_proc_nobody_is_found(
    tmp_path: Path, other_process: StartProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(path: str) -> list[str]:
        raise PermissionError(path)

    server = other_process("listen", QEMU, tmp_path / "q", accept=1)
    other_process("connect", DAEMON, tmp_path / "q")
    server.line()
    monkeypatch.setattr(os, "listdir", unreadable)
    assert occupancy(tmp_path / "q") == Occupancy([], [], hidden=1)


def test_on_another_system_nobody_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "q"))
        server.listen()
        assert occupancy(tmp_path / "q") == Occupancy([], [])
        assert peer(server) is None


def test_of_several_that_listen_qemu_is_the_server() -> None:
    init, daemon, qemu = Holder(1, "systemd"), Holder(7, DAEMON), Holder(9, QEMU)
    assert Occupancy([init, daemon, qemu], []).server == qemu
    assert Occupancy([init, daemon], []).server == daemon
    assert Occupancy([init], []).server == init
    assert Occupancy([], []).server is None


def test_the_peer_is_who_listened(tmp_path: Path, other_process: StartProcess) -> None:
    server = other_process("listen", QEMU, tmp_path / "q")
    with connected(tmp_path / "q") as client:
        assert peer(client) == Holder(server.pid, QEMU)
    assert peer(client) is None
    with socket.socket() as tcp:
        assert peer(tcp) is None


def test_a_name_cannot_speak_to_the_terminal() -> None:
    assert str(Holder(7, "\x1b[2Jx")) == "pid 7 (\\x1b[2Jx)"
