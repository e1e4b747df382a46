"""The blocking client: a socket and the core, no event loop, no thread of its own.

Any number of threads may use one client; how is told in `qmpx.client.conversation`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from qmpx.client.batch import BatchCall, name_of, read_batch
from qmpx.client.conversation import Conversation
from qmpx.client.core import (
    DEFAULT,
    EXEC_OOB,
    EXECUTE,
    EXECUTE_ASYNC,
    Arguments,
    BatchCommand,
    Timeout,
    merge,
    read_raw,
    read_value,
)
from qmpx.client.deadlines import EXAMINE_TIMEOUT
from qmpx.client.events import MAX_EVENTS, EventBuffer, Overflow, split_patterns
from qmpx.client.machine_calls import MachineCalls
from qmpx.client.subscription import Subscription, TypedSubscription
from qmpx.errors import (
    CommandError,
    CommandNotFound,
    ConnectError,
    ConnectionLost,
    DeadlineExceeded,
    LocalProtocolError,
    QmpxError,
)
from qmpx.transport.descriptors import require_sendable

if TYPE_CHECKING:
    from qmpx.client.health import Health
    from qmpx.qapi.call import Call as TypedCall
    from qmpx.qapi.model import Schema
    from qmpx.qapi.typed import EventData
    from qmpx.qapi.vocabulary import Vocabulary

R = TypeVar("R")
E = TypeVar("E", bound="EventData")


class Client(Conversation, MachineCalls):
    """A conversation with a monitor; `qmpx.connect` makes one.

    It is a context manager, which closes it. All methods may be called from any thread.

    Args:
        address: Where the monitor is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
            By default 30, and more for commands that `qmpx.client.deadlines` lists.
        deadlines: Seconds for the replies to some commands.
        connect_timeout: Seconds for connection, greeting and negotiation together.
        wait: Seconds to wait for a program that is starting.
        alive: Tells whether that program still runs.
        capabilities: What to enable if it is offered.
        reconnect: Whether a call after the connection was lost makes a new one, within
            its own time.
        max_message_size: Most bytes of one message of the server.
        token: What a gateway is shown, to know who this is.
        record: A file for the transcript.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.

    Raises:
        ConnectError: There is no conversation; the message says why and what to do.
    """

    # Commands.

    def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),
        **more: Any,
    ) -> Any:
        """Run a command and return what it returned.

        Args:
            name: The command.
            arguments: Its arguments, with their names on the wire.
            timeout: Seconds for the reply; ``None`` for ever.
            fds: Descriptors to go with the command (unix sockets only).
            more: Further arguments, for names that Python can spell.

        Raises:
            CommandError: The peer said no.
            DeadlineExceeded: No reply in time. The connection stays in step.
            ConnectionLost: It broke off; the command may have been carried out.
            LocalProtocolError: The arguments are no JSON.
        """
        arguments = merge(arguments, more)
        return read_value(self._run(name, arguments, timeout, fds), name)

    def execute_raw(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> msgspec.Raw:
        """Run a command and return what it returned as JSON that is not decoded.

        For large replies, and for decoding into types: ``msgspec.json.decode(raw,
        type=...)``. Arguments and errors are those of `execute`.
        """
        message = self._run(name, merge(arguments, more), timeout, ())
        return read_raw(message, name)

    def exec_oob(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command out of band, ahead of those that wait.

        Arguments and errors are those of `execute`; also:

        Raises:
            LocalProtocolError: The server does not offer it, or it is not enabled.
        """
        arguments = merge(arguments, more)
        message = self._run(name, arguments, timeout, (), verb=EXEC_OOB)
        return read_value(message, name)

    def execute_async(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command without holding up those behind it.

        The server answers when the command is done, and meanwhile runs what was sent
        later, from other threads. Arguments, errors are those of `execute`; also:

        Raises:
            LocalProtocolError: The server does not offer it (a QEMU never does; the
                monitors of qmpx do), or it is not enabled: connect with
                ``capabilities=("oob", "async")``.
        """
        arguments = merge(arguments, more)
        message = self._run(name, arguments, timeout, (), verb=EXECUTE_ASYNC)
        return read_value(message, name)

    def run(
        self,
        call: "TypedCall[R]",
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),
        out_of_band: bool = False,
    ) -> R:
        """Run a typed call and return what it returned, as its type.

        Args:
            call: A command of generated bindings, with its arguments.
            timeout: Seconds for the reply; ``None`` for ever.
            fds: Descriptors to go with the command (unix sockets only).
            out_of_band: Whether it is run ahead of those that wait; see `exec_oob`.

        Raises:
            RemoteProtocolError: It returned something of another kind than declared.
            QmpxError: As `execute` and `exec_oob`.
        """
        name = call.name
        verb = EXEC_OOB if out_of_band else EXECUTE
        message = self._run(name, call.arguments, timeout, fds, verb=verb)
        return call.read(read_raw(message, name))

    def execute_many(
        self,
        commands: Iterable[BatchCommand],
        *,
        timeout: Timeout = DEFAULT,
        return_errors: bool = False,
    ) -> list[Any]:
        """Run many commands with one write, and return what they returned, in order.

        All of them are run, also those behind one that fails.

        Args:
            commands: Names, or pairs of name and arguments.
            timeout: Seconds for all replies together.
            return_errors: Whether to return errors in their places; else the first is
                raised.

        Raises:
            CommandError: The first that failed.
            DeadlineExceeded: Not all replies came in time.
            ConnectionLost: The connection broke off.
        """
        batch = list(commands)
        if not batch:
            return []
        calls = BatchCall(len(batch))
        seconds = self._seconds_for_all(timeout, map(name_of, batch))
        deadline = self._deadline(seconds)
        if sent := self._take_turn(deadline):
            try:
                self._be_connected(deadline)
                with self._lock:
                    stream = self._stream
                    data = calls.issue(self._core, batch)
                sent = self._send(stream, data, deadline)
                if not sent:
                    with self._lock:
                        calls.withdraw(self._core)
            finally:
                self._sending.release()
        if not sent or not self._read_until(lambda: calls.is_done, deadline):
            with self._lock:
                calls.abandon(self._core)
            raise DeadlineExceeded(
                "", seconds or 0.0, f"replies to {len(batch)} commands"
            )
        self._outcome(calls)
        names = map(name_of, batch)
        return read_batch(calls.messages(), names, return_errors=return_errors)

    def send_fd(self, fd: int) -> None:
        """Hand over a descriptor, for the ``getfd`` or ``add-fd`` to come.

        To send it with its command, which leaves no room for a mix-up, use *fds* of
        `execute`.

        Raises:
            DeadlineExceeded: The peer reads nothing.
            ConnectionLost: The connection broke off.
            LocalProtocolError: It is no open descriptor, or no unix socket.
        """
        deadline = self._deadline(self.timeout)
        if sent := self._take_turn(deadline):
            try:
                self._be_connected(deadline)
                stream = self._stream
                require_sendable(stream.sock, [fd])
                sent = self._send(stream, b" ", deadline, [fd])
            finally:
                self._sending.release()
        if not sent:
            raise DeadlineExceeded("", self.timeout or 0.0, "room for a descriptor")

    # Events.

    @overload
    def events(
        self,
        *patterns: str,
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> Subscription: ...

    @overload
    def events(
        self,
        *patterns: type[E],
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> TypedSubscription[E]: ...

    def events(
        self,
        *patterns: "str | type[EventData]",
        limit: int = MAX_EVENTS,
        overflow: Overflow = "drop-oldest",
    ) -> "Subscription | TypedSubscription[Any]":
        """Subscribe to events, from now on.

        Args:
            patterns: Names, with ``*`` and ``?`` as wildcards; none means all events.
                Or types of generated bindings: then events are of these types.
            limit: How many are kept until they are taken.
            overflow: ``drop-oldest`` or ``drop-newest``, both counted, or ``error``:
                `EventsLost` is raised when the kept ones are taken.

        Raises:
            TypeError: One of several types is none of an event.
        """
        names, types = split_patterns(patterns)
        buffer = EventBuffer(names, limit, overflow)
        with self._lock:
            self._catch_up()
            buffer.failure = self._core.failure if not self._reconnect else None
            self._core.buffers.append(buffer)
        if types is None:
            return Subscription(self, buffer)
        return TypedSubscription(self, buffer, types)

    # How it is.

    def examine(self, *, timeout: float = EXAMINE_TIMEOUT) -> "Health":
        """Tell whether the monitor is well, busy, silent or gone; raise nothing.

        Args:
            timeout: Seconds for an answer, and for one out of band if there is none.
        """
        from qmpx.client import health

        watch = health.Stopwatch()
        try:
            self.execute(health.QUESTION, timeout=timeout)
        except (ConnectError, ConnectionLost) as error:
            return health.Health("gone", str(error))
        except DeadlineExceeded:
            pass
        except QmpxError as error:
            return health.Health("ok", str(error), in_band=watch.seconds)
        else:
            return health.Health("ok", in_band=watch.seconds)
        watch = health.Stopwatch()
        try:
            self.exec_oob(health.SECOND_QUESTION, timeout=timeout)
        except CommandError:
            return health.busy(watch.seconds)
        except (ConnectError, ConnectionLost) as error:
            return health.Health("gone", str(error))
        except (DeadlineExceeded, LocalProtocolError) as error:
            asked_twice = isinstance(error, DeadlineExceeded)
            return health.silent(self._stream.sock, asked_twice=asked_twice)
        return health.busy(watch.seconds)

    # What the peer supports.

    def supports(
        self,
        command: str | None = None,
        /,
        *,
        event: str | None = None,
        argument: str | None = None,
        value: str | None = None,
        feature: str | None = None,
        timeout: Timeout = DEFAULT,
    ) -> bool:
        """Whether the peer supports something, by its own schema.

        That is read once for each connection. All that is given has to be there.

        Args:
            command: A command.
            event: An event, instead of a command.
            argument: An argument of the command, or a member of the event's data;
                ``a.b`` is a member within another, of any branch if that is a union.
            value: A value of that argument, which is an enumeration.
            feature: A feature of the argument, else of the command or event; with
                neither, of anything at all.
            timeout: Seconds for each reply, if the peer has to be asked.

        Raises:
            LocalProtocolError: The peer does not tell.
            QmpxError: As `execute`.
        """
        vocabulary = self._vocabulary(timeout)
        return vocabulary.supports(
            command, event=event, argument=argument, value=value, feature=feature
        )

    def schema(self, *, timeout: Timeout = DEFAULT) -> "Schema":
        """Return the peer's schema, which is read once for each connection.

        Args:
            timeout: Seconds for each reply, if the peer has to be asked.

        Raises:
            LocalProtocolError: The peer tells names only.
            QmpxError: As `execute`.
        """
        return (self._vocabulary(timeout)).described()

    def _vocabulary(self, timeout: Timeout) -> "Vocabulary":
        if self._core.vocabulary is None:
            # Imported when needed: most programs never ask.
            from qmpx.qapi.vocabulary import read_vocabulary

            reading = read_vocabulary()
            try:
                name = next(reading)
                while True:
                    try:
                        told = self.execute_raw(name, timeout=timeout)
                    except CommandNotFound as error:
                        name = reading.throw(error)
                    else:
                        name = reading.send(told)
            except StopIteration as answer:
                self._core.vocabulary = answer.value
        return self._core.vocabulary
