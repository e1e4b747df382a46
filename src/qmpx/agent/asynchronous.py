"""The guest agent's client for asyncio; it belongs to the loop that it was made on."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeVar

from qmpx.agent import operations
from qmpx.agent.blocking import READ_SIZE, is_enabled, lost, seconds_for
from qmpx.agent.core import MAX_MESSAGE_SIZE, AgentCore, Conversation
from qmpx.agent.deadlines import CONNECT_TIMEOUT
from qmpx.agent.operations import MAX_FILE, Finished
from qmpx.agent.reaching import reach_async
from qmpx.agent.waking import tries
from qmpx.client.arguments import Arguments, merge
from qmpx.client.async_steps import carry_out_async
from qmpx.client.deadlines import DEFAULT, Timeout
from qmpx.client.steps import Steps
from qmpx.errors import ConnectionLost, DeadlineExceeded, QmpxError
from qmpx.transport.address import Address

R = TypeVar("R")


class AsyncAgent:
    """The agent in a guest; `qmpx.agent.connect_async` makes one.

    It is an asynchronous context manager, which closes it. Any number of tasks may use
    it; the agent takes one command at a time. Cancelling is safe: the reply is dropped
    before the next command is sent; the command may be carried out. Arguments and
    errors are those of `qmpx.agent.Agent`.

    Args:
        address: Where the agent is.
        timeout: Seconds for a reply, unless a call says otherwise; ``None`` for ever.
        connect_timeout: Seconds for the connection to be made.
        wait: Seconds for QEMU to listen.
        max_message_size: Most bytes of one reply.
        record: A file for the transcript.
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
        self._wait = wait
        self._core = AgentCore(max_message_size, record)
        self._turn = asyncio.Lock()
        self._is_closed = False
        self._fd = -1

    async def open(self) -> Self:
        """Connect.

        Raises:
            ConnectError: There is no connection.
        """
        self._fd = await reach_async(self.address, self._connect_timeout, self._wait)
        return self

    # Commands.

    async def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        **more: Any,
    ) -> Any:
        """Run a command and return what it returned; see `qmpx.agent.Agent.execute`."""
        seconds = seconds_for(name, timeout, self._timeout)
        conversation = self._core.converse(name, merge(arguments, more))
        return await self._run(conversation, name, seconds)

    async def _run(
        self, conversation: Conversation, name: str, seconds: float | None
    ) -> Any:
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._turn.acquire()
        except TimeoutError:
            raise DeadlineExceeded(name, seconds or 0.0) from None
        try:
            await self._be_connected()
            return await self._converse(conversation, deadline)
        except TimeoutError:
            raise DeadlineExceeded(name, seconds or 0.0) from None
        except ConnectionLost:
            self._disconnect()
            raise
        finally:
            self._turn.release()

    async def _converse(
        self, conversation: Conversation, deadline: float | None
    ) -> Any:
        try:
            step = next(conversation)
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        outcome = await self._take_step(step)
                except (TimeoutError, ConnectionLost) as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(outcome)
        except StopIteration as end:
            return end.value

    async def _take_step(self, data: bytes | None) -> bytes | None:
        try:
            if data is None:
                return await self._receive()
            self._core.sending(data)
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:
                    await self._until_ready("add_writer", "remove_writer")
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise lost(error) from error
        return None

    async def _receive(self) -> bytes:
        while True:
            try:
                data = os.read(self._fd, READ_SIZE)
            except BlockingIOError:
                await self._until_ready("add_reader", "remove_reader")
                continue
            if data:
                return data
            raise lost(None)

    async def _until_ready(self, add: str, remove: str) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def tell() -> None:
            if not ready.done():
                ready.set_result(None)

        fd = self._fd
        getattr(loop, add)(fd, tell)
        try:
            await ready
        finally:
            getattr(loop, remove)(fd)

    # The connection.

    async def _be_connected(self) -> None:
        if self._is_closed:
            raise ConnectionLost("this client was closed")
        if self._fd < 0:
            self._core.restart()
            self._fd = await reach_async(self.address, self._connect_timeout, 0.0)

    def _disconnect(self) -> None:
        self._core.restart()
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    async def close(self) -> None:
        """Close the connection, once the command that runs has ended."""
        async with self._turn:
            self._is_closed = True
            self._disconnect()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def wait_ready(self, timeout: float | None = None) -> None:
        """Wait until the agent answers; see `qmpx.agent.Agent.wait_ready`."""
        plan = tries(timeout)
        try:
            step = next(plan)
            while True:
                await asyncio.sleep(step.pause)
                step = plan.send(await self._try(step.seconds))
        except StopIteration:
            return

    async def _try(self, seconds: float) -> QmpxError | None:
        try:
            await self._run(self._core.synchronize(), "guest-sync-delimited", seconds)
        except QmpxError as error:
            if self._is_closed:
                raise
            async with self._turn:
                self._disconnect()
            return error
        return None

    # What takes more than one command.

    async def _do(self, steps: Steps[R]) -> R:
        return await carry_out_async(_Asks(self), steps)

    async def info(self) -> dict[str, Any]:
        """Return the agent's version and commands: what ``guest-info`` tells."""
        told: dict[str, Any] = await self.execute("guest-info")
        return told

    async def supports(self, command: str) -> bool:
        """Whether the agent has a command, and may run it."""
        return is_enabled(await self.info(), command)

    async def exec(
        self,
        path: str,
        *words: str,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Finished:
        """Run a program in the guest and wait; see `qmpx.agent.Agent.exec`."""
        done = await self._do(operations.run_program(path, words, stdin, env, timeout))
        return done.check() if check else done

    async def read_file(self, path: str, *, limit: int = MAX_FILE) -> bytes:
        """Return what is in a file of the guest; see `qmpx.agent.Agent.read_file`."""
        return await self._do(operations.read_file(path, limit))

    async def write_file(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Write a file of the guest; see `qmpx.agent.Agent.write_file`."""
        await self._do(operations.write_file(path, data, append=append))

    @asynccontextmanager
    async def frozen(
        self, mountpoints: Sequence[str] | None = None
    ) -> AsyncIterator[int]:
        """Freeze the guest's file systems while a block runs; thaw them in any case.

        Also if the task is cancelled, and while it thaws. Arguments and errors are
        those of `qmpx.agent.Agent.frozen`.
        """
        count = await self._do(operations.freeze(mountpoints))
        try:
            yield count
        finally:
            await self._thaw()

    async def _thaw(self) -> None:
        """Thaw, and be cancelled only when that is done."""
        task = asyncio.ensure_future(self._do(operations.thaw()))
        cancellation: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancellation = error
        task.result()
        if cancellation is not None:
            raise cancellation

    async def shutdown(
        self, mode: Literal["powerdown", "halt", "reboot"] = "powerdown"
    ) -> None:
        """Shut the guest down; it is on its way when this returns."""
        await self.execute("guest-shutdown", mode=mode)

    async def suspend(self, mode: Literal["ram", "disk", "hybrid"] = "ram") -> None:
        """Send the guest to sleep; it is on its way when this returns."""
        await self.execute(f"guest-suspend-{mode}")


class _Asks:
    """An agent as steps want it."""

    def __init__(self, agent: AsyncAgent) -> None:
        self._agent = agent

    async def execute(
        self,
        name: str,
        arguments: Arguments = None,
        /,
        *,
        timeout: Timeout = DEFAULT,
        fds: Sequence[int] = (),  # noqa: ARG002 - an agent takes none
    ) -> Any:
        return await self._agent.execute(name, arguments, timeout=timeout)

    def events(self, *patterns: str) -> Any:
        message = f"an agent tells of no events: {patterns}"
        raise TypeError(message)


class Connecting:
    """An agent's client about to connect: await it, or use it in ``async with``."""

    def __init__(self, agent: AsyncAgent) -> None:
        self._agent = agent

    def __await__(self) -> Generator[Any, None, AsyncAgent]:
        return self._agent.open().__await__()

    async def __aenter__(self) -> AsyncAgent:
        return await self._agent.open()

    async def __aexit__(self, *exception: object) -> None:
        await self._agent.close()
