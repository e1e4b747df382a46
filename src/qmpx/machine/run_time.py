"""The guest's own time: how long a machine has run."""

from qmpx.machine.clock import Clock


class RunTime:
    """A clock that stands still while the machine does.

    Args:
        clock: The host's time.
        is_running: Whether the machine runs.
    """

    __slots__ = ("_clock", "_ran", "_since")

    def __init__(self, clock: Clock, *, is_running: bool) -> None:
        self._clock = clock
        self._ran = 0
        self._since = clock.microseconds() if is_running else None

    def note(self, *, is_running: bool) -> None:
        """Take note whether the machine runs from now on."""
        if is_running and self._since is None:
            self._since = self._clock.microseconds()
        elif not is_running and self._since is not None:
            self._ran = self.microseconds()
            self._since = None

    def microseconds(self) -> int:
        """Return how long the machine has run, in microseconds."""
        if self._since is None:
            return self._ran
        return self._ran + self._clock.microseconds() - self._since

    @property
    def has_run(self) -> bool:
        """Whether the machine runs or has run."""
        return self._since is not None or self._ran > 0

    def set(self, microseconds: int) -> None:
        """Let it have run so long: its state comes from a machine that has."""
        self._ran = microseconds
        if self._since is not None:
            self._since = self._clock.microseconds()
