"""The monitor of 2010 on a real socket, as far as it goes."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.v2010 import v2010_monitor
from qmpx.machine import Machine, Medium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GREETING = {
    "QMP": {
        "version": {"qemu": {"micro": 0, "minor": 13, "major": 0}, "package": ""},
        "capabilities": [],
    }
}


class Talk:
    """One raw connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rwb")

    def read(self) -> Any:
        message = json.loads(self._file.readline())
        if "timestamp" in message:
            del message["timestamp"]
        return message

    def ask(self, text: str) -> Any:
        self._file.write(text.encode())
        self._file.flush()
        return self.read()

    @property
    def is_over(self) -> bool:
        return self._file.readline() == b""


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    machine = Machine("vm", is_started=True)
    machine.drives.add("ide0-hd0", id="hd", medium=Medium("disk.img"))
    machine.drives.add(
        "ide1-cd0", id="cd", medium=Medium("cd.iso"), removable=True, has_tray=True
    )
    path = tmp_path / "q"
    monitor = v2010_monitor(machine)
    with (
        monitor.serve_in_thread(path, grace=1.0),
        socket.socket(socket.AF_UNIX) as sock,
    ):
        sock.settimeout(10)
        sock.connect(str(path))
        conversation = Talk(sock)
        assert conversation.read() == GREETING
        yield conversation
        sock.shutdown(socket.SHUT_RDWR)


def test_before_negotiation_every_other_command_is_not_found(talk: Talk) -> None:
    assert talk.ask('{"execute": "query-status", "id": 1}') == {
        "id": 1,
        "error": {
            "class": "CommandNotFound",
            "desc": "The command query-status has not been found",
            "data": {"name": "query-status"},
        },
    }
    assert talk.ask('{"execute": "qmp_capabilities"}') == {"return": {}}
    again = talk.ask('{"execute": "qmp_capabilities"}')
    assert again["error"]["data"] == {"name": "qmp_capabilities"}


ERRORS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("{]", "JSONParsing", "Invalid JSON syntax", {}),
    (
        "[]",
        "QMPBadInputObject",
        "Expected 'object' in QMP input",
        {"expected": "object"},
    ),
    (
        "{}",
        "QMPBadInputObject",
        "Expected 'execute' in QMP input",
        {"expected": "execute"},
    ),
    (
        '{"execute": 1}',
        "QMPBadInputObjectMember",
        "QMP input object member 'execute' expects 'string'",
        {"member": "execute", "expected": "string"},
    ),
    (
        '{"execute": "stop", "x": 1}',
        "QMPExtraInputObjectMember",
        "QMP input object member 'x' is unexpected",
        {"member": "x"},
    ),
    (
        '{"execute": "eject"}',
        "MissingParameter",
        "Parameter 'device' is missing",
        {"name": "device"},
    ),
    (
        '{"execute": "stop", "arguments": {"now": true}}',
        "InvalidParameter",
        "Invalid parameter 'now'",
        {"name": "now"},
    ),
    (
        '{"execute": "balloon", "arguments": {"value": "1"}}',
        "InvalidParameterType",
        "Invalid parameter type, expected: int",
        {"name": "value", "expected": "int"},
    ),
    (
        '{"execute": "eject", "arguments": {"device": "foobar"}}',
        "DeviceNotFound",
        "Device 'foobar' not found",
        {"device": "foobar"},
    ),
    (
        '{"execute": "eject", "arguments": {"device": "ide0-hd0"}}',
        "DeviceNotRemovable",
        "Device 'ide0-hd0' is not removable",
        {"device": "ide0-hd0"},
    ),
    (
        '{"execute": "query-balloon"}',
        "DeviceNotActive",
        "Device 'balloon' has not been activated",
        {"device": "balloon"},
    ),
]


@pytest.mark.parametrize(("text", "error_class", "desc", "data"), ERRORS)
def test_errors_have_class_description_and_data(
    talk: Talk, text: str, error_class: str, desc: str, data: dict[str, Any]
) -> None:
    talk.ask('{"execute": "qmp_capabilities"}')
    expected = {"class": error_class, "desc": desc, "data": data}
    assert talk.ask(text) == {"error": expected}


def test_the_eject_of_the_talk(talk: Talk) -> None:
    talk.ask('{"execute": "qmp_capabilities"}')
    eject = '{"execute": "eject", "arguments": {"device": "ide1-cd0"}, "id": 1}'
    assert talk.ask(eject) == {"return": {}, "id": 1}
    _, drive = talk.ask('{"execute": "query-block"}')["return"]
    assert "inserted" not in drive
    assert drive["type"] == "cdrom"


def test_stop_and_cont_tell_their_event_first(talk: Talk) -> None:
    talk.ask('{"execute": "qmp_capabilities"}')
    assert talk.ask('{"execute": "stop"}') == {"event": "STOP"}
    assert talk.read() == {"return": {}}
    assert talk.ask('{"execute": "query-status"}') == {
        "return": {"singlestep": False, "running": False}
    }
    assert talk.ask('{"execute": "cont"}') == {"event": "RESUME"}
    assert talk.read() == {"return": {}}


@pytest.mark.parametrize(
    ("command", "event"),
    [("system_reset", "RESET"), ("system_powerdown", "POWERDOWN")],
)
def test_requests_are_answered_before_their_event(
    talk: Talk, command: str, event: str
) -> None:
    talk.ask('{"execute": "qmp_capabilities"}')
    assert talk.ask(f'{{"execute": "{command}"}}') == {"return": {}}
    assert talk.read() == {"event": event}


def test_quit_is_answered_then_told_then_done(talk: Talk) -> None:
    talk.ask('{"execute": "qmp_capabilities"}')
    assert talk.ask('{"execute": "quit"}') == {"return": {}}
    assert talk.read() == {"event": "SHUTDOWN"}
    assert talk.is_over
