"""The way in which QEMU's ``QEMUMachine`` starts a program, and ends it."""

from __future__ import annotations

import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx.transport.address import FdAddress
from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = BIN / "qmpx-system-x86_64"


@pytest.mark.parametrize("way", ["quit", "SIGTERM", "quit, then SIGTERM"])
@pytest.mark.parametrize("more", ["", "-S -name n -m 64 -machine pc"])
def test_it_connects_and_ends_with_status_0(
    short_path: Path, way: str, more: str
) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(short_path))
        server.listen(1)
        server.settimeout(SECONDS)
        words = f"-display none -vga none -chardev socket,id=mon,path={short_path} "
        words += f"-mon chardev=mon,mode=control {more} -accel tcg -nodefaults"
        with subprocess.Popen([PROGRAM, *words.split()], env=ENVIRONMENT) as process:
            try:
                with server.accept()[0] as connection:
                    address = FdAddress(connection.fileno())
                    with qmpx.connect(address, timeout=SECONDS) as vm:
                        state = "prelaunch" if "-S" in more else "running"
                        assert vm.execute("query-status")["status"] == state
                        if way.startswith("quit"):
                            vm.execute("quit")
                        if way.endswith("SIGTERM"):
                            process.send_signal(signal.SIGTERM)
                        assert process.wait(SECONDS) == 0
            finally:
                process.kill()


def test_an_unknown_option_is_named() -> None:
    ended = subprocess.run(
        [PROGRAM, "-display", "none", "-bogus"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ended.returncode == 1
    assert ended.stderr == "qmpx-system-x86_64: -bogus: invalid option\n"
