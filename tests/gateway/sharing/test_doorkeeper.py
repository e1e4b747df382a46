"""What speaks another protocol is turned away, on TCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway import SharedMonitor
from qmpx.gateway.sharing.doorkeeper import METHODS, is_foreign
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, failed, returned

if TYPE_CHECKING:
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run, Stage

POST = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70\r\n\r\n"
    b'{"execute": "qmp_capabilities"}{"execute": "emit", "arguments": {"name": "X"}}'
)


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        *((method, True) for method in METHODS),
        (b"\x16\x03\x01\x02\x00", True),
        (b"\x16\x04", False),
        (b"PO", None),
        (b"\x16", None),
        (b"", None),
        (b"{", False),
        (b" \r\n{", False),
        (b"PQ", False),
        (b"get /", False),
        (b"\xff", False),
    ],
)
def test_it_knows_http_and_tls_by_their_first_bytes(
    start: bytes, verdict: bool | None
) -> None:
    assert is_foreign(start) is verdict


@pytest.mark.parametrize(
    "pieces", [[POST], [POST[:1], POST[1:3], POST[3:]], [b"\x16\x03\x01" + POST]]
)
def test_who_speaks_it_on_tcp_is_turned_away_and_nothing_is_run(
    run: Run, stage: Stage, directory: Path, connect: Connect, pieces: list[bytes]
) -> None:
    async def main() -> None:
        place = str(directory / "up.sock")
        async with (
            stage.monitor.serve(place),
            SharedMonitor(place) as shared,
            shared.serve("tcp:127.0.0.1:0") as server,
        ):
            address: Any = server.addresses[0]
            at = "127.0.0.1", address.port
            witness = await connect(NEGOTIATE, at)
            browser = await connect(at=at)
            await browser.receive()
            for piece in pieces:
                await browser.send(piece)
                await settle()
            with pytest.raises((ConnectionResetError, AssertionError)):
                await browser.receive()  # the end, and nothing before
            # No event came: what stood in the body was not run.
            assert await witness.ask(command("value", 1)) == returned("something", 1)

    with silenced("qmpx.gateway"):
        run(main())


def test_on_a_unix_socket_it_is_malformed_json_as_ever(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            peer = await connect(NEGOTIATE)
            fault = "JSON parse error, stray 'G'"
            assert await peer.ask(b"GET ") == failed(fault)

    run(main())
