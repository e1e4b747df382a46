"""The two interrupt controllers i8259 of a PC, and the timer's line into them.

Nothing here interrupts a processor, for there is none that executes: the controllers
note which lines were raised and how they were programmed, and `info pic` shows it.

Source: Intel's data sheet of the 8259A.
"""

from typing import TYPE_CHECKING, Final

from qmpx.machine.hardware.ports import Ports, State

if TYPE_CHECKING:
    from collections.abc import Callable

TIMER_LINE: Final[int] = 0

_REGISTERS: Final = (
    "irr",
    "imr",
    "isr",
    "highest_priority",
    "irq_base",
    "reads_isr",
    "elcr",
    "is_fully_nested",
    "_last",
    "_step",
    "_needs_fourth",
    "_ends_itself",
)


class InterruptController:
    """One i8259 with eight lines.

    Args:
        elcr_mask: The lines that may be sensitive to their level.

    Attributes:
        irr: Lines that were raised and not served.
        imr: Lines that are masked.
        isr: Lines that are being served.
        highest_priority: The line that comes first.
        irq_base: The vector of line 0.
        reads_isr: Whether a read shows ``isr``, not ``irr``.
        elcr: Lines that are sensitive to their level.
        is_fully_nested: Whether it is in that special mode.
    """

    def __init__(self, elcr_mask: int) -> None:
        self._elcr_mask = elcr_mask
        self.reset()

    def reset(self) -> None:
        """Go back to how it is after power-on."""
        self._initialise()
        self.elcr = 0

    def _initialise(self) -> None:
        self.irr = self.imr = self.isr = self.irq_base = 0
        self.highest_priority = 0
        self.reads_isr = self.is_fully_nested = False
        self._last = 0  # levels of the lines
        self._step = 0  # which word of initialisation comes next; 0: none
        self._needs_fourth = self._ends_itself = False

    def set_line(self, line: int, *, is_high: bool) -> None:
        """Change the level of a line, 0 to 7."""
        bit = 1 << line
        if self.elcr & bit:
            self.irr = self.irr | bit if is_high else self.irr & ~bit
        elif is_high and not self._last & bit:
            self.irr |= bit
        self._last = self._last | bit if is_high else self._last & ~bit

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return a register."""
        if port & 0xFF0 == 0x4D0:
            return self.elcr
        if port & 1:
            return self.imr
        return self.isr if self.reads_isr else self.irr

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Take a word of initialisation or of operation."""
        if port & 0xFF0 == 0x4D0:
            self.elcr = value & self._elcr_mask
        elif port & 1:
            self._write_high(value)
        elif value & 0x10:
            self._initialise()
            self._step = 2
            self._needs_fourth = bool(value & 1)
        elif value & 0x08:
            if value & 0x02:
                self.reads_isr = bool(value & 1)
        else:
            self._end(value >> 5, value & 7)

    def _write_high(self, value: int) -> None:
        match self._step:
            case 2:
                self.irq_base = value & 0xF8
                self._step = 3
            case 3:
                self._step = 4 if self._needs_fourth else 0
            case 4:
                self.is_fully_nested = bool(value & 0x10)
                self._ends_itself = bool(value & 0x02)
                self._step = 0
            case _:
                self.imr = value

    def _end(self, command: int, line: int) -> None:
        """End a service: bit 0 says that, bit 1 which line, bit 2 to rotate."""
        if command & 1 and not command & 2:
            served = [n % 8 for n in range(self.highest_priority, 16)]
            found = [line for line in served if self.isr >> line & 1]
            if not found:
                return
            line = found[0]
        if command & 1:
            self.isr &= ~(1 << line)
        if command in (5, 6, 7):
            self.highest_priority = (line + 1) % 8

    def state(self) -> State:
        """Return its state."""
        return {name.strip("_"): getattr(self, name) for name in _REGISTERS}

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        for name in _REGISTERS:
            setattr(self, name, state[name.strip("_")])


class InterruptControllers:
    """The two of a PC, with 16 lines.

    Args:
        ports: Where they answer.

    Attributes:
        first: Lines 0 to 7.
        second: Lines 8 to 15.
        listener: Is told of each line, 0 to 15, and the level it is set to.
    """

    def __init__(self, ports: Ports) -> None:
        self.listener: Callable[[int, bool], None] | None = None
        self.first = InterruptController(elcr_mask=0xF8)
        self.second = InterruptController(elcr_mask=0xDE)
        for base, trigger, controller in (
            (0x20, 0x4D0, self.first),
            (0xA0, 0x4D1, self.second),
        ):
            ports.attach(range(base, base + 2), controller)
            ports.attach(range(trigger, trigger + 1), controller)
        self._raise_timer()

    def _raise_timer(self) -> None:
        # The timer's output is high from the start, and after each reset.
        self.set_line(TIMER_LINE, is_high=True)

    def set_line(self, line: int, *, is_high: bool) -> None:
        """Change the level of a line, 0 to 15."""
        controller = self.first if line < 8 else self.second
        controller.set_line(line % 8, is_high=is_high)
        if self.listener is not None:
            self.listener(line, is_high)

    def reset(self) -> None:
        """Go back to how they are after power-on."""
        self.first.reset()
        self.second.reset()
        self._raise_timer()

    def state(self) -> State:
        """Return their state."""
        return {"first": self.first.state(), "second": self.second.state()}

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self.first.restore(state["first"])
        self.second.restore(state["second"])
