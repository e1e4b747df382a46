"""What happens to a machine, and what it tells of it, in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from qmpx.errors import (
    CommandError,
    DeviceLocked,
    DeviceNotFound,
    DuplicateId,
    GenericError,
    OpenFileFailed,
)
from qmpx.machine import Machine, Medium, RealClock, RunState, VirtualClock
from qmpx.machine.drive import Interface, Kind, Policy
from qmpx.machine.happenings import (
    GuestPanicked,
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    Suspended,
    TrayMoved,
    WokenUp,
)
from qmpx.machine.runstate import PanicAction
from qmpx.machine.user_objects import UserObjects
from tests.loops import run_on, short_directory

if TYPE_CHECKING:
    from pathlib import Path

Act = Callable[[Machine], object]

ACTS: dict[str, Act] = {
    "cont": lambda machine: machine.cont(),
    "stop": lambda machine: machine.stop(),
    "reset": lambda machine: machine.reset(reason="why"),
    "power": lambda machine: machine.press_power_button(),
    "suspend": lambda machine: machine.suspend(),
    "wake": lambda machine: machine.wake_up(),
    "off": lambda machine: machine.shut_down(reason="why"),
}
RESET, OFF = Reset(by_guest=False, reason="why"), ShutDown(by_guest=False, reason="why")
POWER = PowerButtonPressed()
PANICKED = ShutDown(by_guest=True, reason="guest-panic")


def cannot(state: str, cause: str) -> str:
    return f"a machine that is {state} cannot {cause}"


NO_SLEEP = "Unable to wake up: guest is not in suspended state"

# From each state: what each act leads to and tells, or why it cannot be.
ROWS: list[tuple[str, str, str | None, list[Happening] | str]] = [
    ("prelaunch", "cont", "running", [Resumed()]),
    ("prelaunch", "stop", "prelaunch", []),
    ("prelaunch", "reset", "prelaunch", [RESET]),
    ("prelaunch", "power", "prelaunch", [POWER]),
    ("prelaunch", "suspend", None, cannot("prelaunch", "suspend")),
    ("prelaunch", "wake", None, NO_SLEEP),
    ("prelaunch", "off", "shutdown", [OFF]),
    ("running", "cont", "running", []),
    ("running", "stop", "paused", [Stopped()]),
    ("running", "reset", "running", [RESET]),
    ("running", "power", "running", [POWER]),
    ("running", "suspend", "suspended", [Suspended()]),
    ("running", "wake", None, NO_SLEEP),
    ("running", "off", "shutdown", [OFF]),
    ("paused", "cont", "running", [Resumed()]),
    ("paused", "stop", "paused", []),
    ("paused", "reset", "prelaunch", [RESET]),
    ("paused", "power", "paused", [POWER]),
    ("paused", "suspend", None, cannot("paused", "suspend")),
    ("paused", "wake", None, NO_SLEEP),
    ("paused", "off", "shutdown", [OFF]),
    ("suspended", "cont", "suspended", []),
    ("suspended", "stop", "suspended", []),
    ("suspended", "reset", "prelaunch", [RESET]),
    ("suspended", "power", "suspended", [POWER]),
    ("suspended", "suspend", None, cannot("suspended", "suspend")),
    ("suspended", "wake", "running", [WokenUp()]),
    ("suspended", "off", "shutdown", [OFF]),
    ("io-error", "cont", "running", [Resumed()]),
    ("io-error", "stop", "io-error", []),
    ("io-error", "reset", "prelaunch", [RESET]),
    ("io-error", "power", "io-error", [POWER]),
    ("io-error", "suspend", None, cannot("io-error", "suspend")),
    ("io-error", "wake", None, NO_SLEEP),
    ("io-error", "off", "shutdown", [OFF]),
    ("shutdown", "cont", None, cannot("shutdown", "cont")),
    ("shutdown", "stop", "shutdown", []),
    ("shutdown", "reset", "prelaunch", [RESET]),
    ("shutdown", "power", "shutdown", [POWER]),
    ("shutdown", "suspend", None, cannot("shutdown", "suspend")),
    ("shutdown", "wake", None, NO_SLEEP),
    ("shutdown", "off", "shutdown", []),
    ("internal-error", "cont", None, cannot("internal-error", "cont")),
    ("internal-error", "stop", "internal-error", []),
    ("internal-error", "reset", "prelaunch", [RESET]),
    ("internal-error", "power", "internal-error", [POWER]),
    ("internal-error", "suspend", None, cannot("internal-error", "suspend")),
    ("internal-error", "wake", None, NO_SLEEP),
    ("internal-error", "off", "shutdown", [OFF]),
]


# While the machine's own state is on the way, nothing lets it run.
ON_THE_WAY = ["inmigrate", "finish-migrate", "save-vm"]
for on_the_way in ON_THE_WAY:
    ROWS += [
        (on_the_way, "cont", None, cannot(on_the_way, "cont")),
        (on_the_way, "stop", on_the_way, []),
        (on_the_way, "reset", on_the_way, [RESET]),
        (on_the_way, "power", on_the_way, [POWER]),
        (on_the_way, "suspend", None, cannot(on_the_way, "suspend")),
        (on_the_way, "wake", None, NO_SLEEP),
        (on_the_way, "off", "shutdown", [OFF]),
    ]
# And where it stands for a reason, it stands until cont.
for stands in ["postmigrate", "watchdog", "guest-panicked", "restore-vm"]:
    ROWS += [
        (stands, "cont", "running", [Resumed()]),
        (stands, "stop", stands, []),
        (stands, "reset", stands if stands == "restore-vm" else "prelaunch", [RESET]),
        (stands, "power", stands, [POWER]),
        (stands, "suspend", None, cannot(stands, "suspend")),
        (stands, "wake", None, NO_SLEEP),
        (stands, "off", "shutdown", [OFF]),
    ]


@pytest.mark.parametrize(("state", "act", "target", "told"), ROWS)
def test_what_each_act_does_in_each_state(
    state: str, act: str, target: str | None, told: list[Happening] | str
) -> None:
    machine = Machine()
    machine.state = RunState(state)
    happened: list[Happening] = []
    machine.listen(happened.append)
    if target is None:
        with pytest.raises(GenericError) as caught:
            ACTS[act](machine)
        assert caught.value.desc == told
        assert (machine.state.value, happened) == (state, [])
    else:
        ACTS[act](machine)
        assert machine.state.value == target
        assert repr(happened) == repr(told)  # by repr: all empty tuples are equal


def test_every_act_is_tried_in_every_state() -> None:
    assert {(state, act) for state, act, _, _ in ROWS} == {
        (state.value, act) for state in RunState for act in ACTS
    }


def test_a_new_machine_waits_for_cont_unless_it_is_started() -> None:
    assert Machine().state is RunState.PRELAUNCH
    assert Machine(is_started=True).state is RunState.RUNNING


def test_a_new_machine_has_what_it_was_given() -> None:
    uuid, clock = UUID(int=7), VirtualClock()
    machine = Machine("vm", uuid=uuid, clock=clock)
    assert (machine.name, machine.uuid, machine.clock) == ("vm", uuid, clock)
    assert (machine.drives, machine.objects) == ({}, UserObjects())


def test_a_machine_of_no_particulars_has_none() -> None:
    machine = Machine()
    assert (machine.name, machine.uuid) == (None, UUID(int=0))
    assert isinstance(machine.clock, RealClock)


def test_what_happens_is_told_in_its_order_to_everybody_who_listens() -> None:
    machine = Machine()
    first: list[Happening] = []
    second: list[Happening] = []
    machine.listen(first.append)
    machine.cont()
    machine.listen(second.append)
    machine.suspend()
    machine.wake_up()
    machine.reset(by_guest=True, reason="guest-reset")
    machine.press_power_button()
    machine.stop()
    machine.shut_down(by_guest=True, reason="guest-shutdown")
    machine.shut_down(reason="again")
    expected = [
        Resumed(),
        Suspended(),
        WokenUp(),
        Reset(by_guest=True, reason="guest-reset"),
        PowerButtonPressed(),
        Stopped(),
        ShutDown(by_guest=True, reason="guest-shutdown"),
    ]
    assert repr(first) == repr(expected)
    assert repr(second) == repr(expected[1:])


def test_the_state_has_changed_when_it_is_told() -> None:
    machine = Machine()
    states: list[RunState] = []
    machine.listen(lambda _: states.append(machine.state))
    machine.cont()
    machine.stop()
    machine.shut_down(reason="")
    assert states == [RunState.RUNNING, RunState.PAUSED, RunState.SHUTDOWN]


def test_a_drive_is_found_by_its_device_and_by_its_id() -> None:
    machine = Machine()
    disk = machine.drives.add("ide0-hd0", id="/disk", medium=Medium("a.img"))
    cd = machine.drives.add("ide1-cd0", id="/cd", removable=True, has_tray=True)
    assert machine.drives.find("ide0-hd0") is machine.drives.find("/disk") is disk
    assert machine.drives.find("ide1-cd0") is machine.drives.find("/cd") is cd
    assert machine.drives == {"ide0-hd0": disk, "ide1-cd0": cd}
    assert (disk.medium, disk.removable, disk.has_tray) == (
        Medium("a.img"),
        False,
        False,
    )
    assert (cd.medium, cd.removable, cd.has_tray) == (None, True, True)


@pytest.mark.parametrize("name", ["", "floppy0", "IDE1-CD0"])
def test_a_drive_that_is_not_there_is_not_found(name: str) -> None:
    machine = Machine()
    machine.drives.add("ide1-cd0", id="/cd")
    with pytest.raises(DeviceNotFound) as caught:
        machine.drives.find(name)
    assert caught.value.data == {"device": name}


def test_drives_tell_through_their_machine() -> None:
    machine = Machine(is_started=True)
    drive = machine.drives.add("cd0", id="/cd", removable=True, has_tray=True)
    happened: list[Happening] = []
    machine.listen(happened.append)
    drive.open_tray()
    machine.stop()
    drive.close_tray()
    drive.is_locked = True
    with pytest.raises(CommandError) as caught:
        drive.eject()
    assert isinstance(caught.value, DeviceLocked)
    expected = [
        TrayMoved("cd0", "/cd", is_open=True),
        Stopped(),
        TrayMoved("cd0", "/cd", is_open=False),
    ]
    assert repr(happened) == repr(expected)


@pytest.mark.parametrize(
    ("ways", "told"),
    [
        (["finish-migrate", "running"], [Stopped(), Resumed()]),
        (["finish-migrate", "postmigrate"], [Stopped()]),
        (["save-vm", "paused"], [Stopped()]),
    ],
)
def test_a_transfer_tells_when_the_machine_stops_and_runs(
    ways: list[str], told: list[Happening]
) -> None:
    machine = Machine(is_started=True)
    happened: list[Happening] = []
    machine.listen(happened.append)
    for way in ways:
        machine.transfer(RunState(way))
    assert (machine.state.value, repr(happened)) == (ways[-1], repr(told))


def test_a_machine_that_is_on_its_way_is_not_sent_once_more() -> None:
    machine = Machine()
    machine.transfer(RunState.FINISH_MIGRATE)
    with pytest.raises(GenericError) as caught:
        machine.transfer(RunState.SAVE_VM)
    assert caught.value.desc == "a machine that is finish-migrate cannot become save-vm"


@pytest.mark.parametrize("reason", ["host-qmp-quit", "host-signal"])
def test_its_user_ends_also_a_machine_that_would_only_stop(reason: str) -> None:
    machine = Machine(is_started=True)
    machine.ends = False
    happened: list[Happening] = []
    machine.listen(happened.append)
    machine.shut_down(reason=reason)
    assert repr(happened) == repr([ShutDown(by_guest=False, reason=reason)])


def test_a_machine_that_only_stops_tells_each_time_that_it_is_off() -> None:
    machine = Machine(is_started=True)
    machine.ends = False
    happened: list[Happening] = []
    machine.listen(happened.append)
    for _ in range(2):
        machine.shut_down(by_guest=True, reason="guest-shutdown")
    off = ShutDown(by_guest=True, reason="guest-shutdown")
    assert repr(happened) == repr([off, Stopped(), off])


@pytest.mark.parametrize(
    ("action", "ends", "state", "told"),
    [
        ("none", True, "running", [GuestPanicked("run")]),
        ("pause", True, "guest-panicked", [GuestPanicked("pause"), Stopped()]),
        ("shutdown", False, "guest-panicked", [GuestPanicked("pause"), Stopped()]),
        ("shutdown", True, "shutdown", [GuestPanicked("poweroff"), PANICKED]),
        ("exit-failure", True, "shutdown", [GuestPanicked("poweroff"), PANICKED]),
    ],
)
def test_what_follows_a_panic(
    action: str,
    ends: bool,
    state: str,
    told: list[Happening],
) -> None:
    machine = Machine(is_started=True)
    machine.panic_action, machine.ends = PanicAction(action), ends
    happened: list[Happening] = []
    machine.listen(happened.append)
    machine.panic()
    assert (machine.state.value, repr(happened)) == (state, repr(told))


def test_at_its_end_it_lets_go_of_the_world_outside() -> None:
    async def main() -> list[str]:
        with short_directory() as directory:
            machine = Machine()
            machine.display.vnc.open(f"unix:{directory / 'vnc'}")
            await machine.characters.open_legacy(
                "serial0", f"unix:{directory / 'serial'},server,nowait"
            )
            there = sorted(path.name for path in directory.iterdir())
            machine.close()
            machine.close()
            assert list(directory.iterdir()) == []
            return there

    assert run_on("asyncio", main()) == ["serial", "vnc"]


def test_a_machine_that_has_nothing_outside_has_nothing_to_let_go_of() -> None:
    machine = Machine()
    made = set(vars(machine))
    machine.close()
    assert set(vars(machine)) == made


# Drives as QEMU 0.13's command line has them.


def test_a_drive_is_plugged_in_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "cd.iso").write_bytes(bytes(2048))
    machine = Machine()
    disk = machine.drives.plug({})
    options = {"file": str(tmp_path / "cd.iso"), "media": "cdrom", "rerror": "stop"}
    cd = machine.drives.plug(options, interface=Interface.IDE)
    assert disk is not None
    assert cd is not None
    assert machine.drives == {"ide0-hd0": disk, "ide0-cd1": cd}
    assert (disk.removable, disk.has_tray, disk.medium) == (False, False, None)
    assert (cd.removable, cd.has_tray, cd.unit) == (True, True, 1)
    assert (cd.kind, cd.is_read_only) == (Kind.CDROM, True)
    assert (cd.on_read_error, cd.on_write_error) == (Policy.STOP, Policy.ENOSPC)
    assert machine.drives.plug({"index": "0"}) is None  # the first one stays
    assert machine.drives["ide0-hd0"] is disk


def test_a_drive_that_cannot_be_had_is_not_there(tmp_path: Path) -> None:
    machine = Machine()
    with pytest.raises(OpenFileFailed) as caught:
        machine.drives.plug({"file": str(tmp_path / "none")})
    assert caught.value.data == {"filename": str(tmp_path / "none")}
    with pytest.raises(ValueError, match="'tape' invalid media"):
        machine.drives.plug({"media": "tape"})
    machine.drives.plug({"if": "none", "id": "d"})
    with pytest.raises(DuplicateId) as duplicate:
        machine.drives.plug({"if": "none", "id": "d"})
    assert duplicate.value.data == {"id": "d", "object": "drive"}
    assert [*machine.drives] == ["d"]


def test_a_drive_is_unplugged_once() -> None:
    machine = Machine()
    machine.drives.plug({})
    machine.drives.unplug("ide0-hd0")
    assert machine.drives == {}
    with pytest.raises(DeviceNotFound):
        machine.drives.unplug("ide0-hd0")


def test_an_error_stops_only_a_machine_that_runs() -> None:
    machine = Machine()
    told: list[Happening] = []
    machine.listen(told.append)
    machine.stop_on_io_error()
    assert (machine.state, told) == (RunState.PRELAUNCH, [])
    machine.cont()
    machine.stop_on_io_error()
    assert (machine.state, told) == (RunState.IO_ERROR, [Resumed(), Stopped()])
    machine.cont()
    assert machine.state is RunState.RUNNING
