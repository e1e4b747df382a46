"""Programs, accounts and keys of the guest.

Names, members and the texts of errors: QEMU's guest agent 7.2.22, observed.
"""

import base64
import binascii
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.guest_system import GuestSystem
from qmpx.machine.guest_system.programs import MAX_OUTPUT
from qmpx.machine.guest_system.system import MAX_KEYS
from qmpx.monitor.registry import CommandRegistry

commands: Final = CommandRegistry()


@commands.command("guest-exec")
def guest_exec(
    system: GuestSystem,
    *,
    path: str,
    arg: list[str] | None = None,
    env: list[str] | None = None,
    input_data: str | None = None,
    capture_output: bool = False,
) -> dict[str, int]:
    """Start a program; return the number of its process."""
    try:
        data = base64.b64decode(input_data or "", validate=True)
    except binascii.Error:
        message = "Base64 data contains invalid characters"
        raise GenericError(message) from None
    pairs = (text.partition("=") for text in env or ())
    try:
        pid = system.programs.start(
            path,
            arg or (),
            environment={name: value for name, _, value in pairs},
            data=data,
            is_captured=capture_output,
        )
    except OSError as error:
        message = (
            "Guest agent command failed, error was 'Failed to execute child process "
            f"\N{LEFT DOUBLE QUOTATION MARK}{path}\N{RIGHT DOUBLE QUOTATION MARK} "
            f"({error.strerror})'"
        )
        raise GenericError(message) from None
    return {"pid": pid}


@commands.command("guest-exec-status")
def guest_exec_status(system: GuestSystem, *, pid: int) -> dict[str, Any]:
    """Tell whether a process has ended, and how."""
    try:
        process, has_ended = system.programs.look(pid)
    except KeyError:
        message = "Invalid parameter 'pid'"
        raise GenericError(message) from None
    told: dict[str, Any] = {"exited": has_ended}
    if not has_ended:
        return told
    if process.signal is not None:
        told["signal"] = process.signal
    else:
        told["exitcode"] = process.status
    if process.is_captured:
        for stream, data in (("out", process.output), ("err", process.errors)):
            if data:
                told[f"{stream}-data"] = base64.b64encode(data).decode()
                told[f"{stream}-truncated"] = len(data) >= MAX_OUTPUT
    return told


@commands.command("guest-set-user-password")
def guest_set_user_password(
    system: GuestSystem, *, username: str, password: str, crypted: bool
) -> None:
    """Set the password of an account."""
    try:
        text = base64.b64decode(password, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        message = "Base64 data contains invalid characters"
        raise GenericError(message) from None
    if username not in system.keys:
        message = "child process has failed to set user password"
        raise GenericError(message)
    system.passwords[username] = f"crypted:{text}" if crypted else text


def _keys(system: GuestSystem, username: str) -> list[str]:
    if username not in system.keys:
        message = f"failed to lookup user '{username}': No such file or directory"
        raise GenericError(message)
    return system.keys[username]


@commands.command("guest-ssh-get-authorized-keys")
def guest_ssh_get_authorized_keys(
    system: GuestSystem, *, username: str
) -> dict[str, list[str]]:
    """Tell the keys that a user may log in with."""
    return {"keys": list(_keys(system, username))}


@commands.command("guest-ssh-add-authorized-keys")
def guest_ssh_add_authorized_keys(
    system: GuestSystem, *, username: str, keys: list[str], reset: bool = False
) -> None:
    """Add keys that a user may log in with, or put them in place of all others."""
    for key in keys:
        if key.startswith("#") or "\n" in key:
            message = f"invalid OpenSSH public key: '{key}'"
            raise GenericError(message)
    known = _keys(system, username)
    wanted = dict.fromkeys([*(() if reset else known), *keys])
    if len(wanted) > MAX_KEYS:
        message = f"a user can have at most {MAX_KEYS} keys"
        raise GenericError(message)
    known[:] = wanted


@commands.command("guest-ssh-remove-authorized-keys")
def guest_ssh_remove_authorized_keys(
    system: GuestSystem, *, username: str, keys: list[str]
) -> None:
    """Take away keys that a user may log in with."""
    known = _keys(system, username)
    known[:] = [key for key in known if key not in keys]
