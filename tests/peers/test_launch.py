"""Starting and ending programs with a private monitor, from both kinds of program."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from tests.programs import BIN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program

QEMU = [
    *("qemu-system-x86_64", "-accel", "tcg", "-machine", "none"),
    *("-display", "none", "-S"),
]
STAND_IN = [str(BIN / "qmpx-system-x86_64"), *QEMU[1:]]


def blocking(command: Any, inside: Callable[[Any], Any], **options: Any) -> int:
    """Launch, execute what *inside* wants, and return the exit status."""
    with qmpx.launch(command, **options) as qemu:
        inside(qemu.process)
        assert qemu.vm.execute("query-status")["status"] == "prelaunch"
    return int(qemu.process.returncode)


def in_asyncio(command: Any, inside: Callable[[Any], Any], **options: Any) -> int:
    """Do the same from asyncio."""

    async def main() -> int:
        async with qmpx.launch_async(command, **options) as qemu:
            inside(qemu.process)
            assert (await qemu.vm.execute("query-status"))["status"] == "prelaunch"
        return int(qemu.process.returncode)

    return asyncio.run(main())


@pytest.fixture(params=[blocking, in_asyncio], ids=["blocking", "asyncio"])
def run(request: pytest.FixtureRequest) -> Callable[..., int]:
    """Launch from one of the two kinds of program."""
    launch: Callable[..., int] = request.param
    return launch


def nothing(_: Any) -> None:
    """Do nothing with a process."""


@pytest.mark.parametrize(
    "command", [pytest.param(QEMU, marks=pytest.mark.peer("qemu")), STAND_IN]
)
def test_a_program_is_started_driven_and_ended(
    run: Callable[..., int], command: list[str]
) -> None:
    assert run(command, nothing) == 0


@pytest.mark.peer("qemu")
def test_neither_long_paths_nor_descriptors_are_in_the_way(
    run: Callable[..., int], tmp_path: Path
) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    before = os.listdir("/proc/self/fd")
    environment = {**os.environ, "TMPDIR": str(folder)}
    assert run(QEMU, nothing, cwd=folder, env=environment) == 0
    assert os.listdir(folder) == []
    assert len(os.listdir("/proc/self/fd")) <= len(before)


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (
            ["qmpx-no-such-program"],
            None,
            (
                "cannot launch qmpx-no-such-program: there is no such program in "
                "PATH\ninstall it, or give the path of the program"
            ),
        ),
        (
            ["/etc/passwd"],
            None,
            "cannot launch /etc/passwd: it cannot be started: Permission denied",
        ),
        (
            ["/bin/sh", "-c", "echo so it is >&2; exit 3"],
            3,
            (
                "cannot launch sh: it ended with status 3 before its monitor "
                "answered\nso it is"
            ),
        ),
        (
            ["/bin/sh", "-c", "kill -9 $$"],
            -9,
            "cannot launch sh: it ended by SIGKILL before its monitor answered",
        ),
        pytest.param(
            [*QEMU, "-no-such-option"],
            1,
            (
                "cannot launch qemu-system-x86_64: it ended with status 1 before its "
                "monitor answered\n"
                "qemu-system-x86_64: -no-such-option: invalid option"
            ),
            marks=pytest.mark.peer("qemu"),
        ),
    ],
)
def test_a_program_that_does_not_start_says_why(
    run: Callable[..., int], command: list[str], status: int | None, message: str
) -> None:
    with pytest.raises(qmpx.LaunchError) as caught:
        run(command, nothing)
    assert (str(caught.value), caught.value.status) == (message, status)


def test_a_program_that_says_nothing_is_ended(run: Callable[..., int]) -> None:
    source = "import time; print('thinking', flush=True); time.sleep(60)"
    with pytest.raises(qmpx.LaunchError) as caught:
        run([sys.executable, "-c", source], nothing, start_timeout=1.0)
    assert "it was ended, for its monitor did not answer" in caught.value.reason
    assert caught.value.hint == "thinking"
    assert caught.value.status is None


def test_a_program_that_would_leave_our_sight_is_refused(
    run: Callable[..., int],
) -> None:
    with pytest.raises(qmpx.LocalProtocolError, match="must not daemonize"):
        run([*QEMU, "-daemonize"], nothing)
    with pytest.raises(qmpx.LocalProtocolError, match="no program to launch"):
        run([], nothing)


@pytest.mark.peer("qemu")
def test_what_it_said_and_what_it_exited_with_can_be_asked() -> None:
    with qmpx.launch([*QEMU, "-d", "nochain"], stderr=subprocess.DEVNULL) as qemu:
        assert qemu.stderr == ""
    with qmpx.launch(QEMU) as qemu:
        qemu.process.send_signal(signal.SIGTERM)
        assert qemu.process.wait(10) == 0
    assert "terminating on signal 15" in qemu.stderr
    assert qemu.stop() == 0


@pytest.mark.parametrize("face", ["blocking", "asyncio"])
def test_a_program_that_does_not_quit_is_forced(
    face: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIT_TIMEOUT", "TERMINATE_TIMEOUT"):
        monkeypatch.setattr(f"qmpx.client.launching.{name}", 0.2)
    for module in ("launched", "async_launched"):
        monkeypatch.setattr(f"qmpx.client.{module}.ANSWER_TIMEOUT", 0.1)
    stubborn = [sys.executable, "-c", STUBBORN]
    if face == "blocking":
        with qmpx.launch(stubborn) as qemu:
            pass
        status = qemu.process.returncode
    else:

        async def main() -> Any:
            async with qmpx.launch_async(stubborn) as started:
                pass
            return started.process.returncode

        status = asyncio.run(main())
    assert status == -signal.SIGKILL


# Greets, negotiates, and then does not answer any more, whatever it is told.
STUBBORN = r"""
import json, signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
fd = int(next(w for w in sys.argv if w.startswith("socket,")).rpartition("fd=")[2])
peer = socket.socket(fileno=fd)
peer.sendall(b'{"QMP": {"version": {}, "capabilities": []}}\r\n')
id_ = json.loads(peer.makefile().readline())["id"]
peer.sendall(json.dumps({"return": {}, "id": id_}).encode() + b"\r\n")
while True:
    time.sleep(60)
"""


@pytest.mark.peer("qemu")
def test_an_error_in_the_block_ends_the_program(run: Callable[..., int]) -> None:
    processes: list[Any] = []

    def fail(process: Any) -> None:
        processes.append(process)
        raise KeyError("so it is")

    with pytest.raises(KeyError):
        run(QEMU, fail)
    assert processes[0].returncode == 0


@pytest.mark.peer("qemu")
def test_a_launch_that_is_cancelled_leaves_no_process() -> None:
    marker = f"qmpx-cancelled-{os.getpid()}"
    source = f"import time; {marker!r}; time.sleep(60)"

    async def main() -> None:
        async with asyncio.timeout(0.5):
            await qmpx.launch_async([sys.executable, "-c", source])

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    found = subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True)
    assert found.stdout == ""
