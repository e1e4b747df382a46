"""A client whose every message can be watched, and that tells when it is cut off."""

from collections.abc import Callable
from typing import Any, Final

from qmpx.client.asynchronous import AsyncClient
from qmpx.client.core import EXECUTE, Arguments, ClientCore, Waiter
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER
from qmpx.transcript.splitter import Splitter
from qmpx.transport.address import Address

Watch = Callable[[str, bytes], None]
"""Takes a direction (``->`` or ``<-``) and a message."""


class _WatchedCore(ClientCore):
    """Shows what is sent and what is received."""

    __slots__ = ("_splitter", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch: Final = watch
        self._splitter = Splitter()
        super().__init__(reconnects=True)

    def restart(self) -> None:
        self._splitter = Splitter()
        super().restart()

    def issue(
        self,
        waiter: Waiter,
        name: str,
        arguments: Arguments = None,
        *,
        verb: bytes = EXECUTE,
    ) -> bytes:
        data = super().issue(waiter, name, arguments, verb=verb)
        self._watch(TO_SERVER, data)
        return data

    def issue_many(self, waiter: Waiter, commands: Any) -> bytes:
        data = super().issue_many(waiter, commands)
        for line in data.splitlines():
            self._watch(TO_SERVER, line)
        return data

    def feed(self, data: bytes) -> None:
        for message in self._splitter.feed(data):
            self._watch(TO_CLIENT, message)
        super().feed(data)


class ObservedClient(AsyncClient):
    """An asyncio client that connects again when it was cut off.

    Args:
        address: Where the monitor is.
        watch: Takes every message, before it is acted on.
        lost: Called when an open conversation was cut off, with the reason.
        options: Those of `AsyncClient`.
    """

    def __init__(
        self,
        address: Address,
        watch: Watch,
        lost: Callable[[str], None],
        **options: Any,
    ) -> None:
        super().__init__(address, reconnect=True, **options)
        self._core = _WatchedCore(watch)
        self._lost = lost

    def connection_lost(self, error: OSError | None) -> None:
        """Tell, and begin anew."""
        was_open = self._is_open and not self._is_closed
        super().connection_lost(error)
        if was_open:
            failure = self._core.failure
            self._lost(str(failure) if failure is not None else "")
