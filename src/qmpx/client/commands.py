"""The commands of a blocking client: one, typed or not, many, and descriptors."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from qmpx.client.arguments import Arguments, BatchCommand, merge
from qmpx.client.batch import BatchCall, names_of, read_batch
from qmpx.client.conversation import Conversation
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.client.replies import read_raw, read_value
from qmpx.client.verbs import EXEC_OOB, EXECUTE, EXECUTE_ASYNC
from qmpx.errors import DeadlineExceeded
from qmpx.transport.descriptors import require_sendable

if TYPE_CHECKING:
    from qmpx.qapi.call import Call as TypedCall

R = TypeVar("R")


class Commands(Conversation):
    """Runs commands; see `qmpx.client.blocking.Client`."""

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
        if more:
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
        traffic = self._traffic
        calls = BatchCall(len(batch))
        names = names_of(batch)
        seconds = self._seconds_for_all(timeout, names)
        deadline = self._deadline(seconds)
        if sent := traffic.take_turn(deadline):
            try:
                self._be_connected(deadline)
                with traffic.lock:
                    stream = traffic.stream
                    data = calls.issue(self._core, batch)
                sent = traffic.send(stream, data, deadline)
                if not sent:
                    with traffic.lock:
                        calls.withdraw(self._core)
            finally:
                traffic.sending.release()
        if not sent or not traffic.read_until(lambda: calls.is_done, deadline):
            with traffic.lock:
                calls.abandon(self._core)
            raise DeadlineExceeded(
                "", seconds or 0.0, f"replies to {len(batch)} commands"
            )
        self._outcome(calls)
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
        traffic = self._traffic
        deadline = self._deadline(self.timeout)
        if sent := traffic.take_turn(deadline):
            try:
                self._be_connected(deadline)
                stream = traffic.stream
                require_sendable(stream.sock, [fd])
                sent = traffic.send(stream, b" ", deadline, [fd])
            finally:
                traffic.sending.release()
        if not sent:
            raise DeadlineExceeded("", self.timeout or 0.0, "room for a descriptor")
