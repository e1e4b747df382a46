"""``qmpx gateway`` in front of real QEMUs, which come, go, and dial in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.gateway.settings.unchanging import UNCHANGING
from tests.certificates import make_authority
from tests.loops import short_directory
from tests.peers.conftest import START_SECONDS
from tests.programs import ENVIRONMENT, QMPX, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.conftest import Qemu, StartQemu

UUID = "00112233-4455-6677-8899-aabbccddeeff"

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a directory for sockets."""
    with short_directory() as path:
        yield path


@contextlib.contextmanager
def gateway(folder: Path, text: str) -> Iterator[str]:
    """Run a gateway until the end of the block; give where Prometheus reads."""
    config = folder / "gateway.toml"
    metrics = '[metrics]\nlisten = "tcp:127.0.0.1:0"\ninterval = 1\n'
    config.write_text(metrics + text.replace("DIR", str(folder)))
    with subprocess.Popen(
        [str(QMPX), "gateway", "--config", str(config)],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.fullmatch(r"qmpx: metrics on tcp:(.*)\n", said)
            assert found, said + process.stderr.read()
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=SECONDS)


def until(condition: Any, seconds: float = SECONDS) -> Any:
    """Wait until something is so; it may raise what it cannot do yet."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, qmpx.QmpxError):
            if value := condition():
                return value
        assert time.monotonic() < deadline
        time.sleep(0.01)


def client_at(path: Path) -> Any:
    """Connect as soon as one can."""
    return until(lambda: qmpx.connect(path), START_SECONDS)


def values_at(place: str) -> dict[str, float]:
    """Return what Prometheus would read."""
    with urllib.request.urlopen(f"http://{place}/metrics", timeout=SECONDS) as reply:
        text = reply.read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}


def upstream(machine: Qemu, more: str = "") -> str:
    """Return the section of one machine."""
    return (
        f'[[upstream]]\nname = "box"\naddress = "unix:{machine.qmp}"\n'
        f'listen = "unix:DIR/{{name}}.shared"\n{more}'
    )


def commands_in(line: bytes) -> set[str]:
    """Return the commands that a list of commands, or a schema, tells of."""
    told = json.loads(line)["return"]
    return {x["name"] for x in told if x.get("meta-type", "command") == "command"}


def test_what_is_remembered_are_the_same_bytes(qemu: StartQemu, folder: Path) -> None:
    import socket

    def heard(path: Path, rounds: int) -> list[bytes]:
        lines = []
        with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rb") as file:
            sock.settimeout(SECONDS)
            sock.connect(str(path))
            file.readline()
            sock.sendall(b'{"execute": "qmp_capabilities"}')
            file.readline()
            for number in range(rounds):
                for name in sorted(UNCHANGING):
                    sock.sendall(b'{"execute": "%b", "id": 7}' % name.encode())
                    lines.append(file.readline())
                # What else happens does not change them.
                sock.sendall(b'{"execute": "%b"}' % (b"cont", b"stop")[number % 2])
                while b'"return"' not in file.readline():
                    pass
        return lines

    machine = qemu("-name", "b\u00f6x", "-uuid", UUID, monitors=2)
    with gateway(folder, upstream(machine, "remember = true\n")) as place:
        client_at(folder / "box.shared").close()
        through = heard(folder / "box.shared", 3)
        values = values_at(place)
    direct = heard(machine.monitors[1], 3)
    count = len(UNCHANGING)
    # What is remembered is what was said the first time.
    assert through == through[:count] * 3
    assert direct == direct[:count] * 3
    own = {"x-qmpx-health", "x-qmpx-subscribe", "x-qmpx-unsubscribe"}
    for name, one, other in zip(sorted(UNCHANGING), through, direct, strict=False):
        if name in ("query-commands", "query-qmp-schema"):
            assert commands_in(one) >= commands_in(other) | own
        else:
            assert one == other
    failed = sum("error" in json.loads(line) for line in through) // 3
    hits = values['qmpx_remembered_answers_total{upstream="box"}']
    assert hits == 2 * (len(UNCHANGING) - failed)
    assert failed < len(UNCHANGING) / 2


def test_a_qemu_that_was_killed_is_back_and_what_changed_is_told(
    qemu: StartQemu, folder: Path
) -> None:
    machine = qemu("-machine", "q35", monitors=2)
    with qmpx.connect(machine.monitors[1]) as vm:
        vm.execute("cont")
        vm.execute("blockdev-add", {"driver": "null-co", "node-name": "n0"})
    with (
        gateway(folder, upstream(machine)) as place,
        client_at(folder / "box.shared") as vm,
    ):
        events = vm.events()
        machine.process.kill()
        machine.process.wait()
        # A scrape does not wait for one that is gone.
        up = 'qmpx_upstream_up{upstream="box"}'
        until(lambda: values_at(place)[up] == 0)
        with pytest.raises(qmpx.CommandError, match="behind the gateway"):
            vm.execute("query-status")
        for path in machine.monitors:
            path.unlink(missing_ok=True)
        again = subprocess.Popen(
            machine.process.args, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            told = events.get(START_SECONDS)
            assert told.name == "X_QMPX_RECONNECTED"
            assert told.data["changed"]["status"] == {
                "changed": [{"name": "status", "was": "running", "is": "prelaunch"}]
            }
            assert told.data["changed"]["block-nodes"] == {"gone": ["n0"]}
            assert told.data["same-version"] is True
            assert vm.execute("query-status")["status"] == "prelaunch"
            values = values_at(place)
            assert values[up] == 1
            assert values['qmpx_upstream_losses_total{upstream="box"}'] == 1
        finally:
            again.kill()
            again.wait()


def test_figures_of_the_guest_are_read(qemu: StartQemu, folder: Path) -> None:
    machine = qemu(
        *("-machine", "q35", "-m", "64", "-smp", "2"),
        *("-device", "virtio-balloon-pci"),
        *(
            "-drive",
            "driver=null-co,if=none,id=d0",
            "-device",
            "virtio-blk-pci,drive=d0",
        ),
    )
    with gateway(folder, upstream(machine)) as place:
        client_at(folder / "box.shared").close()
        age = 'qmpx_guest_sample_age_seconds{query="%s",upstream="box"}'
        names = ("query-blockstats", "query-cpus-fast", "query-migrate")
        until(lambda: {age % name for name in names} <= values_at(place).keys())
        values = values_at(place)
        assert values['qmpx_guest_vcpus{upstream="box"}'] == 2
        assert values['qmpx_guest_migration_active{upstream="box"}'] == 0
        read = 'qmpx_guest_block_read_bytes_total{device="d0",upstream="box"}'
        assert values[read] >= 0
        assert any(name.startswith("qmpx_guest_vcpu_seconds_total{") for name in values)
        # One that stands still: the last figures stay, and are read at once.
        machine.process.send_signal(signal.SIGSTOP)
        try:
            assert values_at(place)['qmpx_guest_vcpus{upstream="box"}'] == 2
        finally:
            machine.process.send_signal(signal.SIGCONT)


def test_a_stopped_qemu_is_silent_and_clients_are_told_in_time(
    qemu: StartQemu, folder: Path
) -> None:
    machine = qemu()
    text = "[health]\ninterval = 0.2\ntimeout = 0.2\n"
    text += upstream(machine, "deadline = 0.5\n")
    with gateway(folder, text), client_at(folder / "box.shared") as vm:
        assert vm.execute("x-qmpx-health")["state"] == "ok"
        machine.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(qmpx.CommandError, match="did not reply to query-name"):
                vm.execute("query-name")
            silent = until(
                lambda: [
                    told
                    for told in [vm.execute("x-qmpx-health")]
                    if told["state"] == "silent"
                ]
            )
            assert "stopped" in silent[0]["reason"]
        finally:
            machine.process.send_signal(signal.SIGCONT)
        until(lambda: vm.execute("x-qmpx-health")["state"] == "ok")
        assert vm.execute("query-name") == {}


@contextlib.contextmanager
def caller(command: list[str]) -> Iterator[None]:
    """Run a QEMU until the end of the block."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()


