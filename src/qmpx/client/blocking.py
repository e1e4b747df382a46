"""The blocking client: a socket and the core, no event loop, no thread of its own.

Any number of threads may use one client; how is told in `qmpx.client.traffic`.
"""

from typing import TYPE_CHECKING, Any, TypeVar, overload

from qmpx.client.commands import Commands
from qmpx.client.deadlines import DEFAULT, EXAMINE_TIMEOUT, Timeout
from qmpx.client.events import MAX_EVENTS, EventBuffer, Overflow, split_patterns
from qmpx.client.machine_calls import MachineCalls
from qmpx.client.subscription import Subscription, TypedSubscription
from qmpx.errors import CommandNotFound, DeadlineExceeded, QmpxError

if TYPE_CHECKING:
    from qmpx.client.health import Health
    from qmpx.qapi.model import Schema
    from qmpx.qapi.typed import EventData
    from qmpx.qapi.vocabulary import Vocabulary

E = TypeVar("E", bound="EventData")


class Client(Commands, MachineCalls):
    """A conversation with a monitor; `qmpx.connect` makes one.

    It is a context manager, which closes it. All methods may be called from any thread.

    Args:
        terms: Where to, how long, on which conditions; `qmpx.connect` explains them.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.

    Raises:
        ConnectError: There is no conversation; the message says why and what to do.
    """

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
        with self._traffic.lock:
            self._traffic.catch_up()
            if not self._terms.reconnect:
                buffer.failure = self._core.failure
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

        watch, error = health.Stopwatch(), None
        try:
            self.execute(health.QUESTION, timeout=timeout)
        except QmpxError as failure:
            error = failure
        if (found := health.by_answer(error, watch.seconds)) is not None:
            return found
        watch, error = health.Stopwatch(), None
        try:
            self.exec_oob(health.SECOND_QUESTION, timeout=timeout)
        except QmpxError as failure:
            error = failure
        if (found := health.by_answer_out_of_band(error, watch.seconds)) is not None:
            return found
        asked_twice = isinstance(error, DeadlineExceeded)
        return health.silent(self._traffic.stream.sock, asked_twice=asked_twice)

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
