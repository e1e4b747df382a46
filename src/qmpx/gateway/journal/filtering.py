"""Which events a client wants, of those that it may see."""

import fnmatch
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from qmpx.errors import GenericError

MAX_PATTERNS: Final = 64
"""Patterns of one subscription: QEMU has about sixty events."""

MAX_PATTERN: Final = 256
"""Characters of one pattern: many times the longest name."""

MAX_MATCH: Final = 16
"""Members that one subscription compares: more than any event has."""

MAX_REMEMBERED: Final = 1024
"""Names of events of which a subscription remembers whether it wants them."""


class Filter:
    """Which events a client wants.

    Args:
        patterns: Of names; ``None``: all.
        match: Members of the data, and what they must be; in a name, dots lead into
            members of members.
    """

    __slots__ = ("_known", "_match", "_patterns")

    def __init__(self, patterns: list[str] | None, match: dict[str, Any]) -> None:
        self._patterns = patterns
        self._match = [(name.split("."), value) for name, value in match.items()]
        self._known: dict[str, bool] = {}

    @property
    def takes_all(self) -> bool:
        """Whether there is nothing to look at."""
        return self._patterns is None and not self._match

    def wants(self, name: str, data: Raw | UnsetType) -> bool:
        """Whether an event is wanted."""
        wanted = self._known.get(name)
        if wanted is None:
            patterns = self._patterns
            wanted = patterns is None or any(
                fnmatch.fnmatchcase(name, pattern) for pattern in patterns
            )
            if len(self._known) < MAX_REMEMBERED:
                self._known[name] = wanted
        return wanted and (not self._match or self._matches(data))

    def _matches(self, data: Raw | UnsetType) -> bool:
        if data is UNSET:
            return False
        try:
            whole = msgspec.json.decode(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return False
        return all(_at(whole, path) == value for path, value in self._match)


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return UNSET
        value = value[name]
    return value


class Narrowed:
    """A client that gets some events, as they come."""

    def __init__(self, wanted: Filter) -> None:
        self._filter = wanted

    def select(
        self,
        sequence: int,  # noqa: ARG002 - for those who number
        name: str,
        data: Raw | UnsetType,
        message: bytes,
    ) -> bytes | None:
        """Return the event as it is, if it is wanted."""
        return message if self._filter.wants(name, data) else None


def filter_for(events: list[str] | None, match: dict[str, Any]) -> Filter:
    """Return the filter for what a client has asked for.

    Args:
        events: Patterns of names; ``None``: all.
        match: Members of the data, and what they must be.

    Raises:
        GenericError: It is more than a client may ask for.
    """
    if events is not None and len(events) > MAX_PATTERNS:
        message = f"Parameter 'events' has more than {MAX_PATTERNS} patterns"
        raise GenericError(message)
    if any(len(pattern) > MAX_PATTERN for pattern in events or ()):
        message = f"Parameter 'events' has a pattern of more than {MAX_PATTERN}"
        raise GenericError(f"{message} characters")
    if len(match) > MAX_MATCH:
        message = f"Parameter 'match' has more than {MAX_MATCH} members"
        raise GenericError(message)
    return Filter(events, match)
