"""The display: pictures, keys, pointing devices, VNC and who may use it.

Source: QEMU 0.13.0, sections 2 and 5.4 of the notes.
"""

import contextlib
import re
from typing import Any, Final

from qmpx.errors import GenericError, MissingParameter
from qmpx.machine import Machine
from qmpx.machine.display.key_names import KEYS
from qmpx.monitor.human import CommandTable, Completions
from qmpx.monitor.registry import SessionLike

commands = CommandTable()

_NUMBER: Final = re.compile(r"\s*([+-]?)(0x[0-9a-f]+|[0-9]+)", re.IGNORECASE)
_POLICIES: Final = {"allow": True, "deny": False}


@commands.command(
    "screendump", "filename:F", "filename", help="write a picture of the screen (PPM)"
)
def screendump(machine: Machine, *, filename: str) -> None:
    """Write what there is to see to a file; 0.13 did not tell if that failed."""
    with contextlib.suppress(OSError, ValueError):  # ValueError: a NUL in the name
        machine.display.dump(filename)


# Keys and pointing devices.


def _complete_key(_: SessionLike, typed: str) -> Completions:
    """Complete the last of the keys that are typed."""
    last = typed.rpartition("-")[2]
    return Completions(len(last), [name for name in KEYS if name.startswith(last)])


commands.completions["sendkey:string"] = _complete_key


@commands.human(
    "sendkey",
    "string:s,hold_time:i?",
    "keys [hold_ms]",
    help="press keys (ctrl-alt-f1) together, for 100 ms unless told",
)
def sendkey(machine: Machine, *, string: str, hold_time: int | None = None) -> None:
    """Press keys together and let them go later."""
    machine.display.send_keys(string, hold_time)


@commands.human(
    "mouse_move",
    "dx_str:s,dy_str:s,dz_str:s?",
    "dx dy [dz]",
    help="move the pointer, and turn the wheel by dz",
)
def mouse_move(
    machine: Machine, *, dx_str: str, dy_str: str, dz_str: str | None = None
) -> None:
    """Move the pointing device that is chosen."""
    machine.display.move_pointer(_number(dx_str), _number(dy_str), _number(dz_str))


def _number(text: str | None) -> int:
    """Return the number that *text* begins with, as C's ``strtol`` does; else 0."""
    match = _NUMBER.match(text or "")
    if match is None:
        return 0
    sign, digits = match.groups()
    if digits[:2].lower() == "0x":
        value = int(digits, 16)
    elif digits.startswith("0"):
        octal = re.match("[0-7]+", digits)
        value = int(octal[0], 8) if octal else 0
    else:
        value = int(digits)
    return -value if sign == "-" else value


@commands.human(
    "mouse_button",
    "button_state:i",
    "state",
    help="press the pointer's buttons: 1 left, 2 middle, 4 right, added up",
)
def mouse_button(machine: Machine, *, button_state: int) -> None:
    """Press these buttons, and let the others go."""
    machine.display.hold_buttons(button_state)


@commands.human(
    "mouse_set", "index:i", "index", help="choose the pointing device that is moved"
)
def mouse_set(machine: Machine, *, index: int) -> None:
    """Choose the pointing device that movements go to."""
    machine.display.pointers.choose(index)


def _show_mice(mice: list[dict[str, Any]]) -> str:
    if not mice:
        return "No mouse devices connected\n"
    return "".join(
        f"{'*' if mouse['current'] else ' '} Mouse #{mouse['index']}: {mouse['name']}"
        f"{' (absolute)' if mouse['absolute'] else ''}\n"
        for mouse in mice
    )


@commands.query("mice", help="the pointing devices", show=_show_mice)
def query_mice(machine: Machine) -> list[dict[str, Any]]:
    """Tell of the pointing devices, the chosen one first."""
    pointers = machine.display.pointers
    return [
        {
            "index": mouse.index,
            "name": mouse.name,
            "current": mouse is pointers.current,
            "absolute": mouse.is_absolute,
        }
        for mouse in pointers.mice
    ]


