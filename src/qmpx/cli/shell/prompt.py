"""The shell on a terminal: prompt_toolkit's editor, and what is shown around it."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.utils import is_dumb_terminal

from qmpx.cli.output import has_colour, printable
from qmpx.cli.shell.completion import Candidate, candidates, offered
from qmpx.cli.shell.explanation import explanation
from qmpx.cli.shell.human_completion import HumanSlot, human_slot
from qmpx.cli.shell.line import is_complete
from qmpx.cli.shell.places import TIMEOUT, Names, names_at
from qmpx.cli.shell.prose import names_explained, place_explained
from qmpx.cli.shell.session import Session
from qmpx.cli.shell.slots import slot_at
from qmpx.cli.tables import Table, fits, spread

FRESH: Final = 5.0
"""Seconds for which what the machine told for completion is not asked for again."""

REFRESH: Final = 0.5
"""Seconds between looks whether the line below the prompt has to say something new."""

MENU_ROWS: Final = 8
"""Rows that are kept free for the menu of completions."""

MAX_HELD: Final = 1000
"""Lines that wait until the pager has gone; of more, the last are shown."""

STATE_FOLDER: Final = "qmpx"
"""The folder for what is remembered, in that of the user."""


class TerminalOutput:
    """Shows what a session says on a terminal; events stand above the prompt."""

    def __init__(self) -> None:
        self.has_colour = has_colour(sys.stdout)
        self.is_terminal = True
        self._pages: list[str] = []
        self._held: deque[str] | None = None

    def show(self, text: str) -> None:
        """Show data; a pager has what is longer than the screen."""
        if (
            not is_dumb_terminal()
            and text.count("\n") + 3 > shutil.get_terminal_size().lines
        ):
            self._pages.append(text)
        else:
            sys.stdout.write(f"{text}\n")

    def tell(self, text: str) -> None:
        """Tell something about the conversation."""
        if self._held is not None:
            self._held.append(text)
            return
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def table(self, table: Table) -> None:
        """Show a table, as wide as the terminal allows."""
        width = shutil.get_terminal_size().columns
        if not fits(table, width):
            self.show("\n".join(spread(table)))
            return
        # Imported when needed: the first prompt does not wait for it.
        from qmpx.cli.shell.rich_table import table_text

        self.show(table_text(table, width, colour=self.has_colour))

    async def ask(self, question: str) -> bool:
        """Ask; only ``y`` and ``yes`` are a yes."""
        asking: PromptSession[str] = PromptSession()
        try:
            answer = await asking.prompt_async(f"{question} [y/N] ")
        except (EOFError, KeyboardInterrupt):
            return False
        return answer.strip().lower() in ("y", "yes")

    async def turn_pages(self) -> None:
        """Give what was too long for the screen to the pager.

        The conversation goes on meanwhile, and events are read: QEMU would keep them
        in its memory for a client that reads none. They are shown afterwards.
        """
        pages, self._pages = self._pages, []
        if not pages:
            return
        words = shlex.split(os.environ.get("PAGER", "")) or ["less", "-RFX"]
        self._held = deque(maxlen=MAX_HELD)
        with _on_interrupt(lambda: None):  # Ctrl-C is the pager's
            for text in pages:
                try:
                    await asyncio.to_thread(_page, words, text)
                except OSError:
                    sys.stdout.write(f"{text}\n")  # there is none: all at once
        held, self._held = self._held, None
        for text in held:
            self.tell(text)


def _page(words: list[str], text: str) -> None:
    subprocess.run(words, input=f"{text}\n", text=True, check=False)  # noqa: S603 - the user's own pager


class ShellCompleter(Completer):
    """Completes by the schema at once, and by what the machine tells when it is asked.

    Args:
        session: The conversation.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[tuple[str, str], tuple[float, Names]] = {}

    def get_completions(
        self,
        document: Document,  # noqa: ARG002 - the interface
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Any:
        """Yield nothing: prompt_toolkit asks `get_completions_async`."""
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield what may stand where the cursor is."""
        text = document.text_before_cursor
        start, found, places, given = self._look(text)
        if places:
            prefix = text[start:].strip("\"'")
            asked = complete_event.completion_requested
            names = await self._names(places, prefix, given, may_ask=asked)
            slot = slot_at(text, None)._replace(prefix=prefix)
            found = [*found, *offered(slot, names)]
        said = self._said(text)
        for each in found:
            about = said.get(each.shown.rpartition(".")[2].rstrip("="), "")
            yield Completion(
                each.text,
                start_position=start - len(text),
                display=printable(each.shown),
                display_meta=printable(about or each.about),
            )

    def _said(self, text: str) -> dict[str, str]:
        """Return what the documentation says of what may stand there."""
        session, prose = self._session, self._session.known.prose
        if prose is None or session.is_human:
            return {}
        return names_explained(text, prose, in_transaction=session.in_transaction)

    def _look(self, text: str) -> tuple[int, list[Candidate], str, dict[str, str]]:
        session, schema = self._session, self._session.known.schema
        line, offset = text, 0
        if not session.is_human:
            slot = slot_at(text, schema, in_transaction=session.in_transaction)
            if slot.kind != "human":
                return slot.start, candidates(slot, schema), slot.places, slot.given
            line, offset = slot.prefix, slot.start
        human = self._human(line)
        return human.start + offset, human.candidates, human.places, {}

    def _human(self, line: str) -> HumanSlot:
        known = self._session.known
        return human_slot(line, known.human_commands, known.human_topics)

    async def _names(
        self, places: str, prefix: str, given: dict[str, str], *, may_ask: bool
    ) -> Names:
        folder = prefix.rpartition("/")[0] if places in ("qom", "files") else ""
        if places == "properties":
            folder = given.get("path", "")
        key = places, folder
        moment, names = self._told.get(key, (float("-inf"), []))
        if time.monotonic() - moment < FRESH or not may_ask:
            return names

        async def ask(name: str, arguments: dict[str, Any]) -> Any:
            return await self._session.ask(name, arguments, TIMEOUT)

        names = await names_at(places, prefix, given, ask)
        self._told.clear()  # what is old is not kept: QOM has thousands of folders
        self._told[key] = time.monotonic(), names
        return names

    def explain(self, text: str) -> str:
        """Explain what is being typed."""
        session, known = self._session, self._session.known
        if session.is_human or text.lstrip().startswith("hmp "):
            line = text if session.is_human else text.lstrip()[4:]
            return self._human(line).about
        is_action = session.in_transaction
        slot = slot_at(text, known.schema, in_transaction=is_action)
        told = explanation(slot, known.schema)
        if known.prose is None:
            return told
        said = place_explained(text, known.prose, in_transaction=is_action)
        return ": ".join(filter(None, (told, said))) if told != said else told


_HINTS: Final = ("Tab completes", "F1 helps", "Ctrl-D leaves", "Ctrl-R searches")
"""What the line at the bottom says where there is room for it; the first first."""


class Terminal:
    """The shell on a terminal.

    Args:
        session: The conversation.
        output: What shows it.
        place: Where the monitor is, for people.
    """

    def __init__(self, session: Session, output: TerminalOutput, place: str) -> None:
        self._session = session
        self._output = output
        self._place = place
        self._completer = ShellCompleter(session)
        self._prompt: PromptSession[str] = PromptSession(
            history=_history(),
            completer=self._completer,
            complete_while_typing=True,
            auto_suggest=AutoSuggestFromHistory(),
            key_bindings=_bindings(),
            bottom_toolbar=self._toolbar,
            refresh_interval=REFRESH,
            reserve_space_for_menu=MENU_ROWS,
        )

    def _toolbar(self) -> Any:
        session = self._session
        text = self._prompt.default_buffer.document.text_before_cursor
        about = printable(self._completer.explain(text)) if text.strip() else ""
        width = shutil.get_terminal_size().columns - 1
        if not about:
            state = session.events.state if session.is_connected else "no connection"
            about = f" {state or '?'}  {self._place}"
            for hint in _HINTS:
                about += f"  {hint}" if len(about) + len(hint) + 2 <= width else ""
        return FormattedText([("", about.replace("\n", " ")[:width])])

    async def run(self, client: Any) -> None:
        """Converse until the person leaves."""
        # Nothing can be shown above the prompt of a terminal that only prints.
        is_plain = is_dumb_terminal()
        with contextlib.nullcontext() if is_plain else patch_stdout(raw=True):
            listening = asyncio.create_task(self._listen(client))
            try:
                while await self._turn():
                    pass
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, client: Any) -> None:
        async with client.events() as events:
            async for event in events:
                self._session.happened(event)

    async def _turn(self) -> bool:
        try:
            line = await self._prompt.prompt_async(self._session.prompt)
        except KeyboardInterrupt:
            if self._session.leave_transaction():
                self._output.tell("the transaction is dropped; nothing was sent")
            return True
        except EOFError:
            return False
        if not line.strip():
            return True
        loop = asyncio.get_running_loop()
        entering = loop.create_task(self._session.enter(line))
        # Ctrl-C stops the wait, not the command: QMP knows no way to take one back.
        with _on_interrupt(entering.cancel):
            try:
                goes_on = await entering
            except asyncio.CancelledError:
                self._output.tell("not waited for any more; the command may go on")
                goes_on = True
        await self._output.turn_pages()
        return goes_on


@contextlib.contextmanager
def _on_interrupt(act: Callable[[], object]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, act)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    def is_open() -> bool:
        from prompt_toolkit.application import get_app

        return not is_complete(get_app().current_buffer.text)

    @bindings.add("enter", filter=Condition(is_open))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    @bindings.add("f1")
    def _(event: KeyPressEvent) -> None:
        words = event.current_buffer.text.split()
        event.current_buffer.text = f"help {words[0]}" if words else "help"
        event.current_buffer.validate_and_handle()

    return bindings


def _history() -> History:
    """Return the lines of former days, if they can be kept."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    folder = Path(base, STATE_FOLDER)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "shell_history"
        path.touch(mode=0o600)  # what was typed may hold passwords
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
