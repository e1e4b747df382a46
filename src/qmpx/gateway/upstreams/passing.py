"""What passes between a monitor and the clients that share it, unread.

Arguments, returned values, errors and the data of events stay the bytes that they were.
"""

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from qmpx.errors import CommandError, GenericError
from qmpx.monitor.deferred import Deferred
from qmpx.transport.channel import close_fds
from qmpx.wire.encode import encode_string
from qmpx.wire.messages import Greeting

if TYPE_CHECKING:
    from qmpx.monitor.session import Session


class PassedError(CommandError):
    """An error of the monitor's, on its way to a client.

    Args:
        body: The error as it came, encoded.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    @property
    def error_class_told(self) -> str:
        """The class that the monitor gave it."""
        return msgspec.json.decode(self.body, type=_ErrorBody).error_class


class _ErrorBody(Struct):
    error_class: str = field(default="GenericError", name="class")


def passed_error(body: bytes) -> CommandError:
    """Return the error for a reply's; another one where that is none."""
    try:
        msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        message = "The monitor behind the gateway replied with what is no error"
        return GenericError(message)
    return PassedError(body)


class LostError(GenericError):
    """The monitor was lost while it had a command; what came of it is not known."""


class UpstreamMessage(Struct, gc=False):
    """A message of the monitor; what is handed on is not read."""

    returned: Raw | UnsetType = field(default=UNSET, name="return")
    id: Any = UNSET
    error: Raw | UnsetType = UNSET
    event: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    timestamp: Raw | UnsetType = UNSET
    greeting: Greeting | UnsetType = field(default=UNSET, name="QMP")


decode: Final = msgspec.json.Decoder(UpstreamMessage).decode_lines


class Bound(Protocol):
    """Bounds how long clients wait for their commands."""

    def end(self, request: "Request") -> None:
        """Forget a command that is answered."""


class Request:
    """A command on its way to the monitor.

    Args:
        name: The command.
        arguments: An object, encoded.
        is_in_band: Whether it is to run in its turn.

    Attributes:
        deferred: Its reply.
        fds: The descriptors that came with it, open until it is answered.
        session: Whose they are.
        patience: What bounds how long its client waits; ``None``: nothing does.
        seconds: For how long that is.
        was_sent: Whether it is on its way to the monitor.
    """

    __slots__ = (
        "_text",
        "deferred",
        "fds",
        "is_in_band",
        "name",
        "patience",
        "seconds",
        "session",
        "was_sent",
    )

    def __init__(
        self,
        name: str,
        arguments: Raw | bytes | UnsetType,
        *,
        is_in_band: bool = True,
    ) -> None:
        self.session: Session | None = None  # of one with descriptors
        self.name = name
        self.is_in_band = is_in_band
        self.deferred = Deferred()
        self.fds: list[int] = []
        self.patience: Bound | None = None
        self.seconds = 0.0
        self.was_sent = False
        verb = b"execute" if is_in_band else b"exec-oob"
        text = b'{"%b":%b' % (verb, encode_string(name).encode())
        if arguments is not UNSET:
            text += b',"arguments":%b' % bytes(arguments)
        self._text = text

    def spell(self, id_: int) -> bytes:
        """Return the command as it is sent, with an id of ours."""
        return b'%b,"id":%d}\n' % (self._text, id_)

    def drop_fds(self) -> None:
        """Close its descriptors."""
        close_fds(self.fds)
        self.fds = []


def away(reason: str) -> str:
    """Return what a client is told whose command was not sent."""
    return f"The monitor behind the gateway is away, nothing was sent: {reason}"


def lost(reason: str) -> str:
    """Return what a client is told whose command was sent, and not answered."""
    return (
        "The monitor behind the gateway was lost before it replied; whether the "
        f"command was carried out is not known: {reason}"
    )


def overdue(name: str, seconds: float, *, was_sent: bool) -> str:
    """Return what a client is told whose command was not answered in time."""
    if was_sent:
        return (
            f"The monitor behind the gateway did not reply to {name} within "
            f"{seconds:g} s; whether the command is carried out is not known, and what "
            "it replies will be dropped"
        )
    busy = f"The monitor behind the gateway was busy for {seconds:g} s"
    return f"{busy}; {name} was not sent"


def on_one_line(raw: Raw | UnsetType) -> bytes:
    """Return a value as it came; if a monitor spread it over lines, on one."""
    text = bytes(raw)  # type: ignore[arg-type]
    return msgspec.json.format(text, indent=0) if b"\n" in text else text


def spell_event(message: UpstreamMessage) -> bytes:
    """Return an event as it goes to every client."""
    pieces = [b"{"]
    if message.timestamp is not UNSET:
        pieces.append(b'"timestamp": %b, ' % on_one_line(message.timestamp))
    pieces.append(b'"event": %b' % encode_string(str(message.event)).encode())
    if message.data is not UNSET:
        pieces.append(b', "data": %b' % on_one_line(message.data))
    pieces.append(b"}\r\n")
    return b"".join(pieces)
