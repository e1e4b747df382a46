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

_LISTS: Final = ("dnssearch", "hostfwd", "guestfwd")
"""What ``-netdev`` may say several times: the members of a list of texts."""

_LISTED: Final = {"-device": "device", "-netdev": "netdev", "-object": "object"}
"""Options whose ids are looked at before anything is made."""

_SHORT_NUMBER: Final = 18  # what has more digits may not fit into 64 bits


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
        if option == "-netdev":
            values |= _lists(option, value)
    if implied not in values:
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    if option in _LISTED and (id_ := values.get("id")) is not None:
        _check_id(line, option, value, id_)
    line.backends.append(Backend(option, value, is_json=False, values=values))


def _lists(option: str, value: str) -> dict[str, Any]:
    """Return the lists of an option that says each of their members by itself."""
    found: dict[str, Any] = {}
    for name, text in OptionList(option, value, None, "type").pairs:
        if name in _LISTS:
            found.setdefault(name, []).append({"str": text})
    return found


def _check_id(line: CommandLine, option: str, value: str, id_: Any) -> None:
    """Refuse an id that is none, or that another such option has.

    Raises:
        StartFailure: It is none, or taken.
    """
    OptionList(option, value)  # which looks at it
    for other in line.backends:
        if (
            other.option == option
            and not other.is_json
            and other.values.get("id") == id_
        ):
            message = f"Duplicate ID '{id_}' for {_LISTED[option]}"
            raise StartFailure(message, option, value)


def _read_json(option: str, value: str) -> dict[str, Any]:
    import json  # a greeting needs none

    try:
        values = json.loads(
            value, object_pairs_hook=_members, parse_int=_int, parse_constant=_int
        )
    except (ValueError, RecursionError):
        values = _read_faithfully(option, value)
    else:
        if not value.isascii() or "\\u" in value:
            values = _read_faithfully(option, value)
    implied = BACKENDS[option[1:]]
    if not isinstance(values.get(implied), str):
        raise StartFailure(f"Parameter '{implied}' is missing", option, value)
    return dict(values)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError(pairs)
    return members


def _int(text: str) -> int:
    """Return a number that is the same for everybody."""
    if len(text) > _SHORT_NUMBER:
        raise ValueError(text)
    return int(text)


def _read_faithfully(option: str, value: str) -> Any:
    """Return what QEMU takes for JSON, and others may not.

    Raises:
        StartFailure: It is none for QEMU.
    """
    from qmpx.errors import GenericError
    from qmpx.wire.value import read_value

    try:
        return read_value(value)
    except GenericError as error:
        raise StartFailure(error.desc, option, value) from None


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
        "mtdblock": "if=mtd",
        "pflash": "if=pflash",
    }[option]
    text = f"file={value.replace(',', ',,')},{more}"
    drive = OptionList("-drive", text)
    drive.option, drive.text = (f"-{option}", value) if option else ("", value)
    return drive
