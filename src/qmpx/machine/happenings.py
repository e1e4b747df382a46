"""What a machine tells of itself: plain values, which a dialect turns into events."""

from dataclasses import dataclass
from typing import Final


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


@dataclass(frozen=True, slots=True)
class BlockIOError:
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


@dataclass(frozen=True, slots=True)
class ClockSet:
    """The guest set its real-time clock.

    Attributes:
        offset: Guest time less host time, in seconds.
    """

    offset: int


@dataclass(frozen=True, slots=True)
class WatchdogExpired:
    """The guest let its watchdog expire.

    Attributes:
        action: What follows: ``reset``, ``shutdown``, ``poweroff``, ``pause``,
            ``debug`` or ``none``.
    """

    action: str


@dataclass(frozen=True, slots=True)
class BalloonChanged:
    """The guest gave memory back, or took it.

    Attributes:
        actual: What it has now, in bytes.
    """

    actual: int


@dataclass(frozen=True, slots=True)
class VncConnected:
    """A VNC client has connected; it has not been let in yet.

    Attributes:
        server: ``host``, ``service``, ``family`` and ``auth`` of the server.
        client: ``host``, ``service`` and ``family`` of the client.
    """

    server: dict[str, str]
    client: dict[str, str]


@dataclass(frozen=True, slots=True)
class VncInitialized:
    """A VNC client has been let in; the attributes are those of `VncConnected`."""

    server: dict[str, str]
    client: dict[str, str]


@dataclass(frozen=True, slots=True)
class VncDisconnected:
    """A VNC client has gone; the attributes are those of `VncConnected`."""

    server: dict[str, str]
    client: dict[str, str]


@dataclass(frozen=True, slots=True)
class MigrationMoved:
    """An outgoing or incoming migration has come to another state.

    Attributes:
        status: Such as ``active`` or ``completed``.
    """

    status: str


@dataclass(frozen=True, slots=True)
class MigrationPassBegan:
    """A migration goes over the memory once more.

    Attributes:
        number: Which time it is, from 1.
    """

    number: int


@dataclass(frozen=True, slots=True)
class IncomingMoved:
    """A machine that was awaited has come, or will not come any more.

    Attributes:
        has_come: Whether this machine is the other one now.
        reason: Why not.
    """

    has_come: bool
    reason: str


@dataclass(frozen=True, slots=True)
class DeviceUnplugged:
    """A device has gone out of the machine.

    Attributes:
        id: Its id; ``None`` if it had none.
        path: Where it was.
    """

    id: str | None
    path: str


@dataclass(frozen=True, slots=True)
class WriteThresholdReached:
    """A block node was written beyond the place that was watched.

    Attributes:
        node_name: The node.
        exceeded: By how many bytes.
        threshold: The place.
    """

    node_name: str
    exceeded: int
    threshold: int


@dataclass(frozen=True, slots=True)
class JobMoved:
    """A job has come to another state.

    Attributes:
        id: The job.
        status: Such as ``running``.
    """

    id: str
    status: str


@dataclass(frozen=True, slots=True)
class BlockJobTold:
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


@dataclass(frozen=True, slots=True)
class BlockJobFailed:
    """A block job could not read or write.

    Attributes:
        id: The job.
        operation: ``read`` or ``write``.
        action: What is done about it: ``report``, ``ignore`` or ``stop``.
    """

    id: str
    operation: str
    action: str


@dataclass(frozen=True, slots=True)
class ExportDeleted:
    """A block export is gone.

    Attributes:
        id: The export.
    """

    id: str


@dataclass(frozen=True, slots=True)
class GuestPanicked:
    """The guest has given up.

    Attributes:
        action: What follows: ``pause``, ``poweroff`` or ``run``.
    """

    action: str


@dataclass(frozen=True, slots=True)
class GuestCrashLoaded:
    """The guest has gone over to its crash kernel.

    Attributes:
        action: What follows: ``run``.
    """

    action: str


REFUSED: Final = (3, 1)
"""What a guest says of a memory module that it keeps: that it was asked to eject it,
and has failed (ACPI 6.3, ``_OST``)."""


@dataclass(frozen=True, slots=True)
class UnplugRefused:
    """The guest does not let a device go.

    Attributes:
        id: Its id; ``None`` if it has none.
        path: Where it is.
        slot: The slot of a memory module; ``None`` for other devices.
    """

    id: str | None
    path: str
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryDeviceResized:
    """A memory device gives the guest more or less memory than before.

    Attributes:
        id: Its id; ``None`` if it has none.
        size: Bytes that the guest has of it now.
        path: Where it is.
    """

    id: str | None
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class DumpEnded:
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


@dataclass(frozen=True, slots=True)
class PortOpened:
    """A program of the guest has opened or closed a port.

    Attributes:
        id: The port's id.
        is_open: Whether it is open now.
    """

    id: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Exited:
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
