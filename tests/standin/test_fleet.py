"""Many machines in one process."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

import qmpx
from tests.programs import ENVIRONMENT, QMPX, SECONDS
from tests.programs import qmpx as run_qmpx


@pytest.mark.slow
def test_each_machine_of_a_fleet_is_its_own() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="qmpx-") as folder,
        subprocess.Popen(
            [QMPX, "standin", "--fleet", "3", "--dir", folder, "--", "-m", "64"],
            stdout=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"qmpx: 3 machines in {folder}\n"
            with qmpx.connect(Path(folder, "0.sock")) as vm:
                vm.execute("stop")
                assert vm.execute("query-name") == {"name": "vm0"}
            with qmpx.connect(Path(folder, "1.sock")) as vm:
                assert vm.execute("query-status")["running"]
                vm.execute("quit")
            with qmpx.connect(Path(folder, "2.sock")) as vm, vm.events() as events:
                process.send_signal(signal.SIGTERM)
                assert events.get(timeout=SECONDS).name == "SHUTDOWN"
            assert process.wait(timeout=SECONDS) == 0
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (
            ["--fleet", "2"],
            2,
            "qmpx: give --dir D: where the sockets of the fleet are to be made\n",
        ),
        (
            ["--dir", "d"],
            2,
            "qmpx: --dir says where a fleet's sockets are: give --fleet N, too\n",
        ),
        (
            ["--fleet", "2", "--dir", "d", "--", "-qmp", "stdio"],
            1,
            (
                "qmpx-system-x86_64: the machines of a fleet have a monitor each, "
                "and no others\n"
            ),
        ),
        (
            ["--fleet", "20000", "--dir", "d"],
            2,
            "qmpx: a fleet has at most 16384 machines\n",
        ),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(
    words: list[str], status: int, message: str
) -> None:
    ended = run_qmpx("standin", *words)
    assert (ended.returncode, ended.stderr) == (status, message)
