"""A client whose every message can be watched, and that tells when it is cut off."""

from collections.abc import Callable
from typing import Any

from qmpx.client.asynchronous import AsyncClient
from qmpx.client.core import ClientCore
from qmpx.client.recording import Watch, WatchedCore
from qmpx.client.terms import Terms
from qmpx.transport.address import Address


class _WatchedTerms(Terms, frozen=True, kw_only=True):
    watch: Watch

    def core(self) -> ClientCore:
        return WatchedCore(self.watch, self.max_message_size, reconnects=self.reconnect)


class ObservedClient(AsyncClient):
    """An asyncio client that connects again when it was cut off.

    Args:
        address: Where the monitor is.
        watch: Takes every message, before it is acted on.
        lost: Called when an open conversation was cut off, with the reason.
        options: Further terms, as `Terms` has them.
    """

    def __init__(
        self,
        address: Address,
        watch: Watch,
        lost: Callable[[str], None],
        **options: Any,
    ) -> None:
        super().__init__(_WatchedTerms(address, watch=watch, reconnect=True, **options))
        self._lost = lost

    def connection_lost(self, error: OSError | None) -> None:
        """Tell, and begin anew."""
        was_open = self._is_open and not self._is_closed
        super().connection_lost(error)
        if was_open:
            failure = self._core.failure
            self._lost(str(failure) if failure is not None else "")
