"""Who looks after a connection, and what it is told of it."""

from typing import Protocol

from qmpx.gateway.upstreams.passing import Request


class Tally(Protocol):
    """Is told which commands wait for their replies."""

    def begun(self, request: Request) -> None:
        """Note a client's command that waits for its reply from now on."""

    def ended(self, request: Request) -> None:
        """Note that the monitor has answered it, or that nobody waits any more."""


class Care(Tally, Protocol):
    """Looks after the connection; see `qmpx.gateway.care.care`."""

    def happened(self, name: str) -> None:
        """Note an event of the monitor's."""

    async def greeted(self) -> None:
        """Look how the monitor is before clients may use it again; bounded in time."""

    def changed(self, reason: str) -> None:
        """Note that the connection is made (no reason) or lost."""
