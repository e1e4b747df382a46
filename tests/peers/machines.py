"""A PC with its default devices: by a real QEMU, and by the stand-in."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.peers.conftest import SETTLE_SECONDS, START_SECONDS
from tests.programs import BIN, ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

QEMU: Final = "qemu-system-x86_64"
STANDIN: Final = str(BIN / "qmpx-system-x86_64")
PROGRAMS: Final = (QEMU, STANDIN)

MACHINE: Final = (
    *("-accel", "tcg", "-M", "pc", "-m", "128", "-smp", "2,maxcpus=4"),
    *("-display", "none", "-name", "testvm"),
)
"""A PC that runs, with two of four processors, no disk, and no guest."""


@dataclass(frozen=True)
class Monitors:
    """Where a running machine is reached.

    Attributes:
        folder: What the other paths are in.
        qmp: The path of the QMP socket.
        hmp: The path of the human monitor's.
        files: A folder for a test's files.
        process: The process.
    """

    folder: Path
    qmp: Path
    hmp: Path
    files: Path
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running(program: str) -> Iterator[Monitors]:
    """Run the machine by a program until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        folder = Path(name)
        qmp, hmp, files = folder / "qmp", folder / "hmp", folder / "files"
        files.mkdir()
        words = [program, *MACHINE]
        words += ["-qmp", f"unix:{qmp},server=on,wait=off"]
        words += ["-monitor", f"unix:{hmp},server=on,wait=off"]
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
        ) as process:
            try:
                deadline = time.monotonic() + START_SECONDS
                while not (qmp.exists() and hmp.exists()):
                    assert process.poll() is None, process.returncode
                    assert time.monotonic() < deadline, words
                    time.sleep(0.01)
                time.sleep(SETTLE_SECONDS)  # as for any QEMU
                yield Monitors(folder, qmp, hmp, files, process)
            finally:
                process.kill()
