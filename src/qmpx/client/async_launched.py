"""`qmpx.launch_async`: a QEMU started, connected to and ended, from asyncio."""

import asyncio
import contextlib
import os
from collections.abc import Generator, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self, Unpack

from qmpx.client.asynchronous import AsyncClient
from qmpx.client.launching import ANSWER_TIMEOUT, LOOK, START_TIMEOUT, Program
from qmpx.client.terms import StreamTerms, Terms
from qmpx.errors import ConnectError, ConnectionLost, QmpxError
from qmpx.transport.address import FdAddress

if TYPE_CHECKING:
    import subprocess


class AsyncLaunchedQemu:
    """A QEMU that runs and is connected to; `qmpx.launch_async` makes one.

    It is an asynchronous context manager, which ends the program.

    Attributes:
        vm: The client of its monitor.
        process: The process.
    """

    def __init__(self, program: Program, vm: AsyncClient) -> None:
        self._program = program
        self.vm = vm
        self.process: subprocess.Popen[bytes] = program.process

    @property
    def stderr(self) -> str:
        """The end of what it wrote to its standard error, if that is kept."""
        return self._program.said

    async def stop(self) -> int:
        """End it and return its exit status; see `qmpx.client.LaunchedQemu.stop`.

        If it is cancelled the program is killed.
        """
        ending = self._program.end()
        try:
            seconds = next(ending)
            while True:
                seconds = ending.send(await self._take_step(seconds))
        except StopIteration as end:
            status: int = end.value
            return status
        except asyncio.CancelledError:
            self._program.abandon()
            raise
        finally:
            await self.vm.close()

    async def _take_step(self, seconds: float | None) -> bool:
        if seconds is None:
            with contextlib.suppress(QmpxError):
                await self.vm.execute("quit", timeout=ANSWER_TIMEOUT)
            return False
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.process.poll() is None:
            if loop.time() >= until:
                return False
            await asyncio.sleep(LOOK)
        return True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.stop()
        finally:
            self._program.forget()


class Launching:
    """A QEMU that is about to start: await it, or use it in ``async with``."""

    def __init__(self, command: Sequence[Any], options: dict[str, Any]) -> None:
        self._command = command
        self._options = options
        self._launched: AsyncLaunchedQemu | None = None

    def __await__(self) -> Generator[Any, None, AsyncLaunchedQemu]:
        return _start(self._command, **self._options).__await__()

    async def __aenter__(self) -> AsyncLaunchedQemu:
        self._launched = await self
        return self._launched

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._launched is not None:
            await self._launched.__aexit__(kind, error, trace)


def launch_async(
    command: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stderr: IO[bytes] | int | None = None,
    start_timeout: float = START_TIMEOUT,
    **options: Unpack[StreamTerms],
) -> Launching:
    """Start a QEMU with a private monitor and connect to it.

    Await the result, or use it in ``async with``, which ends the program. Arguments and
    errors are those of `qmpx.launch`.
    """
    program = {"env": env, "cwd": cwd, "stderr": stderr}
    return Launching(
        command, {"program": program, "start_timeout": start_timeout, **options}
    )


async def _start(
    command: Sequence[Any],
    *,
    program: dict[str, Any],
    start_timeout: float,
    **options: Any,
) -> AsyncLaunchedQemu:
    started = Program(command, **program)
    try:
        with started.socket as ours:
            address = FdAddress(ours.fileno())
            terms = Terms(address, connect_timeout=start_timeout, **options)
            vm = AsyncClient(terms)
            await vm.open()
    except (ConnectError, ConnectionLost) as error:
        raise await asyncio.to_thread(started.failure, error) from error
    except BaseException:
        started.abandon()
        raise
    return AsyncLaunchedQemu(started, vm)
