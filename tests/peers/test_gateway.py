"""``qmpx share`` between real clients and a real QEMU."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from tests.conftest import CONFORMANCE
from tests.peers.conftest import START_SECONDS, wait_for
from tests.peers.test_conformance import shards
from tests.programs import BIN, ENVIRONMENT, SECONDS, sharing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.conftest import Qemu, StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

STATUS = {"status": "prelaunch", "singlestep": False, "running": False}
COMMANDS = 200  # of each client; enough that all are under way together


@pytest.fixture
def machine(qemu: StartQemu) -> Qemu:
    """Start a QEMU."""
    return qemu()


@pytest.fixture
def shared(machine: Qemu) -> Iterator[Path]:
    """Share its monitor."""
    with sharing(machine.qmp) as path:
        yield path


def ask_blocking(path: Path) -> None:
    with qmpx.connect(path) as vm:
        for _ in range(COMMANDS):
            assert vm.execute("query-status") == STATUS


def ask_batch(path: Path) -> None:
    with qmpx.connect(path) as vm:
        values = vm.execute_many(["query-status"] * COMMANDS)
    assert list(values) == [STATUS] * COMMANDS


def ask_asyncio(path: Path) -> None:
    async def main() -> None:
        async with await qmpx.connect_async(path) as vm:
            asked = [vm.execute("query-status") for _ in range(COMMANDS)]
            assert await asyncio.gather(*asked) == [STATUS] * COMMANDS

    asyncio.run(main())


def ask_qemu_qmp(path: Path) -> None:
    from qemu.qmp import QMPClient

    async def main() -> None:
        client = QMPClient("test")
        await client.connect(str(path))
        try:
            for _ in range(COMMANDS):
                assert await client.execute("query-status") == STATUS
        finally:
            await client.disconnect()

    asyncio.run(main())


def ask_qmp_shell(path: Path) -> None:
    ended = subprocess.run(
        [BIN / "qmp-shell", str(path)],
        input="query-status\n" * 20,
        capture_output=True,
        env=ENVIRONMENT | {"HOME": str(path.parent)},
        text=True,
        timeout=SECONDS,
    )
    said = [line for line in ended.stdout.splitlines() if '"return"' in line]
    replies = [json.loads(line[line.index("{") :]) for line in said]
    assert replies == [{"return": STATUS}] * 20


def ask_socat(path: Path) -> None:
    asked = b'{"execute": "qmp_capabilities"}' + b"".join(
        b'{"execute": "query-status", "id": %d}' % number for number in range(COMMANDS)
    )
    ended = subprocess.run(
        ["socat", "-t", str(SECONDS), "-", f"UNIX-CONNECT:{path}"],
        input=asked,
        capture_output=True,
        timeout=SECONDS,
    )
    greeting, reply, *replies = map(json.loads, ended.stdout.splitlines())
    assert greeting["QMP"]["capabilities"] == ["oob"]
    assert reply == {"return": {}}
    assert replies == [{"return": STATUS, "id": n} for n in range(COMMANDS)]


@pytest.mark.peer("qemu.qmp")
@pytest.mark.peer("qmp-shell")
@pytest.mark.peer("socat")
def test_clients_of_five_kinds_share_a_monitor(shared: Path) -> None:
    kinds = [ask_blocking, ask_batch, ask_asyncio, ask_qemu_qmp, ask_qmp_shell]
    work = [*kinds, ask_socat] * 2
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(each, shared) for each in work]:
            done.result(SECONDS)


def test_the_greeting_and_large_replies_are_the_same_bytes(qemu: StartQemu) -> None:
    asked = [
        b'{"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}, "id": 1}',
        b'{"execute": "query-qmp-schema", "id": "schema"}',
        b'{"execute": "query-version"}',
        b'{"execute": "qom-list", "arguments": {"path": "/nowhere"}, "id": [1]}',
        b'{"exec-oob": "query-yank", "id": 2.5}',
        b'{"exec-oob": "query-status", "id": {}}',
        b'{"execute": "no such", "id": null}',
    ]

    def heard(path: Path) -> list[bytes]:
        with qmpx_socket(path) as (sock, file):
            lines = [file.readline()]
            for each in asked:
                sock.sendall(each)
                lines.append(file.readline())
        return lines

    machine = qemu(monitors=2)
    with sharing(machine.monitors[0]) as shared:
        through, direct = heard(shared), heard(machine.monitors[1])
    assert through == direct


@contextlib.contextmanager
def qmpx_socket(path: Path) -> Iterator[tuple[Any, Any]]:
    """Connect a plain socket, and a file to read from it."""
    import socket

    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(SECONDS)
        sock.connect(str(path))
        with sock.makefile("rb") as file:
            yield sock, file


def test_events_reach_all_clients(shared: Path) -> None:
    with qmpx.connect(shared) as one, qmpx.connect(shared) as two:
        events = one.events(), two.events()
        one.execute("cont")
        two.execute("stop")
        seen = [[each.get(SECONDS) for _ in range(2)] for each in events]
    assert [event.name for event in seen[0]] == ["RESUME", "STOP"]
    assert seen[0] == seen[1]


def test_a_descriptor_reaches_qemu(shared: Path) -> None:
    with qmpx.connect(shared) as one, qmpx.connect(shared) as two:
        read, write = os.pipe()
        one.execute("getfd", {"fdname": "pipe"}, fds=[read])
        added = one.execute("add-fd", {"fdset-id": 7}, fds=[write])
        assert added["fdset-id"] == 7
        os.close(read)
        os.close(write)
        with pytest.raises(qmpx.CommandError, match="No file descriptor supplied"):
            two.execute("getfd", {"fdname": "other"})
        assert two.execute("closefd", {"fdname": "pipe"}) == {}


@pytest.mark.parametrize("rounds", [3])
def test_a_qemu_that_is_killed_and_started_again_is_found(
    qemu: StartQemu, rounds: int
) -> None:
    machine = qemu()
    command = machine.process.args
    with sharing(machine.qmp) as shared, qmpx.connect(shared) as vm:
        events = vm.events()
        process = machine.process
        for _ in range(rounds):
            assert vm.execute("query-status") == STATUS
            process.kill()
            process.wait()
            with pytest.raises(qmpx.CommandError, match="behind the gateway"):
                vm.execute("query-status")
            machine.qmp.unlink(missing_ok=True)
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                event = events.get(START_SECONDS)
                assert event.name == "X_QMPX_RECONNECTED"
                assert event.data["same-version"] is True
                assert vm.execute("query-status") == STATUS
            except BaseException:
                process.kill()
                raise
        process.kill()
        process.wait()


# Which cases run is up to the profile of the machine that is played to.
PROFILES = [("none", group) for group in shards()] + [("q35", []), ("dual", [])]


@contextlib.contextmanager
def machine_of(profile: str) -> Iterator[list[Path]]:
    """Run one of the machines of the cases; give the sockets of its monitors."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        count = 2 if profile == "dual" else 1
        sockets = [Path(name, f"qmp{number}") for number in range(count)]
        program = CONFORMANCE / "qemu_server.py"
        server: list[str | Path] = [sys.executable, program, profile, *sockets]
        said = Path(name, "stderr")
        with (
            said.open("wb") as stderr,
            subprocess.Popen(
                server, stdin=subprocess.DEVNULL, stderr=stderr
            ) as process,
        ):
            try:
                wait_for(sockets, process, said)
                yield sockets
            finally:
                process.kill()


