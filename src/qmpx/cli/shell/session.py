"""What the shell does with a line: run it, show what came of it. It has no terminal."""

import asyncio
import difflib
import time
from collections import deque
from fnmatch import fnmatchcase
from typing import Any, Final

from qmpx.cli.output import printable
from qmpx.cli.refusals import what_to_do
from qmpx.cli.shell.display import Display, Output
from qmpx.cli.shell.event_log import EventLog
from qmpx.cli.shell.help_text import general_help, help_on
from qmpx.cli.shell.knowledge import SCHEMA_TIMEOUT, Knowledge
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
from qmpx.qapi.harms import harm_of, harm_of_line

KEPT_LINES: Final = 1024
"""Lines that ``!text`` can find, as many as qmp-shell keeps."""

TURNS: Final = 3
"""Turns of the loop until events that came with a reply have been shown."""


class Session:
    """A conversation of a person with a monitor.

    Args:
        output: Where its words go.
        is_human: Whether lines are for the human monitor.
        asks: Whether to ask before what may destroy something.
        shows: ``auto``, ``json``, ``table``, or ``pretty`` for indented JSON always.

    Attributes:
        known: What is known of the peer.
        events: The events that were seen.
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
        self.known = Knowledge()
        self.events = EventLog()
        self.failures = 0
        self.is_human = is_human
        self._display = Display(output, shows)
        self._asks = asks
        self._cpu: int | None = None
        self._actions: list[dict[str, Any]] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._documentation = ""
        self._client: AsyncClient | None = None
        self._learned: asyncio.Task[None] | None = None
        self._losing: asyncio.Task[None] | None = None

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
        known = self.known
        try:
            if self._documentation and known.prose is None:
                await known.read_documentation(self._documentation)
        except QmpxError as error:
            self.failures += 1
            self._display.failure(f"no documentation: {error}")
        try:
            client = self._needed()
            schema = await known.ask_commands(client)
            if "query-status" in schema.commands:
                status = await self.ask("query-status", {}, SCHEMA_TIMEOUT)
                if isinstance(status, dict):
                    self.events.state = printable(str(status.get("status", "")))
            await known.ask_human_commands(client)
        except QmpxError as error:
            if known.vocabulary is None:
                why = f"no completion: the schema cannot be read: {error}"
                self._display.tell(why)

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
                self._display.tell(again)
                line = again
            else:
                self._lines.append(line)
            if self._learned is not None:
                await asyncio.wait({self._learned}, timeout=SCHEMA_TIMEOUT)
            return await self._do(self._meaning(line))
        except CommandError as error:
            self.failures += 1
            self._display.failure(
                f"{type(error).__name__}: {error.desc}{self._hint(error)}"
            )
            if advice := what_to_do(error):
                self._display.tell(advice)
        except QmpxError as error:
            self.failures += 1
            self._display.failure(str(error))
        return True

    def _meaning(self, line: str) -> Meaning:
        schema = self.known.typed_schema
        if not self.is_human:
            return read_line(line, schema, in_transaction=self.in_transaction)
        word = line.split()[0]
        if word in ("hmp", "exit", "events", "cpu"):
            return read_line(line, schema)
        return Human(line)

    def _hint(self, error: CommandError) -> str:
        schema = self.known.schema
        if not isinstance(error, CommandNotFound) or schema is None:
            return ""
        names = [*schema.commands, *OWN]
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
        self._display.value(value, command.name)
        self._display.timing(spent)

    async def _run_human(self, line: str) -> None:
        if not line:
            self.is_human = not self.is_human
            if self.is_human:
                told = "lines are for the human monitor: 'hmp' leads back"
            else:
                told = "lines are for QMP again"
            self._display.tell(told)
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
            self._display.failure(shown)
        elif shown:
            self._display.text(shown)
        self._display.timing(spent)

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
            self._display.tell("nothing was in that transaction; nothing was sent")

    def leave_transaction(self) -> bool:
        """Forget a transaction that was begun; tell whether there was one."""
        was, self._actions = self._actions, None
        return was is not None

    async def _is_meant(self, danger: str) -> bool:
        if not danger or not self._asks:
            return True
        if await self._display.output.ask(f"This {danger}. Go on?"):
            return True
        self._display.tell("nothing was sent")
        return False

    # Its own words.

    def _own(self, name: str, words: list[str]) -> None:
        match name, words:
            case "help", []:
                self._display.text(general_help(self.known.schema))
            case "help", [what]:
                self._display.text(help_on(what, self.known))
            case "events", _:
                self._filter(words)
            case "cpu", []:
                cpu = "the first" if self._cpu is None else str(self._cpu)
                self._display.tell(f"processor: {cpu}")
            case "cpu", [number] if number.isdigit():
                self._cpu = int(number)
                self._display.tell(f"processor: {self._cpu}")
            case "as", ["auto" | "json" | "table" | "pretty" as shows]:
                self._display.shows = shows
            case "ask", ["on" | "off" as switch]:
                self._asks = switch == "on"
            case _:
                message = f"that is used as: {OWN[name][0]}"
                raise LocalProtocolError(message)

    def _filter(self, words: list[str]) -> None:
        if words == ["last"]:
            for event in self.events.last:
                self._display.past_event(event)
        elif words == ["off"]:
            self._display.tell(self.events.want_none())
        else:
            self._display.tell(self.events.want(words))
            if (schema := self.known.typed_schema) is None:
                return
            for name in (word.removeprefix("!") for word in words):
                if not any(fnmatchcase(each, name) for each in schema.events):
                    self._display.tell(f"no event of this machine is called {name}")

    # What happens by itself.

    def happened(self, event: Event) -> None:
        """Take an event: keep it, and show it if it is wanted."""
        if event.name == RECONNECTED:
            self._display.tell("connected again; events may have been missed")
            self._learn()
        elif self.events.take(event):
            self._display.event(event)

    def lost(self, reason: str) -> None:
        """Tell that the conversation was cut off, behind the last events."""
        self.events.state = ""
        loop = asyncio.get_running_loop()
        self._losing = loop.create_task(self._tell_lost(reason))

    async def _tell_lost(self, reason: str) -> None:
        await _let_events_first()
        self._display.failure(f"{reason}; trying to connect again")


async def _let_events_first() -> None:
    """Let those be shown that came before a reply, as a command's own events do.

    Whoever listens to them was woken by the same bytes, and needs a turn or two.
    """
    for _ in range(TURNS):
        await asyncio.sleep(0)
