"""Both clients and a real QEMU: commands, events, out of band, descriptors."""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import qmpx
from qmpx import errors
from tests.peers.conftest import running_qemu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.peers.conftest import Block, Qemu, StartQemu
    from tests.peers.faces import Face

    Connect = Callable[..., Face]

# A start of QEMU takes 0.4 s.
pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

PRELAUNCH = {"status": "prelaunch", "singlestep": False, "running": False}


@pytest.fixture(scope="module")
def idle() -> Iterator[Qemu]:
    """Run one QEMU for the tests that leave it as it was."""
    with running_qemu([], 1, "off") as machine:
        yield machine


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe, and close what is left of it."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def test_the_client_negotiates_and_asks(idle: Qemu, connect: Connect) -> None:
    vm = connect(idle.qmp)
    greeting = vm.client.greeting
    assert greeting.capabilities == ["oob"]
    assert vm.execute("query-version") == greeting.version
    assert vm.execute("query-status") == PRELAUNCH
    assert vm.client.is_connected


def test_stop_and_cont_tell_of_it_before_they_return(
    qemu: StartQemu, connect: Connect
) -> None:
    begin = time.time()
    vm = connect(qemu().qmp)
    events = vm.events()
    happened: list[list[qmpx.Event]] = []
    for command in ("cont", "stop", "stop", "cont"):
        assert vm.execute(command) == {}
        happened.append([])
        while True:
            try:
                happened[-1].append(events.get(0))
            except qmpx.DeadlineExceeded:
                break
    names = [[event.name for event in each] for each in happened]
    assert names == [["RESUME"], ["STOP"], [], ["RESUME"]]
    stamps = [event.timestamp for each in happened for event in each]
    assert stamps == sorted(stamps)
    assert begin - 1 < stamps[0] <= stamps[-1] < time.time() + 1
    assert vm.execute("query-status")["status"] == "running"


def test_only_the_events_asked_for_come(qemu: StartQemu, connect: Connect) -> None:
    vm = connect(qemu().qmp)
    stops, resets, all_ = vm.events("STOP"), vm.events("RES*"), vm.events()
    for command in ("cont", "system_reset", "stop", "system_powerdown"):
        vm.execute(command)
    assert stops.get().name == "STOP"
    assert [resets.get().name for _ in range(2)] == ["RESUME", "RESET"]
    names = [all_.get().name for _ in range(4)]
    assert names == ["RESUME", "RESET", "STOP", "POWERDOWN"]


@pytest.mark.parametrize("pretty", [False, True])
def test_the_schema_comes_whole(
    qemu: StartQemu, connect: Connect, pretty: bool
) -> None:
    vm = connect(qemu(pretty=pretty).qmp)
    schema = vm.execute("query-qmp-schema")
    raw = bytes(vm.call("execute_raw", "query-qmp-schema"))
    assert len(raw) > 150_000
    assert json.loads(raw) == schema
    commands = {each["name"] for each in schema if each["meta-type"] == "command"}
    assert commands == {each["name"] for each in vm.execute("query-commands")}


def test_a_monitor_that_indents_is_understood(
    qemu: StartQemu, connect: Connect
) -> None:
    vm = connect(qemu(pretty=True).qmp)
    events = vm.events()
    assert vm.execute("cont") == {}
    assert events.get().name == "RESUME"
    with pytest.raises(errors.DeviceNotFound):
        vm.execute("eject", device="foobar")
    assert vm.execute("query-status")["running"] is True


@pytest.mark.parametrize(
    ("command", "arguments", "expected", "desc"),
    [
        (
            "eject",
            {"device": "foobar"},
            errors.DeviceNotFound,
            "Device 'foobar' not found",
        ),
        ("nope", {}, errors.CommandNotFound, "The command nope has not been found"),
        ("eject", {"x": 1}, errors.GenericError, "Parameter 'x' is unexpected"),
        (
            "query-balloon",
            {},
            errors.DeviceNotActive,
            "No balloon device has been acti",
        ),
    ],
)
def test_a_refusal_is_an_exception_of_its_class(
    idle: Qemu,
    connect: Connect,
    command: str,
    arguments: dict[str, object],
    expected: type[qmpx.CommandError],
    desc: str,
) -> None:
    vm = connect(idle.qmp)
    with pytest.raises(expected) as caught:
        vm.execute(command, arguments)
    assert caught.value.error_class == expected.__name__
    assert caught.value.desc.startswith(desc)
    assert (caught.value.data, caught.value.command) == ({}, command)


def test_a_batch_comes_back_in_order(idle: Qemu, connect: Connect) -> None:
    vm = connect(idle.qmp)
    batch = ["query-status", "nope", ("eject", {"device": "foobar"}), "query-name"] * 50
    results = vm.call("execute_many", batch, return_errors=True)
    classes = [getattr(each, "error_class", None) for each in results]
    assert classes == [None, "CommandNotFound", "DeviceNotFound", None] * 50
    assert results[0::4] == [PRELAUNCH] * 50
    with pytest.raises(errors.CommandNotFound):
        vm.call("execute_many", batch)
    assert vm.execute("query-status") == PRELAUNCH


