"""How fast the guest writes its memory, measured over a time that somebody names.

What is measured is what this machine knows: the pages that were written for the first
time, and what the guest says that it writes (`Guest.dirty_rate`).
"""

from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.memory import PAGE_SIZE

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

SECONDS: Final = range(1, 61)
"""How long a measurement may take; QEMU's figures."""

SAMPLE_PAGES: Final = range(128, 16385)
"""How many pages of each GiB may be looked at; QEMU's figures. All are, here."""

DEFAULT_SAMPLE_PAGES: Final = 512
"""How many pages of each GiB are looked at if nobody says; QEMU's figure."""

_MIB: Final[int] = 2**20

NOTHING_TO_MEASURE: Final[int] = -1
"""What QEMU tells, and at once, of a machine without RAM."""


class DirtyRate:
    """The measurements of one machine, one at a time.

    Args:
        machine: The machine.

    Attributes:
        status: ``unstarted``, ``measuring`` or ``measured``.
        started: When the last one began, in seconds of the machine's clock.
        seconds: How long it takes.
        sample_pages: What was asked for.
        rate: MiB a second; ``None`` while that is not known.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self.status = "unstarted"
        self.started = self.seconds = self.sample_pages = 0
        self.rate: int | None = None

    def check(self, seconds: int, sample_pages: int | None = None) -> None:
        """Make sure that something can be measured now.

        Raises:
            GenericError: A figure is out of its range, or a measurement is under way.
        """
        if self.status == "measuring":
            message = "the dirty rate is already being measured."
            raise GenericError(message)
        if seconds not in SECONDS:
            message = "calc-time is out of range[1, 60]."
            raise GenericError(message)
        if sample_pages is not None and sample_pages not in SAMPLE_PAGES:
            message = "sample-pages is out of range[128, 16384]."
            raise GenericError(message)

    def start(self, seconds: int, sample_pages: int | None = None) -> None:
        """Begin to measure.

        Args:
            seconds: For how long.
            sample_pages: How many pages of each GiB to look at.

        Raises:
            GenericError: A figure is out of its range, or a measurement is under way.
        """
        self.check(seconds, sample_pages)
        clock = self._machine.clock
        self.status, self.rate = "measuring", None
        self.started = clock.microseconds() // 1_000_000
        self.seconds = seconds
        self.sample_pages = sample_pages or DEFAULT_SAMPLE_PAGES
        if not self._machine.memory_size:
            self.status, self.rate = "measured", NOTHING_TO_MEASURE
            return
        used = len(self._machine.memory.used)
        ran = self._machine.run_time.microseconds()
        clock.call_later(seconds, lambda: self._end(used, ran))

    def _end(self, used: int, ran: int) -> None:
        machine = self._machine
        seconds_run = (machine.run_time.microseconds() - ran) / 1_000_000
        written = (len(machine.memory.used) - used) * PAGE_SIZE
        written += int(machine.guest.dirty_rate * seconds_run)
        self.rate = written // self.seconds // _MIB
        self.status = "measured"
