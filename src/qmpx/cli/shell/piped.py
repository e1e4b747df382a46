"""The shell without a terminal: lines from standard input, answers on standard output.

So a file of lines is a script: ``qmpx shell ADDRESS < lines``. Nobody can be asked, and
nobody is.
"""

import asyncio
import sys
from collections.abc import AsyncIterator

from qmpx.cli.output import printable
from qmpx.cli.shell.line import is_complete
from qmpx.cli.shell.session import Session
from qmpx.cli.tables import Table, plain


class PipedOutput:
    """Shows answers on standard output, and all else on standard error."""

    has_colour = False
    is_terminal = False

    def show(self, text: str) -> None:
        """Show data."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def tell(self, text: str) -> None:
        """Tell something about the conversation."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def table(self, table: Table) -> None:
        """Show a table."""
        self.show("\n".join(plain(table)))

    async def ask(self, question: str) -> bool:
        """Say no: nobody is there, and a session that is piped does not ask."""
        self.tell(f"{printable(question)} There is nobody to ask.")
        return False


async def run_lines(session: Session) -> None:
    """Enter all lines of standard input."""
    text = ""
    async for line in _lines():
        text += line
        if not is_complete(text):
            continue
        if not await session.enter(text):
            return
        text = ""
    if text.strip():
        await session.enter(text)


async def _lines() -> AsyncIterator[str]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield line
