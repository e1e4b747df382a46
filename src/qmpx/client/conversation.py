"""One conversation of a blocking client: a socket, who sends and who reads.

Any number of threads may take part. One of those that wait reads for all: what it
reads for another wakes that one.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from threading import TIMEOUT_MAX
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from qmpx.client.core import (
    CAPABILITIES,
    CONNECT_TIMEOUT,
    DEFAULT,
    EXECUTE,
    RETRY_FIRST,
    RETRY_LAST,
    TIMEOUT,
    Arguments,
    Call,
    ClientCore,
    Default,
    Timeout,
    closed_by_peer,
    is_taken,
    read_value,
    require_verb,
)
from qmpx.client.deadlines import DEADLINES, longest
from qmpx.client.silence import explain_silence
from qmpx.errors import (
    ConnectionLost,
    DeadlineExceeded,
    QmpxError,
    RemoteProtocolError,
)
from qmpx.transport.address import Address
from qmpx.transport.bearer import AUTHENTICATE, Token
from qmpx.transport.descriptors import require_sendable
from qmpx.transport.dial import Alive, open_stream
from qmpx.transport.stream import Stream
from qmpx.wire.client import MAX_MESSAGE_SIZE
from qmpx.wire.messages import Greeting, ServerMessage

if TYPE_CHECKING:
    from qmpx.client.batch import BatchCall

PATIENCE: Final = 0.02
"""Seconds after which a thread that cannot send looks whether anybody reads."""

LAST_WORDS: Final = 1.0
"""Seconds for another thread to read what came before the end; it takes a moment."""

_CATCH_UP_READS: Final = 64
"""Most reads of what came while nobody read: 4 MB, far more than a socket holds."""


class Conversation:
    """A connection that blocks, and its making anew; see `qmpx.client.blocking.Client`.

    Attributes:
        address: Where the monitor is.
        timeout: Seconds for a reply, where no other figure holds for the command.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: Timeout = DEFAULT,
        deadlines: Mapping[str, float | None] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        wait: float = 0.0,
        alive: Alive | None = None,
        capabilities: Sequence[str] = CAPABILITIES,
        reconnect: bool = False,
        max_message_size: int = MAX_MESSAGE_SIZE,
        token: Token | None = None,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address = address
        self._token = token
        is_default = isinstance(timeout, Default)
        self.timeout: float | None = (
            TIMEOUT if isinstance(timeout, Default) else timeout
        )
        self._deadlines = {**(DEADLINES if is_default else {}), **(deadlines or {})}
        self._connect_timeout = connect_timeout
        self._capabilities = tuple(capabilities)
        self._reconnect = reconnect
        if record is None:
            self._core = ClientCore(max_message_size, reconnects=reconnect)
        else:
            from qmpx.client.recording import RecordedCore  # few need it

            self._core = RecordedCore(record, max_message_size, reconnects=reconnect)
        # Who sends, or connects anew, has this lock; it is taken before the other.
        self._sending = threading.RLock()
        # A Condition's own "with" is Python code; its lock's is not.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # threads that wait for the one that reads
        self._is_reading = False
        self._is_open = False
        self._is_closed = False
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._stream: Stream
        self._open(connect_timeout, wait, alive)

    def _open(
        self, timeout: float, wait: float = 0.0, alive: Alive | None = None
    ) -> None:
        """Connect, take the greeting and negotiate.

        Whoever calls this has `_sending`, and not `_lock`, so that others can close the
        client meanwhile, and their own deadlines hold.
        """
        begin = time.monotonic()
        token = self._token
        if token is not None and not token.may_go_to(self.address):
            token = None
        stream = open_stream(self.address, timeout=timeout, wait=wait, alive=alive)
        # What was spent on waiting for a program to start does not count.
        deadline = begin + timeout + min(time.monotonic() - begin, wait)
        sock, core, call = stream.sock, self._core, Call()
        try:
            with self._lock:
                if self._is_closed:
                    raise core.failure or ConnectionLost("this client was closed")
                core.restart()
                self._stream = stream
            if not self._read_until(
                lambda: core.greeting is not None or core.failure is not None, deadline
            ):
                raise explain_silence(self.address, sock, timeout)
            with self._lock:
                if core.failure is not None:
                    raise core.failure
                data = core.negotiation(call, self._capabilities)
            self._send(stream, data, deadline)
            if not self._read_until(lambda: call.is_done, deadline):
                raise explain_silence(self.address, sock, timeout)
            read_value(self._outcome(call), "qmp_capabilities")
            if token is not None:
                self._show(stream, token, deadline)
            self._is_open = True
        except BaseException:
            stream.close()
            raise

    def _show(self, stream: Stream, token: Token, deadline: float) -> None:
        """Show a token to a gateway; see `is_taken`."""
        call = Call()
        with self._lock:
            data = self._core.authentication(call, token)
        if not self._send(stream, data, deadline) or not self._read_until(
            lambda: call.is_done, deadline
        ):
            raise DeadlineExceeded(AUTHENTICATE, self._connect_timeout)
        is_taken(self._outcome(call), token, self.address)

    # The conversation.

    @property
    def greeting(self) -> Greeting:
        """What the server said first."""
        return self._core.greeting or Greeting()

    @property
    def late_replies(self) -> int:
        """How many replies came after their calls had given up."""
        return self._core.late_replies

    @property
    def is_connected(self) -> bool:
        """Whether the conversation goes on, as far as is known."""
        return self._is_open and not self._is_closed and self._core.failure is None

    def close(self) -> None:
        """Close the connection; calls that wait get `ConnectionLost`."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._core.lose(ConnectionLost("this client was closed"), for_good=True)
            for buffer in self._core.buffers:
                buffer.is_closed = True
            self._stream.close()
            for end in self._waker or ():
                end.close()
            self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Waiting and reading.

    def _run(
        self,
        name: str,
        arguments: Arguments,
        timeout: Timeout,
        fds: Sequence[int],
        *,
        verb: bytes = EXECUTE,
    ) -> ServerMessage:
        call = Call()
        seconds = self._seconds(timeout, name)
        deadline = self._deadline(seconds)
        core = self._core
        # One thread at a time, so that commands go out in the order of their ids.
        if not self._take_turn(deadline):
            raise DeadlineExceeded(name, seconds or 0.0)
        try:
            if core.failure is not None:
                self._be_connected(deadline)
            with self._lock:
                stream = self._stream
                if fds:
                    require_sendable(stream.sock, fds)
                if verb is not EXECUTE:
                    require_verb(verb, self.greeting, self._capabilities)
                data = core.issue(call, name, arguments, verb=verb)
                id_ = core.last_id
            sent = self._send(stream, data, deadline, fds)
            if not sent:
                with self._lock:
                    core.withdraw(id_)
        finally:
            self._sending.release()
        if not sent or not self._read_until(lambda: call.is_done, deadline):
            with self._lock:
                core.abandon(id_)
            raise DeadlineExceeded(name, seconds or 0.0)
        return self._outcome(call)

    def _take_turn(self, deadline: float | None) -> bool:
        """Wait for `_sending`; tell whether it was had by the deadline."""
        if self._sending.acquire(blocking=False):
            return True
        if deadline is None:
            return self._sending.acquire()
        left = min(max(deadline - time.monotonic(), 0.0), TIMEOUT_MAX)
        return self._sending.acquire(timeout=left)

    @staticmethod
    def _outcome(call: "Call | BatchCall") -> ServerMessage:
        if call.error is not None:
            raise call.error
        return call.message  # type: ignore[return-value]

    def _seconds(self, timeout: Timeout, name: str) -> float | None:
        if isinstance(timeout, Default):
            return self._deadlines.get(name, self.timeout)
        return timeout

    def _seconds_for_all(self, timeout: Timeout, names: Iterable[str]) -> float | None:
        if not isinstance(timeout, Default):
            return timeout
        return longest(self._deadlines.get(name, self.timeout) for name in names)

    @staticmethod
    def _deadline(seconds: float | None) -> float | None:
        return None if seconds is None else time.monotonic() + seconds

    def _be_connected(self, deadline: float | None) -> None:
        """Make a new connection if the last one was lost and that is wanted.

        It is tried until the deadline, with pauses that grow. Whoever calls this has
        `_sending`, and not `_lock`.
        """
        pause = RETRY_FIRST
        while (failure := self._core.failure) is not None:
            if not self._may_reconnect():
                raise failure
            self._stream.close()
            self._is_open = False
            timeout = self._connect_timeout
            if deadline is not None:
                timeout = min(timeout, max(deadline - time.monotonic(), 0.001))
            try:
                self._open(timeout)
            except BaseException as error:
                with self._lock:
                    self._core.lose(failure)
                    late = deadline is not None and time.monotonic() + pause > deadline
                    if late or not isinstance(error, QmpxError):
                        raise
                    if not self._may_reconnect():
                        raise failure from None
                    self._wait(pause)  # or until the client is closed
                pause = min(pause * 2, RETRY_LAST)

    def _may_reconnect(self) -> bool:
        return self._reconnect and not self._is_closed

    def _send(
        self,
        stream: Stream,
        data: bytes,
        deadline: float | None,
        fds: Sequence[int] = (),
    ) -> bool:
        """Send all of *data*; tell whether that was done by the deadline.

        A peer may take no more before its replies are read: then they are, here, if no
        other thread does.
        """
        sent = 0
        try:
            sent = stream.send(data, fds)
            while sent < len(data):
                if deadline is not None and time.monotonic() >= deadline:
                    if sent:
                        self._break_off(stream, "it took only a part of a command")
                    return False
                self._make_room(stream, deadline)
                sent += stream.send(memoryview(data)[sent:], () if sent else fds)
        except OSError as error:
            raise self._cannot_send(stream, error) from error
        except BaseException:
            if 0 < sent < len(data):
                self._break_off(stream, "sending a command was interrupted")
            raise
        return True

    def _cannot_send(self, stream: Stream, error: OSError) -> QmpxError:
        """Return why a conversation is over, with all that came before the end."""
        with self._lock:
            until = time.monotonic() + LAST_WORDS
            stream.shut()
            while self._is_reading and stream is self._stream:
                # It is handed on by the thread that reads, which meets the end now.
                left = until - time.monotonic()
                if self._core.failure is not None or left <= 0:
                    break
                self._wait(left)
            self._catch_up()
            self._lost(stream, error)
            self._changed.notify_all()
            failure = self._core.failure if stream is self._stream else None
            return failure or _broken(error)

    def _make_room(self, stream: Stream, deadline: float | None) -> None:
        """Wait until the peer takes more, and read meanwhile, here or elsewhere."""
        with self._lock:
            leads = not self._is_reading
            self._is_reading = True
        data: bytes | None = None
        if not leads:
            # Who reads now may go at any moment: then it is for us to do.
            soon = time.monotonic() + PATIENCE
            deadline = soon if deadline is None else min(soon, deadline)
        try:
            if stream.wait_writable(deadline, or_readable=leads) and leads:
                data = stream.receive(deadline)
        finally:
            if leads:
                with self._lock:
                    self._is_reading = False
                    if data is not None:
                        self._take(stream, data)
                    self._changed.notify_all()

    def _catch_up(self) -> None:
        """Hand on what came while nobody read: it is older than what follows."""
        if self._is_reading or self._core.failure is not None:
            return
        stream = self._stream
        try:
            for data in islice(iter(stream.receive_now, None), _CATCH_UP_READS):
                self._take(stream, data)
                if not data:
                    break
        except OSError as error:
            self._take(stream, b"", error)
        if self._waiting:
            self._changed.notify_all()

    def _break_off(self, stream: Stream, reason: str) -> None:
        with self._lock:
            stream.close()
            if stream is self._stream:
                why = f"the connection was given up: {reason}"
                self._core.lose(ConnectionLost(why))
            self._changed.notify_all()

    def _read_until(
        self,
        done: Callable[[], bool],
        deadline: float | None,
        waker: socket.socket | None = None,
    ) -> bool:
        """Read, or let another thread read, until *done*; tell whether it is.

        Args:
            done: Tells, with `_lock` taken.
            deadline: When to give up.
            waker: Has something to read when another thread has changed what *done*
                tells, which else is learnt only when the peer sends something.
        """
        lock = self._lock
        while True:
            with lock:
                if done():
                    return True
                if self._is_reading:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._wait(None if left is None else min(left, TIMEOUT_MAX))
                    continue
                self._is_reading = True
                stream = self._stream
            data: bytes | None = None
            error: OSError | None = None
            woken = False
            try:
                if waker is not None:
                    woken = stream.wait_readable(deadline, waker)
                if not woken:
                    data = stream.receive(deadline)
            except OSError as failure:
                error = failure
            finally:
                with lock:
                    self._is_reading = False
                    if error is not None or data is not None:
                        self._take(stream, data or b"", error)
                    if self._waiting:
                        self._changed.notify_all()
            if data is None and error is None and not woken:
                return done()

    def _wait(self, seconds: float | None) -> None:
        self._waiting += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._waiting -= 1

    def _make_waker(self) -> socket.socket:
        """Return what a thread that reads for its subscription also listens to."""
        with self._lock:
            if self._waker is None:
                self._waker = socket.socketpair()
                self._waker[1].settimeout(0)
            return self._waker[0]

    def _wake(self) -> None:
        """Have the thread that reads look up; whoever calls this has `_lock`."""
        self._changed.notify_all()
        if self._waker is not None and self._is_reading:
            with contextlib.suppress(OSError):  # there is one in it already
                self._waker[1].send(b"!")

    def _take(self, stream: Stream, data: bytes, error: OSError | None = None) -> None:
        """Hand on what was read; an empty *data* is the end."""
        if stream is not self._stream:
            return  # there is a new connection already
        if not data:
            self._lost(stream, error)
            return
        try:
            self._core.feed(data)
        except RemoteProtocolError:
            stream.close()  # every call has been told

    def _lost(self, stream: Stream, error: OSError | None) -> None:
        if stream is self._stream:
            failure = closed_by_peer(len(self._core.pending))
            self._core.lose(failure if error is None else _broken(error))


def _broken(error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the connection broke: {error.strerror or error}")
