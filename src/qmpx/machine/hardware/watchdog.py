"""The watchdog ib700: a guest that does not feed it in time is dealt with.

A write to port 0x443 feeds it, and says how long that lasts; any write to port 0x441
sends it to sleep. It counts the guest's time, which stands still with the machine.
It answers only while the device is plugged in.
"""

import enum
import sys
from typing import TYPE_CHECKING, Final

from qmpx.machine.happenings import Exited, WatchdogExpired
from qmpx.machine.hardware.ports import Ports, State
from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MODEL: Final = "ib700"
"""The name of its model in the device tree."""

_DISABLE: Final = range(0x441, 0x443)
_ENABLE: Final = range(0x443, 0x445)


class WatchdogAction(enum.Enum):
    """What is done about a guest that hangs; the values are QEMU's names."""

    RESET = "reset"
    SHUTDOWN = "shutdown"
    POWEROFF = "poweroff"
    PAUSE = "pause"
    DEBUG = "debug"
    NONE = "none"
    INJECT_NMI = "inject-nmi"


class Watchdog:
    """The device; there is at most one, for its ports cannot be moved.

    Args:
        machine: What it watches.
        ports: Where it answers.

    Attributes:
        action: What is done when it expires.
    """

    def __init__(self, machine: "Machine", ports: Ports) -> None:
        self._machine = machine
        self.action = WatchdogAction.RESET
        self._timer = RunningTimer(machine, self.expire)
        ports.attach(_DISABLE, self)
        ports.attach(_ENABLE, self)

    @property
    def left(self) -> float | None:
        """Seconds until it expires; ``None`` while it sleeps."""
        return self._timer.left

    def reset(self) -> None:
        """Send it to sleep."""
        self._timer.cancel()

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return all ones: it cannot be read."""
        return 0xFF

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Feed it for 30, 28, ... 2, 0 seconds, or send it to sleep."""
        if not self._machine.devices.has(MODEL):
            return
        if port in _ENABLE:
            self._timer.set(30 - 2 * (value & 0xF))
        else:
            self._timer.cancel()

    def expire(self) -> None:
        """Do what is to be done when nobody has fed it in time."""
        machine = self._machine
        action = self.action
        machine.tell(WatchdogExpired(action.value))
        match action:
            case WatchdogAction.RESET:
                machine.reset(by_guest=True, reason="guest-reset")
            case WatchdogAction.SHUTDOWN:
                machine.press_power_button()
            case WatchdogAction.POWEROFF:
                machine.tell(Exited())
            case WatchdogAction.PAUSE:
                machine.pause_for_watchdog()
            case WatchdogAction.DEBUG:
                sys.stderr.write("watchdog: timer fired\n")
            case WatchdogAction.INJECT_NMI:
                machine.processors[0].inject_nmi()
            case WatchdogAction.NONE:
                pass

    def state(self) -> State:
        """Return its state."""
        return {"left": self.left, "action": self.action.value}

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self.action = WatchdogAction(state["action"])
        left = state["left"]
        if left is None:
            self._timer.cancel()
        else:
            self._timer.set(left)
