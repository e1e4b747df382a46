"""A fleet: many machines in one process, with a QMP socket each.

They share the profile and the commands, so that one costs little more than its own
state. The process ends when all of them have ended, or by a signal.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from qmpx.errors import AddressError, QmpxError
from qmpx.machine.happenings import Happening, ShutDown
from qmpx.monitor.loop import loop_factory
from qmpx.standin.assembly import Assembly
from qmpx.standin.command_line import CommandLine
from qmpx.standin.endpoints import BACKLOG
from qmpx.standin.failure import StartFailure
from qmpx.standin.needs import check_needs
from qmpx.standin.parsing import parse_command_line
from qmpx.standin.process import Teller
from qmpx.standin.profile.file import Profile, read_profile, shipped_profile
from qmpx.standin.starting import start
from qmpx.transport.address import UnixAddress

if TYPE_CHECKING:
    from qmpx.monitor import Monitor

MAX_FLEET: Final = 16 * 1024
"""Machines of one process: each has a listening socket, and a descriptor for it."""


def run_fleet(words: Sequence[str], count: int, folder: str, program: str) -> int:
    """Run machines until they have ended; return the exit status.

    Args:
        words: What each of them is, in QEMU's options; without monitors.
        count: How many.
        folder: Where their sockets are made: ``0.sock``, ``1.sock``, ...
        program: The name that messages begin with.

    Raises:
        QmpxError: There are too many, or a socket cannot be made.
    """
    if count > MAX_FLEET:
        message = f"a fleet has at most {MAX_FLEET} machines"
        raise AddressError(message)
    teller = Teller(program)
    line = CommandLine()
    try:
        parse_command_line(words, line)
        if line.monitor_places or line.monitors:
            message = "the machines of a fleet have a monitor each, and no others"
            raise StartFailure(message)
        profile = read_profile(line.profile) if line.profile else shipped_profile()
        check_needs(line, profile)
        os.makedirs(folder, exist_ok=True)
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(_Fleet(line, profile, count, folder, teller).serve())
    except StartFailure as failure:
        teller.tell(failure.text, gap=failure.gap)
        for text in failure.further:
            teller.tell(text)
        return 1
    except OSError as error:
        message = f"cannot make {folder}: {error.strerror}"
        raise QmpxError(message) from None
    return 0


class _Fleet:
    def __init__(
        self,
        line: CommandLine,
        profile: Profile,
        count: int,
        folder: str,
        teller: Teller,
    ) -> None:
        self._line = line
        self._profile = profile
        self._count = count
        self._folder = folder
        self._teller = teller
        self._left = count
        self._ended = asyncio.Event()
        self._monitors: list[Monitor] = []

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as servers:
            first: Assembly | None = None
            for number in range(self._count):
                first = await self._add(number, first, servers)
            for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(signal_number, self._end)
            print(f"qmpx: {self._count} machines in {self._folder}", flush=True)  # noqa: T201
            await self._ended.wait()
            for monitor in self._monitors:
                monitor.shut_down()

    async def _add(
        self,
        number: int,
        first: Assembly | None,
        servers: contextlib.AsyncExitStack,
    ) -> Assembly:
        """Add a machine; return the first of all, whose commands they share."""
        assembly = Assembly(self._line, self._profile, self._teller.tell, like=first)
        if self._line.name is None:
            assembly.machine.name = f"vm{number}"
        await assembly.furnish(set())
        monitor = assembly.monitor
        path = os.path.join(self._folder, f"{number}.sock")
        server = monitor.serve(UnixAddress(path), max_sessions=1, backlog=BACKLOG)
        await servers.enter_async_context(server)

        def note(happening: Happening) -> None:
            if isinstance(happening, ShutDown) and (
                assembly.machine.ends or happening.reason.startswith("host-")
            ):
                monitor.shut_down()
                self._left -= 1
                if self._left == 0:
                    self._ended.set()

        assembly.machine.listen(note)
        self._monitors.append(monitor)
        await start(assembly.machine, self._line, self._teller.tell)
        return first or assembly

    def _end(self) -> None:
        for monitor in self._monitors:
            monitor.target.shut_down(reason="host-signal")
        self._ended.set()
