"""The program, from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.dialects.modern import modern_monitor
from qmpx.dialects.modern.profile.answers import ProfileAnswers
from qmpx.dialects.modern.profile.profile import apply_profile
from qmpx.machine import Machine
from qmpx.standin.profile.file import shipped_profile
from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

PROGRAM = BIN / "qmpx-system-x86_64"
NAME = PROGRAM.name


@contextlib.contextmanager
def running(
    *words: str, fds: tuple[int, ...] = (), **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run the program until the end of the block."""
    with subprocess.Popen(
        [PROGRAM, "-display", "none", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | environment,
        pass_fds=fds,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def connected(path: Path, **options: Any) -> qmpx.Client:
    return qmpx.connect(path, wait=SECONDS, timeout=SECONDS, **options)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=SECONDS)
    return process.returncode, out, errors


def test_a_monitor_on_a_socket_is_served_until_quit(short_path: Path) -> None:
    where = f"unix:{short_path},server=on,wait=off"
    words = ["-name", "n", "-uuid", "6a1ad7a5-7b4f-4c1d-9c1e-0123456789ab", "-qmp"]
    with running("-machine", "pc", *words, where) as process:
        with connected(short_path) as vm:
            assert vm.execute("query-name") == {"name": "n"}
            assert vm.execute("query-uuid") == {
                "UUID": "6a1ad7a5-7b4f-4c1d-9c1e-0123456789ab"
            }
            assert vm.execute("query-status")["status"] == "running"
            assert {
                "label": "compat_monitor0",
                "filename": f"unix:{short_path},server=on",
                "frontend-open": True,
            } in vm.execute("query-chardev")
        with connected(short_path) as vm:  # one after the other
            vm.execute("quit")
        assert ended(process) == (0, "", "")
    assert not short_path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_of_the_host_switches_the_machine_off(
    short_path: Path, number: signal.Signals
) -> None:
    words = ["-S", "-no-shutdown", "-qmp", f"unix:{short_path},server=on,wait=off"]
    with running(*words) as process:
        with connected(short_path) as vm, vm.events() as events:
            assert vm.execute("query-status")["status"] == "prelaunch"
            process.send_signal(number)
            event = events.get(timeout=SECONDS)
        assert (event.name, event.data) == (
            "SHUTDOWN",
            {"guest": False, "reason": "host-signal"},
        )
        status, _, errors = ended(process)
        assert (status, errors) == (0, f"{NAME}: terminating on signal {number}\n")


def test_the_greeting_is_that_of_the_profile(short_path: Path) -> None:
    where = f"unix:{short_path},server=on,wait=off"
    with running("-qmp", where), connected(short_path) as vm:
        assert vm.greeting.version["package"].startswith("Debian 1:7.2")
        assert vm.execute("query-version") == vm.greeting.version


def test_a_client_that_comes_early_is_greeted_once(short_path: Path) -> None:
    with running("-qmp", f"unix:{short_path},server=on,wait=on") as process:
        deadline = time.monotonic() + SECONDS
        with socket.socket(socket.AF_UNIX) as client:
            while True:
                try:
                    client.connect(str(short_path))
                    break
                except OSError:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
            client.settimeout(SECONDS)
            client.sendall(b'{"execute": "qmp_capabilities", "id": 1}')
            client.sendall(b'{"execute": "quit", "id": 2}')
            with client.makefile("rb") as stream:
                heard = [json.loads(line) for line in stream]
        status, _, errors = ended(process)
    assert [next(iter(message)) for message in heard] == [
        "QMP",
        "return",
        "timestamp",
        "return",
    ]
    assert status == 0
    assert "info: QEMU waiting for connection on: disconnected:unix:" in errors


def test_monitors_may_be_on_character_devices_of_inherited_sockets(
    short_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path))
        listening.listen(1)
        fd = listening.fileno()
        words = ["-chardev", f"socket,id=charmonitor,fd={fd},server=on,wait=off"]
        words += ["-mon", "chardev=charmonitor,id=monitor,mode=control"]
        with running("-machine", "none", *words, fds=(fd,)) as process:
            with connected(short_path) as vm:
                assert vm.execute("query-chardev")[0]["label"] == "charmonitor"
            with connected(short_path) as vm:
                vm.execute("quit")
            assert ended(process)[0] == 0
    assert short_path.exists()  # it belongs to whoever made it


