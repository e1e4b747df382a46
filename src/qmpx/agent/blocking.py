"""The guest agent's client that blocks."""

import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Self, TypeVar

from qmpx.agent import operations
from qmpx.agent.core import MAX_MESSAGE_SIZE, AgentCore, Conversation
from qmpx.agent.deadlines import CONNECT_TIMEOUT, DEADLINES, TIMEOUT
from qmpx.agent.operations import MAX_FILE, Finished
from qmpx.agent.reaching import reach
from qmpx.agent.waking import tries
from qmpx.client.arguments import Arguments, merge
from qmpx.client.deadlines import DEFAULT, Default, Timeout
from qmpx.client.steps import Steps, carry_out
from qmpx.errors import ConnectionLost, DeadlineExceeded, QmpxError
from qmpx.transport.address import Address

R = TypeVar("R")

READ_SIZE = 64 * 1024  # as the client of monitors


class Agent:
    """The agent in a guest; `qmpx.agent.connect` makes one.

    It is a context manager, which closes it. Any thread may use it; the agent takes one
    command at a time. A connection that was lost is made anew by the next call, and a
    reply that comes too late is dropped before the next command is sent.

    Args:
        address: Where the agent is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
        connect_timeout: Seconds for the connection to be made.
        wait: Seconds for QEMU to listen.
        max_message_size: Most bytes of one reply.
        record: A file for the transcript.

    Raises:
        ConnectError: There is no connection. That there is one does not mean that there
            is an agent: see `wait_ready`.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: Timeout = DEFAULT,
        connect_timeout: float = CONNECT_TIMEOUT,
        wait: float = 0.0,
        max_message_size: int = MAX_MESSAGE_SIZE,
        record: str | os.PathLike[str] | None = None,
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._core = AgentCore(max_message_size, record)
        self._turn = threading.Lock()
        self._is_closed = False
        self._fd = reach(address, connect_timeout, wait)

    # Commands.

    def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command and return what it returned.

        Of a command that answers only if it fails, such as ``guest-shutdown``, an error
        is waited for, up to `timeout`, and ``None`` is returned if there is none.

        Args:
            name: The command.
            arguments: Its arguments, with their names on the wire.
            timeout: Seconds for the reply; ``None`` for ever.
            more: Further arguments, for names that Python can spell.

        Raises:
            CommandError: The agent said no, or may not do that.
            DeadlineExceeded: No reply in time.
            ConnectError: There is no connection, and none can be made.
            ConnectionLost: It broke off; the command may have been carried out.
        """
        seconds = seconds_for(name, timeout, self._timeout)
        conversation = self._core.converse(name, merge(arguments, more))
        return self._run(conversation, name, seconds)

    def _run(self, conversation: Conversation, name: str, seconds: float | None) -> Any:
        deadline = None if seconds is None else time.monotonic() + seconds
        if not self._turn.acquire(timeout=-1 if seconds is None else seconds):
            raise DeadlineExceeded(name, seconds or 0.0)
        try:
            self._be_connected()
            return self._converse(conversation, deadline)
        except TimeoutError:
            raise DeadlineExceeded(name, seconds or 0.0) from None
        except ConnectionLost:
            self._disconnect()
            raise
        finally:
            self._turn.release()

    def _converse(self, conversation: Conversation, deadline: float | None) -> Any:
        try:
            step = next(conversation)
            while True:
                try:
                    outcome = self._take_step(step, deadline)
                except (TimeoutError, ConnectionLost) as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(outcome)
        except StopIteration as end:
            return end.value

    def _take_step(self, data: bytes | None, deadline: float | None) -> bytes | None:
        try:
            if data is None:
                return self._receive(deadline)
            self._core.sending(data)
            rest = memoryview(data)
            while rest:
                self._wait(select.POLLOUT, deadline)
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise lost(error) from error
        return None

    def _receive(self, deadline: float | None) -> bytes:
        self._wait(select.POLLIN, deadline)
        if data := os.read(self._fd, READ_SIZE):
            return data
        raise lost(None)

    def _wait(self, wanted: int, deadline: float | None) -> None:
        poller = select.poll()
        poller.register(self._fd, wanted)
        left = None
        if deadline is not None:
            left = max(deadline - time.monotonic(), 0.0) * 1000
        if not poller.poll(left):
            raise TimeoutError

    # The connection.

    def _be_connected(self) -> None:
        if self._is_closed:
            raise ConnectionLost("this client was closed")
        if self._fd < 0:
            self._core.restart()
            self._fd = reach(self.address, self._connect_timeout, 0.0)

    def _disconnect(self) -> None:
        self._core.restart()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def close(self) -> None:
        """Close the connection, once the command that runs has ended."""
        with self._turn:
            self._is_closed = True
            self._disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the agent answers.

        Args:
            timeout: Seconds; ``None`` for ever.

        Raises:
            ConnectError: At last there was nobody to connect to.
            DeadlineExceeded: The connection stands, but the agent does not answer.
        """
        plan = tries(timeout)
        try:
            step = next(plan)
            while True:
                time.sleep(step.pause)
                step = plan.send(self._try(step.seconds))
        except StopIteration:
            return

    def _try(self, seconds: float) -> QmpxError | None:
        try:
            self._run(self._core.synchronize(), "guest-sync-delimited", seconds)
        except QmpxError as error:
            if self._is_closed:
                raise
            with self._turn:
                self._disconnect()
            return error
        return None

    # What takes more than one command.

    def _do(self, steps: Steps[R]) -> R:
        return carry_out(_Asks(self), steps)

    def info(self) -> dict[str, Any]:
        """Return the agent's version and commands: what ``guest-info`` tells."""
        told: dict[str, Any] = self.execute("guest-info")
        return told

    def supports(self, command: str) -> bool:
        """Whether the agent has a command, and may run it."""
        return is_enabled(self.info(), command)

    def exec(
        self,
        path: str,
        *words: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Finished:
        """Run a program in the guest and wait for its end.

        Args:
            path: The program.
            words: Its arguments. There is no shell, unless it is the program.
            stdin: What it reads.
            env: Its environment.
            timeout: Seconds for all of it; ``None`` for ever. It goes on when they are
                over.
            check: Whether another exit status than 0 is an error.

        Raises:
            CommandError: It cannot be started, or the agent may not start programs.
            OperationFailed: It failed, and *check* was set.
            DeadlineExceeded: It runs still.
        """
        done = self._do(operations.run_program(path, words, stdin, env, timeout))
        return done.check() if check else done

    def read_file(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return what is in a file of the guest, read in pieces.

        Args:
            path: The file.
            limit: The most bytes that it may hold.

        Raises:
            CommandError: It cannot be read.
            OperationFailed: It holds more.
        """
        return self._do(operations.read_file(path, limit))

    def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Write a file of the guest, in pieces.

        Args:
            path: The file; it is made, or emptied, or added to.
            data: What is to be in it.
            append: Whether to add it to what is there.

        Raises:
            CommandError: It cannot be written.
        """
        self._do(operations.write_file(path, data, append=append))

    @contextmanager
    def frozen(self, mountpoints: Sequence[str] | None = None) -> Iterator[int]:
        """Freeze the guest's file systems for a block; thaw them in any case.

        Args:
            mountpoints: Which ones; all, if it is not said.

        Yields:
            How many were frozen.

        Raises:
            CommandError: They cannot be frozen.
            QmpxError: They could not be thawed: the guest may be frozen still.
        """
        count = self._do(operations.freeze(mountpoints))
        try:
            yield count
        finally:
            self._do(operations.thaw())

    def shutdown(
        self, mode: Literal["powerdown", "halt", "reboot"] = "powerdown"
    ) -> None:
        """Shut the guest down; it is on its way when this returns.

        Raises:
            CommandError: It cannot.
        """
        self.execute("guest-shutdown", mode=mode)

    def suspend(self, mode: Literal["ram", "disk", "hybrid"] = "ram") -> None:
        """Send the guest to sleep; it is on its way when this returns.

        Raises:
            CommandError: It cannot.
        """
        self.execute(f"guest-suspend-{mode}")


class _Asks:
    """An agent as steps want it."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),  # noqa: ARG002 - an agent takes none
    ) -> Any:
        return self._agent.execute(name, arguments, timeout=timeout)

    def events(self, *patterns: str) -> Any:
        message = f"an agent tells of no events: {patterns}"
        raise TypeError(message)


def seconds_for(name: str, timeout: Timeout, general: Timeout) -> float | None:
    """Return how many seconds a command has.

    Args:
        name: The command.
        timeout: What its caller says.
        general: What whoever made the client said.
    """
    if not isinstance(timeout, Default):
        return timeout
    if not isinstance(general, Default):
        return general
    return DEADLINES.get(name, TIMEOUT)


def is_enabled(info: Mapping[str, Any], command: str) -> bool:
    """Whether a command is among those that ``guest-info`` says may be run."""
    return any(
        each.get("name") == command and each.get("enabled")
        for each in info.get("supported_commands", [])
    )


def lost(error: OSError | None) -> ConnectionLost:
    """Return the error for a connection that is over."""
    if error is None:
        return ConnectionLost("the way to the agent was closed")
    return ConnectionLost(f"the way to the agent broke: {error.strerror or error}")