def verdicts(profile: str, groups: list[str], *, is_shared: bool) -> dict[str, str]:
    """Play cases to a machine, and return the verdict on each."""
    with contextlib.ExitStack() as stack:
        sockets = stack.enter_context(machine_of(profile))
        results = sockets[0].with_name("results.json")
        if is_shared:
            sockets = [stack.enter_context(sharing(socket)) for socket in sockets]
        runner: list[str | Path] = [sys.executable, CONFORMANCE / "conform.py"]
        runner += ["--skip-missing"]
        runner += ["--cases", CONFORMANCE / "public.jsonl", "--profile", profile]
        runner += ["--unix", sockets[0], "--json", results]
        if groups:
            runner += ["--group", ",".join(groups)]
        if len(sockets) > 1:
            runner += ["--unix2", sockets[1]]
        ended = subprocess.run(runner, capture_output=True, text=True, timeout=120)
        assert results.exists(), ended.stdout + ended.stderr
        told = json.loads(results.read_text())
    return {
        each["id"]: each["verdict"] if each["verdict"] in FINE else str(each["diffs"])
        for each in told
    }


FINE = ("strict", "skipped")


@pytest.mark.peer("conformance")
def test_the_public_cases_are_the_same_through_a_gateway() -> None:
    with ThreadPoolExecutor(len(PROFILES) * 2) as pool:
        runs = [
            [
                pool.submit(verdicts, profile, groups, is_shared=is_shared)
                for profile, groups in PROFILES
            ]
            for is_shared in (True, False)
        ]
        shared, direct = (
            {case: verdict for run in each for case, verdict in run.result().items()}
            for each in runs
        )
    # That a second client is kept waiting is what a gateway is to change.
    assert direct.pop("conn-second-early-input") == "strict"
    assert shared.pop("conn-second-early-input") == "skipped"
    assert {c: v for c, v in shared.items() if v != direct[c]} == {}
    assert shared.keys() == direct.keys()
    assert sum(verdict == "strict" for verdict in shared.values()) >= 590
