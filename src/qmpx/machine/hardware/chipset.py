"""The devices that every PC has on its board, and their ports."""

from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.happenings import ClockSet
from qmpx.machine.hardware import keyboard
from qmpx.machine.hardware.clock_chip import DATA as CLOCK_DATA
from qmpx.machine.hardware.clock_chip import INDEX as CLOCK_INDEX
from qmpx.machine.hardware.clock_chip import ClockChip
from qmpx.machine.hardware.ide_controller import IdeController
from qmpx.machine.hardware.interrupts import InterruptControllers
from qmpx.machine.hardware.keyboard import KeyboardController
from qmpx.machine.hardware.pci_hotplug import PciHotplug
from qmpx.machine.hardware.ports import Ports
from qmpx.machine.hardware.power import PowerManagement
from qmpx.machine.hardware.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.machine.machine import Machine

_DEVICES: Final = (
    "clock_chip",
    "interrupts",
    "keyboard",
    "power",
    "watchdog",
    "disks",
)


class Chipset:
    """What a guest finds on the board.

    Args:
        machine: Whose board it is.

    Attributes:
        ports: Who answers at which I/O port.
        clock_chip: The real-time clock and the CMOS memory.
        interrupts: The interrupt controllers.
        keyboard: The keyboard controller.
        power: Power management.
        disks: The IDE channels.
        watchdog: The watchdog; it answers only while it is in the device tree.
        listeners: Called at each reset: what is on the board of some machines only.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.ports = ports = Ports()
        self.listeners: list[Callable[[], None]] = []
        self.clock_chip = ClockChip(machine.clock, self._tell_of_clock)
        self.clock_chip.describe(
            memory_size=machine.memory_size, processor_count=machine.processor_count
        )
        self.interrupts = InterruptControllers(ports)
        self.keyboard = KeyboardController(self._reset_machine, self._open_a20)
        self.power = PowerManagement(machine, ports)
        self.watchdog = Watchdog(machine, ports)
        PciHotplug(machine, ports)  # it has no state of its own
        self.disks = IdeController(machine, ports, self.interrupts.set_line)
        ports.attach(range(CLOCK_INDEX, CLOCK_DATA + 1), self.clock_chip)
        for port in (keyboard.DATA, keyboard.COMMAND, keyboard.SYSTEM_CONTROL):
            ports.attach(range(port, port + 1), self.keyboard)

    def _tell_of_clock(self, offset: int) -> None:
        self._machine.guest.clock_was_set(offset)
        self._machine.tell(ClockSet(offset))

    def _reset_machine(self) -> None:
        self._machine.reset(by_guest=True, reason="guest-reset")

    def _open_a20(self, is_open: bool) -> None:  # noqa: FBT001 - a line of the chip
        self._machine.processors.open_a20(is_open=is_open)

    def reset(self) -> None:
        """Reset all devices."""
        for name in _DEVICES:
            getattr(self, name).reset()
        for listener in self.listeners:
            listener()

    def state(self) -> dict[str, Any]:
        """Return the state of all devices."""
        return {name: getattr(self, name).state() for name in _DEVICES}

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state that `state` returned."""
        for name in _DEVICES:
            getattr(self, name).restore(state[name])
        if "boot" in self._machine.__dict__:
            self._machine.boot.skip()
