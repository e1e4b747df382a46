"""Audit and journal of a real gateway, which is killed again and again under load."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
import pytest

from qmpx.errors import QmpxError
from qmpx.gateway.audit.chain import Line, read_head
from qmpx.gateway.audit.file import AuditFile
from qmpx.gateway.audit.verifying import Verifier
from qmpx.gateway.equipment import Equipment
from qmpx.gateway.journal.file import JournalReader
from qmpx.gateway.settings.bounds import LeaseSettings, LimitsSettings
from qmpx.gateway.settings.records import AuditSettings, JournalSettings
from qmpx.monitor import Monitor
from tests.loops import settle, short_directory, silenced
from tests.monitor.conftest import NEGOTIATE, command
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run

KILLS = 50

CONFIGURATION = """
[audit]
path = "{folder}/audit.jsonl"
max-size = 100_000

[journal]
path = "{folder}/events"
"""


class Talk:
    """A client that blocks, and knows when its gateway is gone.

    Args:
        path: Where the gateway is, soon.
        is_over: Set when nobody need wait for it any more.

    Raises:
        ConnectionError: It was gone before there was a conversation.
    """

    def __init__(self, path: Path, is_over: threading.Event | None = None) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self._rest = b""
        try:
            self.sock.settimeout(SECONDS)
            self._connect(path, is_over or threading.Event())
            self.send({"execute": "qmp_capabilities"})
            if [*itertools.islice(self.messages(), 2)][1:] != [{"return": {}}]:
                raise ConnectionError
        except BaseException:
            self.sock.close()
            raise

    def _connect(self, path: Path, is_over: threading.Event) -> None:
        deadline = time.monotonic() + SECONDS
        while not is_over.is_set():
            try:
                self.sock.connect(str(path))
            except OSError:
                assert time.monotonic() < deadline, "the gateway does not come up"
                time.sleep(0.005)
            else:
                return
        raise ConnectionError

    def send(self, *messages: dict[str, Any]) -> None:
        self.sock.sendall(b"".join(json.dumps(it).encode() for it in messages))

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield messages until the connection ends; half of one is not one."""
        while True:
            line, end, rest = self._rest.partition(b"\r\n")
            if end:
                self._rest = rest
                yield json.loads(line)
                continue
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionError:
                return
            if not data:
                return
            self._rest += data


def monitor_that_ticks() -> Monitor:
    """Return a monitor whose command ``tick`` is an event, and a reply."""
    monitor = Monitor()
    count = 0

    @monitor.command("tick")
    def tick() -> int:
        nonlocal count
        count += 1
        monitor.emit("TICK", {"count": count})
        return count

    return monitor


def load(path: Path, is_over: threading.Event) -> None:
    """Ask for events as fast as they come, until the gateway is gone."""
    with contextlib.suppress(OSError):
        talk = Talk(path, is_over)
        with talk.sock:
            talk.send(*[{"execute": "tick"}] * 20)
            for message in talk.messages():
                if "return" in message:
                    talk.send({"execute": "tick"})


T = TypeVar("T")


class Resuming(Generic[T]):
    """A client that goes on behind the last event that it has seen.

    Args:
        read: Returns what is to be remembered of an event.

    Attributes:
        seen: That, by the event's number.
    """

    def __init__(self, read: Callable[[dict[str, Any]], T]) -> None:
        self._read = read
        self.seen: dict[int, T] = {}

    def follow(self, path: Path, enough: int, enough_seen: threading.Event) -> None:
        """Resume, and take what comes until the gateway is gone."""
        talk = Talk(path)
        with talk.sock:
            last = max(self.seen, default=0)
            talk.send({"execute": "x-qmpx-subscribe", "arguments": {"since": last}})
            received = 0
            for message in talk.messages():
                assert "error" not in message, message
                if "x-qmpx-sequence" not in message:
                    continue
                number = message["x-qmpx-sequence"]
                assert number == max(self.seen, default=0) + 1
                self.seen[number] = self._read(message)
                received += 1
                if received == enough:
                    enough_seen.set()
        enough_seen.set()


def count_of(tick: dict[str, Any]) -> int:
    """Return which tick an event tells of."""
    return int(tick["data"]["count"])


def check_audit(folder: Path) -> list[Line]:
    """Verify the chain, and return its lines."""
    head = read_head((folder / "audit.jsonl.head").read_bytes())
    parts = [it for it in folder.glob("audit.jsonl.*") if it.suffix[1:].isdecimal()]
    files = sorted(parts, key=lambda it: int(it.suffix[1:]))
    verifier, lines = Verifier(), []
    if head is not None:
        verifier.expect(head)
    newest = folder / "audit.jsonl"
    if newest.exists():  # not so if the kill came while a new file was to be begun
        files.append(newest)
    for path in files:
        raw = path.read_bytes().splitlines(keepends=True)
        if raw and not raw[-1].endswith(b"\n"):
            raw.pop()  # torn; the next start tells of it
        assert verifier.read(path.name, raw) is None
        lines += [msgspec.json.decode(each, type=Line) for each in raw]
    assert verifier.missing() == ""
    return lines


