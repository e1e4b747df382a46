"""The stand-in's guest agent beside a real one: the same lines, the same answers."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.testing import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.peer("qemu-ga")]

LINES = [
    '{"execute":"guest-ping"}',
    '{"execute":"guest-ping","id":[1]}',
    '{"execute":"guest-ping","foo":1}',
    '{"execute":"guest-ping","arguments":{"foo":1}}',
    '{"execute":"guest-sync","arguments":{"id":7}}',
    '{"execute":"guest-sync-delimited","arguments":{"id":8},"id":"x"}',
    '{"execute":"guest-sync"}',
    '{"execute":"guest-sync","arguments":{"id":"x"}}',
    '{"execute":"nope"}',
    '{"execute":"qmp_capabilities"}',
    '{"exec-oob":"guest-ping"}',
    "{]",
    "[1]",
    '{"execute":"guest-get-devices"}',
    '{"execute":"guest-fsfreeze-status"}',
    '{"execute":"guest-get-timezone"}',
    '{"execute":"guest-get-users"}',
    '{"execute":"guest-get-memory-block-info"}',
    '{"execute":"guest-file-open","arguments":{"path":"/nope"}}',
    '{"execute":"guest-file-open","arguments":{"path":"/etc/hosts","mode":"q"}}',
    '{"execute":"guest-file-read","arguments":{"handle":99}}',
    '{"execute":"guest-file-open","arguments":{"path":"/etc/hosts"}}',
    '{"execute":"guest-file-read","arguments":{"handle":1000,"count":-1}}',
    '{"execute":"guest-file-seek","arguments":{"handle":1000,"offset":2,"whence":0}}',
    '{"execute":"guest-file-seek","arguments":{"handle":1000,"offset":2,"whence":"set"}}',
    '{"execute":"guest-file-seek","arguments":{"handle":1000,"offset":2,"whence":9}}',
    '{"execute":"guest-file-seek","arguments":{"handle":1000,"offset":-2,"whence":0}}',
    '{"execute":"guest-file-write","arguments":{"handle":1000,"buf-b64":"aGk="}}',
    '{"execute":"guest-file-flush","arguments":{"handle":99}}',
    '{"execute":"guest-file-close","arguments":{"handle":1000}}',
    '{"execute":"guest-file-close","arguments":{"handle":1000}}',
    '{"execute":"guest-exec","arguments":{"path":"/nope"}}',
    '{"execute":"guest-exec-status","arguments":{"pid":1}}',
    '{"execute":"guest-set-vcpus","arguments":{"vcpus":[]}}',
    '{"execute":"guest-shutdown","arguments":{"mode":"x"}}',
    '{"execute":"guest-ssh-add-authorized-keys","arguments":{"username":"root","keys":["#"]}}',
    '{"execute":"guest-set-time","arguments":{"time":"x"}}',
    '{"execute":"guest-set-user-password","arguments":{"username":"root","password":"@","crypted":false}}',
]
SHAPES = [
    "guest-get-osinfo",
    "guest-get-host-name",
    "guest-get-vcpus",
    "guest-get-cpustats",
    "guest-get-memory-blocks",
    "guest-get-time",
]


@contextmanager
def real(path: Path) -> Iterator[None]:
    folder = str(path.parent)
    words = ["qemu-ga", "-m", "unix-listen", "-p", str(path), "-t", folder]
    with subprocess.Popen([*words, "-f", f"{folder}/pid"]) as process:
        until = time.monotonic() + 20
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.01)
        yield
        process.terminate()


@contextmanager
def ours(path: Path) -> Iterator[None]:
    port = "virtserialport,chardev=agent,name=org.qemu.guest_agent.0,id=channel0"
    character = f"socket,path={path},server=on,wait=off,id=agent"
    words = ["--guest-agent", "-nodefaults", "-device", "virtio-serial-pci"]
    with StandIn([*words, "-chardev", character, "-device", port]) as standin:
        standin.connect().close()
        yield


def answers(path: Path, lines: list[str]) -> list[str]:
    """Return what comes back for each line."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        with sock.makefile("rb") as stream:
            told = []
            for line in lines:
                sock.sendall(line.encode() + b"\n")
                told.append(stream.readline().decode("latin-1"))
    return told


def parsed(text: str) -> tuple[str, Any]:
    """Return what comes before the JSON, and the JSON: members have no order."""
    start = text.index("{")
    return text[:start] + text[len(text.rstrip()) :], json.loads(text[start:])


def shape(value: Any) -> Any:
    """Return a value without what is one guest's own."""
    match value:
        case dict():
            return {name: shape(member) for name, member in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case _:
            return type(value).__name__


def test_lines_are_answered_alike(tmp_path: Path) -> None:
    told = {}
    for name, agent in (("real", real), ("ours", ours)):
        path = tmp_path / name
        with agent(path):
            told[name] = answers(path, LINES)
    for line, theirs, mine in zip(LINES, told["real"], told["ours"], strict=True):
        assert (line, parsed(mine)) == (line, parsed(theirs))


def test_what_is_told_has_the_same_shape(tmp_path: Path) -> None:
    lines = [json.dumps({"execute": name}) for name in SHAPES]
    told = {}
    for name, agent in (("real", real), ("ours", ours)):
        path = tmp_path / name
        with agent(path):
            told[name] = [json.loads(x)["return"] for x in answers(path, lines)]
    assert shape(told["ours"][1:]) == shape(told["real"][1:])
    assert told["ours"][0].keys() <= {*told["real"][0], "variant", "variant-id"}


def test_the_same_commands_are_there(tmp_path: Path) -> None:
    line = '{"execute":"guest-info"}'
    told = {}
    for name, agent in (("real", real), ("ours", ours)):
        path = tmp_path / name
        with agent(path):
            text = re.sub(r"\s+$", "", answers(path, [line])[0])
            known = json.loads(text)["return"]["supported_commands"]
            told[name] = {x["name"]: x["success-response"] for x in known}
    assert told["ours"] == told["real"]
