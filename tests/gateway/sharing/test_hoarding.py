"""Unfinished messages of all clients together take so much memory and no more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.sharing import hoarding
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from tests.monitor.conftest import Connect, Run


def test_who_holds_most_is_disconnected_and_the_others_stay(
    run: Run, share: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hoarding, "MAX_HELD", 50_000)
    monkeypatch.setattr(hoarding, "INTERVAL", 0.01)

    async def main() -> None:
        async with share() as shared:
            small = await connect(NEGOTIATE)
            large = await connect(NEGOTIATE)
            first, second = shared.clients
            await small.send(b'{"execute": "value", "id": "' + b"x" * 20_000)
            await large.send(b'{"execute": "value", "id": "' + b"x" * 40_000)
            with contextlib.suppress(ConnectionResetError):
                assert await large.rest() == []
            assert second.farewell.startswith("its unfinished message takes ")
            assert first.farewell == ""
            await small.send(b'"}')
            reply = await small.receive()
            assert reply[0]["id"] == "x" * 20_000
            small.close()
            await settle()

    with silenced("qmpx.gateway"):
        run(main())


@pytest.mark.parametrize(
    "text",
    [b'{"id": "' + b"x" * 5000, b'{"id": [' + b"1," * 2500, b'{"id": 1' + b"1" * 5000],
    ids=["text", "tokens", "digits"],
)
def test_what_is_held_is_known(text: bytes) -> None:
    from qmpx.wire.framing import CommandReader

    reader = CommandReader()
    reader.feed(text)
    while reader.take():
        pass
    while reader.unread:
        reader.take()
    assert reader.held >= 5000


def test_a_client_that_says_nothing_holds_nothing(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share() as shared:
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("value", 1)) == returned("something", 1)
            (client,) = shared.clients
            assert client.session.wire.reader.held == 0

    run(main())
