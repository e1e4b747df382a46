"""What stands beside a monitor changes while its clients work, and nothing is lost."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qmpx.errors import QmpxError
from qmpx.gateway.audit.chain import Line, read_head
from qmpx.gateway.audit.verifying import Verifier
from qmpx.gateway.equipment import Equipment
from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings
from qmpx.gateway.settings.records import AuditSettings, JournalSettings
from tests.gateway.audit.test_file import full_disk
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from qmpx.gateway import SharedMonitor
    from tests.monitor.conftest import Connect, Run, Stage

    Equip = Callable[..., AbstractAsyncContextManager["Workshop"]]

LEASE = command("x-qmpx-lease", "lease", seconds=60)


class Workshop:
    """A shared monitor, and what stands beside it.

    Args:
        shared: The monitor.
        equipment: That.
        sections: What is in force.
    """

    def __init__(
        self, shared: SharedMonitor, equipment: Equipment, sections: dict[str, Any]
    ) -> None:
        self.shared = shared
        self.equipment = equipment
        self._sections = sections

    async def change(self, **sections: Any) -> None:
        """Put some sections in force, and leave the others."""
        wanted = self._sections | sections
        async with self.equipment.adapting(**wanted):
            pass
        self._sections = wanted


@pytest.fixture
def equip(share: Any) -> Equip:
    """Share the stage's monitor, with some sections."""

    @contextlib.asynccontextmanager
    async def equipping(**sections: Any) -> AsyncIterator[Workshop]:
        names = ("audit", "journal", "limits", "lease")
        sections = dict.fromkeys(names) | sections
        async with share() as shared, Equipment(**sections) as equipment:
            attached = equipment.attach(shared, "vm")
            yield Workshop(shared, equipment, sections)
            await attached.close()

    return equipping


def audit_of(path: Path) -> list[Line]:
    """Verify an audit, and return its lines."""
    verifier = Verifier()
    head = read_head(path.with_name(f"{path.name}.head").read_bytes())
    assert head is not None
    verifier.expect(head)
    raw = path.read_bytes().splitlines(keepends=True)
    assert verifier.read(path.name, raw) is None
    assert verifier.missing() == ""
    return [msgspec.json.decode(line, type=Line) for line in raw]


def kinds_of(lines: list[Line]) -> list[str]:
    return [line.kind for line in lines]


def more_of(line: Line) -> dict[str, Any]:
    assert line.more is not msgspec.UNSET
    return line.more


# The audit.


