"""Character devices on sockets, with real ones."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.character import sockets
from qmpx.machine.character.device import MAX_UNREAD, MAX_UNSENT
from qmpx.machine.character.sockets import TELNET_OPENING, Datagrams, SocketDevice
from tests.loops import LOOPS, run_on, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HERE = "127.0.0.1"

pytestmark = pytest.mark.parametrize("loop", LOOPS)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the kernel brings about."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.001)


def test_a_server_takes_one_client_at_a_time(loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        device = SocketDevice("c", path, is_server=True)
        assert device.filename == f"unix:{path},server"
        await device.open()
        assert not device.is_connected
        first_in, first = await asyncio.open_unix_connection(path)
        _, second = await asyncio.open_unix_connection(path)
        second.write(b"second")
        first.write(b"first")
        await until(lambda: device.read() == b"first")
        assert device.write(b"hello") == 5
        assert await first_in.readexactly(5) == b"hello"
        first.close()
        await until(lambda: device.read() == b"second")
        second.close()
        await until(lambda: not device.is_connected)
        assert device.write(b"into the void") == 13
        device.close()
        assert not (tmp_path / "s").exists()

    run_on(loop, main())


@pytest.mark.parametrize("scheme", ["tcp", "telnet"])
def test_a_server_listens_on_tcp(loop: str, scheme: str) -> None:
    async def main() -> None:
        is_telnet = scheme == "telnet"
        device = SocketDevice(
            "c", (HERE, 0), is_server=True, is_telnet=is_telnet, has_delay=False
        )
        assert device.filename == f"{scheme}:{HERE}:0,server"
        await device.open()
        reader, writer = await asyncio.open_connection(HERE, device.port)
        greeting = TELNET_OPENING if is_telnet else b""
        assert await reader.readexactly(len(greeting)) == greeting
        writer.write(b"a\xff\xfd\x03b\xff\xffc\xff\xf1d")
        await writer.drain()
        expected = b"ab\xffcd" if is_telnet else b"a\xff\xfd\x03b\xff\xffc\xff\xf1d"
        came = bytearray()
        while len(came) < len(expected):
            await asyncio.sleep(0.001)
            came += device.read()
        assert came == expected
        writer.close()
        device.close()

    run_on(loop, main())


def test_telnet_is_understood_however_it_is_cut(loop: str) -> None:
    del loop
    text = b"a\xff\xfd\x03b\xff\xffc\xff\xfa\xf1d"
    for cut in range(len(text) + 1):
        device = SocketDevice("c", (HERE, 0), is_telnet=True)
        device.came(text[:cut])
        device.came(text[cut:])
        assert device.read() == b"ab\xffc\xf1d"


def test_a_server_may_wait_for_its_first_client(loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        device = SocketDevice("c", path, is_server=True, waits=True)
        opening = asyncio.ensure_future(device.open())
        await settle()
        assert not opening.done()
        _, writer = await asyncio.open_unix_connection(path)
        await opening
        assert device.is_connected
        writer.close()
        device.close()

    run_on(loop, main())


def test_a_server_that_waits_can_be_given_up(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def main() -> None:
        device = SocketDevice("c", str(path), is_server=True, waits=True)
        opening = asyncio.ensure_future(device.open())
        await settle()
        opening.cancel()
        (ended,) = await asyncio.gather(opening, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)
        assert not path.exists()

    run_on(loop, main())


def test_a_client_connects(loop: str) -> None:
    async def main() -> None:
        with socket.create_server((HERE, 0)) as server:
            port = server.getsockname()[1]
            device = SocketDevice("c", (HERE, port))
            assert device.filename == f"tcp:{HERE}:{port}"
            await device.open()
            accepted, _ = server.accept()
            with accepted:
                device.write(b"x")
                assert accepted.recv(1) == b"x"
                accepted.sendall(b"y")
                await until(lambda: device.read() == b"y")
            await until(lambda: not device.is_connected)
            device.close()

    run_on(loop, main())


def test_a_client_that_cannot_connect_is_told(loop: str, tmp_path: Path) -> None:
    async def main() -> None:
        for address in ((HERE, 1), str(tmp_path / "nobody")):
            with pytest.raises(OSError, match=r"."):
                await SocketDevice("c", address).open()

    run_on(loop, main())


def test_what_nobody_reads_is_kept_up_to_a_limit(loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        device = SocketDevice("c", path, is_server=True)
        calls: list[int] = []
        device.listener = lambda: calls.append(1)
        await device.open()
        _, writer = await asyncio.open_unix_connection(path)
        sent = 32 * MAX_UNREAD
        writer.write(bytes(sent))
        await asyncio.sleep(0.05)
        kept = len(device.read(1 << 30))
        assert MAX_UNREAD <= kept < MAX_UNREAD + (1 << 18)
        while kept < sent:
            await asyncio.sleep(0.001)
            kept += len(device.read(1 << 30))
        assert calls
        writer.close()
        device.close()

    run_on(loop, main())


def test_what_a_slow_reader_does_not_take_is_refused(loop: str, tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def main() -> None:
        device = SocketDevice("c", path, is_server=True)
        await device.open()
        _, writer = await asyncio.open_unix_connection(path)
        await until(lambda: device.is_connected)
        taken = 0
        while (count := device.write(bytes(1 << 14))) == 1 << 14:
            taken += count
            assert taken < 1 << 24
        assert count < 1 << 14
        assert device.write(bytes(MAX_UNSENT)) < MAX_UNSENT
        writer.close()
        device.close()

    run_on(loop, main())


def test_datagrams_go_out_and_come_in(loop: str) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind((HERE, 0))
            peer.settimeout(5)
            device = Datagrams("c", (HERE, peer.getsockname()[1]))
            await device.open()
            device.write(b"out")
            data, sender = peer.recvfrom(100)
            assert data == b"out"
            peer.sendto(b"in", sender)
            await until(lambda: device.read() == b"in")
            device.close()
            device.write(b"to nobody")

    run_on(loop, main())


def test_datagrams_need_an_address_that_is_there(loop: str) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match=r"."):
            await Datagrams("c", (HERE, 1), ("192.0.2.1", 1)).open()

    run_on(loop, main())


def test_the_module_knows_the_telnet_of_2010(loop: str) -> None:
    del loop
    assert sockets.TELNET_OPENING.hex() == "fffb01fffb03fffb00fffd00"
