"""``qmpx demo``: the conversation, line by line, and its colours."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import ENVIRONMENT, QMPX, SECONDS, qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program, some a QEMU

RUNNING = {"status": "running", "singlestep": False, "running": True}
NOT_FOUND = {"class": "DeviceNotFound", "desc": "Device 'foobar' not found"}
OOB = {"enable": ["oob"]}

# What is shown, in order: notes as they stand, the rest as `read` reads it.
SHOWN: list[str | tuple[str, Any]] = [
    "# {name} serves QMP at {path}; a client connects and negotiates",
    ("<-", "greeting"),
    ("->", {"execute": "qmp_capabilities", "arguments": OOB, "id": 1}),
    ("<-", {"return": {}, "id": 1}),
    "# how is the machine?",
    ("->", {"execute": "query-status", "id": 2}),
    ("<-", {"return": RUNNING, "id": 2}),
    "# eject the CD-ROM: this works",
    ("->", {"execute": "eject", "arguments": {"device": "ide1-cd0"}, "id": 3}),
    ("<-", "DEVICE_TRAY_MOVED"),
    ("<-", {"return": {}, "id": 3}),
    "# eject a drive that is not there: this does not",
    ("->", {"execute": "eject", "arguments": {"device": "foobar"}, "id": 4}),
    ("<-", {"error": NOT_FOUND, "id": 4}),
    """# in Python: DeviceNotFound("Device 'foobar' not found")""",
    "# stop the machine: the event comes before the reply",
    ("->", {"execute": "stop", "id": 5}),
    ("<-", "STOP"),
    ("<-", {"return": {}, "id": 5}),
    "# in Python: STOP at {time}",
]

COLOURS = {"#": "\x1b[2m", "->": "\x1b[36m", "<-": "\x1b[32m", "event": "\x1b[33m"}


def read(output: str) -> list[str | tuple[str, Any]]:
    """Read what was shown, without what differs from one run to the next."""
    lines: list[str | tuple[str, Any]] = []
    for line in output.splitlines():
        arrow, _, text = line.partition(" ")
        if arrow not in ("->", "<-"):
            place = "# {name} serves QMP at {path};"
            note = re.sub(r"^# .* serves QMP at /\S+;", place, line)
            lines.append(re.sub(r"\d{10}\.\d{6}$", "{time}", note))
            continue
        message = json.loads(text)
        if "QMP" in message:
            assert message["QMP"]["capabilities"][0] == "oob"
            message = "greeting"
        elif "event" in message:
            assert message["timestamp"].keys() == {"seconds", "microseconds"}
            message = message["event"]
        lines.append((arrow, message))
    return lines


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run ``qmpx`` on a terminal; return its status and what is shown."""
    ours, theirs = pty.openpty()
    with (
        open(ours, "rb", buffering=0) as screen,
        subprocess.Popen(
            [QMPX, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env={**ENVIRONMENT, "TERM": "xterm-256color", **environment},
        ) as process,
    ):
        os.close(theirs)
        shown = b""
        try:
            while data := screen.read(4096):
                shown += data
        except OSError:  # that is how a terminal ends
            pass
        status = process.wait(SECONDS)
    return status, shown.decode().replace("\r\n", "\n")


def test_the_conversation_is_shown() -> None:
    ended = qmpx("demo")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert read(ended.stdout) == SHOWN
    assert ended.stdout.startswith("# an embedded machine serves QMP at /")


@pytest.mark.peer("qemu")
def test_the_conversation_with_a_real_qemu_is_shown() -> None:
    ended = qmpx("demo", "--qemu")
    assert ended.returncode == 0
    # QEMU says on standard error that it was told to end.
    assert "Traceback" not in ended.stderr
    assert read(ended.stdout) == SHOWN
    assert ended.stdout.startswith("# qemu-system-")


def test_without_qemu_it_says_what_to_do(tmp_path: Path) -> None:
    ended = qmpx("demo", "--qemu", PATH=str(tmp_path))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "no qemu-system-x86_64 and no qemu-system-i386 is installed" in ended.stderr
    assert "On Debian: apt-get install qemu-system-x86" in ended.stderr


def test_a_terminal_shows_colours() -> None:
    status, shown = on_a_terminal("demo")
    assert status == 0
    bare = []
    for line in shown.splitlines():
        colour, text = line[: line.index("m") + 1], line[line.index("m") + 1 :]
        assert text.endswith("\x1b[0m")
        text = text.removesuffix("\x1b[0m")
        kind = "event" if '"event": ' in text else text.partition(" ")[0]
        assert (text, colour) == (text, COLOURS[kind])
        bare.append(text)
    assert read("\n".join(bare)) == SHOWN


def test_no_colours_where_they_are_not_wanted() -> None:
    status, shown = on_a_terminal("demo", NO_COLOR="1")
    assert status == 0
    assert "\x1b" not in shown
    assert read(shown) == SHOWN


def test_no_colours_through_a_pipe() -> None:
    assert "\x1b" not in qmpx("demo", TERM="xterm-256color").stdout


def test_it_takes_no_other_words() -> None:
    ended = qmpx("demo", "everything")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "unrecognized arguments: everything" in ended.stderr
