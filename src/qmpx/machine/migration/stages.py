"""How far a migration to elsewhere is, and how it ended."""

import enum


class Phase(enum.Enum):
    """How far it is."""

    CONNECTING = "connecting"
    LIVE = "live"
    WAITING = "waiting"
    CLOSING = "closing"
    COMMITTED = "committed"
    ENDED = "ended"


class Outcome(enum.Enum):
    """How it ended, in QEMU's words."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
