"""Which commands there are, and how each is called: declared by annotated functions.

::

    commands = CommandRegistry()

    @commands.command("eject")
    def eject(machine: Machine, *, device: str, force: bool = False) -> None: ...

The decorated function is handed back as it was, to be called in tests like any other.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import UNSET, Raw, UnsetType

from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.qapi import Signature
from qmpx.qapi.check import Member

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor

Handler = Callable[..., Any]
HandlerT = TypeVar("HandlerT", bound=Handler)


class Entry:
    """A command, ready to be called.

    Attributes:
        name: On the wire.
        handler: The function.
        signature: What it takes and gives.
        allow_oob: Whether it may run out of band.
        holds_monitor: Whether, while it waits, no other in-band command of any session
            runs. QEMU's commands that block its main loop are like that.
        is_asynchronous: Whether its reply may come after those of later commands, where
            the dialect lets it: see `qmpx.wire.server.Rules.lets_overtake`.
        is_listed: Whether ``query-commands`` tells of it.
        features: What clients are told of it, such as ``deprecated``.
        invoke: Call the handler for a session with unread arguments.
        is_async: Whether that gives a coroutine.
        encode: What it returned, in wire form.
    """

    __slots__ = (
        "allow_oob",
        "encode",
        "features",
        "handler",
        "holds_monitor",
        "invoke",
        "is_async",
        "is_asynchronous",
        "is_listed",
        "name",
        "signature",
    )

    def __init__(
        self,
        name: str,
        handler: Handler,
        *,
        allow_oob: bool = False,
        holds_monitor: bool = False,
        is_asynchronous: bool = False,
        is_listed: bool = True,
        features: tuple[str, ...] = (),
        signature: "SignatureLike | None" = None,
    ) -> None:
        self.name = name
        self.handler = handler
        self.signature = signature or Signature(name, handler)
        self.allow_oob = allow_oob
        self.holds_monitor = holds_monitor
        self.is_asynchronous = is_asynchronous
        self.is_listed = is_listed
        self.features = features
        self.is_async = self.signature.is_async
        self.encode = self.signature.encode
        self.invoke = _binder(handler, self.signature)


class CommandRegistry(Mapping[str, Entry]):
    """Commands by name, in the order of their declaration."""

    def __init__(self, *others: "CommandRegistry") -> None:
        self.entries: dict[str, Entry] = {}
        for other in others:
            self.entries.update(other.entries)

    def __getitem__(self, name: str) -> Entry:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entry: Entry) -> None:
        """Enter a command that is made already.

        Raises:
            TypeError: The name is taken.
        """
        if entry.name in self.entries:
            message = f"command {entry.name!r} is declared twice"
            raise TypeError(message)
        self.entries[entry.name] = entry

    def command(
        self,
        name: str,
        *,
        allow_oob: bool = False,
        holds_monitor: bool = False,
        asynchronous: bool = False,
        features: tuple[str, ...] = (),
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the decorated function as the command *name*.

        Its positional parameters are handed over by the monitor: one annotated with
        `Session` gets the session that asks, any other the monitor's target. Its
        keyword-only parameters are the arguments on the wire, where underscores become
        hyphens (see `qmpx.qapi.WireName` for other spellings).

        Args:
            name: The name on the wire.
            allow_oob: Whether it may run out of band. Such a handler must be quick and
                must not wait for an in-band command.
            holds_monitor: Whether a coroutine holds up the in-band commands of *all*
                sessions while it waits; else it holds up those of its own.
            asynchronous: Whether the dialect may send its reply after those of later
                commands, without being asked; clients with the capability ``async``
                ask for that for any command, by ``execute_async``.
            features: What introspection says of it, such as ``("deprecated",)``.

        Raises:
            TypeError: The name is taken, or the signature is no schema.
        """

        def register(handler: HandlerT) -> HandlerT:
            entry = Entry(
                name,
                handler,
                allow_oob=allow_oob,
                holds_monitor=holds_monitor,
                is_asynchronous=asynchronous,
                features=features,
            )
            self.add(entry)
            return handler

        return register


def _binder(
    handler: Handler, signature: "SignatureLike"
) -> Callable[[Any, Raw | UnsetType], Any]:
    """Return how to call *handler* for a session with unread arguments."""
    # Sessions are recognised by name, not by type: their module needs this one.
    wants = tuple(wants_session(annotation) for annotation in signature.positional)
    read = signature.read
    takes_nothing = not signature.members

    def invoke(session: Any, arguments: Raw | UnsetType) -> Any:
        given = [session if want else session.monitor.target for want in wants]
        return handler(*given, **read(arguments))

    def invoke_on_target(session: Any, arguments: Raw | UnsetType) -> Any:
        if arguments is UNSET and takes_nothing:
            return handler(session.monitor.target)
        return handler(session.monitor.target, **read(arguments))

    return invoke_on_target if wants == (False,) else invoke


class SessionLike:
    """What handlers may ask for beside the target: QMP's session, or a person's.

    Attributes:
        monitor: What it is a session of.
        frontend: What it shares with the other sessions of its listener.
        pending: Descriptors that came with it and that no command took yet.
        answers_later: Whether the command that is being started was sent by
            ``execute_async``: its reply may come when all is done. A coroutine looks
            at it before it waits.
    """

    __slots__ = ()

    answers_later: bool
    monitor: "Monitor"
    frontend: Frontend
    pending: PendingDescriptors


class SignatureLike(Protocol):
    """What an entry asks of a signature: see `qmpx.qapi.Signature`."""

    positional: list[Any]
    members: list[Member]
    is_async: bool

    def read(self, arguments: Raw | UnsetType) -> dict[str, Any]:
        """Return the handler's keywords."""

    def encode(self, value: Any) -> bytes:
        """Return what the handler returned in wire form."""


def wants_session(annotation: Any) -> bool:
    """Whether a positional parameter is to be given the session that asks."""
    return inspect.isclass(annotation) and issubclass(annotation, SessionLike)
