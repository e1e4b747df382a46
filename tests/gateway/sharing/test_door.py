"""How clients come in: who each is, which role it gets, and who is turned away."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import AddressError
from qmpx.gateway.access.access import Access
from qmpx.gateway.access.tokens import new_token
from qmpx.gateway.policy import AUTHENTICATE
from qmpx.gateway.settings.configuration import parse_configuration
from qmpx.gateway.sharing import door
from qmpx.gateway.sharing.client import Client
from qmpx.gateway.sharing.door import MAX_ATTEMPTS
from tests.certificates import Authority, make_authority
from tests.loops import settle
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    happened,
    returned,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from tests.monitor.conftest import Connect, Run, Stage

VALUE = '[role.v]\nallow = ["value", "getfd"]\ncontact = "ops"\n'
ANYONE = VALUE + '[[listener]]\naddress = "*"\nrole = "v"\n'

DENIED = (
    "The role v does not allow refuse here: it is not known what it does, and no rule "
    "names it; to have that changed, ask ops"
)


def test_a_client_does_what_its_role_allows_and_is_told_who_to_ask(
    run: Run, guard: Any, connect: Connect, stage: Stage
) -> None:
    async def main() -> None:
        async with guard(ANYONE) as shared:
            peer = await connect(ENABLE_OOB)
            assert await peer.ask(command("value", 1)) == returned("something", 1)
            assert await peer.ask(command("refuse", "i")) == failed(DENIED, "i")
            refused = {"exec-oob": "refuse", "id": 2}
            assert await peer.ask(refused) == failed(DENIED, 2)
            (client,) = shared.clients
            assert client.identity.pid == os.getpid()
            assert (client.role.name, client.identity.kind) == ("v", "unix")
            stage.monitor.emit("STOP")
            assert await peer.now() == []  # nothing allows it any event

    run(main())


def test_who_has_no_role_is_not_greeted(
    run: Run, guard: Any, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with guard(VALUE + '[[grant]]\nrole = "v"\nuid = 99999\n') as shared:
            peer = await connect()
            assert await peer.rest() == []
            assert shared.clients == []

    with caplog.at_level(logging.WARNING, "qmpx.gateway"):
        run(main())
    assert ") was turned away at unix:" in caplog.text
    assert "it has no role" in caplog.text


@pytest.mark.parametrize(
    "opening", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00"]
)
@pytest.mark.parametrize("is_held", [False, True])
def test_another_protocol_is_dropped_and_where_that_is_wanted_ungreeted(
    run: Run, guard: Any, connect: Connect, opening: bytes, is_held: bool
) -> None:
    hold = 5 if is_held else 0

    async def main() -> None:
        async with guard(
            ANYONE + f"plain-tcp = true\nhold-greeting = {hold}\n", "tcp:127.0.0.1:0"
        ) as shared:
            (server,) = shared.servers
            address = server.addresses[0]
            peer = await connect(None, ("127.0.0.1", address.port))
            await peer.send(opening)
            said = await peer.rest()
            assert said == [] if is_held else "QMP" in said[0]

    with_quiet_log(run, main())


def with_quiet_log(run: Run, main: Any) -> None:
    logger = logging.getLogger("qmpx.gateway")
    was, logger.disabled = logger.disabled, True
    try:
        run(main)
    finally:
        logger.disabled = was


def test_a_held_greeting_comes_in_time_or_when_the_client_speaks(
    run: Run, guard: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with guard(ANYONE + "hold-greeting = 0.02\n"):
            patient = await connect()
            assert "QMP" in (await patient.receive())[0]
            assert await patient.ask(NEGOTIATE) == returned({})
            hasty = await connect()
            await hasty.send(NEGOTIATE, command("value", 1))
            greeting, *replies = await hasty.receive(3)
            assert "QMP" in greeting
            assert replies == [returned({}), returned("something", 1)]
            gone = await connect()
            gone.half_close()
            assert "QMP" in (await gone.rest())[0]

    run(main())


def test_a_socket_has_the_mode_that_it_is_given(
    run: Run, guard: Any, path: str
) -> None:
    def mode() -> int:
        return stat.S_IMODE(Path(path).stat().st_mode)

    async def main() -> None:
        async with guard(ANYONE):
            assert mode() == 0o600
        async with guard(ANYONE + 'mode = "0666"\n'):
            assert mode() == 0o666

    run(main())


def test_a_socket_whose_owner_cannot_be_set_is_not_served(
    run: Run, guard: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)

    async def main() -> None:
        with pytest.raises(AddressError, match="cannot set its mode or owner"):
            async with guard(ANYONE + 'owner = "0"\n'):
                pass

    run(main())
    assert not Path(path).exists()


# What is decided on is what goes on.

SPELLINGS = [
    (b'{"execute": "v\\u0061lue"}', returned("something")),
    (b"{'execute': 'value'}", returned("something")),
    (b'{"execute": "value", "arguments": {"o\\u0066": 1}}', returned(1)),
    (b'{"exec\\u0075te": "value"}', returned("something")),
    (b'{"execute": "r\\u0065fuse"}', failed(DENIED)),
    (
        b'{"execute": "value", "execute": "refuse"}',
        failed("JSON parse error, duplicate key"),
    ),
    (
        b'{"execute": "value", "execu\\u0074e": "refuse"}',
        failed("JSON parse error, duplicate key"),
    ),
    (
        b'{"execute": "value", "exec-oob": "refuse"}',
        failed("QMP input member 'exec-oob' is unexpected"),
    ),
    (
        b'{"execute": "value", "x": "refuse"}',
        failed("QMP input member 'x' is unexpected"),
    ),
    (
        b'{"execute": "value", "arguments": {"of": 1, "of": 2}}',
        failed("JSON parse error, duplicate key"),
    ),
    (
        b'{"execute": ["refuse"]}',
        failed("QMP input member 'execute' must be a string"),
    ),
]


@pytest.mark.parametrize(("sent", "reply"), SPELLINGS)
def test_no_spelling_hides_a_command(
    run: Run, guard: Any, connect: Connect, stage: Stage, sent: bytes, reply: Any
) -> None:
    ran: list[str] = []

    async def main() -> None:
        async with guard(ANYONE):
            peer = await connect(NEGOTIATE)
            assert await peer.ask(sent) == reply
            assert ran == []

    del stage.monitor.commands.entries["refuse"]
    stage.monitor.command("refuse")(lambda: ran.append("refuse"))
    run(main())


def test_a_long_name_is_not_repeated_whole(
    run: Run, guard: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with guard(ANYONE):
            peer = await connect(NEGOTIATE)
            refused = await peer.ask(command("x" * 100_000))
            assert len(refused["error"]["desc"]) < 400

    run(main())


# Descriptors.


def test_descriptors_of_those_who_may_not_are_closed(
    run: Run,
    guard: Any,
    connect: Connect,
    open_fds: Callable[[], int],
    stage: Stage,
) -> None:
    got: list[Any] = []

    @stage.monitor.command("getfd")
    def getfd(*, fdname: str) -> None:
        got.append(fdname)

    async def main() -> None:
        async with guard(ANYONE):
            peer = await connect(NEGOTIATE)
            before = open_fds()
            read, write = os.pipe()
            for text in (b'{"execute": "value"}', b'{"execute": "getfd"}', b" "):
                await peer.send_fds(text, read, write)
                await peer.now()
            os.close(read)
            os.close(write)
            assert open_fds() == before
            refused = await peer.ask(command("getfd", fdname="x"))
            assert "descriptors are not the role's" in refused["error"]["desc"]
            assert got == []

    with_quiet_log(run, main())


# Tokens.

TOKEN, DIGEST = new_token()
OLD, OLD_DIGEST = new_token()
REVOKED, REVOKED_DIGEST = new_token()

TOKENS = f"""{VALUE}
[[listener]]
address = "*"
tokens = true
[[grant]]
role = "v"
token = "ci"
[[token]]
name = "ci"
sha256 = "{DIGEST}"
[[token]]
name = "old"
sha256 = "{OLD_DIGEST}"
expires = 2020-01-01T00:00:00Z
[[token]]
name = "gone"
sha256 = "{REVOKED_DIGEST}"
revoked = true
"""


class Notes:
    """An observer that notes decisions."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connected(self, client: Any) -> None:
        self.told.append(("connected", str(client.identity.kind)))

    def disconnected(self, _: Any, reason: str) -> None:
        self.told.append(("disconnected", reason))

    def decided(self, _: Any, name: str, arguments: Any, decision: Any) -> None:
        self.told.append(
            (name, bytes(arguments) if arguments else b"", decision.verdict)
        )

    def answered(self, *told: Any) -> None:
        self.told.append((told[1], told[4]))

    def event(self, *told: Any) -> None:
        self.told.append(told[:2])

    def upstream_changed(self, state: str, reason: str) -> None:
        self.told.append((state, reason))

    def identified(self, client: Any) -> None:
        self.told.append(("identified", str(client.identity)))


