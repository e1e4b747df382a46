"""What both clients share: ids, waiting calls, late replies, subscriptions. No I/O.

A call that gave up stays known until its reply comes, so that a late reply is never
taken for another's; that also holds for servers that leave ids out, whose replies go to
the calls in their order.
"""

import enum
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, Struct

from qmpx.client.events import RECONNECTED, Event, EventBuffer
from qmpx.errors import (
    CommandError,
    CommandNotFound,
    ConnectionLost,
    LocalProtocolError,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.address import Address
from qmpx.transport.bearer import AUTHENTICATE, Token
from qmpx.wire.client import MAX_MESSAGE_SIZE, MessageReader
from qmpx.wire.messages import Greeting, ServerMessage

if TYPE_CHECKING:
    from qmpx.qapi.vocabulary import Vocabulary

TIMEOUT: Final = 30.0
"""Seconds for a reply: a loaded host may need ten, and a person gives up later."""

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for connection, greeting and negotiation together."""

RETRY_FIRST: Final = 0.1
RETRY_LAST: Final = 5.0
"""Seconds between tries to reconnect; doubled from the first figure to the last."""

MAX_IN_FLIGHT: Final = 65536
"""Calls without a reply, those given up included; a peer so far behind is gone."""

MAX_NAMES: Final = 1024
"""Names of commands that are kept encoded: more than QEMU has."""

CAPABILITIES: Final = ("oob",)
"""What is enabled where it is offered."""

EXECUTE: Final = b"execute"
"""Runs a command behind those that wait."""

EXEC_OOB: Final = b"exec-oob"
"""Runs it ahead of them; needs the capability ``oob``."""

EXECUTE_ASYNC: Final = b"execute_async"
"""Runs it, and lets those behind go on; needs the capability ``async``."""

_NEEDS: Final = {
    EXEC_OOB: ("oob", "out-of-band execution"),
    EXECUTE_ASYNC: ("async", "asynchronous commands"),
}

logger = logging.getLogger("qmpx.client")
logger.addHandler(logging.NullHandler())


class Default(enum.Enum):
    """Stands for an argument that was not given where ``None`` means something."""

    DEFAULT = "default"


DEFAULT: Final = Default.DEFAULT
Timeout = float | None | Default
Arguments = Mapping[str, Any] | Struct | None
BatchCommand = str | tuple[str, Arguments]


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
        spell = self._spell
        pieces = [
            spell(EXECUTE, command, None, id_)
            if isinstance(command, str)
            else spell(EXECUTE, command[0], command[1], id_)
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


def encode_arguments(value: Any) -> bytes:
    """Return JSON for a peer.

    Raises:
        LocalProtocolError: JSON cannot hold the value.
    """
    try:
        text = msgspec.json.encode(value, enc_hook=_as_dict)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"JSON cannot hold {value!r}: {error}"
        raise LocalProtocolError(message) from error
    # msgspec writes null for what JSON has no number for.
    if _may_hold_no_number(value) and b"null" in text and _holds_no_number(value):
        message = f"JSON cannot hold an infinity or NaN: {value!r}"
        raise LocalProtocolError(message)
    return text


def _as_dict(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} is no type of JSON"
    raise TypeError(message)


def _may_hold_no_number(value: Any) -> bool:
    """Whether a look at the text is worth while: seldom, and it may be long."""
    return not isinstance(value, str) and not (
        isinstance(value, dict)
        and all(type(each) in (str, int, bool) for each in value.values())
    )


def _holds_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return any(_holds_no_number(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_no_number(each) for each in value)
    return False


decode: Final = msgspec.json.Decoder().decode


UNREADABLE: Final = (ValueError, RecursionError)
"""What `decode` raises; the exceptions of msgspec are a ValueError, too."""


def unreadable(name: str, error: Exception) -> RemoteProtocolError:
    """Return the error for a reply that is JSON by its brackets only."""
    return RemoteProtocolError(f"the reply to {name!r} cannot be read: {error}")


def read_raw(message: ServerMessage, name: str) -> Raw:
    """Return what a command returned, unread.

    Raises:
        CommandError: The reply is an error.
        RemoteProtocolError: It is neither.
    """
    if message.returned is not UNSET:
        return message.returned
    raise read_error(message, name)


def read_value(message: ServerMessage, name: str) -> Any:
    """Return what a command returned; errors as `read_raw`."""
    if message.returned is UNSET:
        raise read_error(message, name)
    try:
        return decode(message.returned)
    except UNREADABLE as error:
        raise unreadable(name, error) from error


def read_error(message: ServerMessage, name: str) -> QmpxError:
    """Return the error that a reply tells of."""
    error = message.error
    if error is UNSET:
        return RemoteProtocolError(f"the reply to {name!r} holds nothing")
    data = error.data if isinstance(error.data, dict) else {}
    return CommandError.from_reply(error.error_class, error.desc, data, name)


def is_taken(message: ServerMessage, token: Token, address: Address) -> bool:
    """Whether a token was taken; it is not where a server knows nothing of tokens.

    Raises:
        ConnectError: It does not count there, or was given for this very server.
    """
    try:
        read_value(message, AUTHENTICATE)
    except CommandNotFound as error:
        if not token.source:
            raise token.refused(address, "the server takes none") from error
        logger.info("%s takes no tokens; that of %s is not used", address, token.source)
        return False
    except CommandError as error:
        raise token.refused(address, error.desc) from error
    return True


def merge(arguments: Arguments, more: dict[str, Any]) -> Arguments:
    """Return the arguments of a call, given as a mapping, as keywords or as both."""
    if not more:
        return arguments
    if isinstance(arguments, Struct):
        message = "arguments that are a Struct are all there are: there can be no more"
        raise LocalProtocolError(message)
    return {**arguments, **more} if arguments else more


def _outcome(message: ServerMessage) -> str:
    return "success" if message.error is UNSET else message.error.desc


def closed_by_peer(in_flight: int) -> ConnectionLost:
    """Return the error for a connection that the peer has closed."""
    calls = "1 call" if in_flight == 1 else f"{in_flight} calls"
    waited = f" while {calls} waited" if in_flight else ""
    return ConnectionLost(f"the peer closed the connection{waited}")


def require_verb(verb: bytes, greeting: Greeting, capabilities: Sequence[str]) -> None:
    """Return if commands may be run so: what that needs is offered and enabled.

    Raises:
        LocalProtocolError: They may not.
    """
    capability, what = _NEEDS[verb]
    if capability not in greeting.capabilities:
        message = (
            f"this server does not offer {what}; it offers "
            f"{', '.join(map(str, greeting.capabilities)) or 'no capabilities'}"
        )
        raise LocalProtocolError(message)
    if capability not in capabilities:
        verb_ = "was" if capability == "oob" else "were"
        message = f"{what} {verb_} not enabled: add {capability!r} to capabilities"
        raise LocalProtocolError(message)
