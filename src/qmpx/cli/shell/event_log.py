"""The events that the shell has seen: which are kept, and which are wanted."""

from collections import deque
from fnmatch import fnmatchcase
from typing import Final

from qmpx.client.events import Event

KEPT_EVENTS: Final = 200
"""Events that ``events last`` can show: some screens full."""

_STATES: Final = {
    "STOP": "paused",
    "RESUME": "running",
    "SHUTDOWN": "shutdown",
    "SUSPEND": "suspended",
    "GUEST_PANICKED": "guest-panicked",
}


class EventLog:
    """The events of a conversation.

    Attributes:
        state: The machine's state, as far as events told; empty if it is not known.
    """

    def __init__(self) -> None:
        self.state = ""
        self._patterns: list[str] = []
        self._kept: deque[Event] = deque(maxlen=KEPT_EVENTS)

    @property
    def last(self) -> list[Event]:
        """The events that are kept, the oldest first."""
        return list(self._kept)

    def take(self, event: Event) -> bool:
        """Keep an event; tell whether it is wanted."""
        self._kept.append(event)
        self.state = _STATES.get(event.name, self.state)
        return self._is_wanted(event.name)

    def want(self, patterns: list[str]) -> str:
        """Choose what is wanted from now on; return that in words.

        Args:
            patterns: Names, ``*`` and ``?`` being wildcards; ``!NAME`` is one that is
                not wanted. None: all are wanted.
        """
        self._patterns = patterns
        if not patterns:
            return "all events are shown"
        conditions = []
        if wanted := [each for each in patterns if not each.startswith("!")]:
            conditions.append(f"is {' or '.join(wanted)}")
        if refused := [each[1:] for each in patterns if each.startswith("!")]:
            conditions.append(f"is not {' or '.join(refused)}")
        return f"events are shown whose name {' and '.join(conditions)}"

    def want_none(self) -> str:
        """Want no events from now on; return that in words."""
        self._patterns = ["!*"]
        return "no events are shown"

    def _is_wanted(self, name: str) -> bool:
        refused = [each[1:] for each in self._patterns if each.startswith("!")]
        wanted = [each for each in self._patterns if not each.startswith("!")]
        if any(fnmatchcase(name, each) for each in refused):
            return False
        return not wanted or any(fnmatchcase(name, each) for each in wanted)