def test_calls_in_flight_get_their_own_replies(idle: Qemu, connect: Connect) -> None:
    vm = connect(idle.qmp)
    calls = [vm.start("execute", f"no-{n}") for n in range(16)]
    replies = [str(call.exception(20)) for call in calls]
    assert replies == [
        f"CommandNotFound: The command no-{n} has not been found" for n in range(16)
    ]


def test_out_of_band_overtakes_a_command_that_blocks(
    qemu: StartQemu, connect: Connect, block: Block
) -> None:
    vm = connect(qemu().qmp)
    blocked = block(vm)
    behind = vm.start("execute", "query-status")
    assert vm.call("exec_oob", "query-yank") == [{"type": "chardev", "id": "qmp0"}]
    assert not blocked.done()
    assert not behind.done()
    block.release()
    assert blocked.result(20) == {}
    assert behind.result(20) == PRELAUNCH


def test_out_of_band_is_refused_for_most_commands(idle: Qemu, connect: Connect) -> None:
    vm = connect(idle.qmp)
    with pytest.raises(errors.GenericError, match="query-status does not support OOB"):
        vm.call("exec_oob", "query-status")


def test_out_of_band_has_to_be_enabled(idle: Qemu, connect: Connect) -> None:
    vm = connect(idle.qmp, capabilities=())
    with pytest.raises(qmpx.LocalProtocolError, match="was not enabled"):
        vm.call("exec_oob", "query-yank")
    assert vm.execute("query-status") == PRELAUNCH


@pytest.mark.parametrize("alone", [False, True])
def test_a_descriptor_arrives_under_its_name(
    qemu: StartQemu, connect: Connect, alone: bool
) -> None:
    vm = connect(qemu().qmp)
    with pipe() as (reading, writing):
        if alone:
            vm.call("send_fd", writing)
            assert vm.execute("getfd", fdname="out") == {}
        else:
            assert vm.execute("getfd", fdname="out", fds=[writing]) == {}
        with pytest.raises(errors.GenericError, match="'other' has not been found"):
            vm.execute("migrate", uri="fd:other")
        assert vm.execute("migrate", uri="fd:out") == {}
        assert os.read(reading, 4) == b"QEVM"  # a migration stream begins so


def test_a_named_descriptor_is_closed(qemu: StartQemu, connect: Connect) -> None:
    vm = connect(qemu().qmp)
    reading, writing = os.pipe()
    with open(reading, "rb") as end:
        vm.execute("getfd", fdname="out", fds=[writing])
        os.close(writing)
        os.set_blocking(reading, False)
        assert end.read() is None  # QEMU holds the other end
        assert vm.execute("closefd", fdname="out") == {}
        assert end.read() == b""
    with pytest.raises(errors.GenericError, match="named 'out' not found"):
        vm.execute("closefd", fdname="out")


def test_a_descriptor_in_a_set_is_a_file_to_open(
    qemu: StartQemu, connect: Connect, tmp_path: Path
) -> None:
    vm = connect(qemu().qmp)
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1024 * 1024))
    with image.open("rb") as file:
        note = {"fdset-id": 7, "opaque": "rdonly"}
        added = vm.execute("add-fd", note, fds=[file.fileno()])
    assert added["fdset-id"] == 7
    fds = [{"fd": added["fd"], "opaque": "rdonly"}]
    assert vm.execute("query-fdsets") == [{"fdset-id": 7, "fds": fds}]
    name = {"driver": "file", "filename": "/dev/fdset/7", "node-name": "disk"}
    assert vm.execute("blockdev-add", {**name, "read-only": True}) == {}
    (node,) = vm.execute("query-named-block-nodes")
    assert node["image"]["virtual-size"] == 1024 * 1024
    assert vm.execute("remove-fd", {"fdset-id": 7}) == {}
    with pytest.raises(errors.GenericError, match="named 'fdset-id:8' not found"):
        vm.execute("remove-fd", {"fdset-id": 8})


def test_events_come_on_both_monitors(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu(monitors=2)
    one, two = (connect(path) for path in machine.monitors)
    events = one.events(), two.events()
    one.execute("cont")
    two.execute("stop")
    seen = [[each.get(), each.get()] for each in events]
    assert [event.name for event in seen[0]] == ["RESUME", "STOP"]
    assert seen[0] == seen[1]


def test_quit_answers_tells_and_ends(qemu: StartQemu, connect: Connect) -> None:
    machine = qemu()
    vm = connect(machine.qmp)
    events = vm.events()
    assert vm.execute("quit") == {}
    event = events.get()
    assert (event.name, event.data) == (
        "SHUTDOWN",
        {"guest": False, "reason": "host-qmp-quit"},
    )
    with pytest.raises(qmpx.ConnectionLost):
        events.get()
    with pytest.raises(qmpx.ConnectionLost, match="the peer closed the connection"):
        vm.execute("query-status")
    assert not vm.client.is_connected
    assert machine.process.wait(20) == 0


def test_a_path_too_long_for_a_socket_is_no_matter(
    idle: Qemu, connect: Connect, tmp_path: Path
) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    link = folder / "qmp"
    link.symlink_to(idle.qmp)
    assert len(bytes(link)) > 107
    assert stat.S_ISSOCK(link.stat().st_mode)
    vm = connect(f"unix:{link}")
    assert vm.execute("query-status") == PRELAUNCH
