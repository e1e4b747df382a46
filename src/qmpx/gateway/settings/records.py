"""``[audit]`` and ``[journal]``: what is written down, where, and for how long."""

from typing import Final, Literal

from msgspec import Struct

MAX_AUDIT_FILE: Final = 64 * 1024 * 1024
"""Bytes of a file, after which the next one is begun: some 200,000 lines, which are
verified in about a second."""

LEAST_AUDIT_FILE: Final = 16 * 1024
"""Bytes of the smallest file of an audit: one line with large arguments, in full."""

MAX_JOURNAL: Final = 256 * 1024 * 1024
"""Bytes of events that are kept: about a million."""

MAX_EVENTS: Final = 1_000_000
"""Events that are kept: of small ones, what `MAX_JOURNAL` comes to with their rows."""

MAX_AGE: Final = 7 * 86400.0
"""Seconds that an event is kept: over a week-end, and the day after."""

_YEAR: Final = 366 * 86400.0


class AuditSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The section ``[audit]``.

    Attributes:
        path: The file.
        max_size: Bytes of a file; then the next one is begun.
        keep: How many earlier files stay; 0: all.
        sync: When lines are forced to the disk: ``always``, before what they announce
            goes on; ``interval``, each second; ``never``, when the system does it. It
            matters for a loss of power only.
        reads: Whether commands that change nothing have a line, too.
        key_file: The file of the key by which lines are proved; empty: there is none,
            and whoever can write the files can write another history.
    """

    path: str
    max_size: int = MAX_AUDIT_FILE
    keep: int = 0
    sync: Literal["always", "interval", "never"] = "interval"
    reads: bool = True
    key_file: str = ""

    def __post_init__(self) -> None:
        if self.max_size < LEAST_AUDIT_FILE:
            message = f"max-size: expected at least {LEAST_AUDIT_FILE}"
            raise ValueError(message)
        if self.keep < 0:
            message = "keep: expected 0 or more"
            raise ValueError(message)


class JournalSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The section ``[journal]``.

    Attributes:
        path: The file.
        synchronous: ``full``: an event that a client was given survives a loss of
            power; ``normal``: it survives the end of the process.
        max_size: Bytes of events that are kept.
        max_events: Events that are kept.
        max_age: Seconds that they are kept.
    """

    path: str
    synchronous: Literal["full", "normal"] = "full"
    max_size: int = MAX_JOURNAL
    max_events: int = MAX_EVENTS
    max_age: float = MAX_AGE

    def __post_init__(self) -> None:
        if self.max_size < 1 or self.max_events < 1:
            message = "max-size, max-events: expected at least 1"
            raise ValueError(message)
        if not 0 < self.max_age <= 100 * _YEAR:
            message = "max-age: expected more than 0 seconds, and at most 100 years"
            raise ValueError(message)
