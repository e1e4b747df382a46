"""Whether a command changes something: by its name, or by its arguments. Pure.

What is not known to read only counts as changing. So a command of a newer release is
announced in the audit, and held back by a lease, until it is entered in
`qmpx.qapi.danger`.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.gateway.policy.profiles import LOCAL_DANGERS
from qmpx.qapi.danger import HAZARDS, Danger

_BEGINNINGS: Final = ("query-", "x-query-")
_CHANGING: Final = frozenset({"query-rx-filter", "ringbuf-read"})
"""They read, and change thereby: an event is armed again, a console is emptied."""

_READING: Final = (Danger.READ, Danger.LEAK)
_READS: Final = (
    frozenset(
        {name for name, hazard in HAZARDS.items() if hazard.danger in _READING}
        | {name for name, danger in LOCAL_DANGERS.items() if danger in _READING}
        | {"qmp_capabilities"}
    )
    - _CHANGING
)


def changes(name: str, arguments: Raw | UnsetType = UNSET) -> bool:
    """Whether a command changes the machine, or the gateway's state.

    Args:
        name: The command.
        arguments: An object, unread; only ``human-monitor-command`` has them read.
    """
    if name in _READS:
        return False
    if name == "human-monitor-command":
        return not _is_info(arguments)
    return name in _CHANGING or not name.startswith(_BEGINNINGS)


def _is_info(arguments: Raw | UnsetType) -> bool:
    if arguments is UNSET:
        return False
    try:
        value: Any = msgspec.json.decode(bytes(arguments))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    line = value.get("command-line") if isinstance(value, dict) else None
    return isinstance(line, str) and line.split()[:1] == ["info"]
