"""A person at a monitor: a line editor, commands one after the other, a prompt.

What comes is looked at key by key, and only while there is a prompt: while a command
runs, what was typed ahead waits in the socket, and so it does while the terminal does
not take what it is sent. There is one command at a time.

Source: QEMU 0.13, observed.
"""

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import LocalProtocolError
from qmpx.monitor import coroutines
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend
from qmpx.monitor.human.completion import complete
from qmpx.monitor.human.editor import Completions, Interrupted, LineEditor
from qmpx.monitor.human.running import failure_text, shown, table_of, understand
from qmpx.monitor.human.table import HumanCommand
from qmpx.monitor.registry import SessionLike
from qmpx.transport.channel import Channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.monitor.monitor import Monitor

PROMPT: Final = "(qemu) "
"""What people and their scripts wait for."""

LINES_PER_TURN: Final = 32
"""Lines of one person that are run in one turn of the loop; then others have theirs."""

FLUSH_SIZE: Final = 64 * 1024
"""Bytes of output after which they are sent, and the terminal may have to catch up."""

logger = logging.getLogger("qmpx.monitor")


class HumanSession(SessionLike):
    """One connection of a person to a monitor.

    A handler that has a positional parameter of this type, or of `SessionLike`, gets
    the session that asks.

    Args:
        monitor: What it is a session of.
        frontend: What it shares with the other sessions of its listener.
        on_close: Called when it is over.

    Attributes:
        monitor: What it is a session of.
        frontend: What it shares with the other sessions of its listener.
        pending: Descriptors that no command took yet.
        has_terminal: Whether somebody is there to be asked, or to wait for a prompt.
    """

    __slots__ = (
        "_channel",
        "_editor",
        "_eof",
        "_is_held",
        "_on_close",
        "_password",
        "_task",
        "_turn_is_over",
        "_working",
        "frontend",
        "monitor",
        "pending",
    )

    has_terminal = True
    answers_later = False

    def __init__(
        self,
        monitor: "Monitor",
        frontend: Frontend,
        on_close: "Callable[[HumanSession], None] | None" = None,
    ) -> None:
        self.monitor = monitor
        self.frontend = frontend
        self.pending = PendingDescriptors()
        self._on_close = on_close
        self._channel: Channel | None = None
        self._editor = LineEditor(frontend.history, self._complete)
        self._task: asyncio.Task[Any] | None = None  # of the command that waits
        self._password: asyncio.Future[str] | None = None
        self._is_held = False
        self._eof = False
        self._working = False
        self._turn_is_over = False

    def open(self, channel: Channel) -> None:
        """Greet the person and show a prompt."""
        self._channel = channel
        self._editor.print(banner(self.monitor.version))
        self._editor.start(PROMPT)
        self._flush()
        channel.resume_reading()

    @property
    def channel(self) -> Channel | None:
        """The connection; ``None`` once it is closed."""
        return self._channel

    # What handlers may do.

    def print(self, text: str) -> None:
        """Show a text; its lines end with a newline."""
        if self._channel is None:
            return
        self._editor.print(text)
        if not self._working or self._editor.unsent >= FLUSH_SIZE:
            self._flush()

    async def read_password(self, prompt: str = "Password: ") -> str:
        """Ask for a password, and return what is typed; it is shown as ``*``.

        Raises:
            asyncio.CancelledError: The connection was lost, or the person gave up.
            LocalProtocolError: It is being asked for already.
        """
        if self._password is not None:
            message = "this session is asking for a password already"
            raise LocalProtocolError(message)
        if self._channel is None:
            raise asyncio.CancelledError
        self._password = self.monitor.loop.create_future()
        self._editor.start(prompt, is_hidden=True)
        if not self._working:
            self._flush()
            self.monitor.loop.call_soon(self.advance)
        try:
            return await self._password
        finally:
            self._password = None

    def start_anew(self) -> None:
        """Forget what is typed and not run yet, and show the prompt once more.

        Nothing happens while a command runs: the prompt comes at its end.
        """
        if not self.is_busy and not self._asks:
            self._editor.start(PROMPT)
            self._flush()

    def hold_prompt(self) -> None:
        """Show no prompt any more, and read nothing: the monitor is about to end."""
        self._is_held = True

    # What the channel tells.

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Take what was typed."""
        if fds:
            self.pending.replace(fds)
        self._editor.feed(data)
        self.advance()

    def eof_received(self) -> None:
        """Close once everything that was typed is done."""
        self._eof = True
        self.advance()

    def drained(self) -> None:
        """Go on: the terminal takes more."""
        self.advance()

    def connection_lost(self, error: OSError | None) -> None:
        """Forget the person; a command that runs is carried through."""
        if error is not None:
            logger.debug("a person was lost: %s", error)
        self._channel = None
        if self._password is not None:
            self._password.cancel()
        self.pending.replace([])
        if self._on_close is not None:
            self._on_close(self)

    # What runs, and when.

    @property
    def is_busy(self) -> bool:
        """Whether a command runs, and not just because nobody types a password."""
        return self._working or (self._task is not None and not self._asks)

    @property
    def _asks(self) -> bool:
        """Whether a password is being asked for."""
        return self._password is not None and not self._password.done()

    @property
    def _is_suspended(self) -> bool:
        return self._is_held or (self._task is not None and not self._asks)

    def advance(self) -> None:
        """Do what was typed, as far as it may be done; read on or not."""
        channel = self._channel
        if self._working or channel is None:
            return
        self._working = True
        try:
            may_read = self._work()
        finally:
            self._working = False
        self._flush()
        if self._channel is None:
            return
        if not may_read:
            channel.pause_reading()
        elif self._eof:
            channel.close()
        else:
            channel.resume_reading()
        if self.monitor.is_stopping:
            self.monitor.session_advanced()

    def _work(self) -> bool:
        """Carry out keys and lines; tell whether more may be read."""
        lines = 0
        while not self._is_suspended and not self._is_stuck():
            if lines == LINES_PER_TURN:
                self._end_turn()
                return False
            line = self._editor.edit()
            if line is not None:
                lines += 1
                self._take(line)
            elif not self._editor.has_input:
                return True
        return False

    def _end_turn(self) -> None:
        if not self._turn_is_over:
            self._turn_is_over = True
            self.monitor.loop.call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._turn_is_over = False
        self.advance()

    def _is_stuck(self) -> bool:
        """Send what has gathered if it is much; tell whether it must be taken first."""
        channel = self._channel
        if channel is None:
            return True
        if self._editor.unsent >= FLUSH_SIZE:
            self._flush()
        return channel.is_congested

    def _flush(self) -> None:
        if self._editor.unsent and self._channel is not None:
            self._channel.write(self._editor.take_output())

    def _take(self, line: str | Interrupted) -> None:
        """Do what a line says: it is a command, or the password that was asked for."""
        if isinstance(line, Interrupted):
            if self._password is not None:
                self._password.cancel()
            else:
                self._editor.start(PROMPT)
        elif self._password is not None:
            self._password.set_result(line)
        else:
            self._run(line)

    def _run(self, line: str) -> None:
        """Run a command, and show the prompt, unless it waits."""
        parsed = understand(self, line)
        if isinstance(parsed, str):
            self.print(parsed)
        else:
            coroutine = shown(parsed.command, self, parsed.arguments)
            try:
                task, text = coroutines.start(coroutine)
            except BaseException as error:  # noqa: BLE001 - see failure_text
                self._fail(parsed.command, error)
            else:
                if task is not None:
                    self._wait_for(task, parsed.command)
                    return
                self.print(text)
        self._show_prompt()

    def _wait_for(self, task: asyncio.Task[str], command: HumanCommand) -> None:
        self._task = task
        self.monitor.tasks[task] = self
        task.add_done_callback(partial(self._done, command))

    def _done(self, command: HumanCommand, task: asyncio.Task[str]) -> None:
        """Show how a command that waited went, and go on."""
        self._task = None
        del self.monitor.tasks[task]
        try:
            self.print(task.result())
        except BaseException as error:  # noqa: BLE001 - see failure_text
            self._fail(command, error)
        self._show_prompt()
        self.advance()
        if self.monitor.is_stopping:
            self.monitor.session_advanced()

    def _show_prompt(self) -> None:
        if not self._is_held:
            self._editor.start(PROMPT)

    def _fail(self, command: HumanCommand, error: BaseException) -> None:
        self.print(failure_text(self.monitor, command.name, error))

    def _complete(self, line: str) -> Completions:
        try:
            return complete(table_of(self), self, line)
        except Exception:
            logger.exception("a line cannot be completed: %r", line)
            return Completions(0, ())


def banner(version: dict[str, Any]) -> str:
    """Return the line that greets a person.

    Args:
        version: As in QMP's greeting.
    """
    parts = version["qemu"]
    numbers = ".".join(str(parts[name]) for name in ("major", "minor", "micro"))
    return f"QEMU {numbers} monitor - type 'help' for more information\n"
