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

from qmpx.errors import GenericError
from qmpx.monitor import coroutines
from qmpx.monitor.deferred import Deferred
from qmpx.monitor.delayed import Delayed
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.failures import failed_reply
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.outgoing import FLUSH_SIZE, Outgoing
from qmpx.monitor.registry import Entry, SessionLike
from qmpx.transport.channel import Channel
from qmpx.wire.framing import Item
from qmpx.wire.messages import Command
from qmpx.wire.server import RETURN, Phase, Refused, ServerSession, end_of_reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qmpx.monitor.monitor import Monitor

MAX_QUEUED: Final = 8
"""Commands read ahead behind a running one (QEMU's figure)."""

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

_BUSY: Final = object()
_EXHAUSTED: Final = object()
logger = logging.getLogger("qmpx.monitor")


class Session(Outgoing, SessionLike):
    """One connection to a monitor.

    A handler that has a positional parameter of this type gets the session that asks.

    Args:
        monitor: What it is a session of.
        frontend: What it shares with the other sessions of its listener.
        on_close: Called when it is over.

    Attributes:
        wire: The protocol's state.
        pending: Descriptors that no command took yet.
        frontend: What it shares with the other sessions of its listener.
        is_out_of_band: Whether the command that is being started was sent by
            ``exec-oob``.
        on_drained: Called once when the client reads again.
    """

    __slots__ = (
        "_delayed",
        "_eof",
        "_items",
        "_on_close",
        "_overtakable",
        "_queue",
        "_task",
        "answers_later",
        "frontend",
        "is_out_of_band",
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
        super().__init__(monitor)
        self.wire = ServerSession(monitor.capabilities, monitor.limits, monitor.rules)
        self.frontend = frontend
        self.pending = PendingDescriptors()
        self.answers_later = False
        self.is_out_of_band = False
        self.on_drained: Callable[[], None] | None = None
        self._on_close = on_close
        self._items: Iterator[Item] = iter(())
        self._queue: deque[Item] | None = None
        self._task: asyncio.Task[Any] | Deferred | None = None
        self._delayed = 0  # commands whose replies are yet to come, out of band too
        self._overtakable = 0  # of them, those that do not hold up later replies
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

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Take what the client sent."""
        if fds:
            self.pending.replace(fds)
        try:
            self.wire.reader.feed(data)
        except MemoryError:
            self._give_up()
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
        broadcast = self.monitor.broadcast
        self._working = True
        outer = broadcast.turn_to(self)
        try:
            may_read = (not self._queue or self._run_queue()) and self._run_items()
        except MemoryError:
            self._give_up()
            return
        finally:
            broadcast.turn_to(outer)
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

    def _give_up(self) -> None:
        """End the connection of who has asked for more memory than there is."""
        logger.error("a client's message takes more memory than there is: it is closed")
        if self._channel is not None:
            self._channel.abort()

    def _must_wait(self) -> bool:
        turns = self.monitor.turns
        return (
            self._task is not None
            or self._overtakable >= MAX_OVERTAKABLE
            or (turns.holder is not None and turns.is_held_against(self))
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
            except BaseException as error:  # noqa: BLE001 - see `failed_reply`
                text = failed_reply(self.monitor, item.id, error, entry.name)
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

    def _run(self, item: Item) -> None:
        """Run one command of any kind; its reply, if it is not delayed, is put out."""
        command = self.wire.admit(item)
        if isinstance(command, Refused):
            self._put(failed_reply(self.monitor, command.id, command.error))
            return
        out_of_band = command.exec_oob is not UNSET
        name = _name_of(command)
        entry = self.monitor.entries.get(name)
        if entry is None:
            self._put(
                failed_reply(self.monitor, command.id, self.wire.rules.not_found(name))
            )
            return
        if out_of_band and not entry.allow_oob:
            refusal = GenericError(f"The command {name} does not support OOB")
            self._put(failed_reply(self.monitor, command.id, refusal))
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
        except BaseException as error:  # noqa: BLE001 - see `failed_reply`
            self._put(failed_reply(self.monitor, command.id, error, name))
        finally:
            self.answers_later = self.is_out_of_band = False

    def _start(self, entry: Entry, command: Command, coroutine: Any) -> Any:
        """Return what an asynchronous handler returned, or `_BUSY` if it waits."""
        if isinstance(coroutine, Deferred):
            if coroutine.done():
                return coroutine.result()
            Delayed(self, entry, command).await_(coroutine)
            return _BUSY
        task, value = coroutines.start(coroutine)
        if task is None:
            return value
        Delayed(self, entry, command).await_(task)
        return _BUSY

    def finish(
        self, delayed: Delayed, outcome: Any, error: BaseException | None
    ) -> None:
        """Send a delayed reply, and go on with what waited for it."""
        id_, entry = delayed.command.id, delayed.entry
        reply: tuple[bytes, ...]
        try:
            if error is not None:
                raise error
            reply = (RETURN, entry.encode(outcome), end_of_reply(id_))
        except BaseException as failed:  # noqa: BLE001 - see `failed_reply`
            reply = (failed_reply(self.monitor, id_, failed, entry.name),)
        if self._channel is not None:
            self.monitor.broadcast.flush()  # what happened before the reply
            self._put(*reply)
        if delayed.is_overtakable:
            self._overtakable -= 1
        else:
            self._task = None
            if entry.holds_monitor:
                # The others first: each has its turn, however much this one asks.
                self._flush()
                self.monitor.turns.release(self)
        self._delayed -= 1
        self.advance()

    def wait_for(self, delayed: Delayed, task: asyncio.Task[Any] | Deferred) -> None:
        """Note that a command waits; if it is in band, so do those behind it."""
        self._delayed += 1
        if delayed.is_overtakable:
            self._overtakable += 1
        else:
            self._task = task
            if delayed.entry.holds_monitor:
                self.monitor.turns.hold(self)


def _name_of(command: Command) -> str:
    for name in (command.execute, command.exec_oob, command.execute_async):
        if name is not UNSET:
            return str(name)
    return ""


def _is_object(command: Command) -> bool:
    return bytes(memoryview(command.arguments)[:1]) == b"{"  # type: ignore[arg-type]
