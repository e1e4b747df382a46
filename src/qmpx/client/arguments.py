"""The arguments of a command, as a caller gives them and as JSON."""

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from qmpx.errors import LocalProtocolError

Arguments = Mapping[str, Any] | Struct | None
BatchCommand = str | tuple[str, Arguments]


def merge(arguments: Arguments, more: dict[str, Any]) -> Arguments:
    """Return the arguments of a call, given as a mapping, as keywords or as both."""
    if not more:
        return arguments
    if isinstance(arguments, Struct):
        message = "arguments that are a Struct are all there are: there can be no more"
        raise LocalProtocolError(message)
    return {**arguments, **more} if arguments else more


def encode_arguments(value: Any) -> bytes:
    """Return JSON for a peer.

    Raises:
        LocalProtocolError: JSON cannot hold the value.
    """
    try:
        text = msgspec.json.encode(value, enc_hook=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"JSON cannot hold {value!r}: {error}"
        raise LocalProtocolError(message) from error
    # msgspec writes null for what JSON has no number for.
    if _may_hold_no_number(value) and b"null" in text and _holds_no_number(value):
        message = f"JSON cannot hold an infinity or NaN: {value!r}"
        raise LocalProtocolError(message)
    return text


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} is no type of JSON"
    raise TypeError(message)


def _may_hold_no_number(value: Any) -> bool:
    """Whether a look at the text is worth while: seldom, and it may be long."""
    return not isinstance(value, str) and not (
        isinstance(value, dict)
        and all(type(each) in (str, int, bool) for each in value.values())
    )


def _holds_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return any(_holds_no_number(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_no_number(each) for each in value)
    return False
