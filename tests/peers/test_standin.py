"""The stand-in beside a real QEMU: the same command line, the same outcome."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

QEMU = "qemu-system-x86_64"
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
    "-chardev socket,id=x,server,nowait",
    "-chardev socket,id=a,port=77",
    "-chardev socket,id=a,fd=foo",
    "-chardev socket,id=a,fd=77,server=on,wait=off",
    "-chardev socket,id=a,host=127.0.0.1",
    "-chardev socket,id=a,path=a,host=b",
    "-chardev socket,id=a,path=a,wait=off",
    "-chardev socket,id=a,path=a,server=maybe",
    "-chardev socket,id=a,path=a,reconnect=x",
    "-chardev socket,id=a,path=a,server=on,wait=off,reconnect=1",
    "-chardev socket,id=a,path=/nonexistent/x",
    "-chardev socket,id=a,path=/nonexistent/x,server=on,wait=off",
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
    "-qmp unix:/nonexistent/x,server=on",
    "-monitor foo",
    "-serial foo",
    "-serial unix:/nonexistent/x,server=on,wait=off",
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
    "-boot a,b",
    "-pidfile /nonexistent/a",
    "-D /nonexistent/a",
    "-readconfig /nonexistent",
    "-readconfig /etc/passwd",
    "-object foo",
    "-object {}",
    "-object secret",
    "-object secret,id=a,data=x,foo=1",
    "-object memory-backend-ram,id=m,size=foo",
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
    "-drive file=/nonexistent",
    "-hda /nonexistent",
    "/nonexistent",
    "-incoming foo",
    "-display foo",
    "-vnc foo",
]
"""Command lines that a QEMU refuses, with a message that says why."""


def said(program: str | Path, *words: str) -> tuple[int, str, str]:
    """Run a program to its end; return its status and what it said, without its name."""
    ended = subprocess.run(
        [program, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=ENVIRONMENT,
        text=True,
        timeout=SECONDS,
    )
    name = Path(program).name
    texts = (
        text.replace(f"{name}:", "PROGRAM:") for text in (ended.stderr, ended.stdout)
    )
    return ended.returncode, *texts


@pytest.mark.parametrize("line", WRONG)
def test_what_qemu_refuses_is_refused_in_its_words(line: str) -> None:
    words = [*EMPTY, *line.split(" ")]
    assert said(STANDIN, *words) == said(QEMU, *words)
