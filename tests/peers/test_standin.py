"""The stand-in beside a real QEMU: the same command line, the same outcome."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.standin.profile.capture import capture
from qmpx.standin.profile.file import Profile, shipped_profile
from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

QEMU = Path("qemu-system-x86_64")
STANDIN = BIN / "qmpx-system-x86_64"
EMPTY = ["-nodefaults", "-display", "none", "-machine", "none", "-S"]

WRONG = [
    "-foo",
    "--foo",
    "-m",
    "-device",
    "-run-with x",
    "-soundhw ac97",
    "-version -foo",
    "-name",
    "-name a,foo=b",
    "-name guest=x,debug-threads=maybe",
    "-uuid x",
    "-m foo",
    "-m 1x",
    "-m 64,foo=1",
    "-m 64,maxmem=32",
    "-m size=1G,slots=2",
    "-smp foo",
    "-smp cpus=x",
    "-smp 2,foo=1",
    "-smp 4,maxcpus=2",
    "-smp 1,sockets=2,cores=1,threads=1",
    "-machine foo",
    "-machine type=none,accel=tcg -accel tcg",
    "-cpu foo",
    "-chardev foo",
    "-chardev null",
    "-chardev id=a",
    "-chardev foo,id=a",
    "-chardev null,id=1a",
    "-chardev null,id=a,foo=1",
    "-chardev null,id=a -chardev null,id=a",
    "-chardev socket,id=x",
    "-chardev socket,id=a,port=77",
    "-chardev socket,id=a,fd=foo",
    "-chardev socket,id=a,fd=77,server=on,wait=off",
    "-chardev socket,id=a,host=127.0.0.1",
    "-chardev socket,id=a,path=a,host=b",
    "-chardev socket,id=a,path=a,wait=off",
    "-chardev socket,id=a,path=a,server=maybe",
    "-chardev socket,id=a,path=a,reconnect=x",
    "-chardev socket,id=a,path=a,server=on,wait=off,reconnect=1",
    "-chardev socket,id=a,path=/no-such-folder/x",
    "-chardev socket,id=a,path=/no-such-folder/x,server=on,wait=off",
    "-mon chardev=x",
    "-mon mode=control",
    "-mon a,foo=b",
    "-chardev null,id=a -mon a,mode=foo",
    "-chardev null,id=a -mon a,pretty=foo",
    "-chardev null,id=a -mon a,mode=readline,pretty=on",
    "-chardev null,id=a -mon a -mon a",
    "-qmp foo",
    "-qmp tcp:foo",
    "-qmp tcp:127.0.0.1:1",
    "-qmp unix:",
    "-qmp unix:/no-such-folder/x,server=on",
    "-monitor foo",
    "-serial foo",
    "-serial unix:/no-such-folder/x,server=on,wait=off",
    "-parallel foo",
    "-qmp stdio -monitor stdio",
    "-daemonize -monitor stdio",
    "-rtc foo",
    "-rtc base=foo",
    "-rtc base=2020-01-01,clock=foo",
    "-msg foo",
    "-msg timestamp=foo",
    "-action foo",
    "-action reboot=foo",
    "-action panic=none,foo",
    "-watchdog-action foo",
    "-add-fd fd=1",
    "-add-fd set=1",
    "-add-fd fd=99,set=1",
    "-add-fd fd=5,set=x",
    "-sandbox foo",
    "-sandbox on,foo=bar",
    "-sandbox on,spawn=foo",
    "-overcommit foo",
    "-overcommit mem-lock=foo",
    "-global foo",
    "-global driver=a,property=b",
    "-boot foo=1",
    "-boot order=q",
    "-boot foo",
    "-boot menu=x",
    "-boot a,b",
    "-pidfile /no-such-folder/a",
    "-D /no-such-folder/a",
    "-readconfig /no-such-folder",
    "-readconfig /etc/passwd",
    "-object foo",
    "-object {}",
    "-object secret",
    "-object secret,id=a,data=x,foo=1",
    "-netdev user",
    "-netdev user,id=x,foo=1",
    "-blockdev foo",
    "-blockdev driver=foo,node-name=x",
    "-device foo",
    "-device id=a",
    "-device {",
    '-device {"driver":1}',
    '-device {"id":"a"}',
    '-device {"driver":"foo"}',
    "-device foo,help",
    "-drive file=/no-such-folder",
    "-hda /no-such-folder",
    "/no-such-folder",
    "-incoming foo",
    "-display foo",
    "-vnc foo",
]
"""Command lines that a QEMU refuses, with a message that says why."""


def said(program: Path, *words: str) -> tuple[int, str, str]:
    """Run a program to its end; return its status and what it said."""
    ended = subprocess.run(
        [program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=ENVIRONMENT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    name = f"{program.name}:"
    errors = ended.stderr.replace(name, "PROGRAM:")
    return ended.returncode, errors, ended.stdout.replace(name, "PROGRAM:")


@pytest.mark.parametrize("line", WRONG)
def test_what_qemu_refuses_is_refused_in_its_words(line: str) -> None:
    words = [*EMPTY, *line.split(" ")]
    assert said(STANDIN, *words) == said(QEMU, *words)


def test_the_version_is_told_in_the_same_words() -> None:
    assert said(STANDIN, "-version") == said(QEMU, "-version")
    assert said(STANDIN, "--version", "x") == said(QEMU, "--version", "x")


@pytest.mark.parametrize("what", ["-machine", "-M", "-cpu", "-accel", "-device"])
def test_what_there_is_is_listed_alike(what: str) -> None:
    assert said(STANDIN, what, "help") == said(QEMU, what, "help")


def test_the_properties_of_a_device_are_listed_alike() -> None:
    ours = said(STANDIN, "-device", "virtio-balloon-pci,help")
    theirs = said(QEMU, "-device", "virtio-balloon-pci,help")
    names = [
        [line.split("=")[0].strip() for line in text.splitlines()]
        for _, _, text in (ours, theirs)
    ]
    assert ours[:2] == theirs[:2]
    assert sorted(names[0]) == sorted(names[1])


class Started:
    """A program that libvirt would have started, in the background."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.socket = folder / "qmp.monitor"
        self.pid_file = folder / "qmp.pid"
        self.launched = subprocess.run(
            [
                program,
                *("-S", "-no-user-config", "-nodefaults", "-nographic"),
                *("-machine", "none,accel=tcg"),
                *("-qmp", f"unix:{self.socket},server=on,wait=off"),
                *("-pidfile", str(self.pid_file), "-daemonize"),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,  # read to their ends: a child that keeps them hangs us
            env=ENVIRONMENT,
            timeout=SECONDS,
        )
        self.pid = int(self.pid_file.read_text())

    def converse(self, commands: list[dict[str, Any]]) -> list[bytes]:
        """Send commands one by one; return the greeting and the replies."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(self.socket))
            with client.makefile("rwb") as stream:
                heard = [stream.readline()]
                for command in commands:
                    stream.write(json.dumps(command).encode())
                    stream.flush()
                    heard.append(stream.readline())
        return heard

    def end(self) -> bytes:
        """Send SIGTERM; return the last words of the monitor."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(self.socket))
            with client.makefile("rwb") as stream:
                stream.readline()
                stream.write(b'{"execute": "qmp_capabilities"}')
                stream.flush()
                stream.readline()
                os.kill(self.pid, signal.SIGTERM)
                return stream.read()


def wait_until_gone(path: Path) -> None:
    """Wait until a file is removed: a QEMU does that after its last words."""
    deadline = time.monotonic() + SECONDS
    while path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.01)


