"""The commands of 0.13 that the embedded machine can carry out so far."""

from collections.abc import Callable
from typing import Any

from qmpx.errors import DeviceNotActive, DeviceNotFound
from qmpx.machine import Drive, Machine
from qmpx.monitor import CommandRegistry, Session
from qmpx.transport.channel import close_fds

commands = CommandRegistry()


def _request(session: Session, action: Callable[[], None]) -> None:
    """Do something after the reply: in 0.13 these were requests to the main loop."""
    session.monitor.loop.call_soon(action)


@commands.command("quit")
def quit_(machine: Machine, session: Session) -> None:
    """Switch the machine off and end the monitor."""

    def end() -> None:
        machine.shut_down(reason="host-qmp-quit")
        session.monitor.shut_down()

    _request(session, end)


@commands.command("eject")
def eject(machine: Machine, *, force: bool = False, device: str) -> None:
    """Take the medium out of a drive; with *force* out of any drive."""
    if device not in machine.drives:
        raise DeviceNotFound(device=device)
    if force:
        machine.drives[device].medium = None
    else:
        machine.drives[device].eject()


@commands.command("stop")
def stop(machine: Machine) -> None:
    """Let the virtual processors stand still."""
    machine.stop()


@commands.command("cont")
def cont(machine: Machine) -> None:
    """Let the virtual processors run."""
    machine.cont()


@commands.command("system_reset")
def system_reset(machine: Machine, session: Session) -> None:
    """Press the reset button."""
    _request(session, lambda: machine.reset(reason="host-qmp-system-reset"))


@commands.command("system_powerdown")
def system_powerdown(machine: Machine, session: Session) -> None:
    """Ask the guest to power down."""
    _request(session, machine.press_power_button)


@commands.command("device_del")
def device_del(machine: Machine, *, id_: str) -> None:  # noqa: ARG001
    """Unplug a device; the machine has none that could be."""
    raise DeviceNotFound(device=id_)


@commands.command("set_link")
def set_link(machine: Machine, *, name: str, up: bool) -> None:  # noqa: ARG001
    """Plug a network adapter's cable in or out; the machine has none."""
    raise DeviceNotFound(device=name)


@commands.command("getfd")
def getfd(session: Session, *, fdname: str) -> None:
    """Keep the descriptor that came along under a name."""
    session.named.add(fdname, session.pending.take())


@commands.command("closefd")
def closefd(session: Session, *, fdname: str) -> None:
    """Close a named descriptor."""
    close_fds([session.named.take(fdname)])


@commands.command("balloon")
def balloon(machine: Machine, *, value: int) -> None:  # noqa: ARG001
    """Ask the guest for memory; the machine has no balloon."""
    raise DeviceNotActive(device="balloon")


@commands.command("qmp_capabilities")
def qmp_capabilities(session: Session) -> None:
    """Enter command mode."""
    session.negotiate([])


@commands.command("query-version")
def query_version(session: Session) -> Any:
    """Tell the version, as the greeting does."""
    return session.monitor.version


@commands.command("query-commands")
def query_commands(session: Session) -> list[dict[str, str]]:
    """Tell the names of all commands."""
    return [{"name": name} for name in session.monitor.commands]


@commands.command("query-chardev")
def query_chardev(session: Session) -> list[dict[str, str]]:
    """Tell of the character devices: those that the monitors are on."""
    return [
        {"filename": filename.removesuffix("=on"), "label": label}
        for label, filename, _ in session.monitor.character_devices()
    ]


@commands.command("query-block")
def query_block(machine: Machine) -> list[dict[str, Any]]:
    """Tell of all block devices and what is in them."""
    return [_block_info(drive) for drive in machine.drives.values()]


def _block_info(drive: Drive) -> dict[str, Any]:
    info: dict[str, Any] = {
        "device": drive.device,
        "locked": drive.is_locked,
        "removable": drive.removable,
    }
    if drive.medium is not None:
        info["inserted"] = {
            "ro": drive.medium.read_only,
            "drv": drive.medium.format,
            "encrypted": False,
            "file": drive.medium.file,
        }
    info["type"] = "cdrom" if drive.has_tray else "hd"
    return info


@commands.command("query-kvm")
def query_kvm(machine: Machine) -> dict[str, bool]:  # noqa: ARG001
    """Tell whether KVM is used: there is no processor that it could run on."""
    return {"enabled": False, "present": False}


@commands.command("query-status")
def query_status(machine: Machine) -> dict[str, bool]:
    """Tell the run state."""
    return {"singlestep": False, "running": machine.state.is_running}


@commands.command("query-name")
def query_name(machine: Machine) -> dict[str, str]:
    """Tell the machine's name."""
    return {} if machine.name is None else {"name": machine.name}


@commands.command("query-uuid")
def query_uuid(machine: Machine) -> dict[str, str]:
    """Tell the machine's UUID."""
    return {"UUID": str(machine.uuid)}


@commands.command("query-balloon")
def query_balloon(machine: Machine) -> None:  # noqa: ARG001
    """Tell how much memory the guest has; the machine has no balloon."""
    raise DeviceNotActive(device="balloon")
