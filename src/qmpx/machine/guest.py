"""The guest: who answers what the machine is asked for from outside, and when.

There is no guest code in this machine. What a guest would do of itself it does through
`Machine` and its ports; what it is *asked* for comes here: the power button, memory,
letting a device go. A guest may obey at once, after a time, or never. Put another one
in by assigning ``machine.guest``.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MAX_REQUESTS: Final = 1024
"""Devices that a guest has been asked to let go and still thinks about: four times the
places of a PCI bus. Further requests are as if the guest had not heard."""


class Guest:
    """A guest that never answers: one that has no drivers, or has hung.

    Others derive from it, and answer what they like.

    Attributes:
        working_set: Bytes of memory, from the first one on, that it uses. They count in
            full when the machine is moved, whatever is in them.
        dirty_rate: Bytes of memory a second that it writes while it runs, over and over
            those of the working set, or of all memory if that is 0.
        has_acpi: Whether it has set up ACPI: else no processor can be taken out.
    """

    working_set: int = 0
    dirty_rate: int = 0
    has_acpi: bool = False

    def enter(self, machine: "Machine") -> None:
        """Begin to be the guest of *machine*."""

    def leave(self) -> None:
        """Be nobody's guest any more; what was to be done later is not done."""

    def power_button_was_pressed(self) -> None:
        """Somebody wants the machine to be shut down."""

    def asked_for_memory(self, target: int) -> None:
        """The balloon is to leave *target* bytes to the guest."""

    def ask_to_unplug(self, path: str, release: Callable[[], None]) -> None:
        """A device is to be let go.

        Args:
            path: Where it is in the machine.
            release: To be called when the guest is done with it.
        """

    def asked_to_resize(self, path: str, size: int, settle: Callable[[], None]) -> None:
        """A memory device is to give it so many bytes.

        Args:
            path: Where it is in the machine.
            size: How many bytes.
            settle: To be called when the guest has taken them, or given them back.
        """

    def memory_statistics(self) -> dict[str, int]:
        """Return what it tells of its memory, by names such as ``stat-free-memory``."""
        return {}

    def clock_was_set(self, offset: int) -> None:
        """The clock was set; the guest itself did it, through the ports.

        Args:
            offset: Seconds that it is ahead of the host's now.
        """


class ObedientGuest(Guest):
    """A guest that does what it is asked for, each thing after its time.

    The time is the guest's own: it passes only while the machine runs.

    Args:
        power_off: Seconds from the power button until it is off; ``None``: never.
        balloon: Seconds until it has the size that is wanted; ``None``: never.
        unplug: Seconds until it lets a device go; ``None``: never.
    """

    has_acpi = True

    def __init__(
        self,
        *,
        power_off: float | None = 0.0,
        balloon: float | None = 0.0,
        unplug: float | None = 0.0,
    ) -> None:
        self._power_off = power_off
        self._balloon = balloon
        self._unplug = unplug
        self._machine: Machine | None = None
        self._timers: dict[str, RunningTimer] = {}

    def enter(self, machine: "Machine") -> None:
        """Begin to be the guest of *machine*."""
        self.leave()
        self._machine = machine

    def leave(self) -> None:
        """Be nobody's guest any more; what was to be done later is not done."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._machine = None

    def power_button_was_pressed(self) -> None:
        """Switch the machine off, after its time."""
        if (machine := self._machine) is not None:
            self._later(
                "power",
                self._power_off,
                lambda: machine.shut_down(by_guest=True, reason="guest-shutdown"),
            )

    def asked_for_memory(self, target: int) -> None:
        """Give back memory or take it, after its time; the last wish counts."""
        if (machine := self._machine) is not None:
            settle = machine.balloon.settle
            self._later("balloon", self._balloon, lambda: settle(target))

    def ask_to_unplug(self, path: str, release: Callable[[], None]) -> None:
        """Let a device go, after its time; to be asked again changes nothing."""
        name = f"unplug {path}"
        if name not in self._timers:
            self._later(name, self._unplug, release)

    def asked_to_resize(
        self,
        path: str,
        size: int,  # noqa: ARG002
        settle: Callable[[], None],
    ) -> None:
        """Take the memory or give it back, after the balloon's time."""
        self._later(f"resize {path}", self._balloon, settle)

    def _later(
        self, name: str, seconds: float | None, action: Callable[[], None]
    ) -> None:
        machine = self._machine
        if machine is None or seconds is None or len(self._timers) >= MAX_REQUESTS:
            return
        if (before := self._timers.pop(name, None)) is not None:
            before.cancel()

        def do() -> None:
            del self._timers[name]
            action()

        timer = self._timers[name] = RunningTimer(machine, do)
        timer.set(seconds)
