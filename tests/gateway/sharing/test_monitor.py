"""Many clients of one monitor: each meets what it would meet without the others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import (
    AddressError,
    CommandNotFound,
    ConnectError,
    ConnectionLost,
    GreetingTimeout,
    RemoteProtocolError,
)
from qmpx.gateway import SharedMonitor
from qmpx.gateway.upstreams.passing import away, lost
from qmpx.gateway.upstreams.traffic import IN_BAND_AT_ONCE, OUT_OF_BAND_AT_ONCE
from qmpx.monitor import Monitor, Session
from qmpx.monitor.outgoing import MAX_EVENTS
from qmpx.monitor.session import MAX_OVERTAKABLE
from tests.loops import settle, silenced
from tests.monitor.conftest import (
    ENABLE_OOB,
    NEGOTIATE,
    command,
    failed,
    happened,
    out_of_band,
    returned,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run, Stage

GREETING = {
    "QMP": {
        "version": {
            "qemu": {"major": 0, "minor": 0, "micro": 0},
            "package": "qmpx",
        },
        "capabilities": ["oob"],
    }
}


def test_each_client_has_the_monitors_greeting_and_negotiates_for_itself(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            one, two = await connect(), await connect()
            assert await one.receive() == [GREETING]
            assert await two.receive() == [GREETING]
            assert await one.ask(ENABLE_OOB) == returned({})
            early = "Expecting capabilities negotiation with 'qmp_capabilities'"
            assert await two.ask(command("value", 1)) == failed(
                early, 1, "CommandNotFound"
            )
            assert await two.ask(NEGOTIATE) == returned({})
            again = "Capabilities negotiation is already complete, command ignored"
            assert await one.ask(NEGOTIATE) == failed(
                again, error_class="CommandNotFound"
            )
            assert await one.ask(out_of_band("value", 2)) == returned("something", 2)
            assert await two.ask(out_of_band("value", 3)) == failed(
                "QMP input member 'exec-oob' is unexpected", 3
            )

    run(main())


IDS = [None, 0, -7, "", "a\u00e9", [1, {"a": None}], {"b": [1.5]}, True, 1 << 62]


def test_ids_of_any_kind_come_back_to_whose_they_are(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            peers = [await connect(NEGOTIATE) for _ in range(3)]
            for number, peer in enumerate(peers):
                for id_ in IDS:
                    asked = {"execute": "value", "arguments": {"of": number}}
                    await peer.send(asked | {"id": id_}, asked)
            for number, peer in enumerate(peers):
                expected = [
                    reply
                    for id_ in IDS
                    for reply in ({"return": number, "id": id_}, {"return": number})
                ]
                assert await peer.receive(len(expected)) == expected

    run(main())


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        (command("refuse", 1), failed("no", 1)),
        (
            command("nothing-of-that-name", 2),
            failed(
                "The command nothing-of-that-name has not been found",
                2,
                "CommandNotFound",
            ),
        ),
        (command("value", 3, off=1), failed("Parameter 'off' is unexpected", 3)),
        (command("wait", 4), failed("Parameter 'at' is missing", 4)),
        (b"[1]", failed("QMP input must be a JSON object")),
        (b"{}", failed("QMP input lacks member 'execute'")),
        (
            b'{"execute": "\\ud800", "id": 4}',
            failed("JSON parse error, \\ud800 is not a valid Unicode character"),
        ),
        (
            b'{"execute": "value", "id": 5, "id": 6}',
            failed("JSON parse error, duplicate key"),
        ),
        (
            {"execute": "value", "id": 7, "more": 1},
            failed("QMP input member 'more' is unexpected", 7),
        ),
        (
            {"execute": "value", "id": 8, "arguments": []},
            failed("QMP input member 'arguments' must be an object", 8),
        ),
    ],
)
def test_what_is_wrong_is_answered_as_without_the_gateway(
    run: Run,
    share: Any,
    stage: Stage,
    connect: Connect,
    directory: Path,
    sent: Any,
    reply: Any,
) -> None:
    async def main() -> None:
        direct = str(directory / "direct.sock")
        async with share(), stage.monitor.serve(direct):
            peer, other = await connect(NEGOTIATE), await connect(NEGOTIATE, direct)
            assert await other.ask(sent) == reply
            assert await peer.ask(sent) == reply
            assert await peer.ask(command("value", 9)) == returned("something", 9)

    run(main())


@pytest.mark.parametrize(
    "value",
    [
        b'"plain"',
        b"[1, 2.5, -0.10000000000000001, null, true, {}]",
        b'{"a": "\\u00E9\\uD83D\\uDE00\\"\\\\"}',
        b"18446744073709551615",
    ],
)
def test_values_are_passed_on_as_bytes(
    run: Run, share: Any, connect: Connect, value: bytes
) -> None:
    async def main() -> None:
        async with share():
            peer = await connect(NEGOTIATE)
            loop = asyncio.get_running_loop()
            data = b'{"execute": "value", "arguments": {"of": %b}}' % value
            await peer.send(data)
            assert await loop.sock_recv(peer.sock, 4096) == (
                b'{"return": %b}\r\n' % value
            )
            data = b"""{"execute": "emit", "arguments":
                       {"name": "E", "data": {"of": %b}}}"""
            await peer.send(data % value)
            heard = b""
            while heard.count(b"\n") < 2:
                heard += await loop.sock_recv(peer.sock, 4096)
            stamp = b'{"seconds": 1, "microseconds": 5}'
            event = b'{"timestamp": %b, "event": "E", "data": {"of": %b}}\r\n'
            assert heard == event % (stamp, value) + b'{"return": "emitted"}\r\n'

    run(main())


def test_events_go_to_all_who_have_negotiated(
    run: Run, share: Any, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            one, two = await connect(NEGOTIATE), await connect(NEGOTIATE)
            silent = await connect()
            await silent.receive()
            await one.send(command("emit", 1, name="FIRST", data={"a": 1}))
            assert await one.receive(2) == [
                happened("FIRST", {"a": 1}),
                returned("emitted", 1),
            ]
            assert await two.receive() == [happened("FIRST", {"a": 1})]
            assert await silent.now() == []

    run(main())


def test_a_reply_and_an_event_of_one_read_keep_their_order(
    run: Run, path: str, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(directory / "raw.sock"))
        listening.listen()
        listening.settimeout(0)
        loop = asyncio.get_running_loop()

        async def be_upstream() -> None:
            sock, _ = await loop.sock_accept(listening)
            with sock:
                greeting = b'{"QMP": {"version": {}, "capabilities": []}}\n'
                await loop.sock_sendall(sock, greeting)
                asked = json.loads(await loop.sock_recv(sock, 4096))
                assert asked["execute"] == "qmp_capabilities"
                text = b'{"return": {}, "id": %d}\n' % asked["id"]
                await loop.sock_sendall(sock, text)
                asked = json.loads(await loop.sock_recv(sock, 4096))
                event = b'{"event": "%b", "timestamp": {"seconds": 1}}\n'
                reply = b'{"return": 5, "id": %d}\n' % asked["id"]
                await loop.sock_sendall(sock, event % b"A" + reply + event % b"B")
                await loop.sock_recv(sock, 4096)

        upstream = asyncio.create_task(be_upstream())
        with contextlib.closing(listening):
            async with (
                SharedMonitor(str(directory / "raw.sock")) as shared,
                shared.serve(path),
            ):
                peer = await connect(NEGOTIATE)
                await peer.send(command("x", "id"))
                stamp = {"seconds": 1}
                assert await peer.receive(3) == [
                    {"event": "A", "timestamp": stamp},
                    {"return": 5, "id": "id"},
                    {"event": "B", "timestamp": stamp},
                ]
            await upstream

    run(main())


def test_a_clients_commands_keep_their_order_and_oob_overtakes(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            peer, other = await connect(ENABLE_OOB), await connect(NEGOTIATE)
            await peer.send(
                command("wait", 1, at="gate"),
                command("value", 2),
                out_of_band("value", 3),
            )
            assert await peer.receive() == [returned("something", 3)]
            await other.send(command("value", 4))
            assert await other.now() == []  # the monitor does one at a time
            stage.open("gate")
            assert await peer.receive(2) == [
                returned("waited", 1),
                returned("something", 2),
            ]
            assert await other.receive() == [returned("something", 4)]

    run(main())


def test_oob_overtakes_however_many_clients_wait(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with share() as shared:
            peers = [await connect(NEGOTIATE) for _ in range(20)]
            last = await connect(ENABLE_OOB)
            await peers[0].send(command("wait", 0, at="gate"))
            await settle()
            for number, peer in enumerate(peers[1:], 1):
                await peer.send(command("value", number))
            await settle()
            assert await last.ask(out_of_band("value", 99)) == returned("something", 99)
            assert shared.upstream.in_flight == (IN_BAND_AT_ONCE, 0)
            stage.open("gate")
            assert await peers[0].receive() == [returned("waited", 0)]
            for number, peer in enumerate(peers[1:], 1):
                assert await peer.receive() == [returned("something", number)]

    run(main())


def test_a_client_that_floods_has_one_turn_in_the_round(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        order: list[str] = []

        @stage.monitor.command("note")
        def note(*, who: str) -> None:
            order.append(who)

        async with share():
            flood, calm = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await flood.send(
                command("wait", 0, at="gate"), *[command("note", who="flood")] * 500
            )
            await settle()
            await calm.send(command("note", 1, who="calm"))
            await settle()
            stage.open("gate")
            assert await calm.receive() == [returned({}, 1)]
            await flood.receive(501)
        assert "calm" in order[:2]
        assert order.count("flood") == 500

    run(main())


def test_a_client_has_so_many_commands_in_flight_and_no_more(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with share() as shared:
            peer, other = await connect(ENABLE_OOB), await connect(ENABLE_OOB)
            many = MAX_OVERTAKABLE + 10
            # The monitor has a bound of the same size; it must not be met by one.
            for number in range(many):
                await peer.send(out_of_band("wait-oob", number, at=f"o{number}"))
            await settle()
            assert shared.upstream.in_flight == (0, OUT_OF_BAND_AT_ONCE)
            assert len(stage.began) == MAX_OVERTAKABLE
            await other.send(out_of_band("value", "mine"))
            for number in range(many):
                await settle()
                stage.open(f"o{number}", number)
                assert await peer.receive() == [returned(number, number)]
            assert await other.receive() == [returned("something", "mine")]

    run(main())


def test_a_client_that_does_not_read_delays_nobody(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with share():
            deaf, peer = await connect(NEGOTIATE), await connect(NEGOTIATE)
            large = command("large", size=1 << 20)
            await deaf.send(*[large] * 20)
            for number in range(20):
                assert await peer.ask(command("value", number)) == returned(
                    "something", number
                )
            count = MAX_EVENTS + 50
            with silenced("qmpx.monitor"):
                for number in range(count):
                    stage.monitor.emit("E", {"number": number})
                    if not number % 100:
                        await settle()
                seen = await peer.receive(count)
            assert [event["data"]["number"] for event in seen] == list(range(count))

    run(main())


def test_a_client_that_goes_leaves_nothing_behind(
    run: Run, share: Any, stage: Stage, connect: Connect, open_fds: Callable[[], int]
) -> None:
    async def main() -> None:
        async with share() as shared:
            peer = await connect(NEGOTIATE)
            before = open_fds()
            await peer.send(command("wait", 1, at="gate"))
            await settle()
            for _ in range(IN_BAND_AT_ONCE + 50):
                passing = await connect(NEGOTIATE)
                await passing.send(command("emit", 2, name="FROM_ONE_WHO_IS_GONE"))
                await settle()
                passing.close()
                await settle()
            assert shared.upstream.in_flight == (IN_BAND_AT_ONCE, 0)
            assert shared.upstream.waiting == 51
            stage.open("gate")
            gone = happened("FROM_ONE_WHO_IS_GONE")
            # What was sent already is done, what waited is not.
            expected = [returned("waited", 1), *[gone] * (IN_BAND_AT_ONCE - 1)]
            assert await peer.receive(len(expected)) == expected
            assert await peer.ask(command("value", 3)) == returned("something", 3)
            assert shared.upstream.waiting == 0
            assert open_fds() == before

    run(main())


def test_a_descriptor_goes_with_the_command_that_takes_it(
    run: Run, share: Any, stage: Stage, connect: Connect, open_fds: Callable[[], int]
) -> None:
    async def main() -> None:
        @stage.monitor.command("getfd")
        def getfd(session: Session, *, fdname: str) -> str:
            fd = session.pending.take()
            try:
                return f"{fdname}: {os.fstat(fd).st_ino}"
            finally:
                os.close(fd)

        async with share():
            one, two = await connect(NEGOTIATE), await connect(NEGOTIATE)
            before = open_fds()
            for peer in (one, two):
                read, write = os.pipe()
                node = os.fstat(read).st_ino
                asked = b'{"execute": "getfd", "arguments": {"fdname": "n"}}'
                await peer.send_fds(asked, read)
                assert await peer.receive() == [returned(f"n: {node}")]
                os.close(read)
                os.close(write)
            assert open_fds() == before

    run(main())


def test_nobody_gets_the_descriptor_of_another(
    run: Run, share: Any, stage: Stage, connect: Connect, open_fds: Callable[[], int]
) -> None:
    async def main() -> None:
        @stage.monitor.command("getfd")
        def getfd(session: Session, *, fdname: str) -> None:
            os.close(session.pending.take())
            named.append(fdname)

        @stage.monitor.command("closefd")
        def closefd(*, fdname: str) -> None:
            named.remove(fdname)

        named: list[str] = []
        absent = "No file descriptor supplied via SCM_RIGHTS"
        async with share():
            one, two = await connect(NEGOTIATE), await connect(NEGOTIATE)
            before = open_fds()
            read, write = os.pipe()
            # A command that fails before it takes the descriptor.
            await one.send_fds(b'{"execute": "getfd"}', read)
            await two.send(command("getfd", 1, fdname="stolen"))
            assert await one.receive() == [failed("Parameter 'fdname' is missing")]
            assert await two.receive() == [failed(absent, 1)]
            assert named == []
            # It is still its client's.
            assert await one.ask(command("getfd", 4, fdname="kept")) == returned({}, 4)
            # One that came with a command which takes none.
            await one.send_fds(b'{"execute": "value"}', read)
            assert await one.receive() == [returned("something")]
            assert await two.ask(command("getfd", 2, fdname="stolen")) == failed(
                absent, 2
            )
            assert await one.ask(command("getfd", 3, fdname="mine")) == returned({}, 3)
            os.close(read)
            os.close(write)
            assert named == ["kept", "mine"]
            assert open_fds() == before

    run(main())


def test_a_descriptor_does_not_reach_a_command_that_was_sent_before(
    run: Run, share: Any, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        named: list[str] = []

        @stage.monitor.command("getfd")
        def getfd(session: Session, *, fdname: str) -> None:
            os.close(session.pending.take())
            named.append(fdname)

        async with share():
            peers = [await connect(NEGOTIATE) for _ in range(3)]
            slow, thief, owner = peers
            # The monitor reads ahead, and takes descriptors as it reads.
            await slow.send(command("wait", 1, at="gate"))
            await settle()
            await thief.send(command("getfd", 2, fdname="stolen"))
            await settle()
            read, write = os.pipe()
            asked = b'{"execute": "getfd", "arguments": {"fdname": "mine"}}'
            await owner.send_fds(asked, read)
            await settle()
            stage.open("gate")
            absent = "No file descriptor supplied via SCM_RIGHTS"
            assert await thief.receive() == [failed(absent, 2)]
            assert await owner.receive() == [returned({})]
            assert named == ["mine"]
            os.close(read)
            os.close(write)

    run(main())


def test_a_lost_monitor_is_told_and_found_again(
    run: Run, path: str, directory: Path, connect: Connect, stage: Stage
) -> None:
    async def main() -> None:
        place = str(directory / "up.sock")
        first = stage.monitor.serve(place, max_sessions=1, grace=0)
        await first.__aenter__()
        async with SharedMonitor(place) as shared, shared.serve(path):
            peers = [await connect(NEGOTIATE) for _ in range(IN_BAND_AT_ONCE + 2)]
            for number, peer in enumerate(peers):
                await peer.send(command("wait", number, at=f"gate{number}"))
                await settle()
            first.break_off(first.listeners[0])
            reason = "the monitor closed the connection"
            for number, peer in enumerate(peers):
                was_sent = number < IN_BAND_AT_ONCE
                text = lost(reason) if was_sent else away(reason)
                assert await peer.receive() == [failed(text, number)]
            (told,) = await peers[0].receive()
            assert told["event"] == "X_QMPX_RECONNECTED"
            assert told["data"] == {"away": told["data"]["away"], "same-version": True}
            assert type(told["data"]["away"]) is int
            for peer in peers[1:]:
                assert await peer.receive() == [told]
            assert await peers[0].ask(command("value", 9)) == returned("something", 9)
        for number in range(IN_BAND_AT_ONCE):
            if f"gate{number}" in stage.began:
                stage.open(f"gate{number}")
        await first.close(0)

    with silenced("qmpx.gateway"):
        run(main())


def test_while_the_monitor_is_away_commands_are_refused_at_once(
    run: Run, path: str, directory: Path, connect: Connect, stage: Stage
) -> None:
    async def main() -> None:
        place = str(directory / "up.sock")
        async with contextlib.AsyncExitStack() as stack:
            server = stage.monitor.serve(place, grace=0)
            await stack.enter_async_context(server)
            shared = await stack.enter_async_context(SharedMonitor(place))
            await stack.enter_async_context(shared.serve(path))
            peer = await connect(NEGOTIATE)
            await server.close(0)
            await settle()
            reply = await peer.ask(command("value", 1))
            assert reply == failed(away(shared.upstream.reason), 1)
            # One that comes meanwhile is served.
            late = await connect(NEGOTIATE)
            other = Monitor(version={"qemu": {"major": 9}}, capabilities=())
            await stack.enter_async_context(other.serve(place, grace=0))
            for each in (peer, late):
                (told,) = await each.receive()
                assert told["event"] == "X_QMPX_RECONNECTED"
                assert told["data"]["same-version"] is False
            newest = await connect()
            assert await newest.receive() == [
                {"QMP": {"version": {"qemu": {"major": 9}}, "capabilities": []}}
            ]
            unknown = CommandNotFound(name="value")
            assert await peer.ask(command("value", 2)) == failed(
                unknown.desc, 2, "CommandNotFound"
            )

    with silenced("qmpx.gateway"):
        run(main())


def test_a_monitor_that_is_not_there_is_an_error(run: Run, path: str) -> None:
    async def main() -> None:
        with pytest.raises(ConnectError, match="there is no socket"):
            async with SharedMonitor(path):
                pass

    run(main())


def test_a_monitor_that_another_holds_is_an_error(
    run: Run, directory: Path, connect: Connect, stage: Stage
) -> None:
    async def main() -> None:
        place = str(directory / "up.sock")
        async with stage.monitor.serve(place, max_sessions=1):
            holder = await connect(NEGOTIATE, place)
            with pytest.raises(GreetingTimeout, match=r"held by|waited"):
                async with SharedMonitor(place, connect_timeout=0.1):
                    pass
            holder.close()

    run(main())


@pytest.mark.parametrize(
    ("said", "error", "pattern"),
    [
        (b"", ConnectionLost, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n", RemoteProtocolError, "no QMP message"),
        (b'{"QMP": {"capabilities": []}}\n', ConnectionLost, "closed the connection"),
    ],
)
def test_what_is_no_monitor_is_an_error(
    run: Run, directory: Path, said: bytes, error: type[Exception], pattern: str
) -> None:
    async def main() -> None:
        async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(said)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

        place = str(directory / "up.sock")
        async with await asyncio.start_unix_server(speak, place):
            with pytest.raises(error, match=pattern):
                async with SharedMonitor(place):
                    pass

    run(main())


def test_a_monitor_that_spreads_its_messages_over_lines_is_shared(
    run: Run, path: str, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        place = str(directory / "up.sock")
        monitor = Monitor(pretty=True)

        @monitor.command("tell")
        def tell() -> dict[str, list[int]]:
            monitor.emit("TOLD", {"a": {"b": 1}})
            return {"of": [1, 2]}

        async with (
            monitor.serve(place),
            SharedMonitor(place) as shared,
            shared.serve(path),
        ):
            peer = await connect(NEGOTIATE)
            await peer.send(command("tell", 1), command("none", 2))
            event, reply, error = await peer.receive(3)
            assert event["data"] == {"a": {"b": 1}}
            assert reply == returned({"of": [1, 2]}, 1)
            assert error["error"]["class"] == "CommandNotFound"

    run(main())


def test_standard_input_cannot_be_shared() -> None:
    with pytest.raises(AddressError, match="cannot be shared"):
        SharedMonitor("stdio")


def test_it_is_not_shared_by_telnet() -> None:
    monitor = SharedMonitor("unix:/nowhere")
    with pytest.raises(AddressError, match="use tcp: there"):
        monitor.serve("telnet:127.0.0.1:0")
