"""Being there, time, sleep, freezing, and what the guest is.

Names, members and the texts of errors: QEMU's guest agent 7.2.22, observed.
"""

from typing import Any, Final, Literal

from qmpx.errors import GenericError
from qmpx.machine.guest_system import GuestSystem
from qmpx.monitor.registry import CommandRegistry

commands: Final = CommandRegistry()

MOUNT_POINT: Final = "/"
"""Where the guest's only file system is."""


@commands.command("guest-ping")
def guest_ping() -> None:
    """Do nothing."""


@commands.command("guest-sync")
def guest_sync(*, id_: int) -> int:
    """Return a number, so that a client knows which reply is whose."""
    return id_


@commands.command("guest-sync-delimited")
def guest_sync_delimited(*, id_: int) -> int:
    """Return a number, behind a byte that begins no reply."""
    return id_


# Time.


@commands.command("guest-get-time")
def guest_get_time(system: GuestSystem) -> int:
    """Tell the time, in nanoseconds since 1970."""
    return system.time


@commands.command("guest-set-time")
def guest_set_time(system: GuestSystem, *, time: int | None = None) -> None:
    """Set the clock; without a time, to that of the machine."""
    if time is None:
        system.read_clock_chip()
    else:
        system.time = time


@commands.command("guest-get-timezone")
def guest_get_timezone() -> dict[str, Any]:
    """Tell the time zone."""
    return {"zone": "UTC", "offset": 0}


# What it is.


@commands.command("guest-get-host-name")
def guest_get_host_name(system: GuestSystem) -> dict[str, str]:
    """Tell what the guest calls itself."""
    return {"host-name": system.host_name}


@commands.command("guest-get-osinfo")
def guest_get_osinfo(system: GuestSystem) -> dict[str, str]:
    """Tell what system the guest is."""
    return system.os_info


@commands.command("guest-get-users")
def guest_get_users() -> list[dict[str, Any]]:
    """Tell who is logged in: nobody."""
    return []


# Its end, and its sleep. None of these is answered if it works.


@commands.command("guest-shutdown")
def guest_shutdown(system: GuestSystem, *, mode: str = "powerdown") -> None:
    """Shut the guest down."""
    actions = {
        "powerdown": system.power_off,
        "halt": system.halt,
        "reboot": system.reboot,
    }
    action = actions.get(mode)
    if action is None:
        message = "mode is invalid (valid values are: halt|powerdown|reboot"
        raise GenericError(message)
    action()


@commands.command("guest-suspend-ram")
def guest_suspend_ram(system: GuestSystem) -> None:
    """Sleep, with memory powered."""
    system.suspend()


@commands.command("guest-suspend-hybrid")
def guest_suspend_hybrid(system: GuestSystem) -> None:
    """Sleep, with memory powered and saved."""
    system.suspend()


@commands.command("guest-suspend-disk")
def guest_suspend_disk(system: GuestSystem) -> None:
    """Sleep, with memory saved: the machine is switched off."""
    system.power_off()


# Freezing.


@commands.command("guest-fsfreeze-status")
def guest_fsfreeze_status(system: GuestSystem) -> Literal["thawed", "frozen"]:
    """Tell whether file systems are frozen."""
    return "frozen" if system.frozen else "thawed"


@commands.command("guest-fsfreeze-freeze")
def guest_fsfreeze_freeze(system: GuestSystem) -> int:
    """Freeze all file systems; tell how many there are."""
    return system.freeze({MOUNT_POINT})


@commands.command("guest-fsfreeze-freeze-list")
def guest_fsfreeze_freeze_list(
    system: GuestSystem, *, mountpoints: list[str] | None = None
) -> int:
    """Freeze some file systems; tell how many."""
    if mountpoints is None:
        return system.freeze({MOUNT_POINT})
    return system.freeze({MOUNT_POINT} & set(mountpoints))


@commands.command("guest-fsfreeze-thaw")
def guest_fsfreeze_thaw(system: GuestSystem) -> int:
    """Thaw all file systems; tell how many were frozen."""
    return system.thaw()


@commands.command("guest-fstrim")
def guest_fstrim(*, minimum: int = 0) -> dict[str, Any]:
    """Discard what is not used."""
    trimmed = {"path": MOUNT_POINT, "minimum": minimum, "trimmed": 0}
    return {"paths": [trimmed]}
