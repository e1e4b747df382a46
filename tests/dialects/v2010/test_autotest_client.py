"""A client library of 2010 against the monitor of 2010.

What is here behaves as the monitor clients of kvm-autotest did, in June and in October
of 2010: its reading, its polling, its notion of what a reply and an event are. It
is written anew from a description, section 6.2 of the notes on 0.13.
"""

from __future__ import annotations

import json
import random
import select
import socket
import string
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

QMPX = Path(sys.executable).with_name("qmpx")
TIMEOUT = 20.0


class ProtocolError(Exception):
    """No response, or one with an incorrect id."""


class CommandFailed(Exception):
    """An ``error`` came back."""


class AutotestMonitor:
    """A socket that is read without waiting, and looked at again and again."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.setblocking(False)  # noqa: FBT003 - the standard library's

    def read_available(self, timeout: float) -> str:
        data = b""
        while select.select([self.socket], [], [], timeout)[0]:
            try:
                chunk = self.socket.recv(1024)
            except BlockingIOError:
                break
            if not chunk:
                break
            data += chunk
            timeout = 0
        return data.decode()


class HumanMonitor(AutotestMonitor):
    """Waits for the prompt; the first line of an answer is the echo."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        assert self.read_to_prompt()[0]
        self.help = self.command("help")

    def read_to_prompt(self) -> tuple[bool, str]:
        output = ""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            output += self.read_available(0.1)
            if output.split() and output.split()[-1] == "(qemu)":
                return True, output
        return False, output

    def command(self, line: str) -> str:
        self.socket.sendall(line.encode() + b"\n")
        found, output = self.read_to_prompt()
        assert found, output
        return "\n".join(output.splitlines()[1:-1])

    def info(self, what: str) -> str:
        return self.command(f"info {what}")


class QmpMonitor(AutotestMonitor):
    """Keeps every event that it comes across; finds a reply by its id."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.events: list[Any] = []
        self._rest = ""
        end = time.monotonic() + TIMEOUT
        self.greeting = None
        while self.greeting is None:
            assert time.monotonic() < end, "no greeting"
            self.greeting = next((m for m in self.read_objects() if "QMP" in m), None)
        self.command("qmp_capabilities")

    def read_objects(self, timeout: float = 0.1) -> list[Any]:
        lines = (self._rest + self.read_available(timeout)).split("\r\n")
        self._rest = lines.pop()
        objects = [json.loads(line) for line in lines if line]
        self.events += [message for message in objects if "event" in message]
        return objects

    def get_response(self, id_: str) -> Any:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            for message in self.read_objects():
                if message.get("id") == id_:
                    return message
        raise ProtocolError(id_)

    def command(self, name: str, args: dict[str, Any] | None = None) -> Any:
        id_ = "".join(random.choices(string.ascii_letters + string.digits, k=8))
        message = {"execute": name, "id": id_}
        if args:
            message["arguments"] = args  # type: ignore[assignment]
        self.socket.sendall(json.dumps(message).encode() + b"\n")
        response = self.get_response(id_)
        if "error" in response:
            raise CommandFailed(name, args, response["error"])
        return response["return"]

    def cmd_raw(self, data: str) -> Any:
        self.socket.sendall(data.encode() + b"\n")
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            for message in self.read_objects():
                if "return" in message or "error" in message:
                    return message
        raise ProtocolError(data)

    def get_event(self, name: str) -> Any:
        self.read_objects()
        return next((e for e in self.events if e["event"] == name), None)

    def info(self, what: str) -> Any:
        return self.command(f"query-{what}")


class Machines:
    """Starts machines as a test of that time did, and waits until they answer."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        places = [f"unix:{self.directory}/{name}-{kind}" for kind in ("q0", "q1", "h0")]
        process = subprocess.Popen(
            [
                *(str(QMPX), "serve", "--dialect", "2010"),
                *("--qmp", places[0], "--qmp", places[1], "--hmp", places[2]),
                *("--", "-name", name, "-m", "16", *options),
            ],
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        assert process.stderr is not None
        for _ in places:
            assert b"serving" in process.stderr.readline()
        return process

    def qmp(self, name: str, number: int = 0) -> QmpMonitor:
        return QmpMonitor(self.directory / f"{name}-q{number}")

    def human(self, name: str) -> HumanMonitor:
        return HumanMonitor(self.directory / f"{name}-h0")


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    started = Machines(tmp_path)
    yield started
    for process in started.processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_it_is_alive_and_tells_who_it_is(machines: Machines) -> None:
    machines.start("one")
    qmp, human = machines.qmp("one"), machines.human("one")
    assert qmp.greeting["QMP"]["capabilities"] == []  # type: ignore[index]
    assert qmp.info("version")["qemu"]["minor"] == 13
    assert qmp.info("status") == {"running": True, "singlestep": False}
    assert human.info("status") == "VM status: running"
    assert human.info("name") == "one"
    assert "system_reset" in human.help
    for monitor in (qmp, human):
        monitor.socket.close()


@pytest.mark.slow
def test_a_reset_is_told_to_every_qmp_monitor(machines: Machines) -> None:
    machines.start("one")
    monitors = [machines.qmp("one", number) for number in (0, 1)]
    for monitor in monitors:
        monitor.events.clear()
    monitors[0].command("system_reset")
    end = time.monotonic() + TIMEOUT
    while not all(monitor.get_event("RESET") for monitor in monitors):
        assert time.monotonic() < end, "a monitor was not told"
    for monitor in monitors:
        monitor.socket.close()


@pytest.mark.slow
def test_what_it_sends_and_what_it_takes_for_an_error(machines: Machines) -> None:
    machines.start("one")
    qmp = machines.qmp("one")
    picture = machines.directory / "screen.ppm"
    assert qmp.command("screendump", {"filename": str(picture)}) == {}
    assert picture.read_bytes().startswith(b"P6")
    with pytest.raises(CommandFailed) as failed:
        qmp.command("eject", {"device": "foobar"})
    error = failed.value.args[2]
    assert (error["class"], error["data"]) == ("DeviceNotFound", {"device": "foobar"})
    assert qmp.cmd_raw("[]")["error"]["class"] == "QMPBadInputObject"
    assert qmp.cmd_raw('{"execute": "query-kvm"}')["return"]["enabled"] is False
    qmp.socket.close()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_migration_is_polled_to_its_end(machines: Machines) -> None:
    machines.start("source")
    address = f"unix:{machines.directory}/move"
    machines.start("target", "-incoming", address)
    source, target = machines.qmp("source"), machines.qmp("target")
    assert source.command("migrate_set_speed", {"value": 1 << 30}) == {}
    arguments = {"uri": address, "blk": False, "inc": False}
    assert source.command("migrate", arguments) == {}
    end = time.monotonic() + 60
    while source.info("migrate")["status"] == "active":
        assert time.monotonic() < end, "still active"
        time.sleep(0.05)
    assert source.info("migrate") == {"status": "completed"}
    assert source.info("status")["running"] is False
    while not target.info("status")["running"]:
        assert time.monotonic() < end, "the target does not run"
        time.sleep(0.05)
    for monitor in (source, target):
        monitor.socket.close()


@pytest.mark.slow
def test_quit_is_answered_before_the_end(machines: Machines) -> None:
    process = machines.start("one")
    qmp = machines.qmp("one")
    assert qmp.command("quit") == {}
    assert process.wait(5) == 0
    qmp.socket.close()
    process = machines.start("two")
    human = machines.human("two")
    human.socket.sendall(b"quit\n")  # nobody waits for an answer
    assert process.wait(5) == 0
    human.socket.close()