def test_an_audit_that_comes_tells_first_who_is_there(
    run: Run, equip: Equip, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"

    async def main() -> None:
        async with equip() as workshop:
            peer = await connect(NEGOTIATE)
            assert "return" in await peer.ask(command("value", 1))
            await workshop.change(audit=AuditSettings(str(path)))
            assert "return" in await peer.ask(command("value", 2))

    run(main())
    lines = audit_of(path)
    told = ["genesis", "started", "connected", "intent", "outcome", "ended"]
    assert [kind for kind in kinds_of(lines) if kind in told] == told
    assert lines[2].reason == "it was here before this file"


def test_an_audit_that_moves_goes_on_in_the_other_file(
    run: Run, equip: Equip, stage: Stage, connect: Connect, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"

    async def main() -> None:
        async with equip(audit=AuditSettings(str(old))) as workshop:
            peer = await connect(NEGOTIATE)
            await peer.send(command("wait", 1, at="gate"))
            await settle()
            await workshop.change(audit=AuditSettings(str(new), max_size=50_000))
            stage.open("gate")
            assert await peer.receive() == [returned("waited", 1)]

    run(main())
    before, after = audit_of(old), audit_of(new)
    assert before[-1].kind == "ended"
    assert more_of(before[-1]) == {"next": str(new)}
    tied = more_of(after[1])["before"]
    verified = read_head((tmp_path / "old.jsonl.head").read_bytes())
    assert verified is not None
    assert tied == {
        "file": str(old),
        "sequence": verified.sequence,
        "sha256": verified.digest,
    }
    # What was announced in the one file ends in the other, which says so.
    (intent,) = [line for line in before if line.kind == "intent"]
    (outcome,) = [line for line in after if line.kind == "outcome"]
    assert outcome.intent == intent.sequence
    assert more_of(outcome) == {"file": str(old)}


def test_what_a_full_disk_did_not_take_goes_along(
    run: Run, equip: Equip, connect: Connect, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"

    async def main() -> None:
        async with equip(audit=AuditSettings(str(old), sync="never")) as workshop:
            peer = await connect(NEGOTIATE)
            for number in range(20):  # a new file is smaller than this one
                await peer.ask(command("value", number))
            with full_disk(old):
                peer.close()
                other = await connect(NEGOTIATE)
                assert "error" in await other.ask(command("value", 1))
                await workshop.change(audit=AuditSettings(str(new), sync="never"))
                assert "return" in await other.ask(command("value", 2))

    with silenced("qmpx.gateway"):
        run(main())
    assert "disconnected" in kinds_of(audit_of(old) + audit_of(new))
    assert "intent" in kinds_of(audit_of(new))


def test_an_audit_that_stays_where_it_is_takes_other_bounds(
    run: Run, equip: Equip, connect: Connect, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"

    async def main() -> None:
        async with equip(audit=AuditSettings(str(path))) as workshop:
            peer = await connect(NEGOTIATE)
            small = AuditSettings(str(path), max_size=16 * 1024, keep=1, sync="always")
            await workshop.change(audit=small)
            for number in range(100):
                await peer.ask(command("value", number))

    run(main())
    parts = [it for it in tmp_path.glob("audit.jsonl.*") if it.suffix[1:].isdecimal()]
    assert len(parts) == 1


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"audit": None}, "an audit is not taken away while the gateway runs"),
        ({"journal": None}, "a journal is not taken away while the gateway runs"),
        ({"audit": AuditSettings("/dev/null")}, "/dev/null: it is no regular file"),
        ({"journal": JournalSettings("/elsewhere")}, "clients resume by the numbers"),
    ],
    ids=["no-audit", "no-journal", "no-file", "another-journal"],
)
def test_what_cannot_be_put_in_force_changes_nothing(
    run: Run,
    equip: Equip,
    connect: Connect,
    tmp_path: Path,
    sections: dict[str, Any],
    told: str,
) -> None:
    path = tmp_path / "audit.jsonl"
    journal = JournalSettings(str(tmp_path / "events"))

    async def main() -> None:
        async with equip(audit=AuditSettings(str(path)), journal=journal) as workshop:
            peer = await connect(NEGOTIATE)
            with pytest.raises(QmpxError, match=told):
                await workshop.change(limits=LimitsSettings(in_flight=1), **sections)
            assert workshop.equipment.limits is None
            assert "return" in await peer.ask(command("value", 1))

    run(main())
    assert "intent" in kinds_of(audit_of(path))


