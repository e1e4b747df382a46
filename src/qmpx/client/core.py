"""What both clients share: ids, waiting calls, late replies, subscriptions. No I/O.

A call that gave up stays known until its reply comes, so that a late reply is never
taken for another's; that also holds for servers that leave ids out, whose replies go to
the calls in their order.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import UNSET

from qmpx.client.arguments import Arguments, BatchCommand, encode_arguments
from qmpx.client.events import RECONNECTED, Event, EventBuffer
from qmpx.client.verbs import EXECUTE
from qmpx.errors import (
    ConnectionLost,
    LocalProtocolError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.bearer import AUTHENTICATE, Token
from qmpx.wire.client import MAX_MESSAGE_SIZE, MessageReader
from qmpx.wire.messages import Greeting, ServerMessage

if TYPE_CHECKING:
    from qmpx.qapi.vocabulary import Vocabulary

MAX_IN_FLIGHT: Final = 65536
"""Calls without a reply, those given up included; a peer so far behind is gone."""

MAX_NAMES: Final = 1024
"""Names of commands that are kept encoded: more than QEMU has."""

CAPABILITIES: Final = ("oob",)
"""What is enabled where it is offered."""

logger = logging.getLogger("qmpx.client")
logger.addHandler(logging.NullHandler())


class Waiter(Protocol):
    """Somebody who waits for a reply."""

    def resolve(self, id_: int, message: ServerMessage) -> None:
        """Take the reply."""

    def fail(self, error: QmpxError) -> None:
        """Learn that there will be none."""


class _Abandoned:
    """A call that gave up."""

    def resolve(self, id_: int, message: ServerMessage) -> None:
        logger.info("a late reply to call %d was dropped: %s", id_, _outcome(message))

    def fail(self, error: QmpxError) -> None:
        pass


ABANDONED: Final = _Abandoned()


class _Negotiation:
    """The wait for the reply that opens a conversation."""

    def __init__(self, core: "ClientCore", waiter: Waiter) -> None:
        self._core = core
        self._waiter = waiter

    def resolve(self, id_: int, message: ServerMessage) -> None:
        if message.returned is not UNSET:
            self._core.negotiated()
        self._waiter.resolve(id_, message)

    def fail(self, error: QmpxError) -> None:
        self._waiter.fail(error)


class ClientCore:
    """One client's conversation.

    Args:
        max_message_size: Most bytes of one message of the server.
        reconnects: Whether a new conversation follows one that breaks off.

    Attributes:
        greeting: The server's greeting, once it has come.
        failure: Why the conversation is over.
        late_replies: How many replies came after their calls gave up.
        vocabulary: What the peer supports, once it was asked.
    """

    __slots__ = (
        "_conversations",
        "_max_message_size",
        "_names",
        "_next_id",
        "_reader",
        "_reconnects",
        "buffers",
        "failure",
        "greeting",
        "late_replies",
        "pending",
        "vocabulary",
    )

    def __init__(
        self, max_message_size: int = MAX_MESSAGE_SIZE, *, reconnects: bool = False
    ) -> None:
        self._max_message_size = max_message_size
        self._reconnects = reconnects
        self._names: dict[str, bytes] = {}
        self._next_id = 1
        self._conversations = 0
        self.pending: dict[int, Waiter] = {}
        self.buffers: list[EventBuffer] = []
        self.late_replies = 0
        self.restart()

    def restart(self) -> None:
        """Begin a new conversation; ids go on, so that none is used twice."""
        self._reader = MessageReader(self._max_message_size)
        self.greeting: Greeting | None = None
        self.failure: QmpxError | None = None
        self.vocabulary: Vocabulary | None = None
        self.pending.clear()

    # Out.

    def issue(
        self,
        waiter: Waiter,
        name: str,
        arguments: Arguments = None,
        *,
        verb: bytes = EXECUTE,
    ) -> bytes:
        """Note that *waiter* waits for the reply to a command; return what to send.

        Raises:
            LocalProtocolError: Too many calls wait, or the arguments are no JSON.
            QmpxError: The conversation is over, for this reason.
        """
        self._require_room(1)
        id_ = self._next_id
        data = self._spell(verb, name, arguments, id_)
        self._next_id = id_ + 1
        self.pending[id_] = waiter
        return data

    def issue_many(self, waiter: Waiter, commands: Sequence[BatchCommand]) -> bytes:
        """Do what `issue` does for many commands; if one fails none is noted."""
        self._require_room(len(commands))
        first = self._next_id
        quoted, spell = self._names.get, self._spell
        pieces = [
            b'{"execute":%b,"id":%d}\n' % (known, id_)
            if isinstance(command, str) and (known := quoted(command))
            else spell(
                EXECUTE,
                *((command, None) if isinstance(command, str) else command),
                id_,
            )
            for id_, command in enumerate(commands, first)
        ]
        self._next_id = first + len(commands)
        self.pending.update(dict.fromkeys(range(first, self._next_id), waiter))
        return b"".join(pieces)

    def _require_room(self, count: int) -> None:
        if self.failure is not None:
            raise self.failure
        if len(self.pending) + count > MAX_IN_FLIGHT:
            message = f"{MAX_IN_FLIGHT} calls wait for replies; wait for some first"
            raise LocalProtocolError(message)

    def _spell(self, verb: bytes, name: str, arguments: Arguments, id_: int) -> bytes:
        quoted = self._names.get(name)
        if quoted is None:
            quoted = encode_arguments(name)
            if len(self._names) < MAX_NAMES:
                self._names[name] = quoted
        if not arguments:
            return b'{"%b":%b,"id":%d}\n' % (verb, quoted, id_)
        text = encode_arguments(arguments)
        if text[:1] != b"{":
            message = f"the arguments of {name!r} are no object: {arguments!r}"
            raise LocalProtocolError(message)
        return b'{"%b":%b,"arguments":%b,"id":%d}\n' % (verb, quoted, text, id_)

    @property
    def last_id(self) -> int:
        """The id of the command that was issued last."""
        return self._next_id - 1

    def negotiation(self, waiter: Waiter, capabilities: Iterable[str]) -> bytes:
        """Return the command that enables what of *capabilities* is offered.

        Raises:
            RemoteProtocolError: There was no greeting.
        """
        if self.greeting is None:
            message = "the server's first message was no greeting"
            raise RemoteProtocolError(message)
        wanted = [c for c in capabilities if c in self.greeting.capabilities]
        arguments = {"enable": wanted} if wanted else None
        return self.issue(_Negotiation(self, waiter), "qmp_capabilities", arguments)

    def authentication(self, waiter: Waiter, token: Token) -> bytes:
        """Return the command that shows a token to a gateway."""
        return ClientCore.issue(self, waiter, AUTHENTICATE, {"token": token.reveal()})

    def abandon(self, id_: int, count: int = 1) -> None:
        """Wait no more for some calls; their replies will be dropped."""
        for each in range(id_, id_ + count):
            if each in self.pending:
                self.pending[each] = ABANDONED

    def withdraw(self, id_: int, count: int = 1) -> None:
        """Forget calls whose commands were not sent after all."""
        for each in range(id_, id_ + count):
            self.pending.pop(each, None)

    # In.

    def feed(self, data: bytes) -> None:
        """Hand on what *data* brings: replies to their callers, events to subscribers.

        Raises:
            RemoteProtocolError: It is no QMP; the conversation is over.
        """
        try:
            messages = self._reader.receive(data)
        except RemoteProtocolError as error:
            self.lose(error)
            raise
        pending = self.pending
        for message in messages:
            id_ = message.id
            if type(id_) is int and (waiter := pending.pop(id_, None)) is not None:
                if waiter is ABANDONED:
                    self.late_replies += 1
                waiter.resolve(id_, message)
            elif message.event is not UNSET:
                self._publish(Event.of(message))
            else:
                self._take_odd(message)

    def _take_odd(self, message: ServerMessage) -> None:
        if message.greeting is not UNSET:
            self.greeting = message.greeting
        elif message.returned is UNSET and message.error is UNSET:
            logger.warning("a message that is neither reply nor event was dropped")
        elif message.id is UNSET and self.pending:
            # A server that leaves ids out answers in order.
            id_ = next(iter(self.pending))
            waiter = self.pending.pop(id_)
            if waiter is ABANDONED:
                self.late_replies += 1
            waiter.resolve(id_, message)
        else:
            self.late_replies += 1
            logger.warning(
                "a reply that nobody waits for was dropped: id %r", message.id
            )

    def _publish(self, event: Event) -> None:
        for buffer in self.buffers:
            dropped = buffer.dropped
            buffer.offer(event)
            if not dropped and buffer.dropped:
                logger.warning("a subscription is full: events are dropped")

    def negotiated(self) -> None:
        """Tell subscribers of a new conversation that events may be missing.

        It stands before the first event of that conversation.
        """
        self._conversations += 1
        if self._conversations == 1:
            return
        event = Event(RECONNECTED, {}, synthetic=True)
        for buffer in self.buffers:
            buffer.offer(event, wanted=True)

    def lose(self, error: QmpxError, *, for_good: bool = False) -> None:
        """End the conversation: every call that waits fails with *error*.

        Args:
            error: Why.
            for_good: Whether subscribers are to be told though another conversation
                was to follow.
        """
        if self.failure is None:
            self.failure = error
        pending, self.pending = self.pending, {}
        for waiter in pending.values():
            waiter.fail(error)
        if for_good or not self._reconnects:
            for buffer in self.buffers:
                if buffer.failure is None:
                    buffer.failure = error


class Call:
    """One command and what became of it, for the blocking client."""

    __slots__ = ("error", "is_done", "message")

    def __init__(self) -> None:
        self.is_done = False
        self.message: ServerMessage | None = None
        self.error: QmpxError | None = None

    def resolve(self, id_: int, message: ServerMessage) -> None:  # noqa: ARG002
        """Take the reply."""
        self.message = message
        self.is_done = True

    def fail(self, error: QmpxError) -> None:
        """Learn that there will be none."""
        self.error = error
        self.is_done = True


def _outcome(message: ServerMessage) -> str:
    return "success" if message.error is UNSET else message.error.desc


def closed_by_peer(in_flight: int) -> ConnectionLost:
    """Return the error for a connection that the peer has closed."""
    calls = "1 call" if in_flight == 1 else f"{in_flight} calls"
    waited = f" while {calls} waited" if in_flight else ""
    return ConnectionLost(f"the peer closed the connection{waited}")
