"""One side of a conversation, a client's: what both faces have of it. No I/O."""

from collections.abc import Iterable

from qmpx.client.deadlines import DEADLINES, TIMEOUT, Default, Timeout, longest
from qmpx.client.terms import Terms
from qmpx.transport.bearer import Token
from qmpx.wire.messages import Greeting


class Side:
    """A client's side of a conversation.

    Args:
        terms: Where to, how long, on which conditions.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.
    """

    def __init__(self, terms: Terms) -> None:
        self.address = terms.address
        self.timeout: float | None
        self._deadlines: dict[str, float | None] = {}
        if isinstance(terms.timeout, Default):
            self.timeout = TIMEOUT
            self._deadlines |= DEADLINES
        else:
            self.timeout = terms.timeout
        self._deadlines |= terms.deadlines or {}
        self._terms = terms
        self._core = terms.core()
        self._is_open = False
        self._is_closed = False

    @property
    def greeting(self) -> Greeting:
        """What the server said first."""
        return self._core.greeting or Greeting()

    @property
    def late_replies(self) -> int:
        """How many replies came after their calls had given up."""
        return self._core.late_replies

    def _seconds(self, timeout: Timeout, name: str) -> float | None:
        """Return the seconds for a reply, of which a call says *timeout*."""
        if isinstance(timeout, Default):
            return self._deadlines.get(name, self.timeout)
        return timeout

    def _seconds_for_all(self, timeout: Timeout, names: Iterable[str]) -> float | None:
        """Return the seconds for the replies to many commands together."""
        if not isinstance(timeout, Default):
            return timeout
        return longest(self._deadlines.get(name, self.timeout) for name in names)

    def _token(self) -> Token | None:
        """Return what to show to who is at the address, if there is something.

        Raises:
            ConnectError: It would go there for everybody to read.
        """
        token = self._terms.token
        if token is None or not token.may_go_to(self.address):
            return None
        return token
