"""Answers as tables: which columns a list has, and what is in their cells.

A list of objects becomes a table if that can be read: known answers by the columns that
people look for, others if what their members hold is short. What is in a cell is fit
for a terminal.
"""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from qmpx.cli.output import printable

MAX_COLUMNS: Final = 8
"""Columns of a table that nobody chose the columns of: more do not fit a screen."""

MAX_CELL: Final = 60
"""Characters of a cell; what is longer is cut, with dots for the rest."""

LEAST_WIDTH: Final = 12
"""Columns of the terminal that a long column keeps, however little room there is."""

GAP: Final = "  "
"""Blanks between two columns."""

COLUMNS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "query-block": (
        ("device", "device"),
        ("qdev", "qdev"),
        ("inserted.file", "file"),
        ("inserted.drv", "format"),
        ("inserted.ro", "read-only"),
        ("inserted.node-name", "node"),
        ("removable", "removable"),
        ("locked", "locked"),
    ),
    "query-named-block-nodes": (
        ("node-name", "node"),
        ("drv", "driver"),
        ("ro", "read-only"),
        ("file", "file"),
        ("image.virtual-size", "size"),
    ),
    "query-blockstats": (
        ("device", "device"),
        ("node-name", "node"),
        ("stats.rd_bytes", "read"),
        ("stats.rd_operations", "reads"),
        ("stats.wr_bytes", "written"),
        ("stats.wr_operations", "writes"),
    ),
    "query-cpus-fast": (
        ("cpu-index", "cpu"),
        ("thread-id", "thread"),
        ("target", "target"),
        ("qom-path", "qom-path"),
    ),
    "query-jobs": (
        ("id", "id"),
        ("type", "type"),
        ("status", "status"),
        ("current-progress", "done"),
        ("total-progress", "of"),
        ("error", "error"),
    ),
    "query-block-jobs": (
        ("device", "device"),
        ("type", "type"),
        ("status", "status"),
        ("offset", "done"),
        ("len", "of"),
        ("speed", "speed"),
    ),
    "query-commands": (("name", "name"),),
    "query-machines": (
        ("name", "name"),
        ("alias", "alias"),
        ("cpu-max", "cpus"),
        ("hotpluggable-cpus", "hot-plug"),
        ("deprecated", "deprecated"),
    ),
    "query-cpu-definitions": (("name", "name"), ("typename", "type")),
    "query-chardev": (
        ("label", "label"),
        ("filename", "what"),
        ("frontend-open", "open"),
    ),
    "query-memdev": (("id", "id"), ("size", "size"), ("share", "share")),
    "query-iothreads": (("id", "id"), ("thread-id", "thread")),
    "qom-list": (("name", "name"), ("type", "type")),
    "qom-list-types": (
        ("name", "name"),
        ("parent", "parent"),
        ("abstract", "abstract"),
    ),
    "device-list-properties": (
        ("name", "name"),
        ("type", "type"),
        ("default-value", "default"),
        ("description", "what"),
    ),
}
"""For some commands: the members, with dots for those within others, and headings."""


class Table(NamedTuple):
    """A table.

    Attributes:
        headings: One for each column.
        rows: The cells, row by row.
    """

    headings: list[str]
    rows: list[list[str]]


def table_of(value: Any, command: str = "") -> Table | None:
    """Return what a command returned as a table; ``None`` if it would be none to read.

    Args:
        value: What it returned.
        command: Which command.
    """
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(each, dict) for each in value):
        return None
    columns = COLUMNS.get(command)
    if columns is not None:
        columns = tuple(
            column
            for column in columns
            if any(_member(each, column[0]) is not None for each in value)
        )
    if not columns:
        columns = _columns_of(value)
    if not columns:
        return None
    rows = [[cell(_member(each, path)) for path, _ in columns] for each in value]
    return Table([heading for _, heading in columns], rows)


def _columns_of(value: Sequence[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    names = list(dict.fromkeys(name for each in value for name in each))
    if len(names) > MAX_COLUMNS or len(value) == 1:
        return ()
    for each in value:
        for member in each.values():
            if isinstance(member, dict | list) and len(json.dumps(member)) > MAX_CELL:
                return ()
    return tuple((printable(name), printable(name)) for name in names)


def _member(each: dict[str, Any], path: str) -> Any:
    if path in each:
        return each[path]
    found: Any = each
    for part in path.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def cell(value: Any) -> str:
    """Return a value as it stands in a table."""
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    text = printable(text.replace("\n", "\\n"))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 3] + "..."


def record_of(value: Any) -> Table | None:
    """Return an object as a table of its members; ``None`` if it is none."""
    if not isinstance(value, dict) or not value:
        return None
    rows = [[printable(name), cell(member)] for name, member in value.items()]
    return Table(["member", "value"], rows)


def widths(table: Table) -> list[int]:
    """Return how many characters the longest cell of each column has."""
    lines = [table.headings, *table.rows]
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def fits(table: Table, width: int) -> bool:
    """Whether a table can be read on so many columns, long cells being folded."""
    needed = sum(min(each, LEAST_WIDTH) for each in widths(table))
    return needed + len(GAP) * (len(table.headings) - 1) <= width


def spread(table: Table) -> list[str]:
    """Return the lines of a table for a narrow screen: a line for each full cell."""
    width = max(map(len, table.headings))
    blocks = [
        [
            f"{heading:{width}}{GAP}{text}"
            for heading, text in zip(table.headings, row, strict=True)
            if text
        ]
        for row in table.rows
    ]
    return [line for block in blocks for line in ("", *block)][1:]


def plain(table: Table) -> list[str]:
    """Return the lines of a table without any colour."""
    lines = [table.headings, *table.rows]
    columns = widths(table)
    return [
        GAP.join(
            f"{text:{width}}" for text, width in zip(line, columns, strict=True)
        ).rstrip()
        for line in lines
    ]
