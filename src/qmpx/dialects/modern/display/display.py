"""The display: pictures, keys, pointing devices, and VNC.

Source: QEMU 7.2.22, observed.
"""

import re
from typing import Annotated, Any, Final, Literal, NoReturn

from msgspec import Struct

from qmpx.dialects.modern.replies import MouseInfo, VncInfo, VncInfo2
from qmpx.errors import DeviceNotActive, GenericError, SetPasswdFailed
from qmpx.machine import Machine
from qmpx.machine.display.key_names import KEYS, LATER_KEYS, UNCODED_KEYS
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)

FIRST_MOUSE: Final = 2
"""The number of the first pointing device: a PC's keyboard has one before it."""

_SECOND: Final = 1_000_000  # microseconds
_NOT_TODAYS: Final = frozenset({"<", "altgr", "altgr_r"})  # names of 2010 only
KEY_NAMES: Final = ((KEYS | LATER_KEYS).keys() | UNCODED_KEYS) - _NOT_TODAYS
_BUTTONS: Final = {"left": 1, "right": 2, "middle": 4}
_WHEEL: Final = {"wheel-up": -1, "wheel-down": 1}
_SERVER: Final = "default"  # the name of the one VNC server


_Button = Literal[
    "left",
    "middle",
    "right",
    "wheel-up",
    "wheel-down",
    "side",
    "extra",
    "wheel-left",
    "wheel-right",
]


class _Tagged(Struct, tag_field="type", forbid_unknown_fields=True):
    pass


class QCode(_Tagged, tag="qcode"):
    """A key by its name."""

    data: Annotated[str, Values(*sorted(KEY_NAMES))]


class KeyNumber(_Tagged, tag="number"):
    """A key by its code."""

    data: int


KeyValue = QCode | KeyNumber


class KeyChange(Struct, forbid_unknown_fields=True):
    """A key that goes down or up."""

    key: KeyValue
    down: bool


class ButtonChange(Struct, forbid_unknown_fields=True):
    """A button that goes down or up."""

    button: _Button
    down: bool


class Move(Struct, forbid_unknown_fields=True):
    """A movement, or a place, on one axis."""

    axis: Literal["x", "y"]
    value: int


class KeyInput(_Tagged, tag="key"):
    """A key was used."""

    data: KeyChange


class ButtonInput(_Tagged, tag="btn"):
    """A button was used."""

    data: ButtonChange


class RelativeInput(_Tagged, tag="rel"):
    """The pointer was moved."""

    data: Move


class AbsoluteInput(_Tagged, tag="abs"):
    """The pointer is at a place: 0 to 32767."""

    data: Move


InputEvent = KeyInput | ButtonInput | RelativeInput | AbsoluteInput


@commands.command("screendump")
def screendump(
    machine: Machine,
    *,
    filename: str,
    device: str | None = None,
    head: int | None = None,
    format_: Literal["ppm", "png"] = "ppm",
) -> None:
    """Write what there is to see to a file."""
    if device is not None:
        _refuse_screen(machine, device, head or 0)
    if head is not None:
        raise GenericError("'head' must be specified together with 'device'")
    if not machine.has_screen:
        raise GenericError("There is no console to take a screendump from")
    try:
        machine.display.dump(filename, format_)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        message = f"failed to open file '{filename}': {reason}"
        raise GenericError(message) from error


def _refuse_screen(machine: Machine, device: str, head: int) -> NoReturn:
    """Refuse to look at what a device shows: the screen is the machine's own.

    Raises:
        DeviceNotFound: There is no such device.
        GenericError: There is.
    """
    machine.qom.find_device(device)
    message = f"Device {device} (head {head}) is not bound to a QemuConsole"
    raise GenericError(message)


# Keys and pointing devices.


def _code(key: KeyValue) -> int | None:
    """Return the code of a key; ``None`` if a PC's keyboard has it not."""
    if isinstance(key, KeyNumber):
        return key.data & 0xFF
    return KEYS.get(key.data, LATER_KEYS.get(key.data))


@commands.command("send-key")
def send_key(
    machine: Machine, *, keys: list[KeyValue], hold_time: int | None = None
) -> None:
    """Press keys together and let them go later."""
    codes = [_code(key) for key in keys]
    machine.display.keyboard.send(
        [code for code in codes if code is not None], hold_time
    )


@commands.command("input-send-event")
def input_send_event(
    machine: Machine,
    *,
    device: str | None = None,
    head: int | None = None,
    events: list[InputEvent],
) -> None:
    """Let keys, buttons and the pointer do what the events say, one by one."""
    if device is not None:
        _refuse_screen(machine, device, head or 0)
    codes = [_code(e.data.key) if isinstance(e, KeyInput) else None for e in events]
    if not machine.state.is_running:
        raise GenericError("VM not running")
    mice = machine.display.pointers.mice
    for event in events:
        is_absolute = isinstance(event, AbsoluteInput)
        if not (is_absolute or isinstance(event, RelativeInput)):
            continue
        if not any(mouse.is_absolute is is_absolute for mouse in mice):
            kind = "abs" if is_absolute else "rel"
            message = f"Input handler not found for event type {kind}"
            raise GenericError(message)
    for event, code in zip(events, codes, strict=True):
        _do(machine, event, code)


