"""The members of a fault's description: whether they are what they must be.

What is wrong is said when a fault is described, not when it sets in: by then somebody
waits for a reply.
"""

import math
from typing import Any, Final

from qmpx.errors import QmpxError
from qmpx.standin.faults.kind import Parameter

MAX_DEPTH: Final = 100
"""Brackets open at once in what a fault answers or sends: there each level costs a
level of Python's."""

_WORDS: Final = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
    list: "an array",
}


class FaultError(QmpxError, ValueError):
    """A fault is not described as it must be.

    Args:
        message: What was expected.
        member: Which member of the description is wrong; empty if a whole is.
    """

    exit_status = 2

    def __init__(self, message: str, member: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.member = member


def checked(member: str, value: Any, parameter: Parameter) -> Any:
    """Return what a member of a description stands for.

    Args:
        member: Its name.
        value: What was given.
        parameter: What it must be.

    Raises:
        FaultError: It has another type, is too small or too large, or cannot be sent.
    """
    if value is None and parameter.default is None:
        return value
    expected = parameter.type
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if expected is float and is_number:
        value = _as_float(value)
    elif expected is not object and (
        not isinstance(value, expected) or (expected is int and not is_number)
    ):
        word = _WORDS[expected]
        raise FaultError(f"expected {word} for {member!r}, not {value!r}", member)
    if expected in (int, float):
        _check_number(member, value, parameter.most)
    elif expected is not bool and (fault := _what_is_no_json(value)):
        raise FaultError(f"expected JSON for {member!r}, not {fault}", member)
    if parameter.check is not None and (wanted := parameter.check(value)):
        raise FaultError(f"expected {wanted} for {member!r}", member)
    return value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _check_number(member: str, value: float, most: float | None) -> None:
    if not value >= 0:  # which is so for what is not a number, too
        raise FaultError(f"{member!r} is {value}: expected 0 or more", member)
    if most is not None and value > most:
        message = f"{member!r} is {value}: expected {most:g} at most"
        raise FaultError(message, member)


def _what_is_no_json(value: Any) -> str | None:
    """Return what there is in a value that cannot be sent, in words."""
    level = [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for each in level:
            match each:
                case str():
                    if any("\ud800" <= character <= "\udfff" for character in each):
                        return "half a character"
                case float() if not math.isfinite(each):
                    return repr(each)
                case None | bool() | int() | float():
                    pass
                case dict():
                    deeper += [*each.keys(), *each.values()]
                    if not all(isinstance(name, str) for name in each):
                        return "a name that is no string"
                case list():
                    deeper += each
                case _:
                    return repr(each)
        if not deeper:
            return None
        level = deeper
    return f"more than {MAX_DEPTH} levels"
