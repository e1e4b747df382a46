"""``[limits]`` and ``[lease]``: how much clients may ask for, and for how long."""

from typing import Final, Literal

from msgspec import Struct

from qmpx.transport.channel import HIGH_WATER

MAX_UNREAD: Final = 16 * 1024 * 1024
"""Bytes that wait for a client that does not read them: the largest reply of QEMU many
times over. A client with more is disconnected."""

STALL: Final = 60.0
"""Seconds in which a client that has something to read must read something."""


class LimitsSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The section ``[limits]``; 0 is no limit.

    Attributes:
        rate: Commands a second of one client, in the long run.
        burst: Commands that it may have ahead of that.
        identity_rate: Commands a second of all clients of one identity.
        identity_burst: Commands that they may have ahead of that.
        in_flight: Commands of one client that are not answered.
        identity_in_flight: The same for all clients of one identity.
        excess: What becomes of a command that is too much: ``pause`` lets it wait, and
            its client is not read; ``refuse`` refuses it.
        connections: Connections a second from one peer: a user of this host, or an
            address. What is too much is closed before it is greeted.
        connection_burst: Connections that it may have ahead of that.
        clients: Clients of one identity at once; further ones are closed likewise.
        max_unread: Bytes that wait for a client.
        stall: Seconds in which a client must read something.
    """

    rate: float = 0.0
    burst: int = 100
    identity_rate: float = 0.0
    identity_burst: int = 200
    in_flight: int = 0
    identity_in_flight: int = 0
    excess: Literal["pause", "refuse"] = "pause"
    connections: float = 0.0
    connection_burst: int = 20
    clients: int = 0
    max_unread: int = MAX_UNREAD
    stall: float = STALL

    def __post_init__(self) -> None:
        for name in ("rate", "identity_rate", "connections", "stall"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{_wire(name)}: expected 0 or more")
        for name in ("burst", "identity_burst", "connection_burst"):
            if getattr(self, name) < 1:
                raise ValueError(f"{_wire(name)}: expected at least 1")
        for name in ("in_flight", "identity_in_flight", "clients"):
            if getattr(self, name) < 0:
                raise ValueError(f"{_wire(name)}: expected 0 or more")
        if self.max_unread and self.max_unread < HIGH_WATER:
            raise ValueError(f"max-unread: expected at least {HIGH_WATER}, or 0")


def _wire(name: str) -> str:
    return name.replace("_", "-")


MAX_SECONDS: Final = 3600.0
"""Seconds of the longest lease: longer than a backup, and not a day when a program that
took one is stuck."""


class LeaseSettings(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The section ``[lease]``.

    Attributes:
        max_seconds: The longest lease.
    """

    max_seconds: float = MAX_SECONDS

    def __post_init__(self) -> None:
        if not 0 < self.max_seconds <= MAX_SECONDS:
            message = f"max-seconds: expected more than 0, and at most {MAX_SECONDS:g}"
            raise ValueError(message)
