"""Ten clients of five kinds share one QEMU, which is killed and started in between.

Each asks for what only it asks for, in words that come back in the reply, so a reply
that is another's, or that is wrong, shows. `QMPX_GATEWAY_COMMANDS` is how many commands
they send in all; the whole of it is 100,000.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from tests.peers.conftest import START_SECONDS
from tests.programs import BIN, ENVIRONMENT, SECONDS, sharing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.conftest import StartQemu

pytestmark = [
    pytest.mark.peer("qemu"),
    pytest.mark.peer("qemu.qmp"),
    pytest.mark.peer("qmp-shell"),
    pytest.mark.peer("socat"),
    pytest.mark.slow,
]

COMMANDS = int(os.environ.get("QMPX_GATEWAY_COMMANDS", "6000"))
CLIENTS = 10
TOGGLES = 20  # of the machine's state, before it is killed and after
WINDOW = 16  # commands of one client under way at once, where it can do that
LOST = "behind the gateway"
PAUSE = 0.02  # until a client asks again that was told that the monitor is away


class Crowd:
    """What the clients do together.

    Attributes:
        each: How many commands each of them sends.
        done: How many replies there were, by client.
        lost: How many commands were lost, or not sent.
        is_over: Set when there will be no more events.
    """

    def __init__(self, path: Path, each: int) -> None:
        self.path = path
        self.each = each
        self.done: collections.Counter[str] = collections.Counter()
        self.lost: collections.Counter[str] = collections.Counter()
        self.are_here = threading.Barrier(CLIENTS + 1)
        self.is_over = threading.Event()

    def take(self, name: str, number: int, desc: str) -> bool:
        """Look at the reply to a command; tell whether it is answered."""
        if LOST in desc:
            self.lost[name] += 1
            return False
        assert desc == f"Device '{path_of(name, number)}' not found", (name, number)
        self.done[name] += 1
        return True


def path_of(name: str, number: int) -> str:
    return f"/{name}/{number}"


def ask_blocking(crowd: Crowd, name: str) -> list[str]:
    with qmpx.connect(crowd.path) as vm, vm.events(limit=10_000) as events:
        crowd.are_here.wait()
        for number in range(crowd.each):
            while True:
                with pytest.raises(qmpx.CommandError) as caught:
                    vm.execute("qom-list", {"path": path_of(name, number)})
                if crowd.take(name, number, caught.value.desc):
                    break
                time.sleep(PAUSE)
        crowd.is_over.wait()
        vm.execute("query-status")
        seen = []
        with contextlib.suppress(qmpx.DeadlineExceeded):
            while True:
                seen.append(events.get(timeout=0.01).name)
        return seen


def ask_asyncio(crowd: Crowd, name: str) -> list[str]:
    async def main() -> list[str]:
        async with (
            await qmpx.connect_async(crowd.path) as vm,
            vm.events(limit=10_000) as events,
        ):
            await asyncio.to_thread(crowd.are_here.wait)

            async def ask(number: int) -> None:
                while True:
                    with pytest.raises(qmpx.CommandError) as caught:
                        await vm.execute("qom-list", {"path": path_of(name, number)})
                    if crowd.take(name, number, caught.value.desc):
                        return
                    await asyncio.sleep(PAUSE)

            for first in range(0, crowd.each, WINDOW):
                last = min(first + WINDOW, crowd.each)
                await asyncio.gather(*map(ask, range(first, last)))
            await asyncio.to_thread(crowd.is_over.wait)
            await vm.execute("query-status")
            seen = []
            with contextlib.suppress(qmpx.DeadlineExceeded):
                while True:
                    seen.append((await events.get(timeout=0.01)).name)
            return seen

    return asyncio.run(main())


def ask_qemu_qmp(crowd: Crowd, name: str) -> list[str]:
    from qemu.qmp import ExecuteError, QMPClient

    async def main() -> list[str]:
        client = QMPClient(name)
        await client.connect(str(crowd.path))
        try:
            await asyncio.to_thread(crowd.are_here.wait)
            for number in range(crowd.each):
                while True:
                    arguments = {"path": path_of(name, number)}
                    with pytest.raises(ExecuteError) as caught:
                        await client.execute("qom-list", arguments)
                    if crowd.take(name, number, str(caught.value)):
                        break
                    await asyncio.sleep(PAUSE)
            await asyncio.to_thread(crowd.is_over.wait)
            await client.execute("query-status")
            return [str(event["event"]) for event in client.events.clear()]
        finally:
            await client.disconnect()

    return asyncio.run(main())


def ask_qmp_shell(crowd: Crowd, name: str) -> None:
    with subprocess.Popen(
        [BIN / "qmp-shell", crowd.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT | {"HOME": str(crowd.path.parent), "PYTHONUNBUFFERED": "1"},
        text=True,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None

        def say(line: str) -> dict[str, Any]:
            assert shell.stdin is not None
            assert shell.stdout is not None
            shell.stdin.write(f"{line}\n")
            shell.stdin.flush()
            while '{"' not in (said := shell.stdout.readline()):
                assert said, "qmp-shell has ended"
            return json.loads(said[said.index("{") :])  # type: ignore[no-any-return]

        try:
            assert "return" in say("query-status")
            crowd.are_here.wait()
            for number in range(crowd.each):
                while True:
                    reply = say(f"qom-list path={path_of(name, number)}")
                    if crowd.take(name, number, reply["error"]["desc"]):
                        break
                    time.sleep(PAUSE)
            crowd.is_over.wait()
        finally:
            shell.kill()


def ask_lines(
    crowd: Crowd,
    name: str,
    send: Callable[[bytes], object],
    lines: Iterator[bytes],
    spell: Callable[[dict[str, Any], int], bytes],
    id_of: Callable[[int], Any],
) -> list[str]:
    """Ask as a program does that writes its JSON itself, many at once."""
    events: list[str] = []

    def replies() -> Iterator[dict[str, Any]]:
        for line in lines:
            message = json.loads(line)
            if "event" in message:
                events.append(message["event"])
            else:
                yield message

    heard = replies()
    assert "QMP" in next(heard)
    send(spell({"execute": "qmp_capabilities"}, -1))
    assert next(heard) == {"return": {}, "id": id_of(-1)}
    crowd.are_here.wait()
    for first in range(0, crowd.each, WINDOW):
        left = list(range(first, min(first + WINDOW, crowd.each)))
        while left:
            asked = [
                spell(
                    {"execute": "qom-list", "arguments": {"path": path_of(name, n)}}, n
                )
                for n in left
            ]
            send(b"".join(asked))
            again = []
            for number in left:
                reply = next(heard)
                assert reply["id"] == id_of(number)  # in their order
                if not crowd.take(name, number, reply["error"]["desc"]):
                    again.append(number)
            if left := again:
                time.sleep(PAUSE)
    crowd.is_over.wait()
    send(spell({"execute": "query-status"}, -2))
    assert next(heard)["id"] == id_of(-2)
    return events


def ask_socat(crowd: Crowd, name: str) -> list[str]:
    with subprocess.Popen(
        ["socat", "-", f"UNIX-CONNECT:{crowd.path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def send(data: bytes) -> None:
            stdin.write(data)
            stdin.flush()

        def spell(message: dict[str, Any], number: int) -> bytes:
            return json.dumps({**message, "id": number}).encode() + b"\n"

        try:
            return ask_lines(crowd, name, send, stdout, spell, int)
        finally:
            process.kill()


def ask_as_libvirt(crowd: Crowd, name: str) -> list[str]:
    # Each command ends with CR LF and has an id of this form; so libvirt speaks.
    def id_of(number: int) -> str:
        return f"libvirt-{number + 3}"

    def spell(message: dict[str, Any], number: int) -> bytes:
        text = json.dumps({**message, "id": id_of(number)}, separators=(",", ":"))
        return text.encode() + b"\r\n"

    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(SECONDS * 3)
        sock.connect(str(crowd.path))
        with sock.makefile("rb") as file:
            return ask_lines(crowd, name, sock.sendall, file, spell, id_of)


KINDS: dict[str, Callable[[Crowd, str], list[str] | None]] = {
    "blocking": ask_blocking,
    "asyncio": ask_asyncio,
    "qemu.qmp-1": ask_qemu_qmp,
    "qemu.qmp-2": ask_qemu_qmp,
    "qmp-shell-1": ask_qmp_shell,
    "qmp-shell-2": ask_qmp_shell,
    "socat-1": ask_socat,
    "socat-2": ask_socat,
    "libvirt-1": ask_as_libvirt,
    "libvirt-2": ask_as_libvirt,
}


def toggle(vm: qmpx.Client) -> None:
    """Make events."""
    for _ in range(TOGGLES):
        assert vm.execute("cont") == {}
        assert vm.execute("stop") == {}


@pytest.mark.timeout(600)
def test_ten_clients_of_five_kinds_get_their_own_replies_across_a_restart(
    qemu: StartQemu,
) -> None:
    machine = qemu()
    with (
        contextlib.ExitStack() as stack,
        sharing(machine.qmp) as shared,
        qmpx.connect(shared) as vm,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        crowd = Crowd(shared, COMMANDS // CLIENTS)
        stack.callback(crowd.is_over.set)
        work = {name: pool.submit(ask, crowd, name) for name, ask in KINDS.items()}
        try:
            crowd.are_here.wait(SECONDS)
            toggle(vm)
            wait_for_share(crowd, work, COMMANDS // 3)
            machine.process.kill()
            machine.process.wait()
            machine.qmp.unlink(missing_ok=True)
            again = stack.enter_context(
                subprocess.Popen(
                    machine.process.args,
                    stdin=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
            stack.callback(again.kill)
            await_return(vm)
            toggle(vm)
            wait_for_share(crowd, work, crowd.each * CLIENTS)
        finally:
            crowd.is_over.set()
            crowd.are_here.abort()
        seen = {name: each.result(SECONDS) for name, each in work.items()}
    assert crowd.done == dict.fromkeys(KINDS, crowd.each)
    assert sum(crowd.lost.values()) > 0  # they worked while it was away, too
    complete = ["RESUME", "STOP"] * TOGGLES
    complete = [*complete, "X_QMPX_RECONNECTED", *complete]
    for name, events in seen.items():
        if events is not None:  # qmp-shell keeps them to itself
            assert events == complete, name


def await_return(vm: qmpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(qmpx.CommandError):
            vm.execute("query-status")
            return
        assert time.monotonic() < deadline
        time.sleep(PAUSE)


def wait_for_share(crowd: Crowd, work: dict[str, Any], count: int) -> None:
    """Wait until so many commands are done, or one of the clients has failed."""
    while sum(crowd.done.values()) < count:
        for each in work.values():
            if each.done():
                each.result()
        time.sleep(0.005)
