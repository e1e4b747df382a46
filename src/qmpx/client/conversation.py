"""One conversation of a blocking client: how it begins, its commands, how it ends.

Any number of threads may take part; how they share the socket is the business of
`qmpx.client.traffic`.
"""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qmpx.client.arguments import Arguments
from qmpx.client.core import Call
from qmpx.client.deadlines import RETRY_FIRST, RETRY_LAST, Default, Timeout
from qmpx.client.replies import is_taken, read_value
from qmpx.client.side import Side
from qmpx.client.silence import explain_silence
from qmpx.client.terms import Terms
from qmpx.client.traffic import Traffic
from qmpx.client.verbs import EXECUTE, require_verb
from qmpx.errors import ConnectionLost, DeadlineExceeded, QmpxError
from qmpx.transport.bearer import AUTHENTICATE, Token
from qmpx.transport.descriptors import require_sendable
from qmpx.transport.dial import Alive, open_stream
from qmpx.transport.stream import Stream
from qmpx.wire.messages import ServerMessage

if TYPE_CHECKING:
    from qmpx.client.batch import BatchCall


class Conversation(Side):
    """A connection that blocks, and its making anew; see `qmpx.client.blocking.Client`.

    Args:
        terms: Where to, how long, on which conditions.

    Raises:
        ConnectError: There is no conversation; the message says why and what to do.
    """

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self._traffic = Traffic(self._core)
        self._open(terms.connect_timeout, terms.wait, terms.alive)

    def _open(
        self, timeout: float, wait: float = 0.0, alive: Alive | None = None
    ) -> None:
        """Connect, take the greeting and negotiate.

        Whoever calls this has `Traffic.sending`, and not its lock, so that others can
        close the client meanwhile, and their own deadlines hold.
        """
        begin = time.monotonic()
        token = self._token()
        stream = open_stream(self.address, timeout=timeout, wait=wait, alive=alive)
        # What was spent on waiting for a program to start does not count.
        deadline = begin + timeout + min(time.monotonic() - begin, wait)
        sock, core, traffic, call = stream.sock, self._core, self._traffic, Call()
        try:
            with traffic.lock:
                if self._is_closed:
                    raise core.failure or ConnectionLost("this client was closed")
                core.restart()
                traffic.stream = stream
            if not traffic.read_until(
                lambda: core.greeting is not None or core.failure is not None, deadline
            ):
                raise explain_silence(self.address, sock, timeout)
            with traffic.lock:
                if core.failure is not None:
                    raise core.failure
                data = core.negotiation(call, self._terms.capabilities)
            traffic.send(stream, data, deadline)
            if not traffic.read_until(lambda: call.is_done, deadline):
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
        with self._traffic.lock:
            data = self._core.authentication(call, token)
        if not self._traffic.send(
            stream, data, deadline
        ) or not self._traffic.read_until(lambda: call.is_done, deadline):
            raise DeadlineExceeded(AUTHENTICATE, self._terms.connect_timeout)
        is_taken(self._outcome(call), token, self.address)

    # How it goes on, and ends.

    @property
    def is_connected(self) -> bool:
        """Whether the conversation goes on, as far as is known."""
        return self._is_open and not self._is_closed and self._core.failure is None

    def close(self) -> None:
        """Close the connection; calls that wait get `ConnectionLost`."""
        with self._traffic.lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._core.lose(ConnectionLost("this client was closed"), for_good=True)
            for buffer in self._core.buffers:
                buffer.is_closed = True
            self._traffic.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # One command.

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
        if isinstance(timeout, Default):
            seconds = self._deadlines.get(name, self.timeout)
        else:
            seconds = timeout
        deadline = None if seconds is None else time.monotonic() + seconds
        core, traffic = self._core, self._traffic
        # One thread at a time, so that commands go out in the order of their ids.
        if not traffic.take_turn(deadline):
            raise DeadlineExceeded(name, seconds or 0.0)
        try:
            if core.failure is not None:
                self._be_connected(deadline)
            with traffic.lock:
                stream = traffic.stream
                if fds:
                    require_sendable(stream.sock, fds)
                if verb is not EXECUTE:
                    require_verb(verb, self.greeting, self._terms.capabilities)
                data = core.issue(call, name, arguments, verb=verb)
                id_ = core.last_id
            sent = traffic.send(stream, data, deadline, fds)
            if not sent:
                with traffic.lock:
                    core.withdraw(id_)
        finally:
            traffic.sending.release()
        if not sent or not traffic.read_until(lambda: call.is_done, deadline):
            with traffic.lock:
                core.abandon(id_)
            raise DeadlineExceeded(name, seconds or 0.0)
        return self._outcome(call)

    @staticmethod
    def _outcome(call: "Call | BatchCall") -> ServerMessage:
        if call.error is not None:
            raise call.error
        return call.message  # type: ignore[return-value]

    @staticmethod
    def _deadline(seconds: float | None) -> float | None:
        return None if seconds is None else time.monotonic() + seconds

    # The next connection.

    def _be_connected(self, deadline: float | None) -> None:
        """Make a new connection if the last one was lost and that is wanted.

        It is tried until the deadline, with pauses that grow. Whoever calls this has
        `Traffic.sending`, and not its lock.
        """
        pause = RETRY_FIRST
        while (failure := self._core.failure) is not None:
            if not self._may_reconnect():
                raise failure
            self._traffic.stream.close()
            self._is_open = False
            timeout = self._terms.connect_timeout
            if deadline is not None:
                timeout = min(timeout, max(deadline - time.monotonic(), 0.001))
            try:
                self._open(timeout)
            except BaseException as error:
                with self._traffic.lock:
                    self._core.lose(failure)
                    late = deadline is not None and time.monotonic() + pause > deadline
                    if late or not isinstance(error, QmpxError):
                        raise
                    if not self._may_reconnect():
                        raise failure from None
                    self._traffic.wait(pause)  # or until the client is closed
                pause = min(pause * 2, RETRY_LAST)

    def _may_reconnect(self) -> bool:
        return self._terms.reconnect and not self._is_closed
