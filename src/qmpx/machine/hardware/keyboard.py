"""The keyboard controller i8042, and port 0x92: keys, reset and address line 20.

A guest resets a PC by a pulse on the controller's output line 0 (command 0xfe at port
0x64), or by bit 0 of port 0x92. Bit 1 of both opens address line 20.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from qmpx.machine.hardware.ports import State

MAX_KEY_CODES: Final = 256
"""Codes that the controller keeps for a guest that reads none; QEMU's figure."""

DATA: Final[int] = 0x60
COMMAND: Final[int] = 0x64
SYSTEM_CONTROL: Final[int] = 0x92

_OUTPUT_FULL: Final[int] = 0x01
_LAST_WAS_COMMAND: Final[int] = 0x08
_UNLOCKED: Final[int] = 0x10
_SELF_TEST_PASSED: Final[int] = 0x55
_NOT_RESET: Final[int] = 0x01  # bit 0 of the output lines; a pulse to 0 resets
_A20: Final[int] = 0x02


class KeyboardController:
    """Answers at the ports 0x60, 0x64 and 0x92.

    Args:
        reset: Called when the guest asks for a reset.
        open_a20: Called with whether address line 20 is open.
    """

    def __init__(
        self, reset: Callable[[], None], open_a20: Callable[[bool], None]
    ) -> None:
        self._reset_machine = reset
        self._open_a20 = open_a20
        self._is_a20_open = True
        self.reset()

    def reset(self) -> None:
        """Go back to how it is after power-on."""
        self._mode = 0x03  # keyboard and mouse may interrupt
        self._last = 0
        self._expects = 0  # the command that the next byte of data belongs to
        self._status = _UNLOCKED | _LAST_WAS_COMMAND
        self._codes: deque[int] = deque()

    def put(self, code: int) -> None:
        """Hand a guest a byte of the keyboard's; when `MAX_KEY_CODES` wait, it is lost.

        Args:
            code: Such as a scan code.
        """
        if len(self._codes) < MAX_KEY_CODES:
            self._codes.append(code & 0xFF)

    @property
    def pending(self) -> int:
        """How many bytes wait for the guest."""
        return len(self._codes)

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return what a guest reads: a byte of the keyboard's, status, or line 20."""
        if port == SYSTEM_CONTROL:
            return _A20 if self._is_a20_open else 0
        if port == COMMAND:
            return self._status | (_OUTPUT_FULL if self._codes else 0)
        if self._codes:
            self._last = self._codes.popleft()
        return self._last

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Take a command, what belongs to it, or what goes to the keyboard."""
        if port == SYSTEM_CONTROL:
            self._set_a20(is_open=bool(value & _A20))
            if value & 1:
                self._reset_machine()
        elif port == COMMAND:
            self._status |= _LAST_WAS_COMMAND
            self._command(value)
        else:
            self._status &= ~_LAST_WAS_COMMAND
            self._take(value)

    def _command(self, command: int) -> None:
        match command:
            case 0x20:
                self.put(self._mode)
            case 0xAA:
                self.put(_SELF_TEST_PASSED)
            case 0xAB:
                self.put(0)  # the keyboard's lines are well
            case 0xD0:
                self.put(_NOT_RESET | (_A20 if self._is_a20_open else 0))
            case 0xDD | 0xDF:
                self._set_a20(is_open=command == 0xDF)
            case 0x60 | 0xD1:
                self._expects = command
            case 0xFE:
                self._reset_machine()
            case _:
                pass  # nothing that this machine has

    def _take(self, value: int) -> None:
        command, self._expects = self._expects, 0
        if command == 0x60:
            self._mode = value
        elif command == 0xD1:
            self._set_a20(is_open=bool(value & _A20))
            if not value & _NOT_RESET:
                self._reset_machine()

    def _set_a20(self, *, is_open: bool) -> None:
        self._is_a20_open = is_open
        self._open_a20(is_open)

    def state(self) -> State:
        """Return its state."""
        return {
            "mode": self._mode,
            "last": self._last,
            "expects": self._expects,
            "status": self._status,
            "codes": list(self._codes),
            "is_a20_open": self._is_a20_open,
        }

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self._mode = state["mode"]
        self._last = state["last"]
        self._expects = state["expects"]
        self._status = state["status"]
        self._codes = deque(state["codes"][:MAX_KEY_CODES])
        self._set_a20(is_open=state["is_a20_open"])
