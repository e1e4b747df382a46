"""Many monitors in one process: found, shared, lost, given up; none delays another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.errors import AddressError, GenericError
from qmpx.gateway.daemon.gateway import Gateway
from qmpx.gateway.settings.configuration import parse_configuration
from qmpx.monitor import Monitor
from qmpx.monitor.introspection import commands as introspection
from tests.loops import silenced
from tests.monitor.conftest import NEGOTIATE, command, failed, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from qmpx.gateway.daemon.member import Member
    from qmpx.monitor.server import Server
    from tests.monitor.conftest import Connect, Run

pytestmark = pytest.mark.slow


def monitor_called(name: str) -> Monitor:
    """Return a monitor that says its name."""
    monitor = Monitor(commands=introspection)

    @monitor.command("query-name")
    def query_name() -> dict[str, str]:
        return {"name": name}

    return monitor


@contextlib.asynccontextmanager
async def serving(name: str, place: Path) -> AsyncIterator[Server]:
    """Serve a monitor that says its name, to one client at a time."""
    server = monitor_called(name).serve(str(place), max_sessions=1, grace=0)
    async with server:
        yield server


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something is so; the test's time-out bounds it."""
    while not condition():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.002)


def configured(text: str, directory: Path) -> Any:
    """Return a configuration; ``DIR`` stands for the directory."""
    return parse_configuration(text.replace("DIR", str(directory)))


async def name_at(connect: Connect, place: Path) -> Any:
    """Return the name that the monitor there says."""
    await until(place.exists)
    peer = await connect(NEGOTIATE, str(place))
    return (await peer.ask(command("query-name", 1)))["return"]["name"]


FIXED = """
[gateway]
drain = 0
[[upstream]]
address = "unix:DIR/a"
listen = "unix:DIR/{name}.shared"
[[upstream]]
name = "second"
address = "unix:DIR/b"
listen = ["unix:DIR/{name}.1", "unix:DIR/{name}.2"]
"""


def test_one_that_is_not_there_delays_nobody_and_is_served_once_it_comes(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving("A", directory / "a"))
            configuration = configured(FIXED, directory)
            gateway = await stack.enter_async_context(Gateway(configuration))
            assert list(gateway.members) == ["a", "second"]
            assert await name_at(connect, directory / "a.shared") == "A"
            # Of one that was never found there is no socket, as of a QEMU.
            assert not (directory / "second.1").exists()
            assert gateway.members["second"].care.info().state == "gone"
            await stack.enter_async_context(serving("B", directory / "b"))
            for place in ("second.1", "second.2"):
                assert await name_at(connect, directory / place) == "B"

    with silenced("qmpx.gateway"):
        run(main())
    assert list(directory.iterdir()) == []


