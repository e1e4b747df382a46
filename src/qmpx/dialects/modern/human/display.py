"""Pictures, keys, pointing devices, VNC and sound.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.display.display import FIRST_MOUSE, KEY_NAMES
from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.dialects.v2010.display import commands as of_2010
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.monitor.human import Completions
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

FORMATS: Final = ("ppm", "png")
"""The formats of pictures."""

_CONNECTED: Final = ("keep", "fail", "disconnect")
_SIGNS: Final = {"<": "less"}
_PROTOCOLS: Final = ("vnc", "spice")


def _require(value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise GenericError(f"invalid parameter value: {value}")


@commands.does("screendump")
async def screendump(
    session: SessionLike,
    *,
    filename: str,
    format: str | None = None,  # noqa: A002
    device: str | None = None,
    head: int | None = None,
) -> None:
    """Write a picture of a screen."""
    _require(format or FORMATS[0], FORMATS)
    await ask(
        session,
        "screendump",
        filename=filename,
        format=format,
        device=device,
        head=head,
    )


@commands.does("sendkey")
async def sendkey(
    session: SessionLike, *, keys: str, hold_time: int | None = None
) -> str | None:
    """Press keys together, and let them go later."""
    pressed: list[dict[str, Any]] = []
    for name in keys.split("-"):
        code = _code(name)
        if code is None and name != "<" and name not in KEY_NAMES:
            return f"invalid parameter: {name}\n"
        if code is not None:
            pressed.append({"type": "number", "data": code})
        else:
            pressed.append({"type": "qcode", "data": _SIGNS.get(name, name)})
    await ask(session, "send-key", keys=pressed, hold_time=hold_time)
    return None


def _code(name: str) -> int | None:
    """Return a key's code, if it is that."""
    try:
        return int(name, 16) if name.startswith("0x") else None
    except ValueError:
        return None


def _complete_key(_: SessionLike, typed: str) -> Completions:
    last = typed.rpartition("-")[2]
    return Completions(len(last), [name for name in KEY_NAMES if name.startswith(last)])


commands.completions["sendkey:keys"] = _complete_key

for _name in ("mouse_move", "mouse_button"):
    commands.does(_name)(of_2010.commands[_name].handler)


@commands.does("mouse_set")
def mouse_set(machine: Machine, *, index: int) -> str | None:
    """Choose the pointing device that is moved."""
    pointers = machine.display.pointers
    if index - FIRST_MOUSE not in {mouse.index for mouse in pointers.mice}:
        if index == 1 and machine.has_ps2:
            return "Input device 'QEMU PS/2 Keyboard' is not a mouse\n"
        return f"Mouse at index '{index}' not found\n"
    pointers.choose(index - FIRST_MOUSE)
    return None


@commands.shows("mice")
async def info_mice(session: SessionLike) -> str:
    """Return the pointing devices."""
    mice = await ask(session, "query-mice")
    if not mice:
        return "No mouse devices connected\n"
    return "".join(
        f"{'*' if mouse['current'] else ' '} Mouse #{mouse['index']}: {mouse['name']}"
        f"{' (absolute)' if mouse['absolute'] else ''}\n"
        for mouse in mice
    )


# VNC.


@commands.does("set_password")
async def set_password(
    session: SessionLike,
    *,
    protocol: str,
    password: str,
    display: str | None = None,
    connected: str | None = None,
) -> None:
    """Set a password."""
    _require(connected or _CONNECTED[0], _CONNECTED)
    _require(protocol, _PROTOCOLS)
    await ask(
        session,
        "set_password",
        protocol=protocol,
        password=password,
        display=display,
        connected=connected,
    )


@commands.does("expire_password")
async def expire_password(
    session: SessionLike, *, protocol: str, time: str, display: str | None = None
) -> None:
    """Say when a password is none any more."""
    _require(protocol, _PROTOCOLS)
    await ask(session, "expire_password", protocol=protocol, time=time, display=display)


def _address(end: dict[str, Any]) -> str:
    host, service, family = end["host"], end["service"], end["family"]
    where = f":{service}" if family == "unix" else f"{host}:{service}"
    return f"{where} ({family})"


@commands.shows("vnc")
async def info_vnc(session: SessionLike) -> str:
    """Return the VNC servers and their clients."""
    try:
        servers = await ask(session, "query-vnc-servers")
    except CommandError:
        return "None\n"
    lines: list[str] = []
    for server in servers:
        lines.append(f"{server['id']}:")
        auth, sub = server["auth"], server.get("vencrypt", "none")
        for end in server["server"]:
            own, own_sub = end.get("auth", auth), end.get("vencrypt", sub)
            lines.append(f"  Server: {_address(end)}")
            lines.append(f"    Auth: {own} (Sub: {own_sub})")
        for client in server["clients"]:
            lines.append(f"  Client: {_address(client)}")
            lines.append(f"    x509_dname: {client.get('x509_dname', 'none')}")
            lines.append(f"    sasl_username: {client.get('sasl_username', 'none')}")
        if not server["server"]:
            lines.append(f"  Auth: {auth} (Sub: {sub})")
        if "display" in server:
            lines.append(f"  Display: {server['display']}")
    return "".join(f"{line}\n" for line in lines) or "None\n"


# Sound.


@commands.does("wavcapture")
def wavcapture(
    machine: Machine,
    *,
    path: str,
    audiodev: str,
    freq: int | None = None,
    bits: int | None = None,
    nchannels: int | None = None,
) -> str | None:
    """Begin to record what the guest plays on an audio back end."""
    if audiodev not in machine.captures.backends:
        return f"Audiodev '{audiodev}' not found\n"
    try:
        machine.captures.start(path, frequency=freq, bits=bits, channels=nchannels)
    except GenericError as error:
        reason = error.desc.replace("\nReason", "")
        return f"{reason}\nFailed to add wave capture\n"
    return None


@commands.does("stopcapture")
def stopcapture(machine: Machine, *, n: int) -> None:
    """End a recording; nothing happens if there is none."""
    if "captures" in machine.__dict__:
        machine.captures.stop(n)


@commands.shows("capture")
def info_capture(machine: Machine) -> str:
    """Return the recordings."""
    running = vars(machine).get("captures", ())  # a look makes none
    return "".join(f"[{n}]: {each}\n" for n, each in enumerate(running))
