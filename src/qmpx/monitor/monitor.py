"""A monitor: commands, events, and the sessions of its clients.

::

    monitor = Monitor(machine)

    @monitor.command("query-status")
    def query_status(machine: Machine) -> StatusInfo: ...

    async with monitor.serve("unix:/run/qmp.sock") as server:
        await server.wait_closed()

Everything here belongs to one event loop and its thread.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from qmpx.errors import MODERN_CLASSES, CommandError, LocalProtocolError, UndefinedError
from qmpx.monitor.broadcast import Broadcast
from qmpx.monitor.built_in import commands_of
from qmpx.monitor.declarations import CheckedCommands, Declarations
from qmpx.monitor.descriptors import DescriptorSets
from qmpx.monitor.loop import loop_factory
from qmpx.monitor.registry import CommandRegistry, Entry, HandlerT
from qmpx.monitor.server import GRACE, AnySession, Server
from qmpx.monitor.session import Session
from qmpx.monitor.thread import ServerThread
from qmpx.monitor.throttle import LIMITED, Throttle
from qmpx.monitor.turns import Turns
from qmpx.transport.address import ListenAddress, parse_listen_address
from qmpx.transport.listening import BACKLOG
from qmpx.wire.encode import indent
from qmpx.wire.outcomes import Limits
from qmpx.wire.server import MODERN_RULES, OOB, Rules, ServerSession, event

if TYPE_CHECKING:
    import socket

    from qmpx.monitor.deferred import Deferred
    from qmpx.monitor.human.table import CommandTable
    from qmpx.qapi.model import Schema

MAX_SESSIONS: Final = 16 * 1024
"""Clients of one listener that are served at once: 40 MB at their idle size."""

logger = logging.getLogger("qmpx.monitor")
logger.addHandler(logging.NullHandler())


def modern_error(error: CommandError) -> dict[str, Any]:
    """Return an error as every monitor since QEMU 1.2 shows it."""
    known = error.error_class in MODERN_CLASSES
    return {
        "class": error.error_class if known else "GenericError",
        "desc": error.desc,
    }


class Monitor:
    """Serve commands to any number of clients.

    Args:
        target: What handlers act on: their positional parameter. Anything.
        commands: Commands to begin with; more can be declared with `command`.
        version: What the greeting says: ``{"qemu": {"major": ...}, "package": ...}``.
        capabilities: What the greeting offers.
        show_error: How an error looks on the wire.
        limits: What one unfinished message of a client may come to.
        rules: The protocol's rules of which year.
        pretty: Whether messages are spread over lines and indented, for people.
        limited_events: Which events are held to one a second; see `throttle`.
        clock: The time of events, in microseconds since 1970.
        human: The commands of its human monitor, if it is to have one. Those that are
            not for people alone QMP has, too, unless *commands* has them.
        describe_error: How an error reads for people.
        introspection: Whether it has ``query-qmp-schema`` and ``query-commands``.
        check: Whether what handlers return and events carry is held against what they
            declare. A value that does not fit is logged, and its command fails: it is
            for tests.

    Attributes:
        declarations: The events that are declared, and the schema of all there is.
        human: The commands of its human monitor.
        describe_error: How an error reads for people.
        descriptor_sets: The descriptors that clients put into sets.
        on_idle: Called when the last client has gone.
        interpose: Opens the session of a client that has come, if something is to stand
            between the two; ``None``: nothing does.
        turns: Whose command holds up those of the other sessions.
        broadcast: Sends events to the sessions that get them.
        is_stopping: Whether a server waits for its sessions to come to rest.
        is_building: Whether what it shows is not ready yet; people then have only the
            commands that are for that.
    """

    def __init__(
        self,
        target: Any = None,
        *,
        commands: CommandRegistry | None = None,
        version: Any = None,
        capabilities: tuple[str, ...] = (OOB,),
        show_error: Callable[[CommandError], dict[str, Any]] = modern_error,
        limits: Limits = Limits(),  # noqa: B008 - immutable
        rules: Rules = MODERN_RULES,
        pretty: bool = False,
        limited_events: Mapping[str, tuple[str, ...]] = LIMITED,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
        human: "CommandTable | None" = None,
        describe_error: Callable[[CommandError], str] = lambda error: error.desc,
        introspection: bool = False,
        check: bool = False,
    ) -> None:
        self.target = target
        self.declarations = Declarations(self)
        self.commands = commands_of(commands, human, introspects=introspection)
        if check:
            self.commands = CheckedCommands(self.declarations, self.commands)
        self.version: Any = version or {
            "qemu": {"major": 0, "minor": 0, "micro": 0},
            "package": "qmpx",
        }
        self.capabilities = capabilities
        self.limits = limits
        self.rules = rules
        self.pretty = pretty
        self.descriptor_sets = DescriptorSets()
        self.on_idle: Callable[[], None] | None = None
        self.interpose: Callable[[Session, socket.socket], None] | None = None
        self.is_stopping = False
        self.is_building = False
        self.tasks: dict[asyncio.Task[Any] | Deferred, AnySession] = {}
        self.servers: dict[Server, None] = {}
        self.announce(self.version)
        self.human = human
        self.describe_error = describe_error
        self._show_error = show_error
        self._checks = check
        self._clock = clock
        self._subscribers: dict[Session, None] = {}
        self.broadcast = Broadcast(self._subscribers)
        self._throttle = Throttle(self.broadcast.send, limited_events)
        self.turns = Turns()
        self._loop: asyncio.AbstractEventLoop | None = None

    def announce(self, version: Any) -> None:
        """Tell this version from now on: in the greeting, and to whoever asks."""
        self.version = version
        session = ServerSession(self.capabilities, rules=self.rules)
        greeting = session.greeting(version)
        self.greeting = indent(greeting) if self.pretty else greeting

    @property
    def entries(self) -> dict[str, Entry]:
        """The commands by name."""
        return self.commands.entries

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the monitor serves on.

        Raises:
            LocalProtocolError: It does not serve.
        """
        if self._loop is None:
            message = "this monitor does not serve: it has no event loop"
            raise LocalProtocolError(message)
        return self._loop

    def command(
        self,
        name: str,
        *,
        allow_oob: bool = False,
        holds_monitor: bool = False,
        asynchronous: bool = False,
        features: tuple[str, ...] = (),
    ) -> Callable[[HandlerT], HandlerT]:
        """Declare the decorated function as a command.

        ::

            @monitor.command("eject")
            def eject(machine: Machine, *, device: str) -> None: ...

        `CommandRegistry.command` says what the arguments and the parameters mean.
        """
        return self.commands.command(
            name,
            allow_oob=allow_oob,
            holds_monitor=holds_monitor,
            asynchronous=asynchronous,
            features=features,
        )

    def event(
        self, name: str, data: Any = None, *, features: tuple[str, ...] = ()
    ) -> None:
        """Declare an event, for introspection and for checks. `emit` does not need it.

        Args:
            name: Its name, in capitals.
            data: The type of its data, such as a Struct or a ``TypedDict``; ``None`` if
                it has none.
            features: What introspection says of it, such as ``("deprecated",)``.

        Raises:
            TypeError: The name is taken.
        """
        if name in self.declarations.events:
            message = f"event {name!r} is declared twice"
            raise TypeError(message)
        self.declarations.events[name] = (data, features)

    @property
    def schema(self) -> "Schema":
        """What it serves, by the annotations of its handlers and declared events.

        Raises:
            TypeError: The data of a declared event are no object.
        """
        return self.declarations.schema

    def emit(self, name: str, data: Any = None) -> None:
        """Send an event to every negotiated session.

        It takes its place before the reply of the command whose handler emits it, and
        is encoded once for all. Call it in the loop's thread.

        Args:
            name: Its name, in capitals.
            data: Its data, an object, or ``None`` if the event has none.

        Raises:
            LocalProtocolError: The monitor checks, and the event is not as declared.
        """
        body = None if data is None else self.rules.json.encode(data)
        if self._checks:
            text = UNSET if body is None else body
            self.declarations.validator.check_event(name, text)
        self._throttle.pass_on(name, data, event(name, body, self._clock()))

    def encode_error(self, error: BaseException) -> bytes:
        """Return an error as this monitor shows it; any exception has a form."""
        spell = self.rules.json.encode
        if not isinstance(error, CommandError):
            error = UndefinedError()
        try:
            return spell(self._show_error(error))
        except (TypeError, ValueError):  # a lone surrogate in its text, say
            logger.exception("the error %r cannot be sent", error)
            return spell(self._show_error(UndefinedError()))

    def serve(
        self,
        *addresses: str | os.PathLike[str] | ListenAddress,
        max_sessions: int = MAX_SESSIONS,
        backlog: int = BACKLOG,
        allow_remote: bool = False,
        grace: float = GRACE,
        human: Sequence[str | os.PathLike[str] | ListenAddress] = (),
    ) -> Server:
        """Return a server, to be used in ``async with``.

        Args:
            addresses: Where to listen.
            max_sessions: How many clients each listener serves at once. The next ones
                wait unseen; 1 is what QEMU does.
            backlog: How many may wait.
            allow_remote: Whether to listen on TCP addresses that others can reach.
            grace: Seconds that a closing server waits for commands that still run.
            human: Where to listen for people: see `qmpx.monitor.human`.

        Raises:
            AddressError: A text is no address; on entering, that it cannot be had.
            LocalProtocolError: The monitor has no commands for people.
        """
        if human and self.human is None:
            message = "this monitor has no commands for people: give it a table, human="
            raise LocalProtocolError(message)
        return Server(
            self,
            [parse_listen_address(address) for address in addresses],
            [parse_listen_address(address) for address in human],
            max_sessions=max_sessions,
            backlog=backlog,
            allow_remote=allow_remote,
            grace=grace,
        )

    def serve_in_thread(
        self, *addresses: str | os.PathLike[str] | ListenAddress, **options: Any
    ) -> ServerThread:
        """Return a server that runs in a thread of its own, to be used in ``with``.

        For tests and programs that have no event loop. Handlers run in that thread;
        what else touches the monitor or its target goes through `ServerThread.call`.

        Args:
            addresses: Where to listen.
            options: See `serve`.

        Raises:
            AddressError: A text is no address; on entering, that it cannot be had.
        """
        return ServerThread(self.serve(*addresses, **options))

    def run(
        self, *addresses: str | os.PathLike[str] | ListenAddress, **options: Any
    ) -> None:
        """Serve until something closes the server, on a loop of its own.

        Args:
            addresses: Where to listen.
            options: See `serve`.
        """

        async def serve() -> None:
            async with self.serve(*addresses, **options) as server:
                await server.wait_closed()

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve())

    def character_devices(self) -> list[tuple[str, str, bool]]:
        """Return label, address and whether a client is connected, for each listener.

        The labels are those that QEMU gives to monitors of its ``-qmp`` option.
        """
        pairs = [(x, server) for server in self.servers for x in server.listeners]
        told = []
        for number, (listener, server) in enumerate(pairs):
            label = server.label or f"compat_monitor{number}"
            is_open = bool(listener.sessions)
            place = server.place or f"{listener.address},server=on"
            if server.place and not is_open:
                place = f"disconnected:{place}"
            told.append((label, place, is_open))
        return told

    def break_off(self, label: str) -> None:
        """Close the connections of one listener at once, by its label."""
        listeners = [x for server in self.servers for x in server.listeners]
        listener = listeners[int(label.removeprefix("compat_monitor"))]
        self.broadcast.flush()
        for server in self.servers:
            server.break_off(listener)

    # For sessions.

    def subscribe(self, session: Session) -> None:
        """Send events to *session* from now on."""
        self._subscribers[session] = None

    def unsubscribe(self, session: Session) -> None:
        """Send no more events to *session*, and let nobody wait for it."""
        self._subscribers.pop(session, None)

    def session_advanced(self) -> None:
        """Let stopping servers look whether all is answered."""
        for server in list(self.servers):
            server.look()

    def attach(self, server: "Server") -> None:
        """Serve on the running loop.

        Raises:
            LocalProtocolError: It serves on another loop already.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop and self.servers:
            message = "this monitor serves on another event loop already"
            raise LocalProtocolError(message)
        self._loop = loop
        self.servers[server] = None

    def opened(self, server: "Server") -> None:
        """Note that a server listens now; a kind of monitor may have more to do."""

    def detach(self, server: "Server") -> None:
        """Serve no more for *server*; with the last one, let go of descriptors."""
        self.servers.pop(server, None)
        if not self.servers:
            self._throttle.close()
            self.descriptor_sets.close()

    def shut_down(self, grace: float | None = None) -> None:
        """Close all servers once what is being answered is sent. Returns at once.

        Args:
            grace: Seconds for that at most; what `serve` was told, unless given. It may
                be called again, to give less.
        """
        for server in list(self.servers):
            server.stop(grace)