def test_all_of_it_stands_beside_a_monitor(
    run: Run, share: Any, connect: Connect, tmp_path: Path
) -> None:
    async def main() -> None:
        equipment = Equipment(
            audit=AuditSettings(str(tmp_path / "audit.jsonl")),
            journal=JournalSettings(str(tmp_path / "events")),
            limits=LimitsSettings(),
            lease=LeaseSettings(),
        )
        async with share() as shared, equipment:
            attached = equipment.attach(shared, "vm")
            peer = await connect(NEGOTIATE)
            own = {name for name in shared.local if name.startswith("x-qmpx-")}
            assert {"x-qmpx-subscribe", "x-qmpx-query-journal", "x-qmpx-lease"} <= own
            assert "return" in await peer.ask(command("value", 2))
            await attached.close()
            peer.close()
            await settle()
        with contextlib.closing(JournalReader(tmp_path / "events")) as reader:
            assert list(reader.monitors()) == ["vm"]
        kinds = [line.kind for line in check_audit(tmp_path)]
        assert kinds[0] == "genesis"
        assert kinds[-1] == "ended"
        assert "intent" in kinds

    with silenced("qmpx.gateway"):
        run(main())


@pytest.mark.parametrize("damaged", ["audit.jsonl", "events"])
def test_a_file_that_is_no_good_is_an_error_at_once(
    tmp_path: Path, damaged: str
) -> None:
    (tmp_path / damaged).write_bytes(b"something else\n" * 100)
    equipment = Equipment(
        audit=AuditSettings(str(tmp_path / "audit.jsonl")),
        journal=JournalSettings(str(tmp_path / "events")),
    )

    async def main() -> None:
        with pytest.raises(QmpxError, match=damaged):
            await equipment.__aenter__()
        assert (equipment.audit, equipment.journal) == (None, None)

    asyncio.run(main())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_was_acknowledged_survives_whenever_the_gateway_is_killed() -> None:
    client = Resuming(count_of)
    with (
        short_directory() as folder,
        monitor_that_ticks().serve_in_thread(
            f"unix:{folder}/up", max_sessions=1, grace=0
        ),
    ):
        configuration = folder / "gateway.toml"
        configuration.write_text(CONFIGURATION.format(folder=folder))
        for kill in range(KILLS):
            killed_once(folder, client, random.Random(kill))
            check_audit(folder)
        # All that was seen is there, and is what it was; nothing is there twice.
        everything = Resuming(count_of)
        killed_once(folder, everything, random.Random(0), enough=len(client.seen))
        assert {n: everything.seen[n] for n in client.seen} == client.seen
        counts = list(everything.seen.values())
        assert counts == sorted(set(counts))
        with contextlib.closing(AuditFile(folder / "audit.jsonl")):
            pass  # what is torn is told of
        lines = check_audit(folder)
        # No command was passed on that is not in the audit.
        intents = sum(
            line.kind == "intent" and line.command == "tick" for line in lines
        )
        assert intents >= max(counts)
        assert sum(line.kind == "started" for line in lines) == KILLS + 1


def killed_once(
    folder: Path, client: Resuming[int], chance: random.Random, enough: int = 1
) -> None:
    """Run a gateway, put load on it, kill it at some moment."""
    path = folder / "shared"
    path.unlink(missing_ok=True)
    gateway = subprocess.Popen(
        [
            *(QMPX, "share", f"unix:{folder}/up", "--listen", f"unix:{path}"),
            *("--config", folder / "gateway.toml"),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    )
    failures: list[BaseException] = []
    enough_seen, is_over = threading.Event(), threading.Event()

    def follow() -> None:
        try:
            client.follow(path, enough, enough_seen)
        except BaseException as failure:  # noqa: BLE001 - told in the test's thread
            failures.append(failure)
            enough_seen.set()

    threads = [
        threading.Thread(target=follow),
        *(threading.Thread(target=load, args=(path, is_over)) for _ in range(2)),
    ]
    try:
        for thread in threads:
            thread.start()
        assert enough_seen.wait(SECONDS)
        time.sleep(chance.random() * 0.05)
    finally:
        gateway.send_signal(signal.SIGKILL)
        is_over.set()
        _, said = gateway.communicate(timeout=SECONDS)
        for thread in threads:
            thread.join()
    assert failures == [], said
