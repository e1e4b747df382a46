"""Events as the types of generated bindings."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from qmpx.client.events import RECONNECTED, Event
from qmpx.qapi.tolerance import read_value_as
from qmpx.qapi.typed import EventData

E = TypeVar("E", bound=EventData)


class Reconnected(EventData, kw_only=True):
    """The connection was lost and is back; events may be missing.

    A subscription to types gets it if it asks for it.
    """

    event_name = RECONNECTED


class EventTypes(Generic[E]):
    """Reads events as one of several types.

    Args:
        types: The types.

    Raises:
        TypeError: One of these is no type of an event.
    """

    __slots__ = ("_types",)

    def __init__(self, types: Sequence[Any]) -> None:
        for each in types:
            if not (isinstance(each, type) and issubclass(each, EventData)):
                message = (
                    f"{each!r} is no event: subscribe to types of generated bindings, "
                    "or to names"
                )
                raise TypeError(message)
        self._types: dict[str, type[E]] = {each.event_name: each for each in types}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of these events on the wire."""
        return tuple(self._types)

    def read(self, event: Event) -> E | None:
        """Return an event as its type, or ``None`` if it is of none of these.

        Raises:
            RemoteProtocolError: Its data are not as declared.
        """
        cls = self._types.get(event.name)
        if cls is None:
            return None
        read: E = read_value_as(cls, event.data, f"the event {event.name}")
        read.__dict__["timestamp"] = event.timestamp
        return read