def show(token: str, id_: Any = None) -> dict[str, Any]:
    return command(AUTHENTICATE, id_, token=token)


def test_a_token_gives_its_role_and_is_told_to_nobody(
    run: Run, guard: Any, connect: Connect, stage: Stage
) -> None:
    notes = Notes()

    async def main() -> None:
        async with guard(TOKENS, observers=(notes,)):
            peer = await connect(NEGOTIATE)
            refused = await peer.ask(command("value", 1))
            assert refused["error"]["desc"].startswith("The role nobody does not allow")
            stage.monitor.emit("STOP")
            assert await peer.now() == []
            shown = {"identity": "token:ci", "role": "v"}
            assert await peer.ask(show(TOKEN, 2)) == returned(shown, 2)
            assert await peer.ask(command("value", 3)) == returned("something", 3)

    run(main())
    hidden = b'{"token": "(hidden)"}'
    assert notes.told[:7] == [
        ("connected", "unix"),
        ("value", b"", "deny"),
        (1, "STOP"),
        (AUTHENTICATE, hidden, "allow"),
        ("identified", "token:ci"),
        (AUTHENTICATE, "return"),
        ("value", b"", "allow"),
    ]
    assert TOKEN not in str(notes.told)


@pytest.mark.parametrize(
    "token",
    [OLD, REVOKED, DIGEST, "", TOKEN + " ", TOKEN[:-1]],
    ids=["old", "revoked", "its digest", "none", "with a blank", "cut off"],
)
def test_a_token_that_does_not_count_gives_nothing(
    run: Run, guard: Any, connect: Connect, token: str
) -> None:
    async def main() -> None:
        async with guard(TOKENS) as shared:
            peer = await connect(NEGOTIATE)
            no = "the token does not count here"
            for number in range(MAX_ATTEMPTS):
                assert await peer.ask(show(token, number)) == failed(no, number)
            assert await peer.rest() == []
            assert shared.clients == []

    with_quiet_log(run, main())