def test_a_key_comes_with_another_file_only(
    run: Run, equip: Equip, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    path = str(tmp_path / "audit.jsonl")

    async def main() -> None:
        async with equip(audit=AuditSettings(path)) as workshop:
            with pytest.raises(QmpxError, match="another key needs another path"):
                await workshop.change(audit=AuditSettings(path, key_file=str(key)))
            other = AuditSettings(f"{path}l", key_file=str(key))
            await workshop.change(audit=other)

    run(main())


def test_if_anything_else_fails_all_stays_as_it_was(
    run: Run, equip: Equip, connect: Connect, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.jsonl", tmp_path / "new.jsonl"

    async def main() -> None:
        sections: dict[str, Any] = {"audit": AuditSettings(str(old))}
        async with equip(audit=sections["audit"]) as workshop:
            peer = await connect(NEGOTIATE)
            wanted = dict.fromkeys(("limits", "lease")) | {
                "audit": AuditSettings(str(new)),
                "journal": JournalSettings(str(tmp_path / "events")),
            }
            with pytest.raises(QmpxError):
                async with workshop.equipment.adapting(**wanted):
                    raise QmpxError
            assert workshop.equipment.journal is None
            assert "return" in await peer.ask(command("value", 1))

    run(main())
    assert kinds_of(audit_of(new)) == ["genesis"]
    assert "intent" in kinds_of(audit_of(old))


# The journal.


def test_with_a_journal_that_comes_clients_can_resume(
    run: Run, equip: Equip, stage: Stage, connect: Connect, tmp_path: Path
) -> None:
    async def main() -> None:
        async with equip() as workshop:
            peer = await connect(NEGOTIATE)
            stage.monitor.emit("BEFORE")
            assert (await peer.receive())[0]["event"] == "BEFORE"
            journal = JournalSettings(str(tmp_path / "events"))
            await workshop.change(journal=journal)
            reply = await peer.ask(command("x-qmpx-subscribe", 1))
            place = reply["return"]["sequence"]
            stage.monitor.emit("A")
            (event,) = await peer.receive()
            assert (event["event"], event["x-qmpx-sequence"]) == ("A", place + 1)
            # The same file, and less of it.
            small = JournalSettings(
                str(tmp_path / "events"), max_events=2, synchronous="normal"
            )
            await workshop.change(journal=small)
            for name in "BCDE":
                stage.monitor.emit(name)
            names = [event["event"] for event in await peer.receive(4)]
            assert names == list("BCDE")
            kept = await peer.ask(command("x-qmpx-query-journal", 2))
            while kept["return"]["oldest"] < place + 4:
                await settle(1)
                kept = await peer.ask(command("x-qmpx-query-journal", 2))

    run(main())


# Limits and leases.


def test_limits_come_change_and_go_and_what_waits_goes_on(
    run: Run, equip: Equip, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with equip() as workshop:
            shared = workshop.shared
            peers = [await connect(NEGOTIATE) for _ in range(3)]
            await workshop.change(limits=LimitsSettings(identity_in_flight=1))
            for number, peer in enumerate(peers):
                await peer.send(command("wait", number, at=f"g{number}"))
            await settle()
            assert shared.upstream.in_flight == (1, 0)
            await workshop.change(limits=LimitsSettings(identity_in_flight=2))
            await settle()
            assert shared.upstream.in_flight == (2, 0)
            await workshop.change(limits=None)
            await settle()
            assert shared.upstream.in_flight == (3, 0)
            assert shared.gates == []
            while len(stage.ended) < 3:
                await settle()
                for name in set(stage.began) - set(stage.ended):
                    stage.open(name)
                await settle()
            for number, peer in enumerate(peers):
                assert await peer.receive() == [returned("waited", number)]

    with silenced("qmpx.gateway"):
        run(main())


def test_what_waits_is_refused_once_that_is_asked_for(
    run: Run, equip: Equip, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        limits = LimitsSettings(identity_in_flight=1)
        async with equip(limits=limits) as workshop:
            one, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await one.send(command("wait", 1, at="gate"))
            await settle()
            await other.send(command("value", 2))
            await settle()
            assert await other.now() == []
            strict = LimitsSettings(identity_in_flight=1, excess="refuse")
            await workshop.change(limits=strict)
            (reply,) = await other.receive()
            assert "1 commands are not answered yet" in reply["error"]["desc"]
            stage.open("gate")
            assert await one.receive() == [returned("waited", 1)]

    run(main())


def test_rates_change_for_those_who_are_there(
    run: Run, equip: Equip, connect: Connect
) -> None:
    async def main() -> None:
        limits = LimitsSettings(rate=0.001, burst=1, excess="refuse")
        async with equip(limits=limits) as workshop:
            peer = await connect(NEGOTIATE)
            assert "return" in await peer.ask(command("value", 1))
            assert "error" in await peer.ask(command("value", 2))
            await workshop.change(limits=LimitsSettings(rate=0.001, excess="refuse"))
            assert "return" in await peer.ask(command("value", 3))

    run(main())


def test_a_lease_that_comes_waits_for_what_was_sent_before(
    run: Run, equip: Equip, stage: Stage, connect: Connect
) -> None:
    async def main() -> None:
        async with equip() as workshop:
            one, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            await other.send(command("wait", 1, at="gate"))
            await settle()
            await workshop.change(lease=LeaseSettings())
            await one.send(LEASE)
            await settle()
            assert await one.now() == []
            stage.open("gate")
            assert await other.receive() == [returned("waited", 1)]
            (reply,) = await one.receive()
            assert "return" in reply
            assert "error" in await other.ask(command("value", 2))

    run(main())


def test_leases_that_are_taken_away_hold_nobody_and_may_come_again(
    run: Run, equip: Equip, connect: Connect
) -> None:
    async def main() -> None:
        async with equip(lease=LeaseSettings()) as workshop:
            one, other = await connect(NEGOTIATE), await connect(NEGOTIATE)
            third = await connect(NEGOTIATE)
            assert "return" in await one.ask(LEASE)
            waiting = command("x-qmpx-lease", "lease", seconds=60, wait=60)
            await third.send(waiting)
            await settle()
            await other.ask(command("x-qmpx-wait-for-lease", 1, seconds=60))
            await other.send(command("value", 2))
            await settle()
            assert await other.now() == []
            await workshop.change(lease=None)
            assert await other.receive() == [returned("something", 2)]
            (reply,) = await third.receive()
            assert reply["error"]["desc"] == "This gateway gives no leases"
            reply = await one.ask(LEASE)
            assert reply["error"]["desc"] == "This gateway gives no leases"
            assert workshop.shared.gates == []
            await workshop.change(lease=LeaseSettings(max_seconds=10))
            assert "at most 10" in (await one.ask(LEASE))["error"]["desc"]
            short = command("x-qmpx-lease", "lease", seconds=5)
            assert "return" in await one.ask(short)

    run(main())
