"""Sockets that link machines, and dumps: what they do on the host."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceInitFailed, DeviceNotFound
from qmpx.machine import Machine
from qmpx.machine.network.back_ends import SocketListener
from tests.loops import LOOPS, run_on, settle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("loop", LOOPS)
def test_a_listening_client_is_there_once_somebody_has_come(loop: str) -> None:
    async def main() -> None:
        network = Machine().network
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = {"type": "socket", "id": "s", "listen": f"127.0.0.1:{port}"}
        assert network.add_netdev(options) is None
        assert network.back_end("s") is None
        with socket.create_connection(("127.0.0.1", port)) as peer:
            await settle()
            linked = network.back_end("s")
            assert linked is not None
            assert linked.info == (
                f"socket: connection from 127.0.0.1:{peer.getsockname()[1]}"
            )
            network.remove_netdev("s")
            peer.settimeout(5)
            assert peer.recv(1) == b""

    run_on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_nobody_came_to_can_be_removed(loop: str) -> None:
    async def main() -> None:
        network = Machine().network
        network.add_netdev({"type": "socket", "id": "s", "listen": "127.0.0.1:0"})
        network.remove_netdev("s")
        with pytest.raises(DeviceNotFound):
            network.remove_netdev("s")
        network.add_netdev({"type": "socket", "id": "s", "listen": "127.0.0.1:0"})
        network.close()

    run_on(loop, main())


def test_a_listener_waits_without_a_loop_too() -> None:
    listener = SocketListener(("127.0.0.1", 0), lambda _: None)
    with socket.create_connection(("127.0.0.1", listener.port)):
        listener.close()


def test_one_machine_connects_to_another() -> None:
    network = Machine().network
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"127.0.0.1:{port}"
        client = network.add_netdev({"type": "socket", "id": "c", "connect": text})
        accepted, _ = server.accept()
        with accepted:
            assert client is not None
            assert client.info == f"socket: connect to {text}"
            network.close()
            assert accepted.recv(1) == b""


def test_who_listens_may_come_later() -> None:
    network = Machine().network
    options = {"type": "socket", "id": "c", "connect": "127.0.0.1:1"}
    assert network.add_netdev(options) is not None
    network.close()


def test_machines_meet_at_a_multicast_address() -> None:
    text = "230.0.0.1:41234"
    networks = [Machine().network for _ in range(2)]
    try:
        for network in networks:
            client = network.add_netdev({"type": "socket", "id": "m", "mcast": text})
            assert client is not None
            assert client.info == f"socket: mcast={text}"
    except DeviceInitFailed as error:
        pytest.skip(f"this host has no multicast: {error.__notes__}")
    finally:
        for network in networks:
            network.close()


@pytest.mark.parametrize(
    ("options", "notes"),
    [
        ({}, ["-socket requires fd=, listen=, connect= or mcast="]),
        (
            {"listen": ":1", "mcast": "x"},
            ["fd=, connect= and mcast= is invalid with listen="],
        ),
        (
            {"fd": "3", "listen": ":1"},
            ["listen=, connect= and mcast= is invalid with fd="],
        ),
        ({"fd": "3"}, []),
        ({"listen": "nonsense"}, []),
        ({"listen": ":65536"}, []),
        (
            {"mcast": "nonsense:1"},
            ["socket mcast=nonsense:1: Expected 4 octets in 'nonsense'"],
        ),
    ],
)
def test_a_socket_that_cannot_be_had_is_told(
    options: dict[str, str], notes: list[str]
) -> None:
    with pytest.raises(DeviceInitFailed) as caught:
        Machine().network.add_netdev({"type": "socket", "id": "s", **options})
    assert getattr(caught.value, "__notes__", []) == notes


def test_an_address_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(DeviceInitFailed) as caught:
            Machine().network.add_netdev({"type": "socket", "id": "s", "listen": text})
    assert caught.value.__notes__ == [f"socket listen={text}: Address already in use"]


@pytest.mark.parametrize(("options", "length"), [({}, 65536), ({"len": "96"}, 96)])
def test_a_dump_is_a_capture_file(
    tmp_path: Path, options: dict[str, str], length: int
) -> None:
    path = tmp_path / "d.pcap"
    network = Machine().network
    network.add_legacy({"type": "dump", "file": str(path), **options})
    assert path.read_bytes() == struct.pack(
        "=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, length, 1
    )
    assert network.vlans[0][0].info == f"dump to {path} (len={length})"


def test_a_dump_is_called_after_its_vlan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Machine().network.add_legacy({"type": "dump", "vlan": "3"})
    assert (tmp_path / "qemu-vlan3.pcap").exists()


def test_a_dump_that_cannot_be_written_is_told() -> None:
    with pytest.raises(DeviceInitFailed) as caught:
        Machine().network.add_legacy({"type": "dump", "file": "/nonexistent/d"})
    assert caught.value.__notes__ == ["-net dump: can't open /nonexistent/d"]


def test_asyncio_is_not_needed_for_networks_without_sockets() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    Machine().network.add_netdev({"type": "user", "id": "u"})
