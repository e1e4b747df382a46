"""Which commands there are, and how each is called: declared by annotated functions.

::

    commands = CommandRegistry()

    @commands.command("eject")
    def eject(machine: Machine, *, device: str, force: bool = False) -> None: ...

The decorated function is handed back as it was, to be called in tests like any other.

A signature is read when its command is declared, so that a slip stops the import. Who
has very many commands, and must start fast, can have each read at its first use, and
import a module of commands when one of them is used: see `CommandRegistry`.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from msgspec import UNSET, Raw, UnsetType

from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.qapi.check import Member
from qmpx.qapi.signature import Signature

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor

Handler = Callable[..., Any]
HandlerT = TypeVar("HandlerT", bound=Handler)


class Entry:
    """A command, ready to be called.

    Args:
        name: On the wire.
        handler: The function.
        allow_oob: Whether it may run out of band.
        holds_monitor: See below.
        is_asynchronous: See below.
        is_listed: See below.
        features: See below.
        signature: What it takes and gives; that of the handler, unless given.
        reads_late: Whether the handler's signature is read at the first use.

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
        reads_late: bool = False,
    ) -> None:
        self.name = name
        self.handler = handler
        self.allow_oob = allow_oob
        self.holds_monitor = holds_monitor
        self.is_asynchronous = is_asynchronous
        self.is_listed = is_listed
        self.features = features
        if not reads_late:
            self._use(signature or Signature(name, handler))

    def _use(self, signature: "SignatureLike") -> None:
        self.signature = signature
        self.is_async = signature.is_async
        self.encode = signature.encode
        self.invoke = _binder(self.handler, signature)

    def _complete(self) -> None:
        self._use(Signature(self.name, self.handler))

    def __getattr__(self, attribute: str) -> Any:
        # Only what is not there yet is looked for here: a first use.
        if attribute not in Entry.__slots__:
            raise AttributeError(attribute, name=attribute, obj=self)
        self._complete()
        return object.__getattribute__(self, attribute)


class PostponedEntry(Entry):
    """A command of which only the name is known before its first use.

    Args:
        name: The name on the wire.
        make: Returns what it is then.
        is_listed: Whether ``query-commands`` tells of it.
    """

    __slots__ = ("_make",)

    def __init__(
        self, name: str, make: Callable[[], Entry], *, is_listed: bool = True
    ) -> None:
        self.name = name
        self.is_listed = is_listed
        self._make = make

    def _complete(self) -> None:
        made = self._make()
        for attribute in _MADE:
            setattr(self, attribute, getattr(made, attribute))


_MADE: Final = tuple({*Entry.__slots__} - {"name", "is_listed"})


class CommandRegistry(Mapping[str, Entry]):
    """Commands by name, in the order of their declaration.

    Args:
        others: Registries whose commands it has from the beginning.
        reads_late: Whether the signature of a command is read at its first use: the
            decorator then raises nothing for one that is no schema, and the command
            fails. A test should call `read_signatures`, to find such slips.
    """

    def __init__(self, *others: "CommandRegistry", reads_late: bool = False) -> None:
        self.entries: dict[str, Entry] = {}
        self._reads_late = reads_late
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

    def postpone(
        self, names: Iterable[str], home: "Callable[[], CommandRegistry]"
    ) -> None:
        """Enter commands of another registry, which is made when one is first used.

        Args:
            names: What they are called.
            home: Returns that registry; it may import a module for that.

        Raises:
            TypeError: A name is taken.
        """
        for name in names:
            self.add(PostponedEntry(name, partial(_find, home, name)))

    def read_signatures(self) -> None:
        """Read all signatures that were not read yet.

        Raises:
            TypeError: One is no schema.
        """
        for entry in self.entries.values():
            _ = entry.signature

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
            TypeError: The name is taken; or the signature is no schema, unless the
                registry reads that later.
        """

        def register(handler: HandlerT) -> HandlerT:
            entry = Entry(
                name,
                handler,
                allow_oob=allow_oob,
                holds_monitor=holds_monitor,
                is_asynchronous=asynchronous,
                features=features,
                reads_late=self._reads_late,
            )
            self.add(entry)
            return handler

        return register


def _find(home: Callable[[], CommandRegistry], name: str) -> Entry:
    return home()[name]


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