def test_a_client_must_show_its_token_in_time(
    run: Run, guard: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()

    async def main() -> None:
        monkeypatch.setattr(door, "TOKEN_TIMEOUT", 3600)
        async with guard(TOKENS, observers=(notes,)):
            known = await connect(NEGOTIATE)
            await known.ask(show(TOKEN))
            monkeypatch.setattr(door, "TOKEN_TIMEOUT", 0.02)
            silent = await connect()
            (greeting,) = await silent.rest()
            assert greeting.keys() == {"QMP"}
            assert await known.ask(command("value")) == returned("something")

    run(main())
    assert ("disconnected", "it has not shown a token in time") in notes.told


def test_those_who_are_not_known_do_not_take_all_places(
    run: Run, guard: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MAX_UNKNOWN", 2)

    async def main() -> None:
        async with guard(TOKENS):
            one, _ = await connect(NEGOTIATE), await connect(NEGOTIATE)
            turned_away = await connect()
            assert await turned_away.rest() == []
            assert "return" in await one.ask(show(TOKEN))
            await connect(NEGOTIATE)

    with_quiet_log(run, main())


def test_a_token_that_is_revoked_ends_the_connection(
    run: Run, guard: Any, connect: Connect
) -> None:
    revoked = TOKENS.replace(f'sha256 = "{DIGEST}"', f'sha256 = "{OLD_DIGEST}"')

    async def main() -> None:
        async with guard(TOKENS) as shared:
            peer = await connect(NEGOTIATE)
            await peer.ask(show(TOKEN))
            shared.access = Access(parse_configuration(revoked))
            assert await peer.rest() == []

    with_quiet_log(run, main())


def test_a_token_ends_when_the_clock_of_the_host_says_so_and_as_a_reload_says(
    run: Run, guard: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its end is a year away, until somebody sets the clock; no timer notices that.
    now = dt.datetime.now(dt.UTC)
    later = now + dt.timedelta(days=365)
    expiring = TOKENS.replace(DIGEST + '"', f'{DIGEST}"\nexpires = {later.isoformat()}')
    monkeypatch.setattr(door, "EXPIRY_PAUSE", 0.01)

    class Host:
        UTC = dt.UTC
        moment = now

        @property
        def datetime(self) -> Any:
            return SimpleNamespace(now=lambda zone: self.moment.astimezone(zone))

    host = Host()
    monkeypatch.setattr("qmpx.gateway.access.access.dt", host)

    async def main() -> None:
        async with guard(expiring):
            peer = await connect(NEGOTIATE)
            assert "return" in await peer.ask(show(TOKEN))
            assert await peer.ask(command("value", 1)) == returned("something", 1)
            host.moment = later
            assert await peer.rest() == []
            host.moment = now
        async with guard(TOKENS) as shared:
            peer = await connect(NEGOTIATE)
            assert "return" in await peer.ask(show(TOKEN))
            shared.access = Access(parse_configuration(expiring))
            assert await peer.ask(command("value", 1)) == returned("something", 1)
            host.moment = later
            assert await peer.rest() == []

    with_quiet_log(run, main())


def test_a_reload_says_anew_who_must_show_a_token_in_time(
    run: Run, guard: Any, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for_all = TOKENS.replace("tokens = true", 'tokens = true\nrole = "v"')
    timers: list[asyncio.TimerHandle | None] = []
    real_expire = Client.expire

    def expire(client: Client, timer: asyncio.TimerHandle | None) -> None:
        timers.append(timer)
        real_expire(client, timer)

    monkeypatch.setattr(Client, "expire", expire)

    async def main() -> None:
        timers.clear()
        monkeypatch.setattr(door, "TOKEN_TIMEOUT", 3600)
        async with guard(TOKENS) as shared:
            peer = await connect(NEGOTIATE)
            (timer,) = timers
            assert timer is not None
            shared.access = Access(parse_configuration(for_all))
            assert timer.cancelled()
            assert await peer.ask(command("value", 1)) == returned("something", 1)
            monkeypatch.setattr(door, "TOKEN_TIMEOUT", 0.01)
            shared.access = Access(parse_configuration(TOKENS))
            assert await peer.rest() == []

    with_quiet_log(run, main())


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("tls") / "ca")


def by_tls(authority: Authority, more: str = "") -> str:
    return f"""{VALUE}
[[listener]]
address = "tcp:*"
tls = {{ directory = "{authority.directory}" }}
{more}
[[grant]]
role = "v"
certificate = "alice.example"
"""


def converse(port: int, context: ssl.SSLContext, *sent: bytes) -> list[bytes]:
    """Speak QMP by TLS, one message after the other; return what was said."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as tls,
        tls.makefile("rb") as file,
    ):
        said = [file.readline()]
        for each in sent:
            tls.sendall(each)
            said.append(file.readline())
        return said


def port_of(shared: Any) -> int:
    (server,) = shared.servers
    return int(server.addresses[0].port)


def test_a_certificate_gives_its_role(
    run: Run, guard: Any, authority: Authority
) -> None:
    async def main() -> None:
        async with guard(by_tls(authority), "tcp:127.0.0.1:0") as shared:
            said = await asyncio.to_thread(
                converse,
                port_of(shared),
                authority.client_context("alice"),
                b'{"execute": "qmp_capabilities"}',
                b'{"execute": "value", "arguments": {"of": 7}}',
                b'{"execute": "refuse", "id": 1}',
            )
            assert said[0].startswith(b'{"QMP":')
            assert said[1:3] == [b'{"return": {}}\r\n', b'{"return": 7}\r\n']
            assert b"The role v does not allow refuse" in said[3]
            await settle()

    run(main())


def test_a_certificate_without_a_grant_is_not_greeted(
    run: Run, guard: Any, authority: Authority
) -> None:
    authority.sign("bob", "bob")

    async def main() -> None:
        async with guard(by_tls(authority), "tcp:127.0.0.1:0") as shared:
            try:
                said = await asyncio.to_thread(
                    converse, port_of(shared), authority.client_context("bob")
                )
            except OSError:
                said = [b""]
            assert said == [b""]
            assert shared.clients == []

    with_quiet_log(run, main())


def test_half_open_handshakes_are_bounded_and_harm_nobody(
    run: Run,
    guard: Any,
    authority: Authority,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "MAX_HANDSHAKES", 3)

    async def main() -> None:
        async with guard(by_tls(authority), "tcp:127.0.0.1:0") as shared:
            port = port_of(shared)
            idle = [await connect(None, ("127.0.0.1", port)) for _ in range(3)]
            await idle[0].send(b"\x16\x03\x01\x02\x00\x01")
            await settle()
            surplus = await connect(None, ("127.0.0.1", port))
            assert await surplus.rest() == []
            idle[1].close()
            await settle()
            said = await asyncio.to_thread(
                converse, port, authority.client_context("alice")
            )
            assert b"QMP" in said[0]
            for peer in idle:
                peer.close()
            await settle()

    with_quiet_log(run, main())


def test_tls_listens_where_others_can_reach_it_and_plain_tcp_does_not(
    run: Run, guard: Any, authority: Authority
) -> None:
    async def main() -> None:
        async with guard(by_tls(authority), "tcp:0.0.0.0:0") as shared:
            assert port_of(shared)
        with pytest.raises(AddressError, match="only TLS is for others"):
            async with guard(ANYONE + "plain-tcp = true\n", "tcp:0.0.0.0:0"):
                pass

    run(main())


# Another configuration.


def test_a_new_configuration_is_in_force_at_once(
    run: Run, guard: Any, connect: Connect
) -> None:
    less = '[role.v]\nallow = ["refuse"]\n[[listener]]\naddress = "*"\nrole = "v"\n'

    async def main() -> None:
        async with guard(ANYONE) as shared:
            peer = await connect(NEGOTIATE)
            assert await peer.ask(command("value")) == returned("something")
            shared.access = Access(parse_configuration(less))
            assert "error" in await peer.ask(command("value"))
            assert await peer.ask(command("refuse")) == failed("no")
            nobody = '[[grant]]\nrole = "read"\nuid = 99999\n'
            shared.access = Access(parse_configuration(nobody))
            assert await peer.rest() == []

    run(main())


def test_events_go_to_each_as_its_role_may_see_them(
    run: Run, guard: Any, connect: Connect, stage: Stage, directory: Path
) -> None:
    places = [str(directory / name) for name in ("observe", "read", "nothing")]
    text = (
        "".join(
            f'[[listener]]\naddress = "unix:{place}"\nrole = "{Path(place).name}"\n'
            for place in places
        )
        + "[role.nothing]\n"
    )
    peer = {"host": "192.0.2.1", "service": "5900"}

    async def main() -> None:
        async with guard(text, *places):
            low, high, none = [await connect(NEGOTIATE, place) for place in places]
            stage.monitor.emit("VNC_CONNECTED", {"client": peer})
            stage.monitor.emit("UNHEARD_OF", {})
            stage.monitor.emit("STOP")
            hidden = {"host": "(hidden)", "service": "(hidden)"}
            assert await low.receive(2) == [
                happened("VNC_CONNECTED", {"client": hidden}),
                happened("STOP"),
            ]
            assert await high.receive(2) == [
                happened("VNC_CONNECTED", {"client": peer}),
                happened("STOP"),
            ]
            assert await none.now() == []

    run(main())
