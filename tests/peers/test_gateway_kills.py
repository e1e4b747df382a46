"""A gateway in front of a real QEMU is killed again and again, under load.

What a client has seen with a number is in the journal; nothing comes twice to one that
resumes; the audit is whole. The machine is a real one, so are its events. See
`tests/gateway/test_equipment.py` for more kills, in front of a machine of ours.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.gateway.audit.file import AuditFile
from qmpx.gateway.journal.file import JournalReader
from tests.gateway.test_equipment import CONFIGURATION, Resuming, Talk, check_audit
from tests.loops import short_directory
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

KILLS = int(os.environ.get("QMPX_GATEWAY_KILLS", "12"))
LOADS = 2  # clients that stop the machine and let it go on


Seen = tuple[str, Any]


def name_and_time(message: dict[str, Any]) -> Seen:
    """Return what an event is, and when it happened."""
    return message["event"], message["timestamp"]


def load(path: Path, is_over: threading.Event) -> None:
    """Let the machine go on and stop, as fast as it does, until the gateway is gone."""
    with contextlib.suppress(OSError):
        talk = Talk(path, is_over)
        with talk.sock:
            both = {"execute": "cont"}, {"execute": "stop"}
            talk.send(*both * 5)
            for number, message in enumerate(talk.messages()):
                if "return" in message:
                    talk.send(both[number % 2])


def kill_once(folder: Path, upstream: Path, client: Resuming[Seen], seed: int) -> None:
    """Run a gateway, put load on it, and kill it at some moment."""
    path = folder / "shared"
    path.unlink(missing_ok=True)
    failures: list[BaseException] = []
    enough_seen, is_over = threading.Event(), threading.Event()

    def follow() -> None:
        try:
            client.follow(path, 20, enough_seen)
        except BaseException as failure:  # noqa: BLE001 - told in the test's thread
            failures.append(failure)
            enough_seen.set()

    words = [str(QMPX), "share", f"unix:{upstream}", "--listen", f"unix:{path}"]
    words += ["--config", str(folder / "gateway.toml")]
    threads = [threading.Thread(target=follow)]
    threads += [
        threading.Thread(target=load, args=(path, is_over)) for _ in range(LOADS)
    ]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as gateway:
        try:
            for thread in threads:
                thread.start()
            assert enough_seen.wait(SECONDS)
            time.sleep(random.Random(seed).random() * 0.05)
        finally:
            gateway.send_signal(signal.SIGKILL)
            is_over.set()
            _, said = gateway.communicate(timeout=SECONDS)
            for thread in threads:
                thread.join()
    assert failures == [], said


@pytest.mark.timeout(300)
def test_a_killed_gateway_loses_no_event_that_was_acknowledged_and_repeats_none(
    qemu: StartQemu,
) -> None:
    machine = qemu()
    client = Resuming(name_and_time)
    with short_directory() as folder:
        (folder / "gateway.toml").write_text(CONFIGURATION.format(folder=folder))
        for seed in range(KILLS):
            kill_once(folder, machine.qmp, client, seed)
            check_audit(folder)
        with contextlib.closing(JournalReader(folder / "events")) as reader:
            events = reader.read(1, 0, len(client.seen))
        kept = {event.sequence: event.name for event in events}
        assert kept == {number: name for number, (name, _) in client.seen.items()}
        assert list(client.seen) == list(range(1, len(client.seen) + 1))
        assert {name for name, _ in client.seen.values()} >= {"STOP", "RESUME"}
        with contextlib.closing(AuditFile(folder / "audit.jsonl")):
            pass  # what is torn is told of
        lines = check_audit(folder)
        toggled = sum(name in ("STOP", "RESUME") for name, _ in client.seen.values())
        intents = sum(
            line.kind == "intent" and line.command in ("stop", "cont") for line in lines
        )
        assert intents >= toggled  # nothing was passed on that is not in the audit
        assert sum(line.kind == "started" for line in lines) == KILLS
    assert machine.process.poll() is None
