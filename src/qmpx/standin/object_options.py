"""Options that describe an object of QAPI, or a drive, with all that it has.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.command_line import Backend
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, is_help, parse_keyval

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, Final

    from qmpx.standin.command_line import CommandLine

BACKENDS: Final = {
    "object": "qom-type",
    "blockdev": "driver",
    "netdev": "type",
    "device": "driver",
}
"""Options that describe an object, and the name of their first value."""


def read_object(line: CommandLine, option: str, value: str) -> None:
    """Read an option that describes an object.

    Raises:
        StartFailure: It is no JSON or key-value text, or does not say of what kind.
    """
    if is_help(value) and option != "-blockdev":
        line.lists.append((option, "help"))
        return
    implied = BACKENDS[option[1:]]
    if value.startswith("{"):
        values = _read_json(option, value)
        line.backends.append(Backend(option, value, is_json=True, values=values))
        return
    if option == "-device":
        options = OptionList(option, value, None, implied, line.warnings.append)
        if (driver := options.get(implied)) is not None and (
            "help" in options or "?" in options
        ):
            line.lists.append((option, driver))
            return
        values = dict(options)
    else:
        values = parse_keyval(option, value, implied)
    if implied not in values:
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    line.backends.append(Backend(option, value, is_json=False, values=values))


def _read_json(option: str, value: str) -> dict[str, Any]:
    import json  # a greeting needs none

    try:
        values = json.loads(value)
    except (ValueError, RecursionError):
        raise StartFailure(_json_error(value), option, value) from None
    implied = BACKENDS[option[1:]]
    if not isinstance(values.get(implied), str):
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    return dict(values)


def _json_error(value: str) -> str:
    """Return what QEMU says of a text that is no JSON."""
    from qmpx.errors import CommandError
    from qmpx.wire.framing import CommandReader

    reader = CommandReader()
    reader.feed(value.encode(errors="replace") + b"\n")
    while items := reader.take():
        for item in items:
            fault: object = item
            if isinstance(fault, CommandError):
                return fault.desc
    return "JSON parse error, premature EOI"


def short_drive(option: str, value: str) -> OptionList:
    """Return what ``-hda FILE``, or a file alone, stands for."""
    more = {
        "": "index=0,media=disk",
        "hda": "index=0,media=disk",
        "hdb": "index=1,media=disk",
        "hdc": "index=2,media=disk",
        "hdd": "index=3,media=disk",
        "cdrom": "index=2,media=cdrom",
        "fda": "if=floppy,index=0",
        "fdb": "if=floppy,index=1",
        "sd": "if=sd",
    }[option]
    text = f"file={value.replace(',', ',,')},{more}"
    drive = OptionList("-drive", text)
    drive.option, drive.text = (f"-{option}", value) if option else ("", value)
    return drive
