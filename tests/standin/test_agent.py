"""The guest agent of a stand-in, as its clients meet it."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx import agent
from qmpx.testing import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PORT = "virtserialport,chardev=agent,name=org.qemu.guest_agent.0,id=channel0"


def options(path: Path) -> list[str]:
    character = f"socket,path={path},server=on,wait=off,id=agent"
    machine = ["--guest-agent", "-M", "pc", "-nodefaults", "-accel", "tcg", "-S"]
    devices = ["-device", "virtio-serial-pci", "-device", PORT]
    more = ["-device", "virtio-net-pci,mac=52:54:00:00:00:07", "-smp", "2"]
    return [*machine, "-chardev", character, *devices, *more]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


@pytest.fixture
def standin(path: Path) -> Iterator[StandIn]:
    with StandIn(options(path)) as standin:
        with standin.connect(timeout=10.0) as vm:
            vm.wait_for("VSERPORT_CHANGE", {"open": True}, after="cont", timeout=10)
        yield standin


@pytest.fixture
def guest(path: Path, standin: StandIn) -> Iterator[Any]:
    assert standin.path
    with agent.connect(str(path), wait=10, timeout=10) as guest:
        guest.wait_ready(timeout=10)
        yield guest


def test_programs_and_files(guest: Any) -> None:
    done = guest.exec("/bin/sh", "-c", "echo out; echo err 1>&2; exit 3", timeout=10)
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    content = bytes(range(256)) * 2000
    guest.write_file("/tmp/file", content)
    assert guest.read_file("/tmp/file") == content


def test_what_it_tells_of_itself(guest: Any) -> None:
    (ethernet,) = [
        x for x in guest.execute("guest-network-get-interfaces") if x["name"] == "eth0"
    ]
    assert ethernet["hardware-address"] == "52:54:00:00:00:07"
    assert ethernet["ip-addresses"][0]["ip-address"] == "10.0.2.15"
    assert len(guest.execute("guest-get-vcpus")) == 2
    assert guest.execute("guest-get-host-name") == {"host-name": "guest"}
    guest.execute("guest-set-time", time=10**18)
    assert guest.execute("guest-get-time") // 10**9 in range(10**9, 10**9 + 60)


def test_what_is_frozen_is_thawed(guest: Any) -> None:
    with guest.frozen():
        assert guest.execute("guest-fsfreeze-status") == "frozen"
        with pytest.raises(qmpx.CommandError, match="the agent is in frozen state"):
            guest.execute("guest-file-open", path="/etc/hosts")
    assert guest.execute("guest-fsfreeze-status") == "thawed"


def test_the_machine_knows_that_it_is_there(standin: StandIn, guest: Any) -> None:
    with standin.connect() as vm, vm.events("VSERPORT_CHANGE") as events:
        (front,) = [x for x in vm.execute("query-chardev") if x["label"] == "agent"]
        assert front["frontend-open"]
        with standin.control() as control:
            control.execute("x-qmpx-agent-stop")
        assert events.get(timeout=10).data == {"open": False, "id": "channel0"}
        with pytest.raises(qmpx.DeadlineExceeded):
            guest.execute("guest-ping", timeout=0.2)


def test_it_shuts_the_machine_down(standin: StandIn, path: Path) -> None:
    with (
        standin.connect() as vm,
        vm.events("SHUTDOWN") as events,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        sock.connect(str(path))
        sock.sendall(b'{"execute":"guest-shutdown"}\n')
        told = events.get(timeout=10).data
        sock.settimeout(10)
        assert sock.recv(10) == b""  # it does not answer, it is gone
    assert told == {"guest": True, "reason": "guest-shutdown"}
    assert standin.ended()[0] == 0


def test_a_reset_brings_a_new_guest(standin: StandIn, guest: Any) -> None:
    guest.write_file("/tmp/left", b"x")
    with standin.connect() as vm, vm.events("VSERPORT_CHANGE") as events:
        vm.execute("system_reset")
        told = [events.get(timeout=10).data["open"]]
        if not told[-1]:
            told.append(events.get(timeout=10).data["open"])
    assert told[-1] is True
    guest.wait_ready(timeout=10)
    with pytest.raises(qmpx.CommandError, match="No such file"):
        guest.read_file("/tmp/left")


# What goes wrong.


def lines(path: Path, *commands: dict[str, Any]) -> list[Any]:
    """Say some commands to an agent at once, and return what it answers."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        sock.sendall(b"".join(json.dumps(each).encode() + b"\n" for each in commands))
        with sock.makefile("rb") as stream:
            return [json.loads(stream.readline()) for _ in commands]


