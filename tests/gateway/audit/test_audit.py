"""What an audit says of what clients did; and what they may not do without one."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qmpx.gateway.access.identity import Identity
from qmpx.gateway.audit.audit import Audit
from qmpx.gateway.audit.verifying import Verifier
from qmpx.gateway.gates.leases import Leases
from qmpx.gateway.policy import Decision
from qmpx.gateway.settings.records import AuditSettings
from tests.gateway.audit.test_file import full_disk
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from qmpx.gateway import SharedMonitor
    from qmpx.gateway.sharing.client import Client
    from tests.monitor.conftest import Connect, Run, Stage

    Watch = Callable[..., AbstractAsyncContextManager[tuple[SharedMonitor, Audit]]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def watch(share: Any, log: Path, stage: Stage) -> Watch:
    """Share the stage's monitor, with an audit."""

    @stage.monitor.command("query-value")
    def query_value() -> str:
        return "read"

    @asynccontextmanager
    async def watching(**options: Any) -> AsyncIterator[tuple[SharedMonitor, Audit]]:
        audit = Audit(AuditSettings(str(log), **options))
        try:
            async with share() as shared:
                shared.observers.append(audit.at("vm"))
                yield shared, audit
        finally:
            await audit.close()

    return watching


class Refusing:
    """A gate that refuses the commands of a name."""

    def check(self, client: Client, name: str, arguments: Any) -> Decision | None:
        del client, arguments
        if name == "refuse":
            return Decision("deny", "role some: rule 3", "it is the third rule")
        return None


def lines_of(log: Path) -> list[dict[str, Any]]:
    """Verify an audit, and return its lines without what differs each time."""
    with log.open("rb") as file:
        assert Verifier().read(log.name, file) is None
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    for line in lines:
        for member in ("time", "previous", "seconds"):
            line.pop(member, None)
    return lines


