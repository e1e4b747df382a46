"""Run state, identity and power, and the monitor itself.

Source: QEMU 0.13.0, section 2 of the notes.
"""

from collections.abc import Callable
from typing import Any

from qmpx.dialects.v2010.block import ask_for_keys
from qmpx.errors import DeviceEncrypted, MigrationExpected
from qmpx.machine import Machine
from qmpx.monitor import Session
from qmpx.monitor.human import CommandTable, HumanSession
from qmpx.monitor.human.table import show_nothing
from qmpx.monitor.registry import SessionLike
from qmpx.wire.server import ASYNC

commands = CommandTable()


def _request(session: Any, action: Callable[[], None]) -> None:
    """Do something after the reply: in 0.13 these were requests to the main loop."""
    session.monitor.loop.call_soon(action)


async def _quit_for_people(machine: Machine, session: HumanSession) -> None:
    """Quit, and show no prompt any more."""
    session.hold_prompt()
    quit_(machine, session)


@commands.command("q|quit", help="end the emulator", human=_quit_for_people)
def quit_(machine: Machine, session: SessionLike) -> None:
    """Switch the machine off and end the monitor."""

    def end() -> None:
        machine.ends = True
        machine.shut_down(reason="host-qmp-quit")

    _request(session, end)


@commands.command("stop", help="let the virtual processors stand still")
def stop(machine: Machine) -> None:
    """Let the virtual processors stand still."""
    machine.stop()


async def _cont_for_human(machine: Machine, session: HumanSession) -> None:
    try:
        cont(machine)
    except DeviceEncrypted:
        if await ask_for_keys(machine, session):
            cont(machine)


@commands.command(
    "c|cont", help="let the virtual processors run", human=_cont_for_human
)
def cont(machine: Machine) -> None:
    """Let the virtual processors run.

    Raises:
        MigrationExpected: The machine is yet to come from elsewhere.
        DeviceEncrypted: An image needs its key first.
    """
    if machine.migration.is_expected:
        raise MigrationExpected
    machine.drives.require_keys()
    machine.cont()


@commands.command("system_reset", help="press the reset button")
def system_reset(machine: Machine, session: SessionLike) -> None:
    """Press the reset button."""
    _request(session, lambda: machine.reset(reason="host-qmp-system-reset"))


@commands.command(
    "system_powerdown", help="press the power button, as the guest sees it"
)
def system_powerdown(machine: Machine, session: SessionLike) -> None:
    """Ask the guest to power down."""
    _request(session, machine.press_power_button)


@commands.command(
    "qmp_capabilities", help="leave QMP's negotiation; nothing for people"
)
def qmp_capabilities(session: SessionLike) -> None:
    """Enter command mode."""
    if isinstance(session, Session):
        session.negotiate([])


def _show_version(version: dict[str, Any]) -> str:
    numbers = version["qemu"]
    text = ".".join(str(numbers[part]) for part in ("major", "minor", "micro"))
    return f"{text}{version['package']}\n"


@commands.query("version", help="the version", show=_show_version)
def query_version(session: SessionLike) -> Any:
    """Tell the version, as the greeting does."""
    return session.monitor.version


@commands.query(
    "commands", help="QMP's commands; nothing for people", show=show_nothing
)
def query_commands(session: SessionLike) -> list[dict[str, Any]]:
    """Tell the names of all commands, and to whom it matters which are asynchronous."""
    tells_more = isinstance(session, Session) and ASYNC in session.wire.enabled
    return [
        {"name": name, "async": entry.is_asynchronous} if tells_more else {"name": name}
        for name, entry in session.monitor.entries.items()
        if entry.is_listed
    ]


def _show_chardev(devices: list[dict[str, str]]) -> str:
    return "".join(f"{d['label']}: filename={d['filename']}\n" for d in devices)


@commands.query("chardev", help="the character devices", show=_show_chardev)
def query_chardev(machine: Machine, session: SessionLike) -> list[dict[str, str]]:
    """Tell of the character devices: the monitors' and the machine's."""
    monitors = [
        {"filename": filename.removesuffix("=on"), "label": label}
        for label, filename, _ in session.monitor.character_devices()
    ]
    return monitors + [
        {"filename": device.filename, "label": device.label}
        for device in machine.characters
    ]


def _show_kvm(kvm: dict[str, bool]) -> str:
    if not kvm["present"]:
        return "kvm support: not compiled\n"
    return f"kvm support: {'enabled' if kvm['enabled'] else 'disabled'}\n"


@commands.query("kvm", help="whether KVM is used", show=_show_kvm)
def query_kvm(machine: Machine) -> dict[str, bool]:
    """Tell whether KVM is there, and whether it is used."""
    accelerator = machine.accelerator
    return {"enabled": accelerator.is_enabled, "present": accelerator.is_present}


def _show_status(status: dict[str, bool]) -> str:
    if not status["running"]:
        return "VM status: paused\n"
    mode = " (single step mode)" if status["singlestep"] else ""
    return f"VM status: running{mode}\n"


@commands.query("status", help="the run state", show=_show_status)
def query_status(machine: Machine) -> dict[str, bool]:
    """Tell the run state."""
    return {
        "singlestep": machine.is_single_stepping,
        "running": machine.state.is_running,
    }


def _show_name(answer: dict[str, str]) -> str:
    return f"{answer['name']}\n" if "name" in answer else ""


@commands.query("name", help="the machine's name", show=_show_name)
def query_name(machine: Machine) -> dict[str, str]:
    """Tell the machine's name."""
    return {} if machine.name is None else {"name": machine.name}


@commands.query("uuid", help="the machine's UUID", show=lambda it: f"{it['UUID']}\n")
def query_uuid(machine: Machine) -> dict[str, str]:
    """Tell the machine's UUID."""
    return {"UUID": str(machine.uuid)}
