"""What a machine tells of itself: plain values, which a dialect turns into events."""

from typing import NamedTuple


class Stopped(NamedTuple):
    """The virtual processors stand still."""


class Resumed(NamedTuple):
    """The virtual processors run again."""


class Reset(NamedTuple):
    """The machine was reset.

    Attributes:
        by_guest: Whether the guest asked for it.
        reason: Such as ``host-qmp-system-reset``.
    """

    by_guest: bool
    reason: str


class PowerButtonPressed(NamedTuple):
    """The guest was asked to power down."""


class Suspended(NamedTuple):
    """The guest has gone to sleep."""


class WokenUp(NamedTuple):
    """The guest was woken up."""


class ShutDown(NamedTuple):
    """The machine is off.

    Attributes:
        by_guest: Whether the guest did it.
        reason: Such as ``host-qmp-quit``.
    """

    by_guest: bool
    reason: str


class TrayMoved(NamedTuple):
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