def test_a_service_manager_may_hand_sockets_over(short_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(short_path))
        listening.listen(1)
        # What systemd does: descriptor 3, and the process's own number.
        script = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); "
            "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}; "
            "os.execv(sys.argv[2], sys.argv[2:])"
        )
        fd = listening.fileno()
        with subprocess.Popen(
            [sys.executable, "-c", script, str(fd), PROGRAM, "-display", "none"],
            pass_fds=[fd],
            env=ENVIRONMENT,
        ) as process:
            try:
                with connected(short_path) as vm:
                    vm.execute("quit")
                assert process.wait(timeout=SECONDS) == 0
            finally:
                process.kill()


def test_a_pretty_monitor_and_one_for_people_show_the_same_machine(
    short_path: Path,
) -> None:
    human = short_path.with_name("human")
    words = ["-qmp-pretty", f"unix:{short_path},server=on,wait=off"]
    words += ["-monitor", f"unix:{human},server=on,wait=off"]
    with running(*words) as process:
        with connected(short_path) as vm, socket.socket(socket.AF_UNIX) as person:
            person.settimeout(SECONDS)
            person.connect(str(human))
            with person.makefile("rwb") as terminal:
                terminal.write(b"stop\n")
                terminal.flush()
                vm.execute("query-commands")
                deadline = time.monotonic() + SECONDS
                while vm.execute("query-status")["running"]:
                    assert time.monotonic() < deadline
            vm.execute("quit")
        assert ended(process)[0] == 0


def test_a_daemon_is_ready_when_its_first_process_ends(short_path: Path) -> None:
    pid_file = short_path.with_name("pid")
    words = ["-machine", "pc", "-daemonize", "-pidfile", str(pid_file)]
    words += ["-qmp", f"unix:{short_path},server=on,wait=off"]
    words += ["-object", "iothread,id=io"]
    with running(*words) as process:
        assert ended(process) == (0, "", "")
        pid = int(pid_file.read_text())
        assert pid != process.pid
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        with connected(short_path) as vm:
            vm.execute("quit")
    deadline = time.monotonic() + SECONDS
    while pid_file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_daemon_that_cannot_start_says_why(short_path: Path) -> None:
    words = ["-daemonize", "-qmp", f"unix:{short_path},server=on,wait=off"]
    with running(*words, "-device", "foo") as process:
        status, _, errors = ended(process)
    assert (status, errors) == (
        1,
        f"{NAME}: -device foo: 'foo' is not a valid device model name\n",
    )
    assert not short_path.exists()


def test_a_pid_file_in_use_is_refused(short_path: Path) -> None:
    pid_file = short_path.with_name("pid")
    where = f"unix:{short_path},server=on,wait=off"
    first = running("-pidfile", str(pid_file), "-qmp", where)
    second = running("-pidfile", str(pid_file))
    with first, connected(short_path), second as other:
        status, _, errors = ended(other)
    assert status == 1
    assert errors.startswith(f"{NAME}: cannot create PID file: Failed to lock ")


def test_another_profile_makes_another_binary(short_path: Path, tmp_path: Path) -> None:
    recorded: list[Any] = [
        {"execute": "query-version"},
        {
            "return": {
                "qemu": {"micro": 0, "minor": 2, "major": 4},
                "package": "v4.2.0",
            }
        },
        {"execute": "query-commands"},
        {"return": [{"name": n} for n in ("query-version", "query-status", "quit")]},
    ]
    file = tmp_path / "caps.replies"
    file.write_text("\n\n".join(map(json.dumps, recorded)))
    words = ["--profile", str(file), "-qmp", f"unix:{short_path},server=on,wait=off"]
    with running(*words), connected(short_path, capabilities=()) as vm:
        assert vm.greeting.version["qemu"]["major"] == 4
        with pytest.raises(qmpx.CommandError):
            vm.execute("query-name")
        assert vm.execute("query-status")["status"] == "running"


