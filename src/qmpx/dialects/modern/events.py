"""What happens to the machine, as events of today's monitors."""

from typing import Any

from qmpx.machine.happenings import (
    Happening,
    PowerButtonPressed,
    Reset,
    Resumed,
    ShutDown,
    Stopped,
    Suspended,
    TrayMoved,
    WokenUp,
)


def as_event(happening: Happening) -> tuple[str, Any]:
    """Return the name and the data of the event that tells of *happening*."""
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
        case TrayMoved(device, id_, is_open):
            return "DEVICE_TRAY_MOVED", {
                "device": device,
                "id": id_,
                "tray-open": is_open,
            }
