"""What the shell does with a line: run it, show what came of it. It has no terminal.

Where its words go, and who is asked, is the business of an `Output`: a terminal, or
standard output when lines come through a pipe.
"""

import asyncio
import difflib
import time
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Protocol

from qmpx.cli.coloured import json_text, painted
from qmpx.cli.human_text import HumanCommand, commands_in
from qmpx.cli.output import printable
from qmpx.cli.refusals import what_to_do
from qmpx.cli.shell.help_text import general_help, help_on
from qmpx.cli.shell.line import (
    OWN,
    Action,
    Command,
    Human,
    Meaning,
    Own,
    read_line,
    recalled,
    statements,
)
from qmpx.cli.tables import Table, table_of
from qmpx.client.asynchronous import AsyncClient
from qmpx.client.complaints import complaint
from qmpx.client.events import RECONNECTED, Event
from qmpx.errors import (
    CommandError,
    CommandNotFound,
    ConnectionLost,
    LocalProtocolError,
    QmpxError,
)
from qmpx.qapi.danger import harm_of, harm_of_line
from qmpx.qapi.model import Schema
from qmpx.qapi.vocabulary import Vocabulary, read_vocabulary

if TYPE_CHECKING:
    import msgspec

KEPT_EVENTS: Final = 200
"""Events that ``events last`` can show: some screens full."""

KEPT_LINES: Final = 1024
"""Lines that ``!text`` can find, as many as qmp-shell keeps."""

TURNS: Final = 3
"""Turns of the loop until events that came with a reply have been shown."""

SCHEMA_TIMEOUT: Final = 10.0
"""Seconds for the schema; a monitor that is busy that long is used without it."""

_RED: Final = "31"
_DIM: Final = "2"
_EVENT: Final = "33"
_STATES: Final = {
    "STOP": "paused",
    "RESUME": "running",
    "SHUTDOWN": "shutdown",
    "SUSPEND": "suspended",
    "GUEST_PANICKED": "guest-panicked",
}


class Output(Protocol):
    """Where a session's words go.

    Attributes:
        has_colour: Whether colours may be used.
        is_terminal: Whether a person reads it.
    """

    has_colour: bool
    is_terminal: bool

    def show(self, text: str) -> None:
        """Show data: an answer."""

    def tell(self, text: str) -> None:
        """Tell something about the conversation."""

    def table(self, table: Table) -> None:
        """Show a table."""

    async def ask(self, question: str) -> bool:
        """Ask a question; tell whether the answer was yes."""