def test_an_old_agent_echoes_no_ids(standin: StandIn, path: Path) -> None:
    ping = {"execute": "guest-ping", "id": 1}
    assert lines(path, ping) == [{"return": {}, "id": 1}]
    with standin.control() as control:
        control.execute("x-qmpx-agent-set", {"echoes-ids": False})
    assert lines(path, ping) == [{"return": {}}]
    with agent.connect(str(path), timeout=10) as guest:
        assert guest.exec("echo", "x", timeout=10).stdout == b"x\n"


def test_a_command_may_be_disabled(standin: StandIn, path: Path, guest: Any) -> None:
    with standin.control() as control:
        control.execute("x-qmpx-agent-set", disabled=["guest-exec"])
    with pytest.raises(qmpx.CommandError, match="guest-exec has been disabled"):
        guest.exec("echo", timeout=10)
    guest.close()
    with agent.connect(str(path), timeout=10) as another:
        another.wait_ready(timeout=10)
        assert not another.supports("guest-exec")


def test_one_that_is_deaf_hears_who_connects_anew(standin: StandIn, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))
        with standin.control() as control:
            control.execute("x-qmpx-agent-set", {"is-deaf": True})
        sock.sendall(b'{"execute":"guest-ping"}\n')
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(10)
    assert lines(path, {"execute": "guest-ping"}) == [{"return": {}}]


def test_what_an_earlier_client_left_is_passed_over(
    standin: StandIn, path: Path
) -> None:
    with agent.connect(str(path), timeout=10, wait=10) as guest:
        with standin.control() as control:
            control.execute("x-qmpx-agent-set", stale='{"return": 4711}\n{"retu')
        guest.wait_ready(timeout=10)
        assert guest.execute("guest-get-host-name") == {"host-name": "guest"}


def test_a_freeze_may_take_its_time(standin: StandIn, guest: Any) -> None:
    with standin.control() as control:
        delays = {"guest-fsfreeze-freeze": 0.3}
        control.execute("x-qmpx-agent-set", delays=delays)
    with pytest.raises(qmpx.DeadlineExceeded):
        guest.execute("guest-fsfreeze-freeze", timeout=0.1)
    assert guest.execute("guest-fsfreeze-status", timeout=10) == "frozen"


def test_a_scenario_says_how_it_behaves(tmp_path: Path, path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'clock = "virtual"\n[agent]\nstarts-after = 30\ndisabled = ["guest-ping"]\n'
    )
    words = [word for word in options(path) if word != "--guest-agent"]
    with StandIn(words, {"scenario": str(scenario)}) as standin:
        with standin.connect() as vm, vm.events("VSERPORT_CHANGE") as events:
            vm.execute("cont")
            standin.advance(29)
            (front,) = [x for x in vm.execute("query-chardev") if x["label"] == "agent"]
            assert not front["frontend-open"]
            standin.advance(1)
            assert events.get(timeout=10).data["open"] is True
        (refused,) = lines(path, {"execute": "guest-ping"})
    assert refused["error"]["desc"] == "Command guest-ping has been disabled"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "an agent has no 'x'"),
        ('starts-after = "soon"', "expected seconds or \"never\" for 'starts-after'"),
        ("disabled = 1", "expected a list of commands for 'disabled'"),
        ("delays = { a = -1 }", "expected a table of commands and seconds"),
    ],
)
def test_a_scenario_that_says_what_cannot_be(text: str, message: str) -> None:
    from qmpx.standin.faults.scenario import ScenarioError, parse_scenario

    with pytest.raises(ScenarioError, match=message):
        parse_scenario(f"[agent]\n{text}\n".encode(), "scenario")


def test_without_an_agent_there_is_none_to_set() -> None:
    with (
        StandIn(["-M", "none"]) as standin,
        standin.control() as control,
        pytest.raises(qmpx.CommandError, match="start it with --guest-agent"),
    ):
        control.execute("x-qmpx-agent-set", disabled=[])
