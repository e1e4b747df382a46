"""Sockets for VNC."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import stat

import pytest

from qmpx.errors import VNCServerFailed
from tests.loops import run_on, short_directory
from tests.machine.display.rfb_client import (
    Viewer,
    view_unix,
)
from tests.machine.display.room import ALL, LOCAL, Room, room


def test_a_unix_socket_is_for_its_owner_and_goes_with_the_server() -> None:
    async def main() -> None:
        with short_directory() as directory:
            path = str(directory / "vnc.sock")
            async with room(f"unix:{path}") as here:
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
                server = {"host": "localhost", "service": path, "family": "unix"}
                viewer = await view_unix(path)
                await viewer.shake_hands()
                client = {"host": "localhost", "service": "", "family": "unix"}
                assert here.vnc.info() == {
                    "enabled": True,
                    "clients": [client],
                    **server,
                    "auth": "none",
                }
                assert here.vnc.address == f"unix:{path}"
                await viewer.close()
            assert list(directory.iterdir()) == []

    run_on("asyncio", main())


def test_a_socket_that_nobody_listens_on_is_replaced_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        with short_directory() as directory:
            path = str(directory / "vnc.sock")
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(path)
            async with room(f"unix:{path}"):
                other = Room()
                with pytest.raises(VNCServerFailed):
                    other.vnc.open(f"unix:{path}")
                await (await view_unix(path)).close()
            (directory / "file").write_text("text")
            with pytest.raises(VNCServerFailed):
                Room().vnc.open(f"unix:{directory / 'file'}")
            assert (directory / "file").read_text() == "text"

    with caplog.at_level(logging.WARNING, "qmpx.machine"):
        run_on("asyncio", main())
    complaints = [record.message.rpartition("/")[2] for record in caplog.records]
    assert complaints == ["vnc.sock already", "file exists and is no socket"]


def test_a_port_that_is_taken_is_passed_over_if_there_may_be_others() -> None:
    async def main() -> None:
        async with room() as here:
            taken = here.port - 5900
            other = Room()
            with pytest.raises(VNCServerFailed):
                other.vnc.open(f"{LOCAL}:{taken}")
            other.vnc.open(f"{LOCAL}:{taken},to=99")
            assert other.port > here.port
            other.display.close()

    run_on("asyncio", main())


def test_the_server_can_come_to_a_viewer_that_listens(loop: str) -> None:
    async def main() -> None:
        here = Room()
        done = asyncio.Event()

        async def see(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            viewer = Viewer(reader, writer)
            await viewer.shake_hands()
            viewer.ask(incremental=False)
            assert await viewer.update() == ALL
            await viewer.close()
            done.set()

        listening = await asyncio.start_server(see, LOCAL, 0)
        port = listening.sockets[0].getsockname()[1]
        async with listening:
            here.vnc.open(f"{LOCAL}:{port},reverse")
            await done.wait()
            await here.until(lambda: not here.vnc.viewers)
            # There is no socket of ours that listens.
            assert here.vnc.info() == {}
            assert here.names() == [
                *("VncConnected", "VncInitialized", "VncDisconnected"),
            ]
        with pytest.raises(VNCServerFailed):
            here.vnc.open(f"{LOCAL}:{port},reverse")

    run_on(loop, main())
