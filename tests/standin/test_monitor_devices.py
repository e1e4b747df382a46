"""Monitors on character devices that are no sockets."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PROGRAM = BIN / "qmpx-system-x86_64"
MACHINE = ["-machine", "none", "-display", "none", "-S"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        yield Path(name)


@contextlib.contextmanager
def running(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program until the end of the block."""
    with subprocess.Popen(
        [PROGRAM, *MACHINE, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def asked(*words: str, commands: list[str]) -> list[Any]:
    """Return what a monitor on standard streams answers, beside others."""
    lines = ["qmp_capabilities", *commands, "quit"]
    with running(*words, "-qmp", "stdio") as process:
        told, errors = process.communicate(
            "".join(json.dumps({"execute": name}) for name in lines), timeout=SECONDS
        )
    assert (process.returncode, errors) == (0, "")
    messages = [json.loads(line) for line in told.splitlines()]
    return [each["return"] for each in messages if "return" in each][1:-1]


@pytest.mark.parametrize("kind", ["null", "vc", "msmouse"])
@pytest.mark.parametrize("option", ["-monitor", "-qmp"])
def test_a_monitor_may_lead_nowhere(option: str, kind: str) -> None:
    (devices,) = asked(option, kind, commands=["query-chardev"])
    assert sorted((x["label"], x["filename"]) for x in devices) == [
        ("compat_monitor0", kind),
        ("compat_monitor1", "stdio"),
    ]


@pytest.mark.parametrize("mode", ["control", "readline"])
def test_what_a_monitor_is_on_cannot_be_removed(mode: str) -> None:
    words = ["-chardev", "null,id=m", "-mon", f"chardev=m,mode={mode}"]
    command = '{"execute": "chardev-remove", "arguments": {"id": "m"}}'
    with running(*words, "-qmp", "stdio") as process:
        told, _ = process.communicate(
            f'{{"execute": "qmp_capabilities"}}{command}{{"execute": "quit"}}',
            timeout=SECONDS,
        )
    assert '"desc": "Chardev \'m\' is busy"' in told


def told_to(path: Path, *words: str) -> str:
    """Return what is in a file when the machine has ended."""
    with running(*words, "-qmp", "stdio") as process:
        process.communicate(
            '{"execute": "qmp_capabilities"}{"execute": "quit"}', timeout=SECONDS
        )
    return path.read_text()


def test_a_file_has_the_greeting_and_nothing_more(folder: Path) -> None:
    # Nobody negotiates there, so no event is told.
    told = told_to(folder / "f", "-qmp", f"file:{folder / 'f'}")
    (line,) = told.splitlines()
    assert json.loads(line)["QMP"]["capabilities"] == ["oob"]


def test_a_file_has_the_banner_and_a_prompt(folder: Path) -> None:
    told = told_to(folder / "f", "-monitor", f"file:{folder / 'f'}")
    assert told == "QEMU 7.2.22 monitor - type 'help' for more information\n(qemu) "


def test_where_nothing_comes_from_no_execution_out_of_band_is_offered() -> None:
    words = ["-chardev", "ringbuf,id=m", "-mon", "chardev=m,mode=control"]
    read = json.dumps(
        {"execute": "ringbuf-read", "arguments": {"device": "m", "size": 1000}}
    )
    with running(*words, "-qmp", "stdio") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        process.stdin.write('{"execute": "qmp_capabilities"}')
        process.stdin.flush()
        process.stdout.readline()
        text = ""
        while not text:  # it has been greeted a moment later
            process.stdin.write(read)
            process.stdin.flush()
            text = json.loads(process.stdout.readline())["return"]
    assert json.loads(text)["QMP"]["capabilities"] == []


def test_pipes_lead_both_ways(folder: Path) -> None:
    for end in ("in", "out"):
        os.mkfifo(folder / f"p.{end}")
    # Both ways at once: opening neither waits for the other side.
    into = os.open(folder / "p.in", os.O_RDWR)
    out = os.open(folder / "p.out", os.O_RDWR)
    with (
        os.fdopen(into, "w", buffering=1) as commands,
        os.fdopen(out) as replies,
        running("-qmp", f"pipe:{folder / 'p'}") as process,
    ):
        assert "QMP" in json.loads(replies.readline())
        commands.write('{"execute": "qmp_capabilities"}\n')
        assert json.loads(replies.readline()) == {"return": {}}
        for _ in range(20):  # far more than a pipe holds
            commands.write('{"execute": "query-qmp-schema"}\n')
        for _ in range(20):
            assert len(json.loads(replies.readline())["return"]) > 500
        commands.write('{"execute": "quit"}\n')
        assert json.loads(replies.readline())["event"] == "SHUTDOWN"
        assert json.loads(replies.readline()) == {"return": {}}
        assert process.wait(SECONDS) == 0


def test_a_terminal_of_its_own_is_named_and_answers() -> None:
    with running("-qmp", "pty") as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        place = told.removeprefix("char device redirected to ")
        path, _, label = place.partition(" ")
        assert label == "(label compat_monitor0)\n"
        terminal = os.open(path, os.O_RDWR | os.O_NOCTTY)
        with os.fdopen(terminal, "r+b", buffering=0) as file:
            reader = os.fdopen(os.dup(terminal), "rb")
            with reader:
                assert "QMP" in json.loads(reader.readline())
                file.write(b'{"execute": "qmp_capabilities"}\n')
                assert json.loads(reader.readline()) == {"return": {}}


@pytest.mark.parametrize("appends", [False, True])
def test_what_a_monitor_sends_is_kept(folder: Path, *, appends: bool) -> None:
    log, place = folder / "log", folder / "qmp"
    log.write_text("before\n")
    words = f"socket,id=q,path={place},server=on,wait=on,logfile={log}"
    words += ",logappend=on" if appends else ""
    with running("-chardev", words, "-mon", "chardev=q,mode=control") as process:
        heard = b""
        while not place.exists():
            assert process.poll() is None
        with socket.socket(socket.AF_UNIX) as client:
            while client.connect_ex(str(place)):
                assert process.poll() is None
            client.sendall(b"{'execute':'qmp_capabilities'}{'execute':'quit'}")
            while data := client.recv(4096):
                heard += data
        process.wait(SECONDS)
    assert b"SHUTDOWN" in heard
    assert log.read_bytes() == (b"before\n" if appends else b"") + heard


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["-chardev", "null,id=m,logfile=/none/x"],
            "Could not create '/none/x': No such file or directory",
        ),
        (
            ["-chardev", "serial,id=m,path=/none"],
            "Could not open '/none': No such file or directory",
        ),
        (
            ["-chardev", "pipe,id=m,path=/none"],
            "Could not open '/none': No such file or directory",
        ),
        (
            ["-chardev", "parallel,id=m,path=/dev/null"],
            "not a parallel port: Inappropriate ioctl for device",
        ),
        (
            ["-monitor", "pipe:/none"],
            "Could not open '/none': No such file or directory",
        ),
    ],
)
def test_what_cannot_be_opened_is_told(words: list[str], message: str) -> None:
    with running(*words) as process:
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert errors == f"{PROGRAM.name}: {' '.join(words)}: {message}\n"


def test_old_names_of_character_devices_are_deprecated() -> None:
    with running("-chardev", "tty,id=m,path=/none") as process:
        _, errors = process.communicate(timeout=SECONDS)
    place = f"{PROGRAM.name}: -chardev tty,id=m,path=/none: "
    assert errors == (
        f"{place}warning: The alias 'tty' is deprecated, use 'serial' instead\n"
        f"{place}Could not open '/none': No such file or directory\n"
    )


def test_a_port_shares_a_monitors_device() -> None:
    words = ["-chardev", "stdio,id=c,mux=on", "-mon", "chardev=c,mode=readline"]
    with running(*words, "-serial", "chardev:c") as process:
        told, errors = process.communicate("quit\n", timeout=SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert told.startswith("QEMU 7.2.22 monitor")
