"""Conditions on the arguments of a command. Pure.

A condition names a place in the arguments (``path.to.member``; ``*`` stands for every
element of an array, or every member of an object) and says what must be there.

A condition is used with one of two intentions, and what is doubtful is settled against
the client each time: to allow, all the values at the place must fit, and there must be
one; to refuse, it is enough that one does.
"""

import re
import warnings
from collections.abc import Iterator
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType

from qmpx.gateway.policy.host_paths import has_parent, is_within, normalised

MAX_PATTERN: Final = 256
"""Most characters of a regular expression: more is no rule that a person checks."""

MAX_SUBJECT: Final = 512
"""Most characters that a regular expression is held against. With `MAX_REPEATS` and
`MAX_CHOICES` the steps that the worst text costs stay within a fraction of a second."""

MAX_REPEATS: Final = 2
"""Most repetitions (``*``, ``+``, ``{}``) in one: each multiplies the steps that a
hostile text may cost by its length."""

MAX_CHOICES: Final = 6
"""Most choices (``?``, ``|``) in one: each may double the steps."""

Scalar = str | int | float | bool | None


class Condition(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What must be at one place of the arguments.

    Attributes:
        path: The place: names of members, parted by dots.
        equals: The value.
        one_of: The values, one of which it is.
        prefix: The directory that the value, a path, is or lies in. ``.`` and ``..``
            are taken out before; no path with ``..`` is allowed by it.
        matches: A regular expression for the whole of a string.
        is_there: Whether there is to be a value at all.

    Raises:
        ValueError: It says nothing, or more than one thing, or the regular expression
            is not one, or could take too long.
    """

    path: str
    equals: Scalar | UnsetType = UNSET
    one_of: tuple[Scalar, ...] | UnsetType = UNSET
    prefix: str | UnsetType = UNSET
    matches: str | UnsetType = UNSET
    is_there: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what cannot be decided by."""
        said = [self.equals, self.one_of, self.prefix, self.matches, self.is_there]
        if sum(each is not UNSET for each in said) != 1:
            message = (
                "expected exactly one of equals, one-of, prefix, matches, is-there"
            )
            raise ValueError(message)
        if not self.path or not all(self.path.split(".")):
            message = f"path {self.path!r} has an empty part"
            raise ValueError(message)
        if isinstance(self.matches, str):
            check_pattern(self.matches)
        if isinstance(self.prefix, str) and normalised(self.prefix) is None:
            message = f"prefix {self.prefix!r} is no absolute path"
            raise ValueError(message)

    def holds(self, arguments: object, *, to_allow: bool) -> bool:
        """Whether it holds for these arguments.

        Args:
            arguments: What was decoded.
            to_allow: Whether the command is allowed if so; see the module.
        """
        values = list(_at(arguments, self.path.split(".")))
        if self.is_there is not UNSET:
            return bool(values) is self.is_there
        if not values:
            return False
        quantifier = all if to_allow else any
        return quantifier(self._fits(value, to_allow=to_allow) for value in values)

    def _fits(self, value: Any, *, to_allow: bool) -> bool:
        if self.equals is not UNSET:
            return same(value, self.equals)
        if self.one_of is not UNSET:
            return any(same(value, each) for each in self.one_of)
        if not isinstance(value, str):
            return False
        if isinstance(self.prefix, str):
            return is_within(value, self.prefix) and not (
                to_allow and has_parent(value)
            )
        if len(value) > MAX_SUBJECT:
            return not to_allow
        return re.fullmatch(str(self.matches), value, re.DOTALL) is not None


def same(one: object, other: object) -> bool:
    """Whether two values are the same in JSON, where ``true`` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    return one == other


def check_pattern(pattern: str) -> None:
    """Look at a regular expression.

    Raises:
        ValueError: It is none, or has a form whose time cannot be bounded.
    """
    if len(pattern) > MAX_PATTERN:
        message = f"the pattern is longer than {MAX_PATTERN} characters"
        raise ValueError(message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what may mean something else one day
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        message = f"the pattern {pattern!r} is none: {error}"
        raise ValueError(message) from error
    bare = re.sub(r"\\[^0-9]", "_", pattern)
    bare = re.sub(r"\[\^?\]?[^]]*\]", "_", bare).replace("(?:", "(")
    if re.search(r"\\[0-9]|\(\?", bare):
        message = f"the pattern {pattern!r} refers to itself, which may take for ever"
        raise ValueError(message)
    if re.search(r"\)[*+{]", bare):
        message = f"the pattern {pattern!r} repeats a group, which may take for ever"
        raise ValueError(message)
    if len(re.findall(r"[*+{]", bare)) > MAX_REPEATS:
        message = f"the pattern {pattern!r} has more than {MAX_REPEATS} repetitions"
        raise ValueError(message)
    if len(re.findall(r"[?|]", bare)) > MAX_CHOICES:
        message = f"the pattern {pattern!r} has more than {MAX_CHOICES} choices"
        raise ValueError(message)


def _at(value: object, path: list[str]) -> Iterator[object]:
    """Give every value at a place."""
    if not path:
        yield value
        return
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        if first == "*":
            for each in value.values():
                yield from _at(each, rest)
        elif first in value:
            yield from _at(value[first], rest)
    elif isinstance(value, list) and first == "*":
        for each in value:
            yield from _at(each, rest)