@contextlib.contextmanager
def dialling(place: Path, name: str) -> Iterator[None]:
    """Run a QEMU that connects to a place, and again when that is lost."""
    command = ["qemu-system-x86_64", "-machine", "none", "-accel", "tcg", "-S"]
    command += ["-display", "none", "-nodefaults", "-name", name]
    command += ["-chardev", f"socket,id=c,path={place},server=off,reconnect=1"]
    command += ["-mon", "chardev=c,mode=control"]
    with caller(command):
        yield


def test_qemus_dial_in_and_come_again_when_the_gateway_does(folder: Path) -> None:
    text = '[[upstream]]\ndial-in = "unix:DIR/in"\nlisten = "unix:DIR/{name}.shared"\n'
    with contextlib.ExitStack() as stack:
        # They start before there is anybody to connect to.
        for name in ("one", "two"):
            stack.enter_context(dialling(folder / "in", name))
        first = stack.enter_context(contextlib.ExitStack())
        first.enter_context(gateway(folder, text))
        for name in ("one", "two"):
            with client_at(folder / f"{name}.shared") as vm:
                assert vm.execute("query-name") == {"name": name}
        first.close()
        with gateway(folder, text), client_at(folder / "two.shared") as vm:
            assert vm.execute("query-name") == {"name": "two"}
            vm.execute("cont")


