"""One client of a monitor: its commands in their order, its replies, its events.

What comes is looked at as far as it may be run, and no further: what a session does not
look at it does not hold either, for its channel stops reading. It stops

* while an in-band command waits, until its reply is made; with ``oob`` enabled it reads
  up to `MAX_QUEUED` commands ahead, to find those that may overtake;
* while another session's command holds the whole monitor;
* while the client does not take its replies.

In-band commands are answered in their order, one at a time; only those that were sent
by ``execute_async``, or whose handlers are asynchronous where the dialect lets these be
overtaken, are answered when they are done.

Source: observed on QEMU 7.2 (facts 63 to 76 of the conformance notes).
"""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from qmpx.errors import CommandError, GenericError
from qmpx.monitor import coroutines
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.registry import Entry, SessionLike
from qmpx.transport.channel import Channel
from qmpx.wire.encode import indent
from qmpx.wire.framing import Item
from qmpx.wire.messages import Command
from qmpx.wire.server import (
    RETURN,
    Phase,
    Refused,
    ServerSession,
    end_of_reply,
    failure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qmpx.monitor.monitor import Monitor

MAX_QUEUED: Final = 8
"""Commands read ahead behind a running one (QEMU's figure)."""

MAX_EVENTS: Final = 1024
"""Events kept for a client that does not read; then the oldest are dropped.

At some 200 bytes each that is a fifth of a megabyte for a client that may never read.
"""

MAX_OVERTAKABLE: Final = 64
"""Commands of one session that run while later ones are answered, out of band too.

When there are so many the session reads on when one is done: a client that starts
more than that does not wait for what it started.
"""

TURN: Final = 2
"""Looks at what a client sent in one turn of the loop; then others have theirs.

One is enough for a chunk of ordinary commands; for what must be read byte by byte each
covers `qmpx.wire.framing.MAX_BYTES`.
"""

FLUSH_SIZE: Final = 64 * 1024
"""Bytes of replies after which they are sent, and the client may have to wait."""

_BUSY: Final = object()
_EXHAUSTED: Final = object()
logger = logging.getLogger("qmpx.monitor")


class Session(SessionLike):
    """One connection to a monitor.

    A handler that has a positional parameter of this type gets the session that asks.

    Args:
        monitor: What it is a session of.
        frontend: What it shares with the other sessions of its listener.
        on_close: Called when it is over.

    Attributes:
        monitor: What it is a session of.
        wire: The protocol's state.
        pending: Descriptors that no command took yet.
        frontend: What it shares with the other sessions of its listener.
        events_dropped: Events that this client was too slow to get.
        is_out_of_band: Whether the command that is being started was sent by
            ``exec-oob``.
        on_drained: Called once when the client reads again.
    """

    __slots__ = (
        "_channel",
        "_delayed",
        "_eof",
        "_events",
        "_items",
        "_on_close",
        "_out",
        "_overtakable",
        "_queue",
        "_size",
        "_task",
        "_working",
        "answers_later",
        "events_dropped",
        "frontend",
        "is_out_of_band",
        "monitor",
        "on_drained",
        "pending",
        "wire",
    )

    def __init__(
        self,
        monitor: "Monitor",
        frontend: Frontend,
        on_close: "Callable[[Session], None] | None" = None,
    ) -> None:
        self.monitor = monitor
        self.wire = ServerSession(monitor.capabilities, monitor.limits, monitor.rules)
        self.frontend = frontend
        self.pending = PendingDescriptors()
        self.events_dropped = 0
        self.answers_later = False
        self.is_out_of_band = False
        self.on_drained: Callable[[], None] | None = None
        self._on_close = on_close
        self._channel: Channel | None = None
        self._items: Iterator[Item] = iter(())
        self._queue: deque[Item] | None = None
        self._events: deque[bytes] | None = None
        self._out: list[bytes] = []
        self._task: asyncio.Task[Any] | Deferred | None = None
        self._delayed = 0  # commands whose replies are yet to come, out of band too
        self._overtakable = 0  # of them, those that do not hold up later replies
        self._size = 0  # bytes in _out
        self._working = False
        self._eof = False

    def open(self, channel: Channel, *, is_greeted: bool = False) -> None:
        """Greet the client, unless somebody did, and read what it says."""
        self._channel = channel
        if not is_greeted:
            channel.write(self.monitor.greeting)
        channel.resume_reading()

    @property
    def channel(self) -> Channel | None:
        """The connection; ``None`` once it is closed."""
        return self._channel

    def negotiate(self, enable: list[str]) -> None:
        """Carry out ``qmp_capabilities``; from its reply on the session gets events.

        Raises:
            CommandError: See `ServerSession.negotiate`.
        """
        self.wire.negotiate(enable)
        self.monitor.subscribe(self)

    def send_event(self, message: bytes) -> None:
        """Send an event in its place among the replies."""
        channel = self._channel
        if channel is None:
            return
        if self._working or self._out:  # behind what is gathered
            self._put(message)
        elif not channel.is_congested:
            self._write(message)
        else:
            if self._events is None:
                self._events = deque(maxlen=MAX_EVENTS)
            if len(self._events) == MAX_EVENTS:
                if not self.events_dropped:
                    logger.warning(
                        "a client does not read: its oldest events are dropped"
                    )
                self.events_dropped += 1
            self._events.append(message)

    def gather_event(self, message: bytes) -> bool:
        """Put an event in its place; it is sent with what is sent next.

        Returns:
            Whether somebody has to call `flush` soon: nothing else may be sent.
        """
        channel = self._channel
        if self._working or channel is None or channel.is_congested:
            self.send_event(message)
            return False
        out = self._out
        out.append(message)
        self._size += len(message)
        return len(out) == 1

    def send_events(self, text: bytes, messages: list[bytes]) -> None:
        """Send events in their place among the replies.

        Args:
            text: All of them.
            messages: Each.
        """
        channel = self._channel
        if channel is None:
            return
        if self._working or self._out or channel.is_congested or self.monitor.pretty:
            for message in messages:
                self.send_event(message)
        else:
            channel.write(text)

    def flush(self) -> None:
        """Send what was gathered."""
        out, channel = self._out, self._channel
        if self._working or not out:
            return
        if len(out) > 1 or channel is None or self._events or self.monitor.pretty:
            self._flush()
            return
        self._size = 0
        channel.write(out.pop())

    @property
    def held_back(self) -> int:
        """Bytes of events that wait until the client reads."""
        return sum(map(len, self._events)) if self._events else 0

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Take what the client sent."""
        if fds:
            self.pending.replace(fds)
        self.wire.reader.feed(data)
        self.advance()

    def eof_received(self) -> None:
        """Close once everything that came before is answered."""
        self._eof = True
        self.advance()

    def drained(self) -> None:
        """Go on: the client reads again."""
        channel = self._channel
        while self._events and channel is not None and not channel.is_congested:
            self._write(self._events.popleft())
        if self.on_drained is not None:
            call, self.on_drained = self.on_drained, None
            call()
        self.advance()

    def connection_lost(self, error: OSError | None) -> None:
        """Forget the client; a command that runs is carried through."""
        if error is not None:
            logger.debug("a client was lost: %s", error)
        self._channel = None
        self._queue = None
        self._items = iter(())
        self.pending.replace([])
        self.monitor.unsubscribe(self)
        if self._on_close is not None:
            self._on_close(self)

    # What runs, and when.

    @property
    def is_busy(self) -> bool:
        """Whether a command of this session waits, or a reply to be sent."""
        return self._delayed > 0 or self._working

    def advance(self) -> None:
        """Run what may be run, send what there is to send, read on or not."""
        channel = self._channel
        if self._working or channel is None:
            return
        self._working = True
        try:
            may_read = (not self._queue or self._run_queue()) and self._run_items()
        finally:
            self._working = False
        self._flush()
        if self._channel is None:
            return
        if not may_read:
            channel.pause_reading()
        elif self._eof:
            if not self._delayed:
                channel.close()
        else:
            channel.resume_reading()
        if self.monitor.is_stopping:
            self.monitor.session_advanced()

    def _must_wait(self) -> bool:
        return (
            self._task is not None
            or self._overtakable >= MAX_OVERTAKABLE
            or self.monitor.is_held_against(self)
        )

    def _run_queue(self) -> bool:
        """Run what is queued; tell whether more may be looked at."""
        queue = self._queue
        while queue and not self._must_wait():
            if self._is_stuck():
                return False
            self._run(queue.popleft())
        return not self._is_stuck()

    def _run_items(self) -> bool:
        """Run what was read; tell whether more may be read."""
        reader = self.wire.reader
        looks = 0
        while True:
            if not self._must_wait():
                item = self._run_ordinary()
            elif self._may_read_ahead():
                item = next(self._items, _EXHAUSTED)
            else:
                return False
            if item is _EXHAUSTED:
                if not reader.unread:
                    return True
                if looks == TURN:
                    self.monitor.loop.call_soon(self.advance)
                    return False
                looks += 1
                self._items = iter(reader.take())
            elif item is not None:
                if self._must_wait():
                    self._read_ahead(item)  # type: ignore[arg-type]
                else:
                    self._run(item)  # type: ignore[arg-type]
            if self._is_stuck():
                return False

    def _run_ordinary(self) -> object:
        """Run items as long as they are ordinary commands: nearly always all of them.

        Returns:
            The first that is not, or `_EXHAUSTED`; ``None`` if it is time to look
            whether the client takes its replies, or if a command waits.
        """
        items = self._items
        if self.wire.phase is not Phase.READY:
            return next(items, _EXHAUSTED)
        entries, out, size = self.monitor.entries, self._out, 0
        for item in items:
            if (
                type(item) is not Command
                or item.exec_oob is not UNSET
                or item.execute_async is not UNSET
                or (entry := entries.get(item.execute)) is None  # type: ignore[arg-type]
                or (item.arguments is not UNSET and not _is_object(item))
            ):
                return item
            try:
                value = entry.invoke(self, item.arguments)
                if entry.is_async:
                    value = self._start(entry, item, value)
                    if value is _BUSY:
                        return None
                text = entry.encode(value)
                out += (RETURN, text, end_of_reply(item.id))
            except BaseException as error:  # noqa: BLE001 - see _failure
                text = self._failure(item.id, error, entry.name)
                out.append(text)
            size += len(text)
            if size >= FLUSH_SIZE:
                self._size += size
                return None
        self._size += size
        return _EXHAUSTED

    def _may_read_ahead(self) -> bool:
        if not self.wire.enabled or self._overtakable >= MAX_OVERTAKABLE:
            # Not even an event needs the queue: the next one stays unread.
            return False
        return self._queue is None or len(self._queue) < MAX_QUEUED

    def _read_ahead(self, item: Item) -> None:
        if self.wire.is_out_of_band(item):
            self._run(item)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)

    def _is_stuck(self) -> bool:
        """Send what has gathered if it is much; tell whether the client must read."""
        channel = self._channel
        if channel is None:
            return True
        if self._size >= FLUSH_SIZE:
            self._flush()
        return channel.is_congested

    def _flush(self) -> None:
        out = self._out
        if out:
            if self._events:
                # They happened before: what was held back keeps its place.
                out[:0] = self._events
                self._events.clear()
            self._write(b"".join(out))
            out.clear()
            self._size = 0

    def _write(self, messages: bytes) -> None:
        if self.monitor.pretty:
            messages = b"".join(map(indent, messages.splitlines()))
        if self._channel is not None:
            self._channel.write(messages)

    def _put(self, *pieces: bytes) -> None:
        self._out += pieces
        self._size += sum(map(len, pieces))

    def _run(self, item: Item) -> None:
        """Run one command of any kind; its reply, if it is not delayed, is put out."""
        command = self.wire.admit(item)
        if isinstance(command, Refused):
            self._put(self._failure(command.id, command.error))
            return
        out_of_band = command.exec_oob is not UNSET
        name = _name_of(command)
        entry = self.monitor.entries.get(name)
        if entry is None:
            self._put(self._failure(command.id, self.wire.rules.not_found(name)))
            return
        if out_of_band and not entry.allow_oob:
            refusal = GenericError(f"The command {name} does not support OOB")
            self._put(self._failure(command.id, refusal))
            return
        self.answers_later = command.execute_async is not UNSET
        self.is_out_of_band = out_of_band
        try:
            value = entry.invoke(self, command.arguments)
            if entry.is_async:
                value = self._start(entry, command, value)
                if value is _BUSY:
                    return
            self._put(RETURN, entry.encode(value), end_of_reply(command.id))
        except BaseException as error:  # noqa: BLE001 - see _failure
            self._put(self._failure(command.id, error, name))
        finally:
            self.answers_later = self.is_out_of_band = False

    def _start(self, entry: Entry, command: Command, coroutine: Any) -> Any:
        """Return what an asynchronous handler returned, or `_BUSY` if it waits."""
        if isinstance(coroutine, Deferred):
            if coroutine.done():
                return coroutine.result()
            _Delayed(self, entry, command).await_(coroutine)
            return _BUSY
        try:
            task = coroutines.start(self.monitor.loop, coroutine)
        except StopIteration as stop:
            return stop.value
        if task is not None:
            _Delayed(self, entry, command).await_(task)
        return _BUSY

    def _failure(self, id_: Any, error: BaseException, name: str = "") -> bytes:
        """Return the reply to a command that failed.

        Anything that a handler raises becomes a reply: a defect of one handler must
        not end the session. What is no `CommandError` is a defect, and is logged.

        Raises:
            KeyboardInterrupt, SystemExit: These are meant for the whole program.
        """
        if isinstance(error, asyncio.CancelledError):
            error = GenericError(f"The command {name} was cancelled")
        elif isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise error
        elif not isinstance(error, CommandError):
            logger.error("command %s failed", name, exc_info=error)
        return failure(id_, self.monitor.encode_error(error))

    def finish(
        self, delayed: "_Delayed", outcome: Any, error: BaseException | None
    ) -> None:
        """Send a delayed reply, and go on with what waited for it."""
        id_, entry = delayed.command.id, delayed.entry
        reply: tuple[bytes, ...]
        try:
            if error is not None:
                raise error
            reply = (RETURN, entry.encode(outcome), end_of_reply(id_))
        except BaseException as failed:  # noqa: BLE001 - see _failure
            reply = (self._failure(id_, failed, entry.name),)
        if self._channel is not None:
            self._put(*reply)
        if delayed.is_overtakable:
            self._overtakable -= 1
        else:
            self._task = None
            if entry.holds_monitor:
                # The others first: each has its turn, however much this one asks.
                self._flush()
                self.monitor.release(self)
        self._delayed -= 1
        self.advance()

    def wait_for(self, delayed: "_Delayed", task: asyncio.Task[Any] | Deferred) -> None:
        """Note that a command waits; if it is in band, so do those behind it."""
        self._delayed += 1
        if delayed.is_overtakable:
            self._overtakable += 1
        else:
            self._task = task
            if delayed.entry.holds_monitor:
                self.monitor.hold(self)


class _Delayed:
    """A command whose reply is yet to come."""

    __slots__ = ("command", "entry", "session")

    def __init__(self, session: Session, entry: Entry, command: Command) -> None:
        self.session = session
        self.entry = entry
        self.command = command

    @property
    def is_overtakable(self) -> bool:
        """Whether replies to later commands may be sent before this one's."""
        command = self.command
        if command.exec_oob is not UNSET or command.execute_async is not UNSET:
            return True
        return self.session.wire.rules.lets_overtake and self.entry.is_asynchronous

    def await_(self, task: asyncio.Task[Any] | Deferred) -> None:
        self.session.monitor.tasks[task] = self.session
        self.session.wait_for(self, task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any] | Deferred) -> None:
        session, monitor = self.session, self.session.monitor
        del monitor.tasks[task]
        outcome: Any = None
        error: BaseException | None = None
        if task.cancelled():
            error = asyncio.CancelledError()
        elif (error := task.exception()) is None:
            outcome = task.result()
        session.finish(self, outcome, error)
        if monitor.is_stopping:
            monitor.session_advanced()


def _name_of(command: Command) -> str:
    for name in (command.execute, command.exec_oob, command.execute_async):
        if name is not UNSET:
            return str(name)
    return ""


def _is_object(command: Command) -> bool:
    return bytes(memoryview(command.arguments)[:1]) == b"{"  # type: ignore[arg-type]
