"""`qmpx.launch`: a QEMU started, connected to and ended, in a program that blocks."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, Unpack

from qmpx.client.blocking import Client
from qmpx.client.launching import ANSWER_TIMEOUT, LOOK, START_TIMEOUT, Program
from qmpx.client.terms import StreamTerms, Terms
from qmpx.errors import ConnectError, ConnectionLost, QmpxError
from qmpx.transport.address import FdAddress

if TYPE_CHECKING:
    import subprocess


class LaunchedQemu:
    """A QEMU that runs and is connected to; `qmpx.launch` makes one.

    It is a context manager, which ends the program.

    Attributes:
        vm: The client of its monitor.
        process: The process.
    """

    def __init__(self, program: Program, vm: Client) -> None:
        self._program = program
        self.vm = vm
        self.process: subprocess.Popen[bytes] = program.process

    @property
    def stderr(self) -> str:
        """The end of what it wrote to its standard error, if that is kept."""
        return self._program.said

    def stop(self) -> int:
        """End it and return its exit status, negative for a signal.

        It is told to quit; if it does not in time it gets SIGTERM, and at last SIGKILL.

        Raises:
            ConnectError: The kernel does not let it end.
        """
        ending = self._program.end()
        try:
            seconds = next(ending)
            while True:
                seconds = ending.send(self._take_step(seconds))
        except StopIteration as end:
            status: int = end.value
            return status
        finally:
            self.vm.close()

    def _take_step(self, seconds: float | None) -> bool:
        if seconds is None:
            with contextlib.suppress(QmpxError):
                self.vm.execute("quit", timeout=ANSWER_TIMEOUT)
            return False
        return self._wait(seconds)

    def _wait(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() >= until:
                return False
            time.sleep(LOOK)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self._program.forget()


def launch(
    command: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stderr: IO[bytes] | int | None = None,
    start_timeout: float = START_TIMEOUT,
    **options: Unpack[StreamTerms],
) -> LaunchedQemu:
    """Start a QEMU with a private monitor and connect to it.

    ::

        with qmpx.launch(["qemu-system-x86_64", "-display", "none", "-S"]) as qemu:
            print(qemu.vm.execute("query-status")["status"])

    Args:
        command: The program and its arguments; the monitor is added to them.
        env: Its environment; ours, if it is not said.
        cwd: Its directory.
        stderr: Where its standard output and error go; if it is not said they are kept,
            the end of them for errors.
        start_timeout: Seconds until it greets.
        options: As for `qmpx.connect`: ``timeout``, ``deadlines``, ``capabilities``,
            ``max_message_size``, ``record``.

    Raises:
        LaunchError: It did not start, or ended or said nothing instead of greeting; the
            error has what it wrote to its standard error.
        LocalProtocolError: It is to daemonize.
    """
    program = Program(command, env=env, cwd=cwd, stderr=stderr)
    try:
        with program.socket as ours:
            address = FdAddress(ours.fileno())
            terms = Terms(address, connect_timeout=start_timeout, **options)
            vm = Client(terms)
    except (ConnectError, ConnectionLost) as error:
        raise program.failure(error) from error
    except BaseException:
        program.abandon()
        raise
    return LaunchedQemu(program, vm)
