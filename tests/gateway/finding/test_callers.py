"""QEMUs that dial in by TLS: who they are is proved before anything is asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway import Gateway, SharedMonitor
from qmpx.gateway.finding.arrivals import Arrivals
from qmpx.gateway.finding.callers import Security
from qmpx.gateway.settings.configuration import Configuration, parse_configuration
from qmpx.transport.address import parse_listen_address
from qmpx.transport.tls import server_context
from tests.certificates import Authority, make_authority
from tests.gateway.finding.test_arrivals import EVENT, GREETING, Caller, Desk
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls") / "authority")


@contextlib.asynccontextmanager
async def receiving(
    authority: Authority, *names: str, template: str = ""
) -> AsyncIterator[tuple[Desk, int]]:
    """Receive who comes by TLS; return who does, and at which port."""
    desk = Desk()
    arrivals = Arrivals(
        parse_listen_address("tcp:127.0.0.1:0"),
        template,
        desk,
        timeout=5.0,
        security=Security(server_context(str(authority.directory)), names),
    )
    arrivals.start()
    yield desk, int(str(arrivals.address).rpartition(":")[2])
    await arrivals.close()


async def calling(authority: Authority, port: int, stem: str = "alice") -> Caller:
    context = authority.client_context(stem)
    streams = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )
    return Caller(*streams)


@pytest.mark.parametrize(
    ("names", "template", "called"),
    [
        ((), "", "box"),
        (("alice",), "{certificate}-{vm}", "alice-box"),
        (("bob", "*.example"), "{certificate}", "alice.example"),
    ],
    ids=["any", "one", "pattern"],
)
def test_it_is_asked_once_its_certificate_is_known(
    run: Run, authority: Authority, names: tuple[str, ...], template: str, called: str
) -> None:
    async def main() -> None:
        async with receiving(authority, *names, template=template) as (desk, port):
            caller = await calling(authority, port)
            caller.say(GREETING)
            await caller.answer()
            name, link = await desk.came.get()
            assert name == called
            assert [message.event for message in link.messages] == ["RESUME"] * 3
            link.close()
            assert await caller.ended() == b""
            caller.close()

    run(main())


def test_commands_pass_by_tls_and_nothing_said_meanwhile_is_lost(
    run: Run, authority: Authority, connect: Connect, path: str
) -> None:
    async def main() -> None:
        async with receiving(authority) as (desk, port):
            caller = await calling(authority, port)
            caller.say(GREETING)
            await caller.answer()
            link = (await desk.came.get())[1]
            caller.say(*[EVENT] * 3)  # before anybody reads on
            await asyncio.sleep(0.01)

            async def dial() -> Any:
                return link

            shared = SharedMonitor("unix:/nowhere", dial=dial)
            seen = Events()
            shared.observers.append(seen)
            async with shared, shared.serve(path, grace=0):
                peer = await connect(NEGOTIATE)
                await peer.send(command("stop", 7))
                asked = await caller.heard()
                assert asked["execute"] == "stop"
                caller.say({"return": {"ok": 1}, "id": asked["id"]})
                while "event" in (reply := (await peer.receive())[0]):
                    pass
                assert reply == returned({"ok": 1}, 7)
                assert seen.names == ["RESUME"] * 6
            assert await caller.ended() == b""
            caller.close()

    with silenced("qmpx.gateway"):
        run(main())


class Events:
    """Notes which events there were."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None

    def event(self, sequence: int, name: str, data: Any, message: bytes) -> None:
        del sequence, data, message
        self.names.append(name)


def test_one_that_goes_before_it_is_passed_on_is_none(
    run: Run, authority: Authority
) -> None:
    async def main() -> None:
        async with receiving(authority) as (desk, port):
            caller = await calling(authority, port)
            caller.say(GREETING)
            await caller.answer()
            link = (await desk.came.get())[1]
            link.close()
            link.close()
            caller.close()

    run(main())


@pytest.mark.parametrize(
    ("stem", "names", "told"),
    [
        ("alice", ("bob",), "tls:alice, alice.example"),
        ("", (), "its handshake failed"),
        ("late", (), "its handshake failed"),
    ],
    ids=["another", "none", "expired"],
)
def test_who_may_not_connect_is_asked_nothing(
    run: Run,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
    stem: str,
    names: tuple[str, ...],
    told: str,
) -> None:
    async def main() -> bytes:
        async with receiving(authority, *names) as (desk, port):
            heard = b""
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                caller = await calling(authority, port, stem)
                caller.say(GREETING)
                heard = await caller.ended()
                caller.close()
            while told not in caplog.text:
                await settle()
            assert desk.came.empty()
            return heard

    assert run(main()) == b""


def test_what_is_no_tls_is_turned_away(
    run: Run, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with receiving(authority) as (desk, port):
            loop = asyncio.get_running_loop()
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.settimeout(0)
                await loop.sock_sendall(sock, b'{"QMP": {}}\r\n')
                with contextlib.suppress(ConnectionError):
                    while await loop.sock_recv(sock, 1024):
                        pass
            while "its handshake failed" not in caplog.text:
                await settle()
            assert desk.came.empty()

    run(main())


def test_new_credentials_are_for_those_who_come_then(
    run: Run, authority: Authority, tmp_path: Path
) -> None:
    other = make_authority(tmp_path / "other")

    async def main() -> None:
        desk = Desk()
        arrivals = Arrivals(
            parse_listen_address("tcp:127.0.0.1:0"),
            "",
            desk,
            timeout=5.0,
            security=Security(server_context(str(authority.directory)), ()),
        )
        arrivals.start()
        port = int(str(arrivals.address).rpartition(":")[2])
        for each in (authority, other):
            arrivals.security = Security(server_context(str(each.directory)), ())
            caller = await calling(each, port)
            caller.say(GREETING)
            await caller.answer()
            (await desk.came.get())[1].close()
            caller.close()
        await arrivals.close()

    run(main())


UPSTREAM = """
[gateway]
drain = 0
[[upstream]]
dial-in = "tcp:127.0.0.1:PORT"
tls = { directory = "AUTHORITY" }
certificates = ["NAME"]
listen = "unix:DIR/{name}.shared"
watch = false
"""


def test_a_reload_changes_who_may_dial_in_and_keeps_who_has(
    run: Run, authority: Authority, directory: Path, connect: Connect
) -> None:
    authority.sign("bob", "bob")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def configured(name: str) -> Configuration:
        text = UPSTREAM.replace("PORT", str(port)).replace("NAME", name)
        text = text.replace("AUTHORITY", str(authority.directory))
        return parse_configuration(text.replace("DIR", str(directory)))

    async def come(stem: str) -> Caller:
        caller = await calling(authority, port, stem)
        caller.say(GREETING)
        return caller

    async def main() -> None:
        async with Gateway(configured("alice")) as gateway:
            alice = await come("alice")
            await alice.answer()
            place = directory / "box.shared"
            while not place.exists():
                await settle()
            peer = await connect(NEGOTIATE, str(place))
            await gateway.reload(configured("bob"))
            # She stays; but she would not be let in again.
            await peer.send(command("stop", 1))
            alice.say({"return": {}, "id": (await alice.heard())["id"]})
            while "event" in (reply := (await peer.receive())[0]):
                pass
            assert reply == returned({}, 1)
            again, bob = await come("alice"), await come("bob")
            assert await again.ended() == b""
            await bob.answer(**{"query-name": {"return": {"name": "other"}}})
            while not (directory / "other.shared").exists():
                await settle()
            for each in (alice, again, bob):
                each.close()

    with silenced("qmpx.gateway"):
        run(main())
