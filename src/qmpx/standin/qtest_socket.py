"""The connection on which qtest's lines come: ``-qtest``.

It is a character device that is called ``qtest``; the machine is looked after by an
object of that name, too.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.qom.types import ObjectTemplate
from qmpx.standin.endpoints import Endpoint, legacy_options
from qmpx.standin.failure import StartFailure
from qmpx.standin.qtest import MAX_LINE, Qtest, QtestError, QtestLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.machine import Machine

LABEL: Final = "qtest"
"""What the character device is called, and the object in the machine."""


class QtestSocket:
    """Who drives a machine by qtest, over a socket.

    Args:
        machine: The machine.
        text: What stands after ``-qtest``.
        log: What stands after ``-qtest-log``.
        has_clock: Whether lines move its time.

    Raises:
        StartFailure: No driver can come there.
    """

    def __init__(
        self, machine: "Machine", text: str, log: str | None, *, has_clock: bool
    ) -> None:
        self._machine = machine
        self._log_path = log
        self._endpoint = Endpoint(
            LABEL, legacy_options("-qtest", text, LABEL), is_control=False
        )
        if self._endpoint.backend != "socket":
            message = f'Failed to initialize device for qtest: "{text}"'
            raise StartFailure(message)
        self._qtest = Qtest(machine, has_clock=has_clock, send=self._send)
        self._log: QtestLog | None = None
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, tell: "Callable[[str], None]") -> None:
        """Connect, or listen, and begin to carry out what comes.

        Args:
            tell: Is told that a driver is waited for.

        Raises:
            StartFailure: It cannot be opened, or the log cannot.
        """
        endpoint = self._endpoint
        endpoint.open(tell)
        try:
            self._log = QtestLog(self._log_path)
        except OSError as error:
            message = f"cannot open {self._log_path}: {error.strerror}"
            raise StartFailure(message, "-qtest-log", self._log_path) from None
        await self._machine.characters.add(CharacterDevice(LABEL, endpoint.place))
        self._machine.characters.take(LABEL)
        listening, connected = endpoint.sockets()
        if connected is not None:
            reader, writer = await asyncio.open_connection(
                sock=connected, limit=MAX_LINE
            )
            task = asyncio.get_running_loop().create_task(self._drive(reader, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if listening is not None:
            self._server = await asyncio.start_server(
                self._drive, sock=listening, limit=MAX_LINE
            )

    def show(self) -> None:
        """Let the object be seen, once all that the board has is there."""
        shown = self._machine.qom.root.children["machine"]
        made = shown.add(LABEL, ObjectTemplate(LABEL))
        made.values |= {"chardev": LABEL, "log": self._log_path or ""}

    async def _drive(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one driver until it goes."""
        if self._writer is not None:  # there is one already
            writer.close()
            return
        self._writer = writer
        log = self._log
        if log is not None:
            log.opened()
        try:
            while line := await reader.readuntil(b"\n"):
                text = line[:-1].decode(errors="surrogateescape")
                if log is not None:
                    log.note("R", text)
                self._send(self._qtest.answer(text))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass  # it has gone
        except (asyncio.LimitOverrunError, QtestError) as error:
            self._send(f"FAIL {error}")
        except OSError:
            pass  # it has gone in the middle of a line
        finally:
            self._writer = None
            if log is not None:
                log.closed()
            writer.close()

    def _send(self, text: str) -> None:
        if self._writer is None:
            return
        if self._log is not None:
            self._log.note("S", text)
        self._writer.write(text.encode(errors="surrogateescape") + b"\n")

    async def close(self) -> None:
        """Let the driver go, and close all."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._writer is not None:
            self._writer.close()
        self._endpoint.remove()
        if self._log is not None:
            self._log.close()
