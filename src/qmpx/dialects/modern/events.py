"""What happens to the machine, as events of today's monitors."""

from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.happenings import (
    REFUSED,
    BalloonChanged,
    BlockIOError,
    BlockJobFailed,
    BlockJobTold,
    ClockSet,
    DeviceUnplugged,
    DumpEnded,
    Exited,
    ExportDeleted,
    GuestCrashLoaded,
    GuestPanicked,
    Happening,
    IncomingMoved,
    JobMoved,
    MemoryDeviceResized,
    MigrationMoved,
    MigrationPassBegan,
    PortOpened,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    Suspended,
    TrayMoved,
    UnplugRefused,
    WatchdogExpired,
    WokenUp,
    WriteThresholdReached,
)
from qmpx.machine.vnc_happenings import VncConnected, VncDisconnected, VncInitialized

if TYPE_CHECKING:
    from qmpx.dialects.modern.replies import AcpiOstInfo

_VNC: Final = {
    VncConnected: "VNC_CONNECTED",
    VncInitialized: "VNC_INITIALIZED",
    VncDisconnected: "VNC_DISCONNECTED",
}


def as_event(happening: Happening) -> tuple[str, Any] | None:
    """Return the name and the data of the event that tells of *happening*.

    ``None`` if there is none: QEMU tells of migrations only those who turn that on.
    """
    match happening:
        case Stopped():
            return "STOP", None
        case Resumed():
            return "RESUME", None
        case Reset(by_guest, reason):
            return "RESET", {"guest": by_guest, "reason": reason}
        case PowerButtonPressed():
            return "POWERDOWN", None
        case Suspended():
            return "SUSPEND", None
        case WokenUp():
            return "WAKEUP", None
        case ShutDown(by_guest, reason):
            return "SHUTDOWN", {"guest": by_guest, "reason": reason}
        case MigrationMoved() | MigrationPassBegan() | IncomingMoved() | Exited():
            return None
        case JobMoved() | BlockJobTold() | BlockJobFailed() | ExportDeleted():
            return None  # those of jobs are told by `qmpx.dialects.modern.jobs.events`
        case WriteThresholdReached():
            return None
        case _:
            return _of_device(happening)


def slot_info(slot: int, device: str | None, said: tuple[int, int]) -> "AcpiOstInfo":
    """Return what a guest has said of a slot for memory."""
    source, status = said
    info: AcpiOstInfo = {
        "slot": str(slot),
        "slot-type": "DIMM",
        "source": source,
        "status": status,
    }
    if device is not None:
        info["device"] = device
    return info


def _of_device(
    happening: TrayMoved
    | BlockIOError
    | ClockSet
    | WatchdogExpired
    | BalloonChanged
    | DeviceUnplugged
    | UnplugRefused
    | MemoryDeviceResized
    | PortOpened
    | DumpEnded
    | GuestPanicked
    | GuestCrashLoaded
    | VncConnected
    | VncInitialized
    | VncDisconnected,
) -> tuple[str, Any]:
    match happening:
        case TrayMoved(device, id_, is_open):
            data = {"device": device, "id": id_, "tray-open": is_open}
            return "DEVICE_TRAY_MOVED", data
        case BlockIOError(device, operation, action, reason, is_full):
            fault = {"nospace": is_full, "reason": reason}
            data = {"device": device, "operation": operation, "action": action}
            return "BLOCK_IO_ERROR", data | fault
        case ClockSet(offset):
            return "RTC_CHANGE", {"offset": offset, "qom-path": "/machine/rtc"}
        case WatchdogExpired(action):
            return "WATCHDOG", {"action": action}
        case DumpEnded(status, completed, total, error):
            figures = {"status": status, "completed": completed, "total": total}
            why = {"error": error} if error else {}
            return "DUMP_COMPLETED", {"result": figures, **why}
        case GuestPanicked(action):
            return "GUEST_PANICKED", {"action": action}
        case GuestCrashLoaded(action):
            return "GUEST_CRASHLOADED", {"action": action}
        case PortOpened(id_, is_open):
            return "VSERPORT_CHANGE", {"open": is_open, "id": id_}
        case BalloonChanged(actual):
            return "BALLOON_CHANGE", {"actual": actual}
        case DeviceUnplugged(id_, path):
            named = {} if id_ is None else {"device": id_}
            return "DEVICE_DELETED", named | {"path": path}
        case UnplugRefused(id_, _, slot) if slot is not None:
            return "ACPI_DEVICE_OST", {"info": slot_info(slot, id_, REFUSED)}
        case UnplugRefused(id_, path):
            named = {} if id_ is None else {"device": id_}
            return "DEVICE_UNPLUG_GUEST_ERROR", named | {"path": path}
        case MemoryDeviceResized(id_, size, path):
            named = {} if id_ is None else {"id": id_}
            told = {"size": size, "qom-path": path}
            return "MEMORY_DEVICE_SIZE_CHANGE", named | told
    from qmpx.dialects.modern.display.display import vnc_side

    sides = {"server": happening.server, "client": happening.client}
    return _VNC[type(happening)], {side: vnc_side(name) for side, name in sides.items()}
