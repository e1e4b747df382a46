"""ACPI power management of the PIIX4: sleep, power off, the button, a timer.

A guest that switches itself off writes sleep type 0 with the enable bit to the control
register. The registers are where a PC's firmware puts them, at 0xb000.

Source: Intel's data sheet of the 82371AB; the ACPI specification, section 4.8.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.hardware.ports import Ports, State
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

BASE: Final[int] = 0xB000
"""The first of 64 ports."""

STATUS: Final[int] = 0x00
ENABLE: Final[int] = 0x02
CONTROL: Final[int] = 0x04

POWER_BUTTON: Final[int] = 1 << 8
SLEEP_ENABLE: Final[int] = 1 << 13
SLEEP_TYPE_SHIFT: Final[int] = 10

_FREQUENCY: Final[int] = 3_579_545  # Hz
_COUNTER: Final = (1 << 24) - 1


class PowerManagement:
    """The device.

    Args:
        machine: Which it puts to sleep and switches off.
        ports: Where it answers.
    """

    def __init__(self, machine: "Machine", ports: Ports) -> None:
        self._machine = machine
        self.reset()
        ports.attach(range(BASE, BASE + 64), self, sizes=(2, 4))

    def reset(self) -> None:
        """Go back to how it is after power-on."""
        self._status = self._enabled = self._control = 0

    def press_button(self) -> None:
        """Note that the power button was pressed, if the guest wants to know."""
        self._status |= POWER_BUTTON & self._enabled

    def read_port(self, port: int, size: int) -> int:
        """Return a register; what is none reads as zero."""
        match port - BASE, size:
            case 0x00, 2:
                return self._status
            case 0x02, 2:
                return self._enabled
            case 0x04, 2:
                return self._control
            case 0x08, 4:
                microseconds = self._machine.clock.microseconds()
                return microseconds * _FREQUENCY // 1_000_000 & _COUNTER
            case _:
                return 0

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write a register: status bits are cleared by writing ones."""
        match port - BASE, size:
            case 0x00, 2:
                self._status &= ~value
            case 0x02, 2:
                self._enabled = value
            case 0x04, 2:
                self._control = value & ~SLEEP_ENABLE
                if value & SLEEP_ENABLE:
                    self._sleep(value >> SLEEP_TYPE_SHIFT & 7)
            case _:
                pass

    def _sleep(self, kind: int) -> None:
        machine = self._machine
        if kind == 0:
            machine.shut_down(by_guest=True, reason="guest-shutdown")
        elif kind == 1 and not machine.can_sleep:
            machine.reset(by_guest=True, reason="guest-reset")
        elif kind == 1 and machine.state is RunState.RUNNING:
            machine.suspend()

    def state(self) -> State:
        """Return its state."""
        return {
            "status": self._status,
            "enabled": self._enabled,
            "control": self._control,
        }

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self._status = state["status"]
        self._enabled = state["enabled"]
        self._control = state["control"]