def test_each_decision_is_a_line(
    run: Run, watch: Watch, log: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with watch() as (shared, _):
            shared.gates.append(Refusing())
            peer = await connect(NEGOTIATE)
            (client,) = shared.clients
            who = {
                "identity": f"{client.identity.kind}:{client.identity.name}",
                "role": "everything",
                "client": client.number,
                "listener": client.listener,
            }
            await peer.ask(command("query-value", 1))
            await peer.ask(command("value", 2, of={"password": "hush", "a": 1}))
            await peer.ask(command("refuse", 3))
            await peer.ask(command("wait", 4))
            peer.close()
            await settle()
        rule = {"verdict": "allow", "rule": "default", "reason": "no policy is set"}
        about = {"upstream": "vm", "who": who}
        denied = {
            "verdict": "deny",
            "rule": "role some: rule 3",
            "reason": "it is the third rule",
        }
        value = {"command": "value", "arguments": {"of": {"password": "[redacted]"}}}
        value["arguments"]["of"]["a"] = 1  # type: ignore[index]
        first, second, came, *rest = lines_of(log)
        assert (first["kind"], second["kind"]) == ("genesis", "started")
        assert came["kind"] == "connected"
        assert rest[:7] == [
            {"sequence": 4, "kind": "answered", **about, **rule}
            | {"command": "query-value", "outcome": "return"},
            {"sequence": 5, "kind": "intent", **about, **rule, **value},
            {"sequence": 6, "kind": "outcome", **about}
            | {"command": "value", "outcome": "return", "intent": 5},
            {
                "sequence": 7,
                "kind": "refused",
                **about,
                **denied,
                "command": "refuse",
            },
            {"sequence": 8, "kind": "intent", **about, **rule, "command": "wait"},
            {"sequence": 9, "kind": "outcome", **about}
            | {"command": "wait", "outcome": "GenericError", "intent": 8},
            {"sequence": 10, "kind": "disconnected", **about},
        ]
        assert rest[-1] == {"sequence": 3 + len(rest), "kind": "ended"}

    with silenced("qmpx.gateway"):
        run(main())


def test_what_changes_something_is_written_before_it_goes(
    run: Run, watch: Watch, log: Path, stage: Stage, connect: Connect
) -> None:
    seen: list[str] = []

    @stage.monitor.command("look")
    def look() -> None:
        seen.extend(line["kind"] for line in lines_of(log))

    async def main() -> None:
        seen.clear()
        async with watch():
            peer = await connect(NEGOTIATE)
            await peer.ask(command("look", 1))
            assert seen[-1] == "intent"

    run(main())


def test_reads_may_be_left_out(
    run: Run, watch: Watch, log: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with watch(reads=False):
            peer = await connect(NEGOTIATE)
            await peer.ask(command("query-value", 1))
        assert "answered" not in [line["kind"] for line in lines_of(log)]

    run(main())


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_lines_are_forced_to_the_disk_as_asked_for(
    run: Run,
    watch: Watch,
    log: Path,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    sync: str,
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("qmpx.gateway.audit.audit.SYNC_INTERVAL", 0.001)
    monkeypatch.setattr("qmpx.gateway.audit.audit.os.fdatasync", synced.append)

    async def main() -> None:
        synced.clear()
        async with watch(sync=sync):
            peer = await connect(NEGOTIATE)
            for number in range(3):
                await peer.ask(command("value", number))
            if sync == "always":
                assert len(synced) == 3
            while sync == "interval" and not synced:
                await settle()
        assert bool(synced) == (sync != "never")
        assert [line["kind"] for line in lines_of(log)].count("intent") == 3

    run(main())


@pytest.mark.parametrize("sync", ["always", "interval"])
def test_a_disk_that_takes_nothing_refuses_what_changes_something(
    run: Run,
    watch: Watch,
    log: Path,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    sync: str,
) -> None:
    is_broken = threading.Event()

    def fdatasync(fd: int) -> None:
        del fd
        if is_broken.is_set():
            raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("qmpx.gateway.audit.audit.SYNC_INTERVAL", 0.001)
    monkeypatch.setattr("qmpx.gateway.audit.audit.os.fdatasync", fdatasync)

    async def main() -> None:
        is_broken.set()
        async with watch(sync=sync) as (_, audit):
            peer = await connect(NEGOTIATE)
            first = await peer.ask(command("value", 1))
            assert ("error" in first) == (sync == "always")
            while not audit.failure:
                await settle()
            refused = await peer.ask(command("value", 2))
            assert "the disk is broken" in refused["error"]["desc"]
            assert await peer.ask(command("query-value", 3)) == returned("read", 3)
            is_broken.clear()
            while audit.failure:
                await settle()
            assert await peer.ask(command("value", 4)) == returned("something", 4)
        outcomes = [line for line in lines_of(log) if line["kind"] == "outcome"]
        refusals = [it for it in outcomes if it["outcome"] == "refused"]
        assert len(refusals) == (sync == "always")

    with silenced("qmpx.gateway"):
        run(main())


@pytest.mark.parametrize("lacking", ["descriptors", "threads"])
def test_without_descriptors_or_threads_lines_are_forced_to_the_disk_later(
    run: Run,
    watch: Watch,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    lacking: str,
) -> None:
    lacks, tried = True, 0
    synced: list[int] = []

    def dup(fd: int) -> int:
        nonlocal tried
        tried += 1
        if lacks and lacking == "descriptors":
            raise OSError(errno.EMFILE, "Too many open files")
        if lacks:
            asyncio.get_running_loop().set_default_executor(NoThreads(1))
        return real_dup(fd)

    class NoThreads(ThreadPoolExecutor):
        def submit(self, *call: Any, **options: Any) -> Any:
            if lacks:
                message = "can't start new thread"
                raise RuntimeError(message)
            return super().submit(*call, **options)

    real_dup = os.dup
    monkeypatch.setattr("qmpx.gateway.audit.audit.SYNC_INTERVAL", 0.001)
    monkeypatch.setattr("qmpx.gateway.audit.audit.os.dup", dup)
    monkeypatch.setattr("qmpx.gateway.audit.audit.os.fdatasync", synced.append)

    async def main() -> None:
        nonlocal lacks, tried
        lacks, tried = True, 0
        synced.clear()
        async with watch() as (_, audit):
            peer = await connect(NEGOTIATE)
            await peer.ask(command("value", 1))
            while tried < 3:
                await settle()
            assert await peer.ask(command("value", 2)) == returned("something", 2)
            assert not audit.failure
            assert not synced
            lacks = False
            while not synced:
                await settle()

    with silenced("qmpx.gateway"):
        run(main())


def test_what_changes_something_is_refused_when_the_disk_is_full(
    run: Run, watch: Watch, log: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with watch() as (shared, audit):
            shared.gates.append(Refusing())
            peer = await connect(NEGOTIATE)
            await peer.ask(command("value", 1))
            with full_disk(log):
                refused = await peer.ask(command("value", 2))
                assert refused["error"]["desc"] == (
                    "The gateway cannot write its audit, so commands that change "
                    f"something are refused: {log} cannot be written: File too large"
                )
                assert await peer.ask(command("query-value", 3)) == returned("read", 3)
                assert (audit.refused, audit.failure) == (1, "File too large")
            assert await peer.ask(command("value", 4)) == returned("something", 4)
            assert audit.failure == ""
        kinds = [line["kind"] for line in lines_of(log)]
        assert kinds.count("intent") == 2
        assert "answered" in kinds

    with silenced("qmpx.gateway"):
        run(main())


def test_a_lease_is_in_the_audit(
    run: Run, watch: Watch, log: Path, connect: Connect
) -> None:
    async def main() -> None:
        async with watch() as (shared, _):
            Leases(shared)
            peer = await connect(NEGOTIATE)
            await peer.ask(command("x-qmpx-lease", 1, seconds=60))
            peer.close()
            await settle()
        told = [
            line["more"]["state"] for line in lines_of(log) if line["kind"] == "lease"
        ]
        assert told == ["taken", "disconnected"]

    run(main())


@pytest.mark.slow
def test_those_who_are_not_let_in_have_lines_and_of_very_many_their_number(
    run: Run, watch: Watch, log: Path
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with watch() as (shared, _):
            identity = Identity("unix", "mallory", uid=7, gid=7, pid=9)
            for _ in range(100):
                shared.tell("turned_away", identity, "unix:here", "it has no role")
            deadline = loop.time() + 10
            while "too many to tell" not in await asyncio.to_thread(log.read_text):
                assert loop.time() < deadline
                await asyncio.sleep(0.02)

    with silenced("qmpx.gateway"):
        run(main())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    turned = [line for line in lines if line["kind"] == "turned-away"]
    *each, rest = turned
    assert 20 <= len(each) < 40
    assert each[0]["who"]["identity"] == "unix:mallory"
    assert each[0]["reason"] == "it has no role"
    assert each[0]["more"] == {"uid": 7, "gid": 7, "pid": 9}
    assert len(each) + rest["more"]["count"] == 100


def test_names_and_reasons_of_any_length_have_short_lines(
    run: Run, watch: Watch, connect: Connect, log: Path
) -> None:
    async def main() -> None:
        async with watch() as (shared, _):
            peer = await connect(NEGOTIATE)
            await peer.ask(command("x" * 100_000))
            shared.tell("upstream_changed", "away", "y" * 100_000)
            peer.close()
            await settle()

    with silenced("qmpx.gateway"):
        run(main())
    text = log.read_text()
    assert "(100000 characters, sha256 " in text
    assert max(map(len, text.splitlines())) < 2000
