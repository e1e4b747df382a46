"""A monitor that shares its character device with a serial port, beside QEMU's."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.loops import short_directory
from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

PROGRAMS = ["qemu-system-x86_64", str(BIN / "qmpx-system-x86_64")]
PROMPT = b"(qemu) "


def until(peer: socket.socket, end: bytes) -> bytes:
    """Return what comes, up to its end."""
    heard = b""
    while not heard.endswith(end):
        piece = peer.recv(1 << 16)
        assert piece, heard
        heard += piece
    return heard


def talk(program: str, folder: Path) -> list[bytes]:
    """Return what a person sees who switches to and fro, and then ends the machine."""
    options = "-machine pc -accel tcg -display none -S -nodefaults"
    place = f"mon:unix:{folder}/port,server=on,wait=on"
    with subprocess.Popen(
        [program, *options.split(), "-serial", place],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            process.stderr.readline()  # it waits for somebody
            with socket.socket(socket.AF_UNIX) as peer:
                peer.settimeout(SECONDS)
                peer.connect(f"{folder}/port")
                peer.send(b"quit\n\x01c")
                seen = [until(peer, PROMPT)]
                peer.send(b"stop\n")
                seen.append(until(peer, b"stop\x1b[K\r\n" + PROMPT))
                peer.send(b"\x01cquit\n\x01c\x01\x01info name\n")
                seen.append(until(peer, b"\r\n" + PROMPT))
                peer.send(b"\x01cquit\n\x01x")
                seen.append(until(peer, b"\n\r"))
            assert process.wait(SECONDS) == 0
        finally:
            process.kill()
    return seen


def test_both_switch_alike() -> None:
    with short_directory() as theirs, short_directory() as ours:
        assert talk(PROGRAMS[1], ours) == talk(PROGRAMS[0], theirs)
