"""Character devices through today's monitor."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.modern.characters.characters import BACKENDS
from qmpx.machine import Machine
from tests.dialects.conftest import Box, boxed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def plain() -> Iterator[Box]:
    """Serve a machine with nothing in it."""
    machine = Machine()
    with boxed(machine) as box:
        yield box
        box.do(machine.close)


def add(box: Box, label: str, kind: str, **data: Any) -> Any:
    """Make a device."""
    return box.run("chardev-add", id=label, backend={"type": kind, "data": data})


def test_all_backends_are_told_of(plain: Box) -> None:
    told = plain.run("query-chardev-backends")
    assert [each["name"] for each in told] == list(BACKENDS)


def test_what_a_client_sends_comes_to_the_machine(plain: Box, tmp_path: Path) -> None:
    address = {"type": "unix", "data": {"path": f"{tmp_path}/c"}}
    add(plain, "c", "socket", addr=address, wait=False)
    device = plain.machine.characters["c"]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(f"{tmp_path}/c")
        while not device.is_connected:
            plain.run("query-chardev")
        client.sendall(b"ping")
        heard = b""
        while heard != b"ping":
            heard += plain.do(device.read)
        plain.do(lambda: device.write(b"pong"))
        assert client.recv(10) == b"pong"


def test_another_device_takes_the_place_and_the_user_stays(plain: Box) -> None:
    add(plain, "c", "null")
    assert plain.do(lambda: plain.machine.characters.take("c"))
    ring = {"type": "ringbuf", "data": {"size": 16}}
    plain.run("chardev-change", id="c", backend=ring)
    (told,) = [each for each in plain.run("query-chardev") if each["label"] == "c"]
    assert told == {"label": "c", "filename": "ringbuf", "frontend-open": True}
    busy = ("GenericError", "Chardev 'c' is busy")
    assert plain.refusal("chardev-remove", id="c") == busy
    plain.do(lambda: plain.machine.characters.release("c"))
    assert plain.run("chardev-remove", id="c") == {}


def test_a_device_that_cannot_be_replaced_stays(plain: Box) -> None:
    add(plain, "c", "null")
    bad = {"type": "file", "data": {"out": "/nope/x"}}
    why = "Could not open '/nope/x': No such file or directory"
    told = plain.refusal("chardev-change", id="c", backend=bad)
    assert told == ("GenericError", f"Failed to add chardev 'c': {why}")
    (shown,) = [each for each in plain.run("query-chardev") if each["label"] == "c"]
    assert shown["filename"] == "null"


def test_monitors_are_not_for_change(plain: Box) -> None:
    null = {"type": "null", "data": {}}
    label = plain.run("query-chardev")[0]["label"]
    text = "Chardev user does not support chardev hotswap"
    told = plain.refusal("chardev-change", id=label, backend=null)
    assert told == ("GenericError", text)
    told = plain.refusal("chardev-remove", id=label)
    assert told == ("GenericError", f"Chardev '{label}' is busy")
