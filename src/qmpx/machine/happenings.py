"""What a machine tells of itself: plain values, which a dialect turns into events."""

from typing import Final

from qmpx.machine.values import Value
from qmpx.machine.vnc_happenings import VncConnected, VncDisconnected, VncInitialized


class Stopped(Value, frozen=True):
    """The virtual processors stand still."""


class Resumed(Value, frozen=True):
    """The virtual processors run again."""


class Reset(Value, frozen=True):
    """The machine was reset.

    Attributes:
        by_guest: Whether the guest asked for it.
        reason: Such as ``host-qmp-system-reset``.
    """

    by_guest: bool
    reason: str


class PowerButtonPressed(Value, frozen=True):
    """The guest was asked to power down."""


class Suspended(Value, frozen=True):
    """The guest has gone to sleep."""


class WokenUp(Value, frozen=True):
    """The guest was woken up."""


class ShutDown(Value, frozen=True):
    """The machine is off.

    Attributes:
        by_guest: Whether the guest did it.
        reason: Such as ``host-qmp-quit``.
    """

    by_guest: bool
    reason: str


class TrayMoved(Value, frozen=True):
    """The tray of a drive was opened or closed.

    Attributes:
        device: The drive's back end.
        id: The device's path or id in the machine.
        is_open: Where the tray is now.
    """

    device: str
    id: str
    is_open: bool


class BlockIOError(Value, frozen=True):
    """A drive could not do what the guest asked of it.

    Attributes:
        device: The drive's back end.
        operation: ``read`` or ``write``.
        action: What was done about it: ``ignore``, ``report`` or ``stop``.
        reason: What the host said.
        is_full: Whether it was that there is no room.
    """

    device: str
    operation: str
    action: str
    reason: str = "Input/output error"
    is_full: bool = False


class ClockSet(Value, frozen=True):
    """The guest set its real-time clock.

    Attributes:
        offset: Guest time less host time, in seconds.
    """

    offset: int


class WatchdogExpired(Value, frozen=True):
    """The guest let its watchdog expire.

    Attributes:
        action: What follows: ``reset``, ``shutdown``, ``poweroff``, ``pause``,
            ``debug`` or ``none``.
    """

    action: str


class BalloonChanged(Value, frozen=True):
    """The guest gave memory back, or took it.

    Attributes:
        actual: What it has now, in bytes.
    """

    actual: int


class MigrationMoved(Value, frozen=True):
    """An outgoing or incoming migration has come to another state.

    Attributes:
        status: Such as ``active`` or ``completed``.
    """

    status: str


class MigrationPassBegan(Value, frozen=True):
    """A migration goes over the memory once more.

    Attributes:
        number: Which time it is, from 1.
    """

    number: int


class IncomingMoved(Value, frozen=True):
    """A machine that was awaited has come, or will not come any more.

    Attributes:
        has_come: Whether this machine is the other one now.
        reason: Why not.
    """

    has_come: bool
    reason: str


class DeviceUnplugged(Value, frozen=True):
    """A device has gone out of the machine.

    Attributes:
        id: Its id; ``None`` if it had none.
        path: Where it was.
    """

    id: str | None
    path: str


class WriteThresholdReached(Value, frozen=True):
    """A block node was written beyond the place that was watched.

    Attributes:
        node_name: The node.
        exceeded: By how many bytes.
        threshold: The place.
    """

    node_name: str
    exceeded: int
    threshold: int


class JobMoved(Value, frozen=True):
    """A job has come to another state.

    Attributes:
        id: The job.
        status: Such as ``running``.
    """

    id: str
    status: str


class BlockJobTold(Value, frozen=True):
    """A block job tells of itself.

    Attributes:
        what: ``ready``, ``completed``, ``cancelled`` or ``pending``.
        id: The job.
        type: Such as ``mirror``.
        length: Bytes that there are to do.
        offset: Bytes that are done.
        speed: Bytes a second that it may do; 0 for any.
        error: What went wrong, if something did.
    """

    what: str
    id: str
    type: str
    length: int = 0
    offset: int = 0
    speed: int = 0
    error: str | None = None


class BlockJobFailed(Value, frozen=True):
    """A block job could not read or write.

    Attributes:
        id: The job.
        operation: ``read`` or ``write``.
        action: What is done about it: ``report``, ``ignore`` or ``stop``.
    """

    id: str
    operation: str
    action: str


class ExportDeleted(Value, frozen=True):
    """A block export is gone.

    Attributes:
        id: The export.
    """

    id: str


class GuestPanicked(Value, frozen=True):
    """The guest has given up.

    Attributes:
        action: What follows: ``pause``, ``poweroff`` or ``run``.
    """

    action: str


class GuestCrashLoaded(Value, frozen=True):
    """The guest has gone over to its crash kernel.

    Attributes:
        action: What follows: ``run``.
    """

    action: str


REFUSED: Final = (3, 1)
"""What a guest says of a memory module that it keeps: that it was asked to eject it,
and has failed (ACPI 6.3, ``_OST``)."""


class UnplugRefused(Value, frozen=True):
    """The guest does not let a device go.

    Attributes:
        id: Its id; ``None`` if it has none.
        path: Where it is.
        slot: The slot of a memory module; ``None`` for other devices.
    """

    id: str | None
    path: str
    slot: int | None = None


class MemoryDeviceResized(Value, frozen=True):
    """A memory device gives the guest more or less memory than before.

    Attributes:
        id: Its id; ``None`` if it has none.
        size: Bytes that the guest has of it now.
        path: Where it is.
    """

    id: str | None
    size: int
    path: str


class DumpEnded(Value, frozen=True):
    """The machine's memory was written to a file, or not all of it.

    Attributes:
        status: ``completed`` or ``failed``.
        completed: Bytes of memory that were written.
        total: Bytes of memory that there are.
        error: Why it failed; else empty.
    """

    status: str
    completed: int
    total: int
    error: str = ""


class PortOpened(Value, frozen=True):
    """A program of the guest has opened or closed a port.

    Attributes:
        id: The port's id.
        is_open: Whether it is open now.
    """

    id: str
    is_open: bool


class Exited(Value, frozen=True):
    """The machine ended without switching off: its watchdog pulled the plug."""


Happening = (
    Stopped
    | Resumed
    | Reset
    | PowerButtonPressed
    | Suspended
    | WokenUp
    | ShutDown
    | TrayMoved
    | BlockIOError
    | ClockSet
    | WatchdogExpired
    | BalloonChanged
    | VncConnected
    | VncInitialized
    | VncDisconnected
    | MigrationMoved
    | MigrationPassBegan
    | IncomingMoved
    | DeviceUnplugged
    | UnplugRefused
    | MemoryDeviceResized
    | WriteThresholdReached
    | JobMoved
    | BlockJobTold
    | BlockJobFailed
    | ExportDeleted
    | GuestPanicked
    | GuestCrashLoaded
    | DumpEnded
    | PortOpened
    | Exited
)
