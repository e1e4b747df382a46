"""Which events there are, and what their data are."""

from typing import Any, Final

from qmpx.dialects.modern.jobs.events import EVENTS as JOB_EVENTS
from qmpx.dialects.modern.migration.states import EVENTS as MIGRATION_EVENTS
from qmpx.dialects.modern.replies import (
    BalloonInfo,
    Cause,
    ClockChange,
    DeletedDevice,
    DumpCompletion,
    GuestPanic,
    IOErrorReport,
    MemoryResize,
    PortChange,
    SlotReport,
    TrayMove,
    VncConnection,
    WatchdogExpiry,
)

EVENTS: Final[dict[str, Any]] = {
    "STOP": None,
    "RESUME": None,
    "RESET": Cause,
    "POWERDOWN": None,
    "SUSPEND": None,
    "WAKEUP": None,
    "SHUTDOWN": Cause,
    "DEVICE_TRAY_MOVED": TrayMove,
    "BLOCK_IO_ERROR": IOErrorReport,
    "RTC_CHANGE": ClockChange,
    "WATCHDOG": WatchdogExpiry,
    "DUMP_COMPLETED": DumpCompletion,
    "GUEST_PANICKED": GuestPanic,
    "GUEST_CRASHLOADED": GuestPanic,
    "BALLOON_CHANGE": BalloonInfo,
    "DEVICE_DELETED": DeletedDevice,
    "DEVICE_UNPLUG_GUEST_ERROR": DeletedDevice,
    "ACPI_DEVICE_OST": SlotReport,
    "MEMORY_DEVICE_SIZE_CHANGE": MemoryResize,
    "VSERPORT_CHANGE": PortChange,
    "VNC_CONNECTED": VncConnection,
    "VNC_INITIALIZED": VncConnection,
    "VNC_DISCONNECTED": VncConnection,
    **MIGRATION_EVENTS,
    **JOB_EVENTS,
}
"""All events, with the types of their data."""
