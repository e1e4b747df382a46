"""Many commands with one write, for both clients."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import UNSET

from qmpx.client.arguments import BatchCommand
from qmpx.client.core import ClientCore
from qmpx.client.replies import UNREADABLE, decode, read_error, unreadable
from qmpx.errors import CommandError, QmpxError
from qmpx.wire.messages import ServerMessage


class BatchCall:
    """Many commands and what became of them."""

    __slots__ = ("_first", "_missing", "_replies", "error", "is_done", "message")

    def __init__(self, count: int) -> None:
        self._replies: list[ServerMessage | None] = [None] * count
        self._missing = count
        self._first = 0
        self.is_done = False
        self.message: ServerMessage | None = None
        self.error: QmpxError | None = None

    def issue(self, core: ClientCore, batch: Sequence[BatchCommand]) -> bytes:
        """Return what to send; nothing is noted if one of them is no JSON."""
        self._first = core.last_id + 1
        return core.issue_many(self, batch)

    def abandon(self, core: ClientCore) -> None:
        """Wait no more."""
        core.abandon(self._first, len(self._replies))

    def withdraw(self, core: ClientCore) -> None:
        """Forget what was not sent after all."""
        core.withdraw(self._first, len(self._replies))

    def messages(self) -> list[ServerMessage]:
        """Return the replies in the order of the commands."""
        return [reply for reply in self._replies if reply is not None]

    def resolve(self, id_: int, message: ServerMessage) -> None:
        """Take a reply."""
        self._replies[id_ - self._first] = message
        self._missing -= 1
        if not self._missing:
            self.message = message
            self.is_done = True

    def fail(self, error: QmpxError) -> None:
        """Learn that there will be no more."""
        self.error = error
        self.is_done = True


def read_batch(
    messages: Iterable[ServerMessage], names: Iterable[str], *, return_errors: bool
) -> list[Any]:
    """Return what the commands of a batch returned, in their order.

    Raises:
        CommandError: The first that failed, unless errors are to be returned.
        RemoteProtocolError: A reply cannot be read.
    """
    values: list[Any] = []
    name = ""
    try:
        for message, name in zip(messages, names, strict=True):
            if message.returned is not UNSET:
                values.append(decode(message.returned))
                continue
            error = read_error(message, name)
            if not return_errors or not isinstance(error, CommandError):
                raise error
            values.append(error)
    except UNREADABLE as fault:
        raise unreadable(name, fault) from fault
    return values


def names_of(batch: Iterable[BatchCommand]) -> list[str]:
    """Return the names of the commands of a batch."""
    return [each if isinstance(each, str) else each[0] for each in batch]
