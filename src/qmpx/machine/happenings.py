"""What a machine tells of itself: plain values, which a dialect turns into events."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stopped:
    """The virtual processors stand still."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The virtual processors run again."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The machine was reset.

    Attributes:
        by_guest: Whether the guest asked for it.
        reason: Such as ``host-qmp-system-reset``.
    """

    by_guest: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PowerButtonPressed:
    """The guest was asked to power down."""


@dataclass(frozen=True, slots=True)
class Suspended:
    """The guest has gone to sleep."""


@dataclass(frozen=True, slots=True)
class WokenUp:
    """The guest was woken up."""


@dataclass(frozen=True, slots=True)
class ShutDown:
    """The machine is off.

    Attributes:
        by_guest: Whether the guest did it.
        reason: Such as ``host-qmp-quit``.
    """

    by_guest: bool
    reason: str


@dataclass(frozen=True, slots=True)
class TrayMoved:
    """The tray of a drive was opened or closed.

    Attributes:
        device: The drive's back end.
        id: The device's path or id in the machine.
        is_open: Where the tray is now.
    """

    device: str
    id: str
    is_open: bool


Happening = (
    Stopped
    | Resumed
    | Reset
    | PowerButtonPressed
    | Suspended
    | WokenUp
    | ShutDown
    | TrayMoved
)
