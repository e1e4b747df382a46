"""The real-time clock of a PC, an MC146818: time, date and 128 bytes of CMOS memory.

Its time is the host's, and so far ahead of it or behind as the guest has set it. It
goes on while the machine stands still, as QEMU's does. It raises no interrupts.

Source: Motorola's data sheet; places of a PC's settings in CMOS as its firmware reads
them; QEMU 0.13 for what a guest sees after power-on.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from qmpx.machine.clock import Clock
from qmpx.machine.hardware.ports import State

INDEX: Final[int] = 0x70
DATA: Final[int] = 0x71

_SECONDS, _MINUTES, _HOURS, _WEEKDAY, _DAY, _MONTH, _YEAR = 0, 2, 4, 6, 7, 8, 9
_TIME: Final = (_SECONDS, _MINUTES, _HOURS, _WEEKDAY, _DAY, _MONTH, _YEAR)
_A, _B, _C, _D = 10, 11, 12, 13
_CENTURIES: Final = (0x32, 0x37)
_BOOT: Final = (0x38, 0x3D)

_A_UPDATES: Final[int] = 0x80
_B_SET: Final[int] = 0x80
_B_BINARY: Final[int] = 0x04
_B_24_HOURS: Final[int] = 0x02
_AFTERNOON: Final[int] = 0x80

_BASE_YEAR: Final[int] = 2000
_MICROSECONDS: Final[int] = 1_000_000
_DAY_SECONDS: Final[int] = 86_400
_EPOCH: Final = dt.date(1970, 1, 1).toordinal()
_LAST_DAY: Final = dt.date.max.toordinal()
_KIB, _MIB = 1 << 10, 1 << 20


class _Moment(NamedTuple):
    """What the time registers say, as numbers; anything may have been written there."""

    second: int
    minute: int
    hour: int
    day: int
    month: int
    year: int

    def seconds(self) -> int:
        """Return seconds since 1970; what is too large runs over into the next."""
        year, month = divmod(self.year * 12 + self.month - 1, 12)
        days = dt.date(max(1, year), month + 1, 1).toordinal() - _EPOCH
        clock = self.second + 60 * (self.minute + 60 * self.hour)
        return (days + self.day - 1) * _DAY_SECONDS + clock


class ClockChip:
    """The device at the ports 0x70 and 0x71.

    Args:
        clock: The host's time.
        tell: Called with how far the guest's time is ahead, in seconds, when the guest
            has set it.
    """

    def __init__(self, clock: Clock, tell: Callable[[int], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._is_local = False
        self._offset = 0  # guest's time less the host's, in seconds
        self._index = 0
        self._cmos = bytearray(128)
        self._cmos[_A] = 0x26
        self._cmos[_B] = _B_24_HOURS
        self._cmos[_D] = 0x80

    def reset(self) -> None:
        """Stop whatever was enabled; time and CMOS memory stay, they have a battery."""
        self._cmos[_B] &= ~0x78
        self._cmos[_C] = 0

    # What a machine is built with

    def start_at(self, seconds: int | None, *, is_local: bool = False) -> None:
        """Set it, as the battery's time at power-on.

        Args:
            seconds: Since 1970; ``None`` for the host's time.
            is_local: Whether it shows the host's local time, not UTC.
        """
        self._is_local = is_local
        self._offset = 0 if seconds is None else seconds - self._now()

    def describe(self, *, memory_size: int, processor_count: int) -> None:
        """Note what the machine has, where its firmware looks for it.

        Args:
            memory_size: Bytes of RAM.
            processor_count: How many there are.
        """
        low = min(memory_size, 640 * _KIB) // _KIB
        extended = min(max(0, memory_size - _MIB) // _KIB, 0xFFFF)
        above_16 = min(max(0, memory_size - 16 * _MIB) // (64 * _KIB), 0xFFFF)
        for first, second, value in (
            (0x15, 0x16, low),
            (0x17, 0x18, extended),
            (0x30, 0x31, extended),
            (0x34, 0x35, above_16),
        ):
            self._cmos[first], self._cmos[second] = value & 0xFF, value >> 8
        self._cmos[0x14] = 0x06  # a floating point unit and a PS/2 mouse
        self._cmos[0x5F] = processor_count - 1 & 0xFF

    def set_boot_order(self, devices: Sequence[int]) -> None:
        """Note up to three boot devices, by the firmware's numbers 1 to 4."""
        first, second, third = (*devices, 0, 0, 0)[:3]
        low, high = _BOOT
        self._cmos[high] = second << 4 | first
        self._cmos[low] = third << 4 | self._cmos[low] & 0xF

    # Time

    def _now(self) -> int:
        """Return the host's seconds, as its clock on the wall shows them."""
        now = self._clock.microseconds() // _MICROSECONDS
        return now + time.localtime(now).tm_gmtoff if self._is_local else now

    @property
    def is_being_set(self) -> bool:
        """Whether the guest holds the time registers to set them."""
        return bool(self._cmos[_B] & _B_SET)

    def _show_time(self) -> None:
        """Bring the time registers up to date."""
        days, seconds = divmod(self._now() + self._offset, _DAY_SECONDS)
        date = dt.date.fromordinal(min(max(1, days + _EPOCH), _LAST_DAY))
        hour = seconds // 3600
        afternoon = 0
        if not self._cmos[_B] & _B_24_HOURS:
            afternoon = _AFTERNOON if hour >= 12 else 0
            hour %= 12
        values = (
            seconds % 60,
            seconds // 60 % 60,
            hour,
            date.isoweekday() % 7 + 1,
            date.day,
            date.month,
            date.year % 100,
        )
        for register, value in zip(_TIME, values, strict=True):
            self._cmos[register] = self._spelt(value)
        self._cmos[_HOURS] |= afternoon
        for register in _CENTURIES:
            self._cmos[register] = date.year // 1000 << 4 | date.year // 100 % 10

    def _take_time(self) -> None:
        """Set the guest's time to what the time registers say, and tell of it."""
        cmos = self._cmos
        hour = self._read(cmos[_HOURS] & 0x7F)
        if not cmos[_B] & _B_24_HOURS and cmos[_HOURS] & _AFTERNOON:
            hour += 12
        moment = _Moment(
            self._read(cmos[_SECONDS]),
            self._read(cmos[_MINUTES]),
            hour,
            self._read(cmos[_DAY]),
            self._read(cmos[_MONTH]),
            self._read(cmos[_YEAR]) + _BASE_YEAR,
        )
        self._offset = moment.seconds() - self._now()
        self._tell(self._offset)

    def _spelt(self, value: int) -> int:
        is_binary = self._cmos[_B] & _B_BINARY
        return value if is_binary else value // 10 << 4 | value % 10

    def _read(self, value: int) -> int:
        is_binary = self._cmos[_B] & _B_BINARY
        return value if is_binary else (value >> 4) * 10 + (value & 0xF)

    # Ports

    def read_port(self, port: int, size: int) -> int:  # noqa: ARG002
        """Return the register that was chosen; the choice itself cannot be read."""
        if port == INDEX:
            return 0xFF
        if not self.is_being_set:
            self._show_time()
        value = self._cmos[self._index]
        if self._index == _C:
            self._cmos[_C] = 0
        return value

    def write_port(self, port: int, size: int, value: int) -> None:  # noqa: ARG002
        """Choose a register, or write it."""
        if port == INDEX:
            self._index = value & 0x7F
            return
        if not self.is_being_set:
            self._show_time()
        match self._index:
            case index if index in _TIME:
                self._cmos[index] = value
                if not self.is_being_set:
                    self._take_time()
            case index if index == _A:
                self._cmos[_A] = value & ~_A_UPDATES
            case index if index == _B:
                self._write_b(value)
            case index if index in (_C, _D):
                pass  # they cannot be written
            case index:
                self._cmos[index] = value

    def _write_b(self, value: int) -> None:
        was_being_set = self.is_being_set
        if was_being_set and not value & _B_SET:
            self._take_time()  # in the form that it was written in
        self._cmos[_B] = value

    def state(self) -> State:
        """Return its state: the guest's time goes with it, not the host's."""
        return {
            "cmos": bytes(self._cmos),
            "index": self._index,
            "offset": self._offset,
            "is_local": self._is_local,
        }

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self._cmos = bytearray(state["cmos"].ljust(128, b"\x00")[:128])
        self._index = state["index"] & 0x7F
        self._offset = state["offset"]
        self._is_local = state["is_local"]