@pytest.fixture
def folders() -> Iterator[list[Path]]:
    """Return two folders with short names."""
    with (
        tempfile.TemporaryDirectory(prefix="qmpx-") as one,
        tempfile.TemporaryDirectory(prefix="qmpx-") as other,
    ):
        yield [Path(one), Path(other)]


def test_a_daemon_keeps_the_contract_that_libvirt_relies_on(
    folders: list[Path],
) -> None:
    outcomes = []
    for program, folder in zip((STANDIN, QEMU), folders, strict=True):
        started = Started(program, folder)
        is_alive = Path(f"/proc/{started.pid}").exists()
        fds = {os.readlink(f"/proc/{started.pid}/fd/{fd}") for fd in (0, 1, 2)}
        last = json.loads(started.end().splitlines()[0])
        last.pop("timestamp")
        wait_until_gone(started.pid_file)
        outcomes.append(
            (
                started.launched.returncode,
                started.launched.stdout + started.launched.stderr,
                is_alive,
                fds,
                last,
                started.pid_file.exists(),
                started.socket.exists(),
            )
        )
    assert outcomes[0] == outcomes[1]


def test_what_libvirt_probes_is_answered_alike(folders: list[Path]) -> None:
    heard = []
    for program, folder in zip((STANDIN, QEMU), folders, strict=True):
        started = Started(program, folder)
        heard.append(started.converse(PROBE))
        started.end()
    different = [
        command.get("execute", "")
        for command, ours, theirs in zip([{}, *PROBE], *heard, strict=True)
        if ours != theirs
    ]
    # Capabilities can be changed here: their members come in an order of their own.
    assert [name for name in different if name != "query-migrate-capabilities"] == []
    assert [json.loads(x) for x in heard[0]] == [json.loads(x) for x in heard[1]]


