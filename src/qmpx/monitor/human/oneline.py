"""One line of a person's, without the person: what ``human-monitor-command`` runs."""

import asyncio
from typing import TYPE_CHECKING

from qmpx.errors import GenericError
from qmpx.monitor.descriptors import PendingDescriptors
from qmpx.monitor.frontend import Frontend, Mode
from qmpx.monitor.human.running import failure_text, shown, understand
from qmpx.monitor.registry import SessionLike

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor


class LineSession(SessionLike):
    """What a handler is given in place of a person's session.

    Attributes:
        monitor: What it is a session of.
        frontend: Its state.
        pending: Descriptors that no command took yet.
        has_terminal: Whether somebody is there to be asked: no.
    """

    __slots__ = ("_texts", "frontend", "monitor", "pending")

    has_terminal = False
    answers_later = False

    def __init__(
        self, monitor: "Monitor", frontend: Frontend, pending: PendingDescriptors
    ) -> None:
        self.monitor = monitor
        self.frontend = frontend
        self.pending = pending
        self._texts: list[str] = []

    def print(self, text: str) -> None:
        """Add to what there is to read."""
        self._texts.append(text)

    async def read_password(self, prompt: str = "Password: ") -> str:  # noqa: ARG002
        """Ask nobody.

        Raises:
            GenericError: Always.
        """
        raise GenericError("terminal does not support password prompting")

    def hold_prompt(self) -> None:
        """Hold what is not there."""

    @property
    def text(self) -> str:
        """What there is to read; its lines end with CR LF, as on a terminal."""
        return "".join(self._texts).replace("\n", "\r\n")


async def run_line(
    monitor: "Monitor",
    line: str,
    *,
    frontend: Frontend | None = None,
    pending: PendingDescriptors | None = None,
) -> str:
    """Run one line as if a person had typed it, and return what the person would read.

    A command that would ask for a password fails; so that one which waits does not hold
    up its session, let the handler that calls this be asynchronous.

    Args:
        monitor: Whose commands to run.
        line: The line, without its end.
        frontend: Whose processor it refers to; a fresh one's, unless given.
        pending: Descriptors that came with it.

    Raises:
        LocalProtocolError: The monitor has no commands for people.
    """
    session = LineSession(
        monitor, frontend or Frontend(Mode.READLINE), pending or PendingDescriptors()
    )
    parsed = understand(session, line)
    if isinstance(parsed, str):
        session.print(parsed)
        return session.text
    command, arguments = parsed
    try:
        session.print(await shown(command, session, arguments))
    except asyncio.CancelledError:
        raise  # it is this very task that is to end
    except BaseException as error:  # noqa: BLE001 - see failure_text
        session.print(failure_text(monitor, command.name, error))
    return session.text
