"""How far a migration is, and how long its parts took."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is.

    Attributes:
        transferred: Bytes that were sent, those sent again included.
        remaining: Bytes that are still to go.
        total: Bytes that there are.
    """

    transferred: int
    remaining: int
    total: int


@dataclass(slots=True)
class Statistics:
    """What there is to know of a migration, while it runs and afterwards.

    Times are microseconds of the host's clock; 0 is a time that has not come.

    Attributes:
        began: When it was asked for.
        set_up: When the way stood.
        stopped: When the machine stood still.
        ended: When it was over.
        total: Bytes of RAM.
        remaining: Bytes of RAM that were still to go.
        transferred: Bytes of RAM that count as sent, those sent again included.
        sent_still: Of those, bytes sent after the machine stood still.
        is_postcopy: Whether that was because postcopy was asked for.
        used_pages: Pages that counted in full.
        unused_pages: Pages that counted as one byte.
        passes: How many times RAM was begun.
    """

    began: int = 0
    set_up: int = 0
    stopped: int = 0
    ended: int = 0
    total: int = 0
    remaining: int = 0
    transferred: int = 0
    sent_still: int = 0
    is_postcopy: bool = False
    used_pages: int = 0
    unused_pages: int = 0
    passes: int = 0