_TYPES = """
    virtio-blk-pci virtio-net-pci virtio-scsi-pci virtio-net-ccw virtio-scsi-ccw
    vfio-pci scsi-hd ide-hd PIIX4_PM usb-redir usb-storage kvm-pit VGA vmware-svga qxl
    virtio-gpu-pci virtio-gpu-device ICH9-LPC virtio-balloon-pci virtio-balloon-ccw
    virtio-balloon-device intel-iommu mch nvdimm pcie-root-port usb-host
    vhost-user-fs-device virtio-mem-pci virtio-iommu-pci
"""


def _probe() -> list[dict[str, Any]]:
    """Return what libvirt 9.0 asks a QEMU without a machine, in its order."""

    def expand(kind: str, **props: bool) -> tuple[str, dict[str, Any]]:
        model: dict[str, Any] = {"name": "max"}
        if props:
            model["props"] = {k.replace("_", "-"): v for k, v in props.items()}
        return "query-cpu-model-expansion", {"type": kind, "model": model}

    def properties(name: str) -> tuple[str, dict[str, Any]]:
        return "qom-list-properties", {"typename": name}

    asked: list[tuple[str, dict[str, Any]]] = [
        ("qmp_capabilities", {}),
        *(
            (name, {})
            for name in (
                "query-version",
                "query-target",
                "query-qmp-schema",
                "query-commands",
                "query-kvm",
                "qom-list-types",
            )
        ),
        *(("device-list-properties", {"typename": name}) for name in _TYPES.split()),
        properties("memory-backend-file"),
        properties("memory-backend-memfd"),
        properties("max-x86_64-cpu"),
        ("query-machines", {}),
        properties("none-machine"),
        *(
            (name, {})
            for name in (
                "query-cpu-definitions",
                "query-tpm-models",
                "query-tpm-types",
                "query-command-line-options",
                "query-migrate-capabilities",
                "query-sev-capabilities",
                "query-sgx-capabilities",
            )
        ),
        expand("static"),
        expand("static", migratable=False),
        expand("full", migratable=False, hv_passthrough=True),
    ]
    return [
        {"execute": name, **({"arguments": arguments} if arguments else {})}
        | {"id": f"libvirt-{number}"}
        for number, (name, arguments) in enumerate(asked, 1)
    ]


PROBE = _probe()


def test_a_program_that_connects_is_greeted_and_leaves_with_quit(
    folders: list[Path],
) -> None:
    outcomes = []
    for program, folder in zip((STANDIN, QEMU), folders, strict=True):
        path = str(folder / "qmp")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.settimeout(SECONDS)
            listening.bind(path)
            listening.listen(1)
            words = ["-chardev", f"socket,id=mon,path={path}", "-accel", "tcg"]
            words += ["-mon", "chardev=mon,mode=control", "-name", "n", *EMPTY]
            with subprocess.Popen(
                [program, *words],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
            ) as process:
                client, _ = listening.accept()
                client.settimeout(SECONDS)
                with client, client.makefile("rwb") as stream:
                    heard = [stream.readline()]
                    for name in ("qmp_capabilities", "query-name", "query-status"):
                        stream.write(json.dumps({"execute": name}).encode())
                        stream.flush()
                        heard.append(stream.readline())
                    stream.write(b'{"execute": "quit"}')
                    stream.flush()
                    last = [json.loads(line) for line in stream.read().splitlines()]
                _, told = process.communicate(timeout=SECONDS)
                status = process.returncode
        for message in last:
            message.pop("timestamp", None)
        # Which comes first is a matter of chance in QEMU.
        last.sort(key=str)
        outcomes.append((heard, last, told, status))
    assert outcomes[0] == outcomes[1]


def test_what_is_captured_is_what_is_shipped() -> None:
    data = capture(str(QEMU), accelerators=["tcg"], asks_models=False)
    captured, shipped = Profile(data, "captured"), shipped_profile()
    assert captured.version == shipped.version
    keys = set(captured.keys())
    told = set(shipped.keys())
    assert keys == {key for key in told if " x-qmpx-" not in key}
    different = {key for key in keys if captured.record(key) != shipped.record(key)}
    assert different == set()
