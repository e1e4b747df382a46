"""What goes over one socket for any number of threads: who sends, and who reads.

One thread sends at a time. One of those that wait reads for all: what it reads for
another wakes that one.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from threading import TIMEOUT_MAX
from typing import Final

from qmpx.client.core import ClientCore, closed_by_peer
from qmpx.errors import ConnectionLost, QmpxError, RemoteProtocolError
from qmpx.transport.stream import Stream

PATIENCE: Final = 0.02
"""Seconds after which a thread that cannot send looks whether anybody reads."""

LAST_WORDS: Final = 1.0
"""Seconds for another thread to read what came before the end; it takes a moment."""

CATCH_UP_READS: Final = 64
"""Most reads of what came while nobody read: 4 MB, far more than a socket holds."""


class Traffic:
    """The traffic of a blocking client.

    Args:
        core: What the client knows.

    Attributes:
        core: The same.
        sending: Who sends, or connects anew, has this lock; it is taken before the
            other.
        lock: Whoever touches the core has this lock.
        stream: The connection.
    """

    def __init__(self, core: ClientCore) -> None:
        self.core = core
        self.sending = threading.RLock()
        # A Condition's own "with" is Python code; its lock's is not.
        self.lock = threading.RLock()
        self.stream: Stream
        self._changed = threading.Condition(self.lock)
        self._waiting = 0  # threads that wait for the one that reads
        self._is_reading = False
        self._waker: tuple[socket.socket, socket.socket] | None = None

    def close(self) -> None:
        """Close the connection; whoever calls this has `lock`."""
        self.stream.close()
        for end in self._waker or ():
            end.close()
        self._changed.notify_all()

    # Sending.

    def take_turn(self, deadline: float | None) -> bool:
        """Wait for `sending`; tell whether it was had by the deadline."""
        if self.sending.acquire(blocking=False):
            return True
        if deadline is None:
            return self.sending.acquire()
        left = min(max(deadline - time.monotonic(), 0.0), TIMEOUT_MAX)
        return self.sending.acquire(timeout=left)

    def send(
        self,
        stream: Stream,
        data: bytes,
        deadline: float | None,
        fds: Sequence[int] = (),
    ) -> bool:
        """Send all of *data*; tell whether that was done by the deadline.

        A peer may take no more before its replies are read: then they are, here, if no
        other thread does. Whoever calls this has `sending`, and not `lock`.

        Raises:
            QmpxError: The conversation is over.
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
        with self.lock:
            until = time.monotonic() + LAST_WORDS
            stream.shut()
            while self._is_reading and stream is self.stream:
                # It is handed on by the thread that reads, which meets the end now.
                left = until - time.monotonic()
                if self.core.failure is not None or left <= 0:
                    break
                self.wait(left)
            self.catch_up()
            self._lost(stream, error)
            self._changed.notify_all()
            failure = self.core.failure if stream is self.stream else None
            return failure or _broken(error)

    def _make_room(self, stream: Stream, deadline: float | None) -> None:
        """Wait until the peer takes more, and read meanwhile, here or elsewhere."""
        with self.lock:
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
                with self.lock:
                    self._is_reading = False
                    if data is not None:
                        self._take(stream, data)
                    self._changed.notify_all()

    def _break_off(self, stream: Stream, reason: str) -> None:
        with self.lock:
            stream.close()
            if stream is self.stream:
                why = f"the connection was given up: {reason}"
                self.core.lose(ConnectionLost(why))
            self._changed.notify_all()

    # Reading.

    def read_until(
        self,
        done: Callable[[], bool],
        deadline: float | None,
        waker: socket.socket | None = None,
    ) -> bool:
        """Read, or let another thread read, until *done*; tell whether it is.

        Args:
            done: Tells, with `lock` taken.
            deadline: When to give up.
            waker: Has something to read when another thread has changed what *done*
                tells, which else is learnt only when the peer sends something.
        """
        lock = self.lock
        while True:
            with lock:
                if done():
                    return True
                if self._is_reading:
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self.wait(None if left is None else min(left, TIMEOUT_MAX))
                    continue
                self._is_reading = True
                stream = self.stream
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
                    is_done = done()
            if is_done or (data is None and error is None and not woken):
                return is_done

    def wait(self, seconds: float | None) -> None:
        """Wait until something has changed; whoever calls this has `lock`."""
        self._waiting += 1
        try:
            self._changed.wait(seconds)
        finally:
            self._waiting -= 1

    def catch_up(self) -> None:
        """Hand on what came while nobody read: it is older than what follows.

        Whoever calls this has `lock`.
        """
        if self._is_reading or self.core.failure is not None:
            return
        stream = self.stream
        try:
            for data in islice(iter(stream.receive_now, None), CATCH_UP_READS):
                self._take(stream, data)
                if not data:
                    break
        except OSError as error:
            self._take(stream, b"", error)
        if self._waiting:
            self._changed.notify_all()

    def make_waker(self) -> socket.socket:
        """Return what a thread that reads for its subscription also listens to."""
        with self.lock:
            if self._waker is None:
                self._waker = socket.socketpair()
                self._waker[1].settimeout(0)
            return self._waker[0]

    def wake(self) -> None:
        """Have the thread that reads look up; whoever calls this has `lock`."""
        self._changed.notify_all()
        if self._waker is not None and self._is_reading:
            with contextlib.suppress(OSError):  # there is one in it already
                self._waker[1].send(b"!")

    def _take(self, stream: Stream, data: bytes, error: OSError | None = None) -> None:
        """Hand on what was read; an empty *data* is the end."""
        if stream is not self.stream:
            return  # there is a new connection already
        if not data:
            self._lost(stream, error)
            return
        try:
            self.core.feed(data)
        except RemoteProtocolError:
            stream.close()  # every call has been told

    def _lost(self, stream: Stream, error: OSError | None) -> None:
        if stream is self.stream:
            failure = closed_by_peer(len(self.core.pending))
            self.core.lose(failure if error is None else _broken(error))


def _broken(error: OSError) -> ConnectionLost:
    return ConnectionLost(f"the connection broke: {error.strerror or error}")