def _do(machine: Machine, event: InputEvent, code: int | None) -> None:
    display = machine.display
    match event:
        case KeyInput(data):
            if code is not None and data.down:
                display.keyboard.press(code)
            elif code is not None:
                display.keyboard.release(code)
        case ButtonInput(data):
            bit, held = _BUTTONS.get(data.button, 0), display.pointers.buttons
            if data.down and data.button in _WHEEL:
                display.pointers.turn(_WHEEL[data.button])
            display.hold_buttons(held | bit if data.down else held & ~bit)
        case RelativeInput(Move("x", value)):
            display.move_pointer(value, 0)
        case RelativeInput(Move("y", value)):
            display.move_pointer(0, value)
        case AbsoluteInput(Move("x", value)):
            display.point(x=value)
        case AbsoluteInput(Move("y", value)):
            display.point(y=value)


@commands.command("query-mice")
def query_mice(machine: Machine) -> list[MouseInfo]:
    """Tell of the pointing devices, the latest first."""
    pointers = machine.display.pointers
    return [
        {
            "index": FIRST_MOUSE + mouse.index,
            "name": mouse.name,
            "current": mouse is pointers.current,
            "absolute": mouse.is_absolute,
        }
        for mouse in sorted(pointers.mice, key=lambda x: x.index, reverse=True)
    ]


# VNC.


def vnc_side(name: dict[str, str]) -> Any:
    """Return what an end of a VNC connection is called today."""
    side: dict[str, Any] = {**name, "websocket": False}
    if name.get("family") == "unix":
        side["host"] = ""
    return side


@commands.command("query-vnc")
def query_vnc(machine: Machine) -> VncInfo:
    """Tell of the VNC server and its clients."""
    servers = query_vnc_servers(machine)
    if not servers:
        return {"enabled": False}
    server = servers[0]["server"][0]
    return {
        "enabled": True,
        "auth": server["auth"],
        "family": server["family"],
        "clients": servers[0]["clients"],
        "service": server["service"],
        "host": server["host"],
    }


@commands.command("query-vnc-servers")
def query_vnc_servers(machine: Machine) -> list[VncInfo2]:
    """Tell of the VNC server as if there could be several."""
    info = machine.display.vnc.info()
    if not info.get("enabled"):
        return []
    clients, auth = info.pop("clients"), info["auth"]
    del info["enabled"]
    return [
        {
            "auth": auth,
            "clients": [vnc_side(name) for name in clients],
            "server": [vnc_side(info)],
            "id": _SERVER,
        }
    ]


Protocol = Literal["vnc", "spice"]


def _check(protocol: Protocol) -> None:
    if protocol == "spice":
        error = DeviceNotActive(device="spice")
        error.desc = "SPICE is not in use"
        raise error


@commands.command("set_password")
def set_password(
    machine: Machine,
    *,
    protocol: Protocol,
    password: str,
    connected: Literal["keep", "fail", "disconnect"] = "keep",
    display: str | None = None,
) -> None:
    """Let those in who know a password, where one is asked for."""
    _check(protocol)
    if connected != "keep":
        raise GenericError("Invalid parameter 'connected'")
    _set_password(machine, password, display)


def _set_password(machine: Machine, password: str, display: str | None) -> None:
    vnc = machine.display.vnc
    if vnc.auth != "vnc" or display not in (None, _SERVER):
        raise SetPasswdFailed
    vnc.replace_password(password)


@commands.command("change-vnc-password")
def change_vnc_password(machine: Machine, *, password: str) -> None:
    """Let those in who know a password, where one is asked for."""
    _set_password(machine, password, None)


@commands.command("expire_password")
def expire_password(
    machine: Machine, *, protocol: Protocol, time: str, display: str | None = None
) -> None:
    """Let nobody in by the password from a moment on."""
    _check(protocol)
    vnc = machine.display.vnc
    if vnc.auth == "invalid" or display not in (None, _SERVER):
        raise GenericError("Could not set password expire time")
    vnc.expire_password(_moment(time, machine.clock.microseconds()))


def _moment(time: str, now: int) -> int | None:
    """Return the moment that *time* names, in microseconds; ``None`` is never."""
    if time == "never":
        return None
    if time == "now":
        return now
    match = re.match(r"\+?([0-9]{0,18})", time)
    seconds = int(match[1] or 0) if match is not None else 0
    return seconds * _SECOND + (now if time.startswith("+") else 0)
