"""How the shell shows what it was told: answers, tables, events, words of its own.

Where that goes, and who is asked, is the business of an `Output`: a terminal, or
standard output when lines come through a pipe.
"""

import time
from typing import Any, Final, Protocol

from qmpx.cli.coloured import json_text, painted
from qmpx.cli.output import printable
from qmpx.cli.tables import Table, record_of, table_of
from qmpx.client.events import Event

FAILED: Final = "31"
"""The colour of what went wrong: red."""

QUIET: Final = "2"
"""The colour of what is said beside the answers: faint."""

_EVENT: Final = "33"


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


class Display:
    """Shows things on an output.

    Args:
        output: Where they go.
        shows: ``auto``, ``json``, ``table``, or ``pretty`` for indented JSON always.

    Attributes:
        output: The same.
        shows: The same; it may be changed.
    """

    def __init__(self, output: Output, shows: str = "auto") -> None:
        self.output = output
        self.shows = shows

    def value(self, value: Any, command: str) -> None:
        """Show what a command returned."""
        if value == {}:
            self.output.show("{}")
            return
        is_json = self.shows in ("json", "pretty")
        table = None if is_json else table_of(value, command)
        if self.shows == "table":
            table = table or record_of(value)
        if table is None or (self.shows == "auto" and not self.output.is_terminal):
            is_spread = self.output.is_terminal or self.shows == "pretty"
            indent = 2 if is_spread else None
            colour = self.output.has_colour
            self.output.show(json_text(value, colour=colour, indent=indent))
        else:
            self.output.table(table)

    def text(self, text: str) -> None:
        """Show a text as it is."""
        self.output.show(text)

    def event(self, event: Event) -> None:
        """Tell of an event that happens."""
        self.output.tell(self._line(event))

    def past_event(self, event: Event) -> None:
        """Show an event that was asked for."""
        self.output.show(self._line(event))

    def timing(self, seconds: float) -> None:
        """Tell a person how long an answer took."""
        if not self.output.is_terminal:
            return
        spent = f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
        self.tell(spent)

    def tell(self, text: str, colour: str = QUIET) -> None:
        """Say something beside the answers, in a colour."""
        shown = printable(text)
        self.output.tell(painted(shown, colour, colour=self.output.has_colour))

    def failure(self, text: str) -> None:
        """Say what went wrong."""
        self.tell(text, FAILED)

    def _line(self, event: Event) -> str:
        colour = self.output.has_colour
        moment = max(event.timestamp, 0.0)
        clock = time.strftime("%H:%M:%S", time.localtime(moment))
        stamp = f"{clock}.{event.microseconds // 1000:03d}"
        data = json_text(event.data, colour=colour, indent=None) if event.data else ""
        name = painted(printable(event.name), _EVENT, colour=colour)
        return f"{painted(stamp, QUIET, colour=colour)} {name} {data}".rstrip()
