"""How far something is, on standard error: a bar on a terminal, lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Final

from qmpx.cli.output import printable

STEP: Final = 10
"""Per cent between two lines where there is no terminal."""

Advance = Callable[[str, int, int], None]
"""Takes what it is doing, how much is done, and of how much; 0 if that is not known."""


@contextlib.contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Advance]:
    """Show how far something is until the end of the block.

    Args:
        title: What is being done.
        quiet: Whether to show nothing.
    """
    if quiet:
        yield lambda *_: None
    elif sys.stderr.isatty() and find_spec("rich") is not None:
        with _bar(title) as advance:
            yield advance
    else:
        yield _lines(title)


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Advance]:
    # Imported when needed: it is an extra, and takes longer than a command.
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(printable(title)), total=None)

        def advance(what: str, done: int, total: int) -> None:
            shown = escape(printable(f"{title}: {what}" if what else title))
            bar.update(task, description=shown, completed=done, total=total or None)

        yield advance


def _lines(title: str) -> Advance:
    last = ("", -1)

    def advance(what: str, done: int, total: int) -> None:
        nonlocal last
        percent = min(100 * done // total, 100) if total else 0
        now = what, percent - percent % STEP
        if now != last:
            last = now
            text = f"qmpx: {title}: {what} {now[1]} %"
            print(printable(text), file=sys.stderr, flush=True)

    return advance
