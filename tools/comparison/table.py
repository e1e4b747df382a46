"""The table of `docs/reference/compatibility.md`."""

from pathlib import Path
from typing import Final

from tools.comparison.rounds import Differences, Tally, share

PAGE: Final = Path(__file__).parents[2] / "docs/reference/compatibility.md"
BEGIN: Final = "<!-- made by make compare -->"
_HEADS: Final = (
    *("command", "cases", "replies: class and shape", "and all values"),
    *("errors: class and text", "events"),
)
END: Final = "<!-- end of what make compare has made -->"


def write_table(found: Differences, seed: int) -> None:
    """Write the table into the page, between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    made = f"{BEGIN}\n\n{table(found, seed)}\n{END}"
    PAGE.write_text(before + made + behind, encoding="utf-8")


def table(found: Differences, seed: int) -> str:
    """Return it as Markdown."""
    lines = [
        f"{found.totals()[0].upper()}{found.totals()[1:]} (seed {seed}).",
        "",
        f"| {' | '.join(_HEADS)} |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(f"`{name}`", tally) for name, tally in sorted(found.tallies.items())]
    lines.append(_row("all", found.total))
    return "\n".join(lines) + "\n"


def _row(name: str, tally: Tally) -> str:
    cells = [
        name,
        str(tally.cases),
        share(tally.same_shape, tally.replies),
        share(tally.same_values, tally.replies),
        share(tally.same_text, tally.errors),
        share(tally.same_events, tally.cases),
    ]
    return f"| {' | '.join(cells)} |"