def test_a_qemu_dials_in_by_tls_and_who_is_not_named_does_not(folder: Path) -> None:
    authority = make_authority(folder / "tls")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = (
        f'[[upstream]]\ndial-in = "tcp:127.0.0.1:{port}"\n'
        'tls = { directory = "DIR/tls" }\ncertificates = ["alice"]\n'
        'name = "{certificate}-{vm}"\nlisten = "unix:DIR/{name}.shared"\n'
    )
    with contextlib.ExitStack() as stack:
        for name in ("alice", "mallory"):
            authority.sign(name, name)
            credentials = folder / name
            credentials.mkdir()
            for stem in ("cert", "key"):
                file = (folder / "tls" / f"{name}-{stem}.pem").read_bytes()
                (credentials / f"client-{stem}.pem").write_bytes(file)
            authority_file = (folder / "tls" / "ca-cert.pem").read_bytes()
            (credentials / "ca-cert.pem").write_bytes(authority_file)
            stack.enter_context(dialling_by_tls(credentials, port, name))
        with gateway(folder, text), client_at(folder / "alice-alice.shared") as vm:
            for _ in range(50):
                assert vm.execute("query-name") == {"name": "alice"}
            vm.execute("cont")
            assert list(folder.glob("*.shared")) == [folder / "alice-alice.shared"]


@contextlib.contextmanager
def dialling_by_tls(credentials: Path, port: int, name: str) -> Iterator[None]:
    """Run a QEMU that connects by TLS, and again when that is lost."""
    command = ["qemu-system-x86_64", "-machine", "none", "-accel", "tcg", "-S"]
    command += ["-display", "none", "-nodefaults", "-name", name]
    command += ["-object", f"tls-creds-x509,id=t,dir={credentials},endpoint=client"]
    place = f"host=localhost,port={port},ipv4=on,ipv6=off"
    command += [
        "-chardev",
        f"socket,id=c,{place},server=off,reconnect=1,tls-creds=t",
    ]
    command += ["-mon", "chardev=c,mode=control"]
    with caller(command):
        yield


def test_qemus_in_a_directory_are_shared_as_they_start(folder: Path) -> None:
    text = '[[upstream]]\ndirectory = "DIR/vm"\nlisten = "unix:DIR/{name}.shared"\n'
    (folder / "vm").mkdir()
    with gateway(folder, text), contextlib.ExitStack() as stack:
        for name in ("one", "two"):
            command = ["qemu-system-x86_64", "-machine", "none", "-accel", "tcg", "-S"]
            command += ["-display", "none", "-nodefaults", "-name", name]
            command += ["-qmp", f"unix:{folder}/vm/{name}.sock,server=on,wait=off"]
            process = stack.enter_context(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
            )
            stack.callback(process.kill)
            with client_at(folder / f"{name}.shared") as vm:
                assert vm.execute("query-name") == {"name": name}
        assert os.listdir(folder / "vm")
