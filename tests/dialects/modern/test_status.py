"""The machine as a whole: run state, identity, reset, power, the monitor itself."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

import qmpx

if TYPE_CHECKING:
    from tests.dialects.conftest import Box

HOST_RESET = ("RESET", {"guest": False, "reason": "host-qmp-system-reset"})


def status(box: Box) -> str:
    """Return the run state, having looked at the rest of what tells of it."""
    told = box.run("query-status")
    running = told["status"] == "running"
    assert told == {"status": told["status"], "singlestep": False, "running": running}
    return str(told["status"])


def test_cont_and_stop_tell_of_what_they_change_only(box: Box) -> None:
    assert status(box) == "prelaunch"
    steps: list[tuple[str, str, list[Any]]] = [
        ("stop", "prelaunch", []),
        ("cont", "running", [("RESUME", {})]),
        ("cont", "running", []),
        ("stop", "paused", [("STOP", {})]),
        ("stop", "paused", []),
        ("cont", "running", [("RESUME", {})]),
    ]
    for command, state, events in steps:
        assert box.run(command) == {}
        assert (status(box), box.events()) == (state, events)


@pytest.mark.parametrize(
    ("before", "state"),
    [([], "prelaunch"), (["cont"], "running"), (["cont", "stop"], "prelaunch")],
)
def test_reset_leaves_a_machine_running_or_as_it_was_at_first(
    box: Box, before: list[str], state: str
) -> None:
    for command in before:
        box.run(command)
    box.events()
    assert box.run("system_reset") == {}
    assert (status(box), box.events()) == (state, [HOST_RESET])


def test_powerdown_asks_each_time(box: Box) -> None:
    for _ in range(3):
        assert box.run("system_powerdown") == {}
    assert box.events() == [("POWERDOWN", {})] * 3
    assert status(box) == "prelaunch"


def test_wakeup_wakes_who_sleeps(box: Box) -> None:
    desc = "Unable to wake up: guest is not in suspended state"
    assert box.refusal("system_wakeup") == ("GenericError", desc)
    box.run("cont")
    box.events()
    box.do(box.machine.suspend)
    assert (status(box), box.events()) == ("suspended", [("SUSPEND", {})])
    for command in ("stop", "cont"):  # it sleeps on
        assert box.run(command) == {}
        assert (status(box), box.events()) == ("suspended", [])
    assert box.run("system_wakeup") == {}
    assert (status(box), box.events()) == ("running", [("WAKEUP", {})])


def test_reset_wakes_nobody(box: Box) -> None:
    box.run("cont")
    box.do(box.machine.suspend)
    box.events()
    assert box.run("system_reset") == {}
    assert (status(box), box.events()) == ("prelaunch", [HOST_RESET])


def test_its_identity(box: Box) -> None:
    assert box.run("query-name") == {"name": "box"}
    assert box.run("query-uuid") == {"UUID": str(uuid.UUID(int=0))}
    assert box.run("query-target") == {"arch": "x86_64"}
    assert box.run("query-kvm") == {"enabled": False, "present": False}


def test_a_machine_without_a_name_says_so(box: Box) -> None:
    box.do(lambda: setattr(box.machine, "name", None))
    assert box.run("query-name") == {}


def test_the_version_is_the_greeting_s(box: Box) -> None:
    assert box.run("query-version") == box.client.greeting.version
    assert box.client.greeting.version["qemu"] == {"major": 7, "minor": 2, "micro": 22}


def test_the_monitor_tells_of_its_own_connection(box: Box) -> None:
    (device,) = box.run("query-chardev")
    filename = f"{box.address},server=on"
    assert device == {
        "label": "compat_monitor0",
        "filename": filename,
        "frontend-open": True,
    }


def test_quit_tells_answers_and_ends(box: Box) -> None:
    box.run("cont")
    box.events()
    with qmpx.connect(box.address) as other:
        assert box.run("quit") == {}
        with pytest.raises(qmpx.ConnectionLost):
            box.run("query-status")
        with pytest.raises(qmpx.ConnectionLost):
            other.execute("query-status")
    shutdown = ("SHUTDOWN", {"guest": False, "reason": "host-qmp-quit"})
    assert box.last_events() == [shutdown]
    assert box.machine.state.value == "shutdown"
    with pytest.raises(qmpx.ConnectError):
        qmpx.connect(box.address)


@pytest.mark.parametrize(
    "command",
    [
        "query-status",
        "query-name",
        "query-uuid",
        "query-kvm",
        "query-target",
        "query-version",
        "query-commands",
        "query-chardev",
        "stop",
        "cont",
        "system_reset",
        "system_powerdown",
        "system_wakeup",
        "quit",
    ],
)
def test_none_of_them_takes_an_argument(box: Box, command: str) -> None:
    desc = "Parameter 'force' is unexpected"
    assert box.refusal(command, force=True) == ("GenericError", desc)
    assert box.events() == []


def test_events_are_stamped_with_the_machine_s_time(box: Box) -> None:
    with box.client.events("RESUME") as events:
        box.run("cont")
        assert abs(events.get(5).timestamp - time.time()) < 60
