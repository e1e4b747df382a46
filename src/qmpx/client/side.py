"""One side of a conversation, a client's: what both faces have of it. No I/O."""

from collections.abc import Iterable, Mapping

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
        self._deadlines: Mapping[str, float | None] = {}
        if isinstance(terms.timeout, Default):
            self.timeout = TIMEOUT
            self._deadlines = DEADLINES
        else:
            self.timeout = terms.timeout
        if terms.deadlines:
            self._deadlines = {**self._deadlines, **terms.deadlines}
        self._terms = terms
        self._core = terms.core()
        self._is_open = False
        self._is_closed = False

    def __repr__(self) -> str:
        if self._is_closed:
            state = "closed"
        elif not self._is_open:
            state = "not connected"
        else:
            state = "connected" if self._core.failure is None else "lost"
        return f"<{type(self).__name__} {self.address}: {state}>"

    @property
    def greeting(self) -> Greeting:
        """What the server said first."""
        return self._core.greeting or Greeting()

    @property
    def late_replies(self) -> int:
        """How many replies came after their calls had given up."""
        return self._core.late_replies

    def _seconds_for_all(self, timeout: Timeout, names: Iterable[str]) -> float | None:
        """Return the seconds for the replies to many commands together."""
        if not isinstance(timeout, Default):
            return timeout
        return longest(self._deadlines.get(name, self.timeout) for name in set(names))

    def _token(self) -> Token | None:
        """Return what to show to who is at the address, if there is something.

        Raises:
            ConnectError: It would go there for everybody to read.
        """
        token = self._terms.token
        if token is None or not token.may_go_to(self.address):
            return None
        return token