# VNC.


def _show_vnc(info: dict[str, Any]) -> str:
    if not info:
        return ""
    if not info["enabled"]:
        return "Server: disabled\n"
    address = f"     address: {info['host']}:{info['service']}\n"
    server = f"Server:\n{address}        auth: {info['auth']}\n"
    if not info["clients"]:
        return f"{server}Client: none\n"
    return server + "".join(
        f"Client:\n     address: {client['host']}:{client['service']}\n"
        for client in info["clients"]
    )


@commands.query("vnc", help="the VNC server and its clients", show=_show_vnc)
def query_vnc(machine: Machine) -> dict[str, Any]:
    """Tell of the VNC server and its clients; nothing after a failed change."""
    return machine.display.vnc.info()


def change_vnc(machine: Machine, target: str, arg: str | None = None) -> None:
    """Carry out ``change vnc``: set the password, or serve elsewhere.

    Args:
        machine: Whose VNC server it is.
        target: ``password`` or ``passwd``; else where to serve, as ``-vnc`` has it.
        arg: The password. An empty one lets everybody in.

    Raises:
        MissingParameter: A password is to be set, and none came.
        SetPasswdFailed: The machine has no display for VNC.
        VNCServerFailed: It cannot serve there; it then serves nowhere.
    """
    vnc = machine.display.vnc
    if target not in ("password", "passwd"):
        vnc.open(target)
    elif arg is None:
        raise MissingParameter(name="password")
    else:
        vnc.set_password(arg)


# Access control lists.


@commands.human("acl_show", "aclname:s", "aclname", help="show an access control list")
def acl_show(machine: Machine, *, aclname: str) -> str:
    """Show a list: what becomes of those whom no rule names, and the rules."""
    found = machine.display.vnc.lists.find(aclname)
    lines = [f"policy: {_policy(is_allowed=found.is_allowed)}\n"]
    lines += [
        f"{n}: {_policy(is_allowed=rule.is_allowed)} {rule.match}\n"
        for n, rule in enumerate(found.rules, 1)
    ]
    return "".join(lines)


def _policy(*, is_allowed: bool) -> str:
    return "allow" if is_allowed else "deny"


def _is_allowed(policy: str) -> bool:
    if policy not in _POLICIES:
        message = f"acl: unknown policy '{policy}', expected 'deny' or 'allow'"
        raise GenericError(message)
    return _POLICIES[policy]


@commands.human(
    "acl_policy",
    "aclname:s,policy:s",
    "aclname allow|deny",
    help="say what becomes of those whom no rule of a list names",
)
def acl_policy(machine: Machine, *, aclname: str, policy: str) -> str:
    """Set what becomes of those whom no rule names."""
    found = machine.display.vnc.lists.find(aclname)
    found.is_allowed = _is_allowed(policy)
    return f"acl: policy set to '{policy}'\n"


@commands.human(
    "acl_add",
    "aclname:s,match:s,policy:s,index:i?",
    "aclname match allow|deny [index]",
    help="add a rule to a list, at its end unless told",
)
def acl_add(
    machine: Machine, *, aclname: str, match: str, policy: str, index: int | None = None
) -> str:
    """Add a rule to a list."""
    found = machine.display.vnc.lists.find(aclname)
    place = found.add(match, is_allowed=_is_allowed(policy), index=index)
    return f"acl: added rule at position {place}\n"


@commands.human(
    "acl_remove",
    "aclname:s,match:s",
    "aclname match",
    help="remove a rule from a list",
)
def acl_remove(machine: Machine, *, aclname: str, match: str) -> str:
    """Remove a rule from a list."""
    place = machine.display.vnc.lists.find(aclname).remove(match)
    return f"acl: removed rule at position {place}\n"


@commands.human("acl_reset", "aclname:s", "aclname", help="remove all rules of a list")
def acl_reset(machine: Machine, *, aclname: str) -> str:
    """Remove all rules of a list, and let nobody in."""
    machine.display.vnc.lists.find(aclname).reset()
    return "acl: removed all rules\n"
