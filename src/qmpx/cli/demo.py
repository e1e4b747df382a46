"""``qmpx demo``: a conversation, each line shown as it crosses the wire."""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from qmpx.cli.output import has_colour, printable
from qmpx.cli.serve import demo_machine, make_monitor
from qmpx.cli.wiretap import Wiretap
from qmpx.client import Client, connect
from qmpx.errors import CommandError, ConnectError

_STYLES = {"->": "\x1b[36m", "<-": "\x1b[32m", "#": "\x1b[2m", "event": "\x1b[33m"}


def run(arguments: argparse.Namespace) -> None:
    """Show the conversation.

    Raises:
        ConnectError: No QEMU is installed, or it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="qmpx-") as directory:
        path = str(Path(directory, "qmp.sock"))
        tap = str(Path(directory, "tap.sock"))
        server = _qemu(path, directory) if arguments.qemu else _embedded(path)
        with server as name:
            show = _Screen()
            show.note(f"{name} serves QMP at {path}; a client connects and negotiates")
            with Wiretap(tap, path, show.line), connect(tap, wait=5.0) as client:
                _talk(client, show)


def _talk(client: Client, show: "_Screen") -> None:
    show.note("how is the machine?")
    client.execute("query-status")
    show.note("eject the CD-ROM: this works")
    client.execute("eject", device="ide1-cd0")
    show.note("eject a drive that is not there: this does not")
    try:
        client.execute("eject", device="foobar")
    except CommandError as error:
        show.note(f"in Python: {type(error).__name__}({error.desc!r})")
    show.note("stop the machine: the event comes before the reply")
    with client.events("STOP") as events:
        client.execute("stop")
        event = events.get(timeout=5)
    show.note(f"in Python: {event.name} at {event.timestamp:.6f}")


class _Screen:
    """Shows lines, in colour on a terminal."""

    def __init__(self) -> None:
        self._colour = has_colour(sys.stdout)

    def note(self, text: str) -> None:
        self._print("#", f"# {text}")

    def line(self, arrow: str, text: str) -> None:
        is_event = arrow == "<-" and '"event": ' in text
        self._print("event" if is_event else arrow, f"{arrow} {printable(text)}")

    def _print(self, style: str, text: str) -> None:
        if self._colour:
            text = f"{_STYLES[style]}{text}\x1b[0m"
        print(text, flush=True)


@contextlib.contextmanager
def _embedded(path: str) -> Iterator[str]:
    """Serve the embedded machine from a thread of its own."""
    machine = demo_machine("demo")
    machine.cont()
    with make_monitor(machine, "modern").serve_in_thread(path):
        yield "an embedded machine"


@contextlib.contextmanager
def _qemu(path: str, directory: str) -> Iterator[str]:
    """Start an installed QEMU with a CD in its drive."""
    program = _find_qemu()
    image = Path(directory, "install.iso")
    image.write_bytes(bytes(1024 * 1024))
    command = [
        program,
        *("-accel", "tcg", "-machine", "pc", "-display", "none", "-name", "demo"),
        *("-drive", f"file={image},if=none,id=ide1-cd0,media=cdrom,format=raw"),
        *("-device", "ide-cd,drive=ide1-cd0", "-nodefaults"),
        *("-qmp", f"unix:{path},server=on,wait=off"),
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - ours
    try:
        _wait_for(path, process)
        yield Path(program).name
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while not os.path.exists(path):
        if process.poll() is not None or time.monotonic() > deadline:
            reason = "it ended" if process.poll() is not None else "no socket in 10 s"
            raise ConnectError("QEMU", f"it did not start: {reason}")
        time.sleep(0.02)
    # A client in the first milliseconds of its life can make QEMU 7.2 hang: two of its
    # threads accept the same connection.
    time.sleep(0.3)


def _find_qemu() -> str:
    for name in ("qemu-system-x86_64", "qemu-system-i386"):
        if program := shutil.which(name):
            return program
    reason = "no qemu-system-x86_64 and no qemu-system-i386 is installed"
    hint = "On Debian: apt-get install qemu-system-x86. Without it: qmpx demo"
    raise ConnectError("QEMU", reason, hint)
