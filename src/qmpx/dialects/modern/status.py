"""The machine as a whole: run state, identity, reset, power; the monitor itself."""

from msgspec import Struct

from qmpx.dialects.modern.replies import (
    ChardevInfo,
    KvmInfo,
    Status,
    TargetInfo,
    UuidInfo,
    VersionInfo,
)
from qmpx.errors import GenericError
from qmpx.machine import Machine, RunState
from qmpx.machine.qom.child_order import as_listed
from qmpx.monitor import CommandRegistry, Session

commands = CommandRegistry(reads_late=True)


class StatusInfo(Struct, frozen=True):
    """The run state."""

    status: Status
    singlestep: bool
    running: bool


class NameInfo(Struct, frozen=True, omit_defaults=True):
    """The machine's name, if it has one."""

    name: str | None = None


_STATUS = {
    state: StatusInfo(state.value, singlestep=False, running=state.is_running)
    for state in RunState
}


@commands.command("query-status")
def query_status(machine: Machine) -> StatusInfo:
    """Tell the run state."""
    status = _STATUS[machine.state]
    if machine.is_single_stepping:
        return StatusInfo(status.status, singlestep=True, running=status.running)
    return status


@commands.command("query-name")
def query_name(machine: Machine) -> NameInfo:
    """Tell the machine's name."""
    return NameInfo(machine.name)


@commands.command("query-uuid")
def query_uuid(machine: Machine) -> UuidInfo:
    """Tell the machine's UUID."""
    return {"UUID": str(machine.uuid)}


@commands.command("query-kvm")
def query_kvm(machine: Machine) -> KvmInfo:
    """Tell whether KVM is used, or stood in for: no processor executes anything."""
    accelerator = machine.accelerator
    return {"enabled": accelerator.is_enabled, "present": accelerator.is_present}


@commands.command("query-target")
def query_target(machine: Machine) -> TargetInfo:  # noqa: ARG001
    """Tell the architecture."""
    return {"arch": "x86_64"}


@commands.command("stop")
def stop(machine: Machine) -> None:
    """Let the virtual processors stand still."""
    if machine.state is RunState.INMIGRATE:
        machine.migration.may_run = False
        return
    machine.stop()


@commands.command("cont")
def cont(machine: Machine) -> None:
    """Let the virtual processors run, now or once the awaited machine is here.

    Raises:
        GenericError: It has to be reset first, or it is on its way to elsewhere.
    """
    if "dump" in vars(machine) and machine.dump.is_active:
        message = "There is a dump in process, please wait."
        raise GenericError(message)
    match machine.state:
        case RunState.INMIGRATE:
            machine.migration.may_run = True
        case RunState.SHUTDOWN | RunState.INTERNAL_ERROR:
            message = "Resetting the Virtual Machine is required"
            raise GenericError(message)
        case RunState.FINISH_MIGRATE:
            message = "Migration is not finalized yet"
            raise GenericError(message)
        case _:
            machine.cont()


@commands.command("system_reset")
def system_reset(machine: Machine) -> None:
    """Press the reset button."""
    machine.reset(reason="host-qmp-system-reset")


@commands.command("system_powerdown")
def system_powerdown(machine: Machine) -> None:
    """Ask the guest to power down."""
    machine.press_power_button()


@commands.command("system_wakeup")
def system_wakeup(machine: Machine) -> None:
    """Wake a sleeping guest."""
    if not machine.can_sleep:
        message = "wake-up from suspend is not supported by this guest"
        raise GenericError(message)
    machine.wake_up()


@commands.command("quit")
def quit_(machine: Machine, session: Session) -> None:
    """Switch the machine off and end the monitor."""
    machine.shut_down(reason="host-qmp-quit")
    session.monitor.shut_down()


@commands.command("query-version")
def query_version(session: Session) -> VersionInfo:
    """Tell the version, as the greeting does."""
    version: VersionInfo = session.monitor.version
    return version


@commands.command("query-chardev")
def query_chardev(machine: Machine, session: Session) -> list[ChardevInfo]:
    """Tell of the character devices: those that monitors are on, and the others."""
    monitors: list[ChardevInfo] = [
        # A monitor is always there, whether anybody talks with it or not.
        {"label": label, "filename": filename, "frontend-open": True}
        for label, filename, _ in session.monitor.character_devices()
    ]
    others: list[ChardevInfo] = [
        {
            "label": device.label,
            "filename": device.place,
            "frontend-open": device.is_front_open,
        }
        for device in vars(machine).get("characters", ())  # a look makes none
        if device.label not in {each["label"] for each in monitors}
    ]
    found = {each["label"]: each for each in monitors + others}
    return [found[label] for label in as_listed(found)]
