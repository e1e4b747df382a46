"""A table by rich: as wide as there is room for."""

from io import StringIO

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from qmpx.cli.output import can_show
from qmpx.cli.tables import GAP, LEAST_WIDTH, Table, widths

ASCII_HEAD = Box(
    "    \n    \n -- \n    \n    \n    \n    \n    \n",
    ascii=True,
)
"""`SIMPLE_HEAD` where the terminal knows ASCII only."""


def table_text(table: Table, width: int, *, colour: bool) -> str:
    """Return a table as text for a terminal.

    Args:
        table: The table, whose cells are fit for a terminal.
        width: Columns of the terminal.
        colour: Whether headings may be in colour.
    """
    shown = RichTable(
        box=SIMPLE_HEAD if can_show("─") else ASCII_HEAD,
        padding=(0, len(GAP) - 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="bold",
    )
    for heading, natural in zip(table.headings, widths(table), strict=True):
        # What is short stays on a line; what is long makes room for the rest.
        least = min(natural, LEAST_WIDTH)
        is_short = natural == least
        shown.add_column(
            Text(heading), overflow="fold", no_wrap=is_short, min_width=least
        )
    for row in table.rows:
        # As Text: what a peer says is no markup.
        shown.add_row(*(Text(each) for each in row))
    written = StringIO()
    console = Console(
        file=written,
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
    )
    console.print(shown)
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    return "\n".join(line for line in lines if line)