def test_every_command_of_the_shipped_profile_is_carried_out() -> None:
    profile = shipped_profile()
    monitor = modern_monitor(Machine())
    apply_profile(monitor, profile, ProfileAnswers(profile))
    refused = [
        name
        for name, entry in monitor.entries.items()
        if getattr(entry.handler, "is_refusal", False)
    ]
    assert refused == []


def test_ports_and_character_devices_are_opened(short_path: Path) -> None:
    port = short_path.with_name("port")
    words = ["-qmp", f"unix:{short_path},server=on,wait=off"]
    words += ["-serial", f"unix:{port},server=on,wait=off", "-chardev", "null,id=n"]
    with running("-machine", "pc", *words), connected(short_path) as vm:
        labels = {entry["label"] for entry in vm.execute("query-chardev")}
        assert {"compat_monitor0", "serial0", "n"} <= labels
        assert port.exists()


def test_help_and_lists_end_with_status_0() -> None:
    for words in (["-help"], ["-version"], ["-machine", "help"], ["-device", "help"]):
        with running(*words) as process:
            status, out, errors = ended(process)
        assert (status, errors) == (0, "")
        assert out


def test_before_the_machine_is_built_little_is_permitted(short_path: Path) -> None:
    where = f"unix:{short_path},server=on,wait=off"
    with running("--preconfig", "-qmp", where), connected(short_path) as vm:
        assert vm.execute("query-status")["status"] == "prelaunch"
        with pytest.raises(
            qmpx.CommandError,
            match="'query-cpus-fast' is permitted only after machine initialization",
        ):
            vm.execute("query-cpus-fast")
        vm.execute("x-exit-preconfig")
        assert vm.execute("query-status")["running"]
        assert vm.execute("query-cpus-fast")
        with pytest.raises(
            qmpx.CommandError, match="permitted only before machine initialization"
        ):
            vm.execute("x-exit-preconfig")


def test_the_guest_answers_the_power_button_unless_there_is_none(
    short_path: Path,
) -> None:
    where = f"unix:{short_path},server=on,wait=off"
    with running("-machine", "pc", "--guest", "obedient", "-qmp", where) as process:
        with connected(short_path) as vm, vm.events("SHUTDOWN") as events:
            vm.execute("system_powerdown")
            data = {"guest": True, "reason": "guest-shutdown"}
            assert events.get(timeout=SECONDS).data == data
        assert ended(process)[0] == 0
    for words in ((), ("--guest", "none")):  # there is nothing to boot from
        alone = running("-machine", "pc", *words, "-qmp", where)
        with alone, connected(short_path) as vm:
            vm.execute("system_powerdown")
            assert vm.execute("query-status")["status"] == "running"
    with running("--guest", "x") as process:
        status, _, errors = ended(process)
    assert status == 1
    assert errors == f"{NAME}: --guest x: expected one of auto, obedient, none\n"


def test_a_machine_that_does_not_come_ends_the_program(
    short_path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "state"
    file.write_bytes(b"no machine at all" * 100)
    where = f"unix:{short_path},server=on,wait=off"
    with running("-qmp", where, "-incoming", f"exec:cat {file}") as process:
        status, _, errors = ended(process)
    assert status == 1
    assert errors.startswith(f"{NAME}: load of migration failed: ")


def test_an_interrupt_while_it_starts_ends_it_without_a_word(tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    os.mkfifo(profile)
    with (
        running(QMPX_PROFILE=str(profile)) as process,
        profile.open("wb", buffering=0),  # which waits until it is about to be read
    ):
        process.send_signal(signal.SIGINT)
        assert ended(process) == (-signal.SIGINT, "", "")
