"""Both clients of the guest agent and a real qemu-ga, which needs no guest to run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx import agent as agents
from qmpx import errors
from tests.agent.conftest import FACES
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Connect = Callable[..., Any]

pytestmark = [pytest.mark.peer("qemu-ga"), pytest.mark.slow]

SECONDS = 10.0
# It runs on this host, whose file systems and power are not to be played with.
FORBIDDEN = (
    "guest-fsfreeze-freeze",
    "guest-fsfreeze-freeze-list",
    "guest-fstrim",
    "guest-set-time",
    "guest-set-user-password",
    "guest-set-vcpus",
    "guest-shutdown",
    "guest-suspend-disk",
    "guest-suspend-hybrid",
    "guest-suspend-ram",
)


@contextmanager
def running_agent(method: str, path: Path | str, folder: Path) -> Iterator[None]:
    """Run an agent until the end of the block."""
    with subprocess.Popen(
        [
            *("qemu-ga", "-m", method, "-p", str(path), "-t", str(folder)),
            *("-f", str(folder / "pid"), "-b", ",".join(FORBIDDEN)),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.fixture(scope="module")
def socket() -> Iterator[Path]:
    """Run an agent that listens on a socket."""
    with short_directory() as folder:
        path = folder / "agent"
        with running_agent("unix-listen", path, folder):
            yield path


@pytest.fixture(params=sorted(FACES))
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connect one of the two clients; each test is run with either."""
    with contextlib.ExitStack() as clients:

        def connect(address: str | Path, **options: Any) -> Any:
            face = FACES[request.param](address, **options)
            return clients.enter_context(contextlib.closing(face))

        yield connect


def test_it_is_found_and_tells_what_it_has(socket: Path, connect: Connect) -> None:
    guest = connect(socket, wait=SECONDS)
    guest.call("wait_ready", SECONDS)
    assert guest.call("execute", "guest-ping") == {}
    assert guest.call("info")["version"][0].isdigit()
    names = ["guest-exec", "guest-shutdown", "guest-nope"]
    assert [guest.call("supports", name) for name in names] == [True, False, False]


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("guest-nope", errors.CommandNotFound, "has not been found"),
        ("guest-shutdown", errors.CommandNotFound, "has been disabled"),
        ("guest-suspend-ram", errors.CommandNotFound, "has been disabled"),
        ("guest-exec", errors.GenericError, "'path' is missing"),
    ],
)
def test_its_refusals_are_errors_and_leave_both_in_step(
    socket: Path, connect: Connect, command: str, kind: type[Exception], message: str
) -> None:
    guest = connect(socket, wait=SECONDS)
    with pytest.raises(kind, match=message):
        guest.call("execute", command)
    assert guest.call("execute", "guest-fsfreeze-status") == "thawed"


def test_a_program_runs_in_it(socket: Path, connect: Connect) -> None:
    guest = connect(socket, wait=SECONDS)
    script = 'cat; echo "$A" >&2; exit 3'
    done = guest.call(
        "exec", "/bin/sh", "-c", script, stdin=b"in\0", env={"A": "é"}, timeout=SECONDS
    )
    assert done == agents.Finished("/bin/sh", 3, None, b"in\0", "é\n".encode())
    killed = guest.call("exec", "/bin/sh", "-c", "kill -9 $$", timeout=SECONDS)
    assert (killed.exit_code, killed.signal) == (None, 9)
    with pytest.raises(qmpx.OperationFailed, match=r"^'/bin/false' failed: exit st"):
        guest.call("exec", "/bin/false", check=True)
    with pytest.raises(qmpx.DeadlineExceeded, match="end of '/bin/sleep'"):
        guest.call("exec", "/bin/sleep", "1", timeout=0.05)
    assert guest.call("execute", "guest-ping") == {}


def test_files_come_and_go_whole(
    socket: Path, connect: Connect, tmp_path: Path
) -> None:
    guest = connect(socket, wait=SECONDS)
    path = str(tmp_path / "file")
    data = os.urandom(700_001)
    guest.call("write_file", path, data)
    assert (tmp_path / "file").read_bytes() == data
    assert guest.call("read_file", path) == data
    guest.call("write_file", path, b"more", append=True)
    assert guest.call("read_file", path) == data + b"more"
    guest.call("write_file", path, b"")
    assert guest.call("read_file", path) == b""
    with pytest.raises(errors.GenericError, match="No such file or directory"):
        guest.call("read_file", "/nope/nope")


def test_a_late_reply_is_dropped(socket: Path, connect: Connect) -> None:
    guest = connect(socket, wait=SECONDS)
    for _ in range(20):
        with contextlib.suppress(qmpx.DeadlineExceeded):
            guest.call("execute", "guest-info", timeout=0.0)
        assert guest.call("execute", "guest-ping") == {}


def test_what_another_client_left_half_said_does_no_harm(
    socket: Path, connect: Connect
) -> None:
    first = connect(socket, wait=SECONDS)
    os.write(first.agent._fd, b'{"execute": "guest-exec", "arguments": {"pa')  # noqa: SLF001
    assert first.call("execute", "guest-ping") == {}
    first.call("close")
    guest = connect(socket)
    assert guest.call("execute", "guest-ping") == {}


def test_many_tasks_share_one(socket: Path) -> None:
    async def main() -> list[Any]:
        async with agents.connect_async(socket, wait=SECONDS) as guest:
            cancelled = asyncio.create_task(guest.exec("/bin/sleep", "1"))
            await asyncio.sleep(0.02)
            cancelled.cancel()
            words = [str(number) for number in range(10)]
            programs = [guest.exec("/bin/echo", word) for word in words]
            return [done.stdout for done in await asyncio.gather(*programs)]

    assert asyncio.run(main()) == [b"%d\n" % number for number in range(10)]


@pytest.mark.peer("socat")
def test_it_is_reached_through_a_terminal(tmp_path: Path, connect: Connect) -> None:
    ours, its = tmp_path / "ours", tmp_path / "its"
    with subprocess.Popen(
        ["socat", f"pty,raw,echo=0,link={ours}", f"pty,raw,echo=0,link={its}"],
        stdin=subprocess.DEVNULL,
    ) as wire:
        try:
            deadline = time.monotonic() + SECONDS
            while not (ours.exists() and its.exists()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            with running_agent("isa-serial", its, tmp_path):
                guest = connect(ours)
                guest.call("wait_ready", SECONDS)
                path = str(tmp_path / "file")
                data = bytes(range(256)) * 400
                guest.call("write_file", path, data)
                assert guest.call("read_file", path) == data
        finally:
            wire.terminate()
