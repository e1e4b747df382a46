"""The other side of a migration, as far as it can be asked when the connection breaks.

Each side meets the other's witness while all is well: only one that has answered before
proves anything by being gone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.clock import Clock
from qmpx.machine.migration.values import StreamError
from qmpx.machine.migration.witness import Claim, Inquiry, Verdict, Witness

if TYPE_CHECKING:
    from qmpx.machine.clock import Timer

ANSWER_LIMIT: Final = 30.0
"""Seconds that the other side has for its next word of the hand-over. The destination
only restores the parts then; all else was checked as it came. The machine stands still
meanwhile."""

INQUIRY_INTERVAL: Final = 0.1
"""Seconds between two questions to a witness, when the connection has broken."""

DOUBT_LIMIT: Final = 60.0
"""Seconds for finding out who owns the machine, when the connection has broken."""

_MAX_PORT: Final[int] = 65535


class Counterpart:
    """The other side of one migration, and our own witness for it.

    Args:
        clock: To wait with.
        judge: Called with a claim of the other side; gives our verdict.

    Attributes:
        token: Of the migration; to be set before anything else is done.
        is_met: Whether it is known if its witness answers us.
        is_proven: Whether it does.
    """

    def __init__(self, clock: Clock, judge: Callable[[Claim], Verdict]) -> None:
        self._clock = clock
        self._judge = judge
        self._ours: Witness | None = None
        self._theirs: tuple[str, int] | None = None
        self._inquiry: Inquiry | None = None
        self._timer: Timer | None = None
        self.token = b""
        self.is_met = False
        self.is_proven = False

    def can_be_asked_at(self, host: str | None) -> list[Any] | None:
        """Open our witness; return its host and port, as the other side is told.

        Args:
            host: Where the other side can reach us, if it can.

        Returns:
            ``None`` if there is no witness: we go without, with less certainty.
        """
        if host is None:
            return None
        try:
            self._ours = Witness(host, self.token, self._judge)
        except OSError:
            return None
        return list(self._ours.address)

    def meet(self, told: Any, on_met: Callable[[], None] = lambda: None) -> None:
        """Try whether its witness can be asked, while there is time.

        Args:
            told: What it told of its witness: host and port, or ``None``.
            on_met: Called when that is known.

        Raises:
            StreamError: It told nonsense.
        """

        def learn(verdict: Verdict) -> None:
            self.is_met = True
            self.is_proven = verdict is Verdict.UNDECIDED
            on_met()

        match told:
            case None:
                learn(Verdict.SILENT)
            case [str(host), int(port)] if 0 < port <= _MAX_PORT:
                self._theirs = host, port
                self._ask(Claim.PROBE, learn)
            case _:
                message = "where the other side can be asked is no address"
                raise StreamError(message)

    def ask_whose(
        self,
        claim: Claim,
        *,
        on_verdict: Callable[[Verdict], None],
        on_silence: Callable[[], None],
        is_patient: bool,
    ) -> None:
        """Ask whose the machine is, until there is an answer or proof.

        Args:
            claim: What we say of ourselves.
            on_verdict: Called once with `Verdict.MINE`, ``YOURS`` or ``DEAD``.
            on_silence: Called if there is none within `DOUBT_LIMIT`.
            is_patient: Whether to wait so long for it to ask us, too, if its witness
                proves nothing.
        """
        self.stop_asking()
        began = self._clock.microseconds()

        def ask() -> None:
            self._timer = None
            passed = self._clock.microseconds() - began
            if passed > DOUBT_LIMIT * 1_000_000 or not (self.is_proven or is_patient):
                on_silence()
            elif self.is_proven:
                self._ask(claim, learn)
            else:
                self._timer = self._clock.call_later(INQUIRY_INTERVAL, ask)

        def learn(verdict: Verdict) -> None:
            if verdict in (Verdict.MINE, Verdict.YOURS, Verdict.DEAD):
                on_verdict(verdict)
            else:
                self._timer = self._clock.call_later(INQUIRY_INTERVAL, ask)

        ask()

    def _ask(self, claim: Claim, on_verdict: Callable[[Verdict], None]) -> None:
        if self._theirs is not None:
            self._inquiry = Inquiry(
                self._theirs,
                self.token,
                claim,
                clock=self._clock,
                on_verdict=on_verdict,
            )

    def stop_asking(self) -> None:
        """Do not want to know any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._inquiry is not None:
            self._inquiry.cancel()
            self._inquiry = None

    def close(self) -> None:
        """Ask and answer no more."""
        self.stop_asking()
        if self._ours is not None:
            self._ours.close()
            self._ours = None
