"""``qmpx top`` on a terminal, by textual."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Sparkline, Static

from qmpx.cli.output import printable
from qmpx.cli.top.measures import Rates, human
from qmpx.cli.top.watching import Machine

REDRAW: Final = 0.5
"""Seconds between two pictures."""

_UNSEEN: Final = {
    "cpu": "cannot be seen from here",
    "network": "cannot be seen",
}
"""What is said in the place of a graph that there cannot be."""

_COLUMNS: Final = ("machine", "state", "cpu %", "read/s", "write/s", "in/s", "out/s")
_COLUMNS_MORE: Final = ("jobs", "last event")


class TopScreen(App[None]):
    """The machines in a table; of the one that is marked, graphs, jobs and events.

    Args:
        machines: What is watched.
        interval: Seconds between two measurements.
    """

    CSS = """
    DataTable { height: 1fr; min-height: 4; }
    #more { height: 14; max-height: 60%; }
    #graphs { width: 2fr; padding: 0 1; }
    #texts { width: 3fr; padding: 0 1; }
    Sparkline { height: 2; }
    """
    BINDINGS: ClassVar[Any] = [("q,ctrl+c", "quit", "leave")]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, machines: Sequence[Machine], interval: float) -> None:
        super().__init__()
        self._machines = list(machines)
        self._interval = interval
        self._tasks: list[asyncio.Task[None]] = []

    def compose(self) -> ComposeResult:
        """Yield what is on the screen."""
        yield DataTable(cursor_type="row", zebra_stripes=True)
        with Horizontal(id="more"):
            with Vertical(id="graphs"):
                for name in ("cpu", "disk", "network"):
                    yield Static(name, id=f"{name}-title", markup=False)
                    yield Sparkline([], id=name)
            with Vertical(id="texts"):
                yield Static("", id="about", markup=False)
        yield Footer()

    async def on_mount(self) -> None:
        """Begin to watch."""
        table = self.query_one(DataTable)
        for heading in (*_COLUMNS, *_COLUMNS_MORE):
            table.add_column(heading, key=heading)
        for number, machine in enumerate(self._machines):
            table.add_row(*row(machine), key=str(number))
            watching = asyncio.create_task(machine.watch(self._interval))
            self._tasks.append(watching)
        self.set_interval(REDRAW, self.redraw)

    async def on_unmount(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def redraw(self) -> None:
        """Show what is known now."""
        table = self.query_one(DataTable)
        for number, machine in enumerate(self._machines):
            for heading, text in zip(
                (*_COLUMNS, *_COLUMNS_MORE), row(machine), strict=True
            ):
                table.update_cell(str(number), heading, text, update_width=True)
        machine = self._machines[min(table.cursor_row, len(self._machines) - 1)]
        series = list(machine.rates)
        busy = [None if each.cpu is None else 100 * each.cpu for each in series]
        self._graph("cpu", busy, "processors, % of one")
        disk = [each.read + each.written for each in series]
        self._graph("disk", disk, "disk, bytes a second")
        network = [
            None
            if each.received is None and each.sent is None
            else (each.received or 0.0) + (each.sent or 0.0)
            for each in series
        ]
        self._graph("network", network, "network, bytes a second")
        self.query_one("#about", Static).update(about(machine))

    def _graph(self, name: str, values: Sequence[float | None], title: str) -> None:
        known = [each or 0.0 for each in values]
        # A graph begins at its least value, and one of equal values is all full: so 0
        # is always in it, and where there is nothing else there is no graph.
        shown = [0.0, *known] if any(known) else []
        self.query_one(f"#{name}", Sparkline).data = shown
        text = f"{title}, up to {human(max(known, default=0.0))}"
        if values and all(each is None for each in values):
            text = f"{title}: {_UNSEEN[name]}"
        self.query_one(f"#{name}-title", Static).update(text)


def row(machine: Machine) -> list[Text]:
    """Return what the table shows of a machine."""
    name = printable(machine.name)
    if machine.sample is None:
        return [
            Text(name),
            Text("no answer", style="red"),
            *(Text("") for _ in range(7)),
        ]
    now = machine.rates[-1] if machine.rates else Rates()
    last = machine.events[-1].name if machine.events else ""
    percent = "-" if now.cpu is None else f"{now.cpu * 100:.0f}"
    cells = [
        *(name, machine.sample.status, percent, human(now.read), human(now.written)),
        *(human(now.received), human(now.sent), str(len(machine.sample.jobs)), last),
    ]
    return [Text(printable(each)) for each in cells]


def about(machine: Machine) -> str:
    """Return what is said of the machine that is marked."""
    lines = [f"{machine.name} at {machine.address}", machine.trouble]
    if machine.sample is not None:
        for job, done in machine.sample.jobs:
            lines.append(f"job {job}: {done:.0%}")
    for event in list(machine.events)[-6:]:
        clock = time.strftime("%H:%M:%S", time.localtime(max(event.timestamp, 0)))
        lines.append(f"{clock} {event.name} {event.data or ''}")
    return "\n".join(printable(line.replace("\n", " ")) for line in lines if line)
