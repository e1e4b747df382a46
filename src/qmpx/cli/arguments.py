"""Arguments of a command as people type them: ``key=value`` and ``key:=json``."""

from __future__ import annotations

import json
import re

from qmpx.errors import LocalProtocolError

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Final

_WRONG_TYPE: Final = (
    r"Invalid parameter type for '(?P<name>[^']*)', expected: (?P<type>\S+)"
)
"""What QEMU says of a text where it wants something else."""


def read_arguments(words: Iterable[str]) -> dict[str, Any]:
    """Return the arguments that *words* stand for.

    ``key=value`` gives a string, ``key:=JSON`` anything else, ``a.b=value`` a member of
    an object within. A name with a dot in it cannot be given like this.

    Raises:
        LocalProtocolError: A word is none of these, or contradicts one before.
    """
    arguments: dict[str, Any] = {}
    for word in words:
        key, separator, text = word.partition("=")
        value: Any = text
        if not separator or key in ("", ":"):
            message = (
                f"{word!r} is no argument: expected key=value for a string, or "
                "key:=JSON for anything else"
            )
            raise LocalProtocolError(message)
        if key.endswith(":"):
            key = key[:-1]
            value = _read_json(word, text)
        _put(arguments, key, value, word)
    return arguments


def _read_json(word: str, text: str) -> Any:
    def refuse(name: str) -> Any:
        message = f"JSON has no {name}"
        raise ValueError(message)

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        message = (
            f"{word!r}: what follows ':=' is no JSON ({error}). Strings go without the "
            "colon: key=value"
        )
        raise LocalProtocolError(message) from None


def _put(arguments: dict[str, Any], key: str, value: Any, word: str) -> None:
    *parents, last = key.split(".")
    place = arguments
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            message = f"{word!r}: {parent!r} was given another value before"
            raise LocalProtocolError(message)
    if "" in (*parents, last):
        message = f"{word!r}: a name is empty"
        raise LocalProtocolError(message)
    if last in place:
        message = f"{word!r}: {key!r} was given before"
        raise LocalProtocolError(message)
    place[last] = value


def how_to_type(complaint: str, words: Iterable[str]) -> str:
    """Return how to write what the peer found to be a text, and should be none.

    Args:
        complaint: What the peer says.
        words: The arguments as they were typed.

    Returns:
        A line; empty if that is not what is wrong.
    """
    match = re.match(_WRONG_TYPE, complaint)
    if match is None or match["type"] == "string":
        return ""
    for word in words:
        key, separator, text = word.partition("=")
        if separator and f".{key}".endswith(f".{match['name']}"):
            shown = text if _is_json(text) else "JSON"
            return f"{word!r} gives a text; for anything else write {key}:={shown}"
    return ""


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
