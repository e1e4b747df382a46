"""Commands that do one thing for a person, with a real QEMU."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = pytest.mark.slow


def run(*words: str | Path) -> tuple[int, str, str]:
    """Run a command; return its status, and what it printed where."""
    ended = qmpx(*words)
    return ended.returncode, ended.stdout, ended.stderr


def test_a_migration_shows_how_far_it_is(qemu: StartQemu, tmp_path: Path) -> None:
    machine = qemu("-machine", "pc")
    target = tmp_path / "moved"
    status, stdout, stderr = run(
        "migrate", machine.qmp, f"exec:cat > {target}", "--json"
    )
    assert status == 0, stderr
    assert json.loads(stdout)["status"] == "completed"
    assert stderr.splitlines()[-1] == "qmpx: migrate: completed 100 %"
    assert target.stat().st_size > 0


def test_a_job_is_started_watched_and_seen_off(qemu: StartQemu, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(1 << 20))
    nodes = [
        word
        for name in ("a", "b")
        for word in (
            "-blockdev",
            f"driver=file,node-name={name},filename={tmp_path / name}",
        )
    ]
    machine = qemu(*nodes)
    words = ["device=a", "target=b", "sync=full"]
    status, stdout, stderr = run(
        "job", machine.qmp, "run", "blockdev-backup", *words, "--json"
    )
    assert status == 0, stderr
    ended = json.loads(stdout)
    assert (ended["current"], ended["error"]) == (1 << 20, "")
    assert "blockdev-backup: " in stderr
    assert run("job", machine.qmp) == (0, "", "no jobs\n")


def test_devices_on_their_buses(qemu: StartQemu) -> None:
    machine = qemu("-machine", "pc", "-device", "virtio-rng-pci,id=rng0")
    status, stdout, _ = run("tree", machine.qmp, "qdev")
    assert status == 0
    assert "── rng0  (virtio-rng-pci)" in stdout


def test_a_stopped_qemu_is_diagnosed(qemu: StartQemu) -> None:
    machine = qemu()
    machine.process.send_signal(signal.SIGSTOP)
    status, stdout, _ = run("doctor", machine.qmp, "--timeout", "0.5")
    assert status == 3
    assert "stopped by a signal" in stdout
    assert f"kill -CONT {machine.process.pid}" in stdout
