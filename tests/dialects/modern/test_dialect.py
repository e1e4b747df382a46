"""The dialect as a whole: its commands, who may overtake, how it shows errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qmpx import errors
from qmpx.dialects.modern import modern_monitor
from qmpx.dialects.modern.events import as_event
from qmpx.machine import Machine, happenings, vnc_happenings

if TYPE_CHECKING:
    from tests.dialects.conftest import Box

COMMANDS = [
    *("add-fd", "balloon", "block_resize", "blockdev-close-tray"),
    *("blockdev-open-tray", "closefd", "cont", "device_del", "eject", "getfd"),
    "human-monitor-command",
    *("migrate-pause", "object-add", "object-del", "qmp_capabilities"),
    *("query-balloon", "query-block", "query-chardev", "query-commands"),
    *("query-fdsets", "query-iothreads", "query-kvm", "query-name"),
    *("query-status", "query-target", "query-uuid", "query-version"),
    *("query-yank", "quit", "remove-fd", "set_link", "stop", "system_powerdown"),
    *("system_reset", "system_wakeup", "yank"),
]


def test_query_commands_lists_exactly_what_there_is(box: Box) -> None:
    told = [each["name"] for each in box.run("query-commands")]
    assert all(each.keys() == {"name"} for each in box.run("query-commands"))
    assert sorted(told) == sorted(box.monitor.entries)
    assert set(COMMANDS) <= set(told)


def test_only_those_overtake_that_help_a_stuck_machine() -> None:
    entries = modern_monitor(Machine()).entries
    overtaking = {name for name, entry in entries.items() if entry.allow_oob}
    assert overtaking == {"query-yank", "yank", "migrate-pause", "migrate-recover"}


def test_a_command_that_is_added_is_listed(box: Box) -> None:
    def nothing() -> None:
        """Do nothing."""

    box.do(lambda: box.monitor.command("x-nothing")(nothing))
    assert {"name": "x-nothing"} in box.run("query-commands")
    assert box.run("x-nothing") == {}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            errors.DeviceNotFound(device="x"),
            {"class": "DeviceNotFound", "desc": "Device 'x' not found"},
        ),
        (
            errors.DeviceNotRemovable(device="x"),
            {"class": "GenericError", "desc": "Device 'x' is not removable"},
        ),
        (
            errors.DeviceLocked(device="x"),
            {
                "class": "GenericError",
                "desc": "Device 'x' is locked and force was not specified, "
                "wait for tray to open and try again",
            },
        ),
        (
            errors.KVMMissingCap(capability="c", feature="f"),
            {"class": "KVMMissingCap", "desc": "Using KVM without c, f unavailable"},
        ),
    ],
)
def test_an_error_shows_its_class_and_text_and_nothing_else(
    error: errors.CommandError, shown: dict[str, str]
) -> None:
    assert json.loads(modern_monitor(Machine()).encode_error(error)) == shown


@pytest.mark.parametrize(
    ("happening", "event"),
    [
        (happenings.Stopped(), ("STOP", None)),
        (happenings.Resumed(), ("RESUME", None)),
        (happenings.PowerButtonPressed(), ("POWERDOWN", None)),
        (happenings.Suspended(), ("SUSPEND", None)),
        (happenings.WokenUp(), ("WAKEUP", None)),
        (happenings.Reset(True, "r"), ("RESET", {"guest": True, "reason": "r"})),  # noqa: FBT003
        (
            happenings.ShutDown(False, "r"),  # noqa: FBT003
            ("SHUTDOWN", {"guest": False, "reason": "r"}),
        ),
        (
            happenings.TrayMoved("d", "i", is_open=True),
            ("DEVICE_TRAY_MOVED", {"device": "d", "id": "i", "tray-open": True}),
        ),
        (
            happenings.BlockIOError("d", "read", "stop"),
            (
                "BLOCK_IO_ERROR",
                {
                    "device": "d",
                    "operation": "read",
                    "action": "stop",
                    "nospace": False,
                    "reason": "Input/output error",
                },
            ),
        ),
        (
            happenings.ClockSet(-78),
            ("RTC_CHANGE", {"offset": -78, "qom-path": "/machine/rtc"}),
        ),
        (happenings.WatchdogExpired("none"), ("WATCHDOG", {"action": "none"})),
        (happenings.BalloonChanged(1), ("BALLOON_CHANGE", {"actual": 1})),
        (
            happenings.DeviceUnplugged("d", "/p"),
            ("DEVICE_DELETED", {"device": "d", "path": "/p"}),
        ),
        (happenings.DeviceUnplugged(None, "/p"), ("DEVICE_DELETED", {"path": "/p"})),
        *(
            (
                kind({"host": "::1"}, {"host": "::2"}),
                (
                    name,
                    {
                        "server": {"host": "::1", "websocket": False},
                        "client": {"host": "::2", "websocket": False},
                    },
                ),
            )
            for kind, name in (
                (vnc_happenings.VncConnected, "VNC_CONNECTED"),
                (vnc_happenings.VncInitialized, "VNC_INITIALIZED"),
                (vnc_happenings.VncDisconnected, "VNC_DISCONNECTED"),
            )
        ),
        (happenings.MigrationMoved("active"), None),
        (happenings.IncomingMoved(True, ""), None),  # noqa: FBT003
        (happenings.Exited(), None),
    ],
)
def test_what_happens_as_an_event(
    happening: happenings.Happening, event: tuple[str, object] | None
) -> None:
    assert as_event(happening) == event