class Session:
    """A conversation of a person with a monitor.

    Args:
        output: Where its words go.
        is_human: Whether lines are for the human monitor.
        asks: Whether to ask before what may destroy something.
        shows: ``auto``, ``json``, ``table``, or ``pretty`` for indented JSON always.

    Attributes:
        vocabulary: What the peer says of itself, once that is known.
        human_commands: The commands of the human monitor, once these were asked for.
        human_topics: What its ``info`` knows, likewise.
        state: The machine's state, as far as events told.
        prose: A schema with documentation, if one was given.
        failures: How many lines failed.
    """

    def __init__(
        self,
        output: Output,
        *,
        is_human: bool = False,
        asks: bool = True,
        shows: str = "auto",
    ) -> None:
        self.vocabulary: Vocabulary | None = None
        self.human_commands: list[HumanCommand] = []
        self.human_topics: list[HumanCommand] = []
        self.state = ""
        self.failures = 0
        self.is_human = is_human
        self._output = output
        self._asks = asks
        self._shows = shows
        self.prose: Schema | None = None
        self._cpu: int | None = None
        self._actions: list[dict[str, Any]] | None = None
        self._patterns: list[str] = []
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._documentation = ""
        self._client: AsyncClient | None = None
        self._learned: asyncio.Task[None] | None = None
        self._losing: asyncio.Task[None] | None = None

    @property
    def schema(self) -> Schema | None:
        """The peer's schema; names only, if it has no types."""
        if self.vocabulary is None:
            return None
        if self.prose is not None and not self.vocabulary.has_types:
            return self.prose  # what was given has types
        return self.vocabulary.schema

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction was begun and not ended."""
        return self._actions is not None

    @property
    def prompt(self) -> str:
        """What stands before the next line, as qmp-shell and QEMU have it."""
        if self.in_transaction:
            return "TRANS> "
        return "(qemu) " if self.is_human else "(QEMU) "

    @property
    def is_connected(self) -> bool:
        """Whether there is a conversation."""
        return self._client is not None and self._client.is_connected

    def attach(self, client: AsyncClient, documentation: str = "") -> None:
        """Take a client that has connected; ask what its peer is in the background.

        Args:
            client: The client.
            documentation: A schema's file that is to explain what it knows.
        """
        self._client = client
        self._documentation = documentation
        self._learn()

    def _learn(self) -> None:
        if self._learned is not None:
            self._learned.cancel()
        self._learned = asyncio.get_running_loop().create_task(self._ask_all())

    async def close(self) -> None:
        """End what runs in the background."""
        if self._learned is not None:
            self._learned.cancel()
            await asyncio.gather(self._learned, return_exceptions=True)

    async def _ask_all(self) -> None:
        try:
            if self._documentation and self.prose is None:
                # Imported when needed, which is seldom.
                from qmpx.qapi.language import load_schema

                self.prose = await asyncio.to_thread(load_schema, self._documentation)
        except QmpxError as error:
            self.failures += 1
            self._tell(f"no documentation: {error}", _RED)
        try:
            self.vocabulary = await self._ask_vocabulary()
            status = None
            if "query-status" in self.vocabulary.schema.commands:
                status = await self.ask("query-status", {}, SCHEMA_TIMEOUT)
            if isinstance(status, dict):
                self.state = printable(str(status.get("status", "")))
            await self._ask_human()
        except QmpxError as error:
            if self.vocabulary is None:
                self._tell(f"no completion: the schema cannot be read: {error}", _DIM)

    async def _ask_vocabulary(self) -> Vocabulary:
        reading = read_vocabulary()
        name = next(reading)
        while True:
            told: msgspec.Raw | CommandNotFound
            try:
                told = await self._needed().execute_raw(name, timeout=SCHEMA_TIMEOUT)
            except CommandNotFound as error:
                told = error
            try:
                if isinstance(told, CommandNotFound):
                    name = reading.throw(told)
                else:
                    name = reading.send(told)
            except StopIteration as answer:
                vocabulary: Vocabulary = answer.value
                return vocabulary

    async def _ask_human(self) -> None:
        name = "human-monitor-command"
        if self.schema is None or name not in self.schema.commands:
            return
        text = await self.ask(name, {"command-line": "help"}, SCHEMA_TIMEOUT)
        self.human_commands = commands_in(str(text))
        text = await self.ask(name, {"command-line": "help info"}, SCHEMA_TIMEOUT)
        self.human_topics = commands_in(str(text), "info")

    async def ask(self, name: str, arguments: dict[str, Any], timeout: float) -> Any:
        """Run a command for the shell itself, with a deadline.

        Raises:
            QmpxError: It failed.
        """
        return await self._needed().execute(name, arguments, timeout=timeout)

    def _needed(self) -> AsyncClient:
        if self._client is None or not self._client.is_connected:
            message = (
                "there is no connection at the moment; it is tried again and again"
            )
            raise ConnectionLost(message)
        return self._client

    # Lines.

    async def enter(self, text: str) -> bool:
        """Do what a text says, which may be many lines; tell whether to go on."""
        for each in statements(text):
            if not await self._enter(each):
                return False
        return True

    async def _enter(self, line: str) -> bool:
        try:
            again = recalled(line, list(self._lines))
            if again is not None:
                self._tell(again, _DIM)
                line = again
            else:
                self._lines.append(line)
            if self._learned is not None:
                await asyncio.wait({self._learned}, timeout=SCHEMA_TIMEOUT)
            return await self._do(self._meaning(line))
        except CommandError as error:
            self.failures += 1
            self._tell(f"{type(error).__name__}: {error.desc}{self._hint(error)}", _RED)
            if advice := what_to_do(error):
                self._tell(advice, _DIM)
        except QmpxError as error:
            self.failures += 1
            self._tell(str(error), _RED)
        return True

    def _meaning(self, line: str) -> Meaning:
        schema = self._typed()
        if not self.is_human:
            return read_line(line, schema, in_transaction=self.in_transaction)
        word = line.split()[0]
        if word in ("hmp", "exit", "events", "cpu"):
            return read_line(line, schema)
        return Human(line)

    def _typed(self) -> Schema | None:
        """Return the schema, if it has more than names."""
        if self.vocabulary is None or self.vocabulary.has_types:
            return self.schema
        return self.prose

    def _hint(self, error: CommandError) -> str:
        if not isinstance(error, CommandNotFound) or self.schema is None:
            return ""
        names = [*self.schema.commands, *OWN]
        close = difflib.get_close_matches(error.command or "", names, n=3)
        if not close:
            return ""
        return f"; did you mean {' or '.join(map(repr, close))}?"

    async def _do(self, meaning: Meaning) -> bool:
        match meaning:
            case Command():
                await self._run(meaning)
            case Human(line=line):
                await self._run_human(line)
            case Action():
                await self._add(meaning)
            case Own(name="exit"):
                return False
            case Own(name=name, words=words):
                self._own(name, words)
            case _:
                pass
        return True

    async def _run(self, command: Command) -> None:
        if not await self._is_meant(harm_of(command.name, command.arguments)):
            return
        client = self._needed()
        begin = time.perf_counter()
        call = client.exec_oob if command.out_of_band else client.execute
        value = await call(command.name, command.arguments, timeout=None)
        spent = time.perf_counter() - begin
        await _let_events_first()
        self._show(value, command.name)
        self._timing(spent)

    async def _run_human(self, line: str) -> None:
        if not line:
            self.is_human = not self.is_human
            way = "'hmp' leads back" if self.is_human else "QMP again"
            self._tell(f"lines are for the human monitor: {way}", _DIM)
            return
        if not await self._is_meant(harm_of_line(line)):
            return
        arguments: dict[str, Any] = {"command-line": line}
        if self._cpu is not None:
            arguments["cpu-index"] = self._cpu
        client = self._needed()
        begin = time.perf_counter()
        text = await client.execute("human-monitor-command", arguments, timeout=None)
        spent = time.perf_counter() - begin
        await _let_events_first()
        shown = printable(str(text).replace("\r\n", "\n")).rstrip("\n")
        if complaint(str(text), line):
            self.failures += 1
            self._tell(shown, _RED)
        elif shown:
            self._output.show(shown)
        self._timing(spent)

    async def _add(self, action: Action) -> None:
        if action.begins:
            self._actions = []
        if self._actions is None:
            message = "no transaction was begun"
            raise LocalProtocolError(message)
        if action.type:
            self._actions.append({"type": action.type, "data": action.data})
        if not action.ends:
            return
        actions, self._actions = self._actions, None
        if actions:
            await self._run(Command("transaction", {"actions": actions}))
        else:
            self._tell("nothing was in that transaction; nothing was sent", _DIM)

    def leave_transaction(self) -> bool:
        """Forget a transaction that was begun; tell whether there was one."""
        was, self._actions = self._actions, None
        return was is not None

    async def _is_meant(self, danger: str) -> bool:
        if not danger or not self._asks:
            return True
        if await self._output.ask(f"This {danger}. Go on?"):
            return True
        self._tell("nothing was sent", _DIM)
        return False

    # Its own words.

    def _own(self, name: str, words: list[str]) -> None:
        match name, words:
            case "help", []:
                self._output.show(general_help(self.schema))
            case "help", [what]:
                known, has_types = self.human_commands, self._typed() is not None
                text = help_on(
                    what, self.schema, known, self.prose, has_types=has_types
                )
                self._output.show(text)
            case "events", _:
                self._filter(words)
            case "cpu", []:
                cpu = "the first" if self._cpu is None else str(self._cpu)
                self._tell(f"processor: {cpu}", _DIM)
            case "cpu", [number] if number.isdigit():
                self._cpu = int(number)
            case "as", ["auto" | "json" | "table" | "pretty" as shows]:
                self._shows = shows
            case "ask", ["on" | "off" as switch]:
                self._asks = switch == "on"
            case _:
                message = f"that is used as: {OWN[name][0]}"
                raise LocalProtocolError(message)

    def _filter(self, words: list[str]) -> None:
        match words:
            case ["last"]:
                for event in self._events:
                    self._output.show(self._event_text(event))
            case ["off"]:
                self._patterns = ["!*"]
                self._tell("no events are shown", _DIM)
            case _:
                self._patterns = words
                text = "all events are shown"
                if words:
                    text = f"events are shown whose name is {' or '.join(words)}"
                self._tell(text.replace("is !", "is not "), _DIM)

    # What is shown.

    def _show(self, value: Any, command: str) -> None:
        if value == {}:
            self._output.show("{}")
            return
        is_json = self._shows in ("json", "pretty")
        table = None if is_json else table_of(value, command)
        if table is None or (self._shows == "auto" and not self._output.is_terminal):
            is_spread = self._output.is_terminal or self._shows == "pretty"
            indent = 2 if is_spread else None
            colour = self._output.has_colour
            self._output.show(json_text(value, colour=colour, indent=indent))
        else:
            self._output.table(table)

    def _timing(self, seconds: float) -> None:
        if not self._output.is_terminal:
            return
        spent = f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
        self._tell(spent, _DIM)

    def _tell(self, text: str, code: str) -> None:
        shown = printable(text)
        self._output.tell(painted(shown, code, colour=self._output.has_colour))

    def happened(self, event: Event) -> None:
        """Take an event: keep it, and show it if it is wanted."""
        if event.name == RECONNECTED:
            self._tell("connected again; events may have been missed", _DIM)
            self._learn()
            return
        self._events.append(event)
        self.state = _STATES.get(event.name, self.state)
        if self._is_wanted(event.name):
            self._output.tell(self._event_text(event))

    def _is_wanted(self, name: str) -> bool:
        refused = [each[1:] for each in self._patterns if each.startswith("!")]
        wanted = [each for each in self._patterns if not each.startswith("!")]
        if any(fnmatchcase(name, each) for each in refused):
            return False
        return not wanted or any(fnmatchcase(name, each) for each in wanted)

    def _event_text(self, event: Event) -> str:
        colour = self._output.has_colour
        moment = max(event.timestamp, 0.0)
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        stamp = f"{clock}.{event.microseconds // 1000:03d}"
        data = json_text(event.data, colour=colour, indent=None) if event.data else ""
        name = painted(printable(event.name), _EVENT, colour=colour)
        return f"{painted(stamp, _DIM, colour=colour)} {name} {data}".rstrip()

    def lost(self, reason: str) -> None:
        """Tell that the conversation was cut off, behind the last events."""
        self.state = ""
        loop = asyncio.get_running_loop()
        self._losing = loop.create_task(self._tell_lost(reason))

    async def _tell_lost(self, reason: str) -> None:
        await _let_events_first()
        self._tell(f"{reason}; trying to connect again", _RED)


async def _let_events_first() -> None:
    """Let those be shown that came before a reply, as a command's own events do.

    Whoever listens to them was woken by the same bytes, and needs a turn or two.
    """
    for _ in range(TURNS):
        await asyncio.sleep(0)