def test_one_that_does_not_greet_delays_nobody(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.bind(str(directory / "b"))
            silent.listen(1)
            async with (
                serving("A", directory / "a"),
                Gateway(configured(FIXED, directory)) as gateway,
            ):
                assert await name_at(connect, directory / "a.shared") == "A"
                assert gateway.members["second"].care.info().state == "gone"

    with silenced("qmpx.gateway"):
        run(main())


FOUND = """
[gateway]
drain = 0
[[upstream]]
directory = "DIR/vm"
suffix = ".sock"
forget-after = 0
name = "vm-{stem}"
listen = "unix:DIR/vm/{name}.sock"
"""


def test_what_appears_in_a_directory_is_shared_and_what_goes_is_given_up(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        folder = directory / "vm"
        folder.mkdir()
        async with Gateway(configured(FOUND, directory)) as gateway:
            assert gateway.members == {}
            async with serving("A", folder / "a.sock"):
                shared = folder / "vm-a.sock"
                assert await name_at(connect, shared) == "A"
                peer = await connect(NEGOTIATE, str(shared))
                # Its own socket lies in the same directory, and is no monitor to it.
                async with serving("B", folder / "b.sock"):
                    assert await name_at(connect, folder / "vm-b.sock") == "B"
                    assert sorted(gateway.members) == ["vm-a", "vm-b"]
            assert await peer.rest() == []  # its monitor is gone for good
            await until(lambda: not gateway.members)
            await until(lambda: not shared.exists())
        assert list(folder.iterdir()) == []

    with silenced("qmpx.gateway"):
        run(main())


def test_sockets_that_a_killed_gateway_left_are_no_monitors(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with (
            serving("A", folder / "a.sock"),
            Gateway(configured(FOUND, directory)) as gateway,
        ):
            await until(lambda: bool(gateway.members["vm-a"].servers))
            assert await name_at(connect, folder / "vm-a.sock") == "A"
            assert list(gateway.members) == ["vm-a"]
        # Also if its monitor comes later.
        leave_behind(folder / "vm-b.sock")
        async with Gateway(configured(FOUND, directory)) as gateway:
            assert list(gateway.members) == ["vm-vm-b"]
            async with serving("B", folder / "b.sock"):
                await until(lambda: list(gateway.members) == ["vm-b"])
                await until(lambda: bool(gateway.members["vm-b"].servers))
                assert await name_at(connect, folder / "vm-b.sock") == "B"

    def leave_behind(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))

    folder = directory / "vm"
    folder.mkdir()
    leave_behind(folder / "vm-a.sock")
    with silenced("qmpx.gateway"):
        run(main())


def test_one_that_cannot_be_audited_is_not_shared(
    run: Run, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        def refuse(member: Member) -> None:
            raise GenericError(f"no audit for {member.name}")

        async with serving("A", directory / "a"):
            gateway = Gateway(configured(FIXED, directory))
            gateway.on_member.append(refuse)
            async with gateway:
                assert gateway.members == {}

    run(main())
    assert "no audit for a\n" in caplog.text


def test_what_comes_back_in_time_keeps_its_clients(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        text = FOUND.replace("forget-after = 0", "forget-after = 60")
        (directory / "vm").mkdir()
        place = directory / "vm/a.sock"
        async with Gateway(configured(text, directory)) as gateway:
            async with serving("A", place):
                assert await name_at(connect, directory / "vm/vm-a.sock") == "A"
                peer = await connect(NEGOTIATE, str(directory / "vm/vm-a.sock"))
                member = gateway.members["vm-a"]
            await until(lambda: not member.is_listed)
            reply = await peer.ask(command("query-name", 1))
            assert "is away, nothing was sent" in reply["error"]["desc"]
            async with serving("A2", place):
                (told,) = await peer.receive()
                assert told["event"] == "X_QMPX_RECONNECTED"
                reply = await peer.ask(command("query-name", 2))
                assert reply == returned({"name": "A2"}, 2)
                assert gateway.members == {"vm-a": member}
                await until(lambda: member.is_listed)

    with silenced("qmpx.gateway"):
        run(main())


def test_a_pattern_of_paths_names_by_the_directory(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        text = """
            [[upstream]]
            glob = "DIR/*/qmp"
            name = "{parent}"
            listen = "unix:DIR/{name}.shared"
        """
        for name in ("one", "two"):
            (directory / name).mkdir()
        async with (
            serving("1", directory / "one/qmp"),
            serving("2", directory / "two/qmp"),
            Gateway(configured(text, directory)),
        ):
            assert await name_at(connect, directory / "one.shared") == "1"
            assert await name_at(connect, directory / "two.shared") == "2"

    run(main())


CALLERS = """
[gateway]
drain = 0
[[upstream]]
dial-in = "unix:DIR/in"
forget-after = 0.5
listen = "unix:DIR/{name}.shared"
"""


@contextlib.asynccontextmanager
async def dialling(name: str, place: Path) -> AsyncIterator[Server]:
    """Let a monitor connect, as a QEMU does with ``server=off``."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(place))
    server = monitor_called(name).serve(f"fd:{sock.fileno()}", grace=0)
    async with server:
        sock.close()
        yield server


def test_who_dials_in_is_shared_by_its_name_and_may_come_again(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with Gateway(configured(CALLERS, directory)) as gateway:
            place = directory / "in"
            async with dialling("A", place), dialling("B", place):
                assert await name_at(connect, directory / "A.shared") == "A"
                assert await name_at(connect, directory / "B.shared") == "B"
                peer = await connect(NEGOTIATE, str(directory / "A.shared"))
                # Another of that name is turned away while it is there.
                async with dialling("A", place) as twin:
                    await twin.wait_closed()
                reply = await peer.ask(command("query-name", 1))
                assert reply == returned({"name": "A"}, 1)
            async with dialling("A", place):
                (told,) = await peer.receive()
                assert told["event"] == "X_QMPX_RECONNECTED"
                reply = await peer.ask(command("query-name", 2))
                assert reply == returned({"name": "A"}, 2)
                await until(lambda: list(gateway.members) == ["A"])
            await until(lambda: not gateway.members)
            assert await peer.rest() == []

    with silenced("qmpx.gateway"):
        run(main())


def test_a_reload_keeps_what_stays_and_its_clients(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with (
            serving("A", directory / "a"),
            serving("B", directory / "b"),
            serving("C", directory / "c"),
            Gateway(configured(FIXED, directory)) as gateway,
        ):
            stays = await name_at(connect, directory / "a.shared")
            assert stays == "A"
            peer = await connect(NEGOTIATE, str(directory / "a.shared"))
            await until((directory / "second.2").exists)
            kept = await connect(NEGOTIATE, str(directory / "second.1"))
            shut = await connect(NEGOTIATE, str(directory / "second.2"))
            text = FIXED.replace('"unix:DIR/{name}.2"', '"unix:DIR/{name}.3"')
            text += '[[upstream]]\naddress = "unix:DIR/c"\nlisten = "unix:DIR/{name}.s"'
            before = dict(gateway.members)
            await gateway.reload(configured(text, directory))
            assert {x: gateway.members[x] for x in before} == before
            assert await name_at(connect, directory / "second.3") == "B"
            assert await name_at(connect, directory / "c.s") == "C"
            assert await shut.rest() == []
            assert not (directory / "second.2").exists()
            for each, name in ((peer, "A"), (kept, "B")):
                reply = await each.ask(command("query-name", 1))
                assert reply == returned({"name": name}, 1)
            only = FIXED[: FIXED.rindex("[[upstream]]")]
            await gateway.reload(configured(only, directory))
            assert list(gateway.members) == ["a"]
            assert await kept.rest() == []
            await until(lambda: not (directory / "c.s").exists())
            reply = await peer.ask(command("query-name", 2))
            assert reply == returned({"name": "A"}, 2)

    with silenced("qmpx.gateway"):
        run(main())


def test_a_reload_that_cannot_be_changes_nothing(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with (
            serving("A", directory / "a"),
            Gateway(configured(FIXED, directory)) as gateway,
        ):
            await name_at(connect, directory / "a.shared")
            was = gateway.configuration
            (directory / "in").write_text("no socket")
            for text in (CALLERS, FIXED + FIXED.partition("drain = 0\n")[2]):
                with pytest.raises(AddressError, match=r"no socket|there twice"):
                    await gateway.reload(configured(text, directory))
                assert gateway.configuration is was
                assert list(gateway.members) == ["a", "second"]
            assert await name_at(connect, directory / "a.shared") == "A"

    with silenced("qmpx.gateway"):
        run(main())


def test_a_place_that_is_taken_is_said_and_tried_again(
    run: Run,
    directory: Path,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        taken = directory / "a.shared"
        taken.write_text("something else")
        async with (
            serving("A", directory / "a"),
            Gateway(configured(FIXED, directory)) as gateway,
        ):
            member = gateway.members["a"]
            await until(lambda: "it exists and is no socket" in member.problem)
            taken.unlink()
            assert await name_at(connect, taken) == "A"
            await until(lambda: not member.problem)

    monkeypatch.setattr("qmpx.gateway.daemon.member.LISTEN_PAUSE", 0.02)
    with silenced("qmpx.gateway"):
        run(main())


def test_the_end_waits_for_what_is_being_answered_but_not_for_ever(
    run: Run, directory: Path, connect: Connect
) -> None:
    async def main(drain: float) -> Any:
        monitor = monitor_called("A")
        gate = asyncio.Event()

        @monitor.command("wait")
        async def wait() -> str:
            began.set()
            await gate.wait()
            return "done"

        began = asyncio.Event()
        text = FIXED.replace("drain = 0", f"drain = {drain}")
        async with monitor.serve(str(directory / "a"), grace=0):
            async with Gateway(configured(text, directory)):
                await until((directory / "a.shared").exists)
                peer = await connect(NEGOTIATE, str(directory / "a.shared"))
                await peer.send(command("wait", 1))
                await began.wait()
                if drain > 1:
                    asyncio.get_running_loop().call_later(0.1, gate.set)
            with contextlib.suppress(ConnectionResetError):
                return await peer.rest()

    with silenced("qmpx.gateway"):
        assert run(main(60)) == [returned("done", 1)]
        assert run(main(0.05)) == [failed("The command wait was cancelled", 1)]


def test_a_gateway_that_cannot_start_leaves_nothing_behind(
    run: Run, directory: Path
) -> None:
    async def main() -> None:
        (directory / "in").write_text("no socket")
        with pytest.raises(AddressError, match="is no socket"):
            async with Gateway(configured(FIXED + CALLERS[20:], directory)):
                pass

    with silenced("qmpx.gateway"):
        run(main())


def test_two_of_one_name_are_refused(directory: Path) -> None:
    text = FIXED.replace('name = "second"', 'name = "a"')
    with pytest.raises(AddressError, match="a: it is there twice"):
        Gateway(configured(text, directory))


def test_a_name_that_is_taken_is_not_given_twice(
    run: Run, directory: Path, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        text = FIXED + '[[upstream]]\nglob = "DIR/x/a"\nlisten = "unix:DIR/{name}.x"'
        (directory / "x").mkdir()
        async with (
            serving("A", directory / "a"),
            serving("X", directory / "x/a"),
            Gateway(configured(text, directory)) as gateway,
        ):
            assert await name_at(connect, directory / "a.shared") == "A"
            assert list(gateway.members) == ["a", "second"]

    run(main())
    assert "there is an upstream 'a' already" in caplog.text
