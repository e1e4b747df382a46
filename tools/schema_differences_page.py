"""Write ``docs/reference/schema-differences.md``: our schema beside QEMU 7.2's.

What the page says is what ``qmpx schema diff`` finds between the shipped schema of QEMU
7.2 and the annotations of the modern dialect. Run it after changing a handler; a test
compares the page with what this would write::

    python tools/schema_differences_page.py
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import Final

from qmpx.dialects.modern import modern_monitor
from qmpx.machine import Machine
from qmpx.qapi.differences import Change, differences
from qmpx.qapi.model import Schema
from qmpx.qapi.shipped import shipped_schema

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "schema-differences.md"

HEAD = """\
# Where its schema differs from QEMU 7.2's

<!-- Made by tools/schema_differences_page.py; do not edit. -->

What `qmpx serve --dialect modern` tells of itself (`query-qmp-schema`) follows from its
handlers. This page is made by comparing it with the schema of QEMU 7.2, all conditions
met. What is not named here agrees in all: arguments, types, results.

Of results it tells what can really come; so "never" is what QEMU's may hold and these
do not.
"""

_PHRASES: Final = {
    ("removed", "argument"): "does not take {names}{at}",
    ("removed", "result"): "never tells {names}{at}",
    ("removed", "data"): "never tells {names}{at}",
    ("added", "argument"): "takes {names}{at}, too",
    ("added", "result"): "tells {names}{at}, too",
    ("added", "data"): "tells {names}{at}, too",
    ("deprecated", "argument"): "{names}{at} is deprecated here",
    ("removed", "feature"): "has no feature {names}{at}",
    ("added", "feature"): "has the feature {names}{at}",
    ("changed", "command"): "{detail}",
}


def ours() -> Schema:
    """Return the schema of the modern dialect."""
    return modern_monitor(Machine(), offers_async=False).schema


def page() -> str:
    """Return what the page has to say."""
    return "\n".join([HEAD, *_body(shipped_schema("7.2"), ours())])


def _body(qemus: Schema, schema: Schema) -> Iterator[str]:
    changes = differences(qemus, schema)
    shared = [change for change in changes if not _is_whole(change)]
    yield "| | here |"
    yield "|---|---|"
    for name, group in groupby(shared, key=lambda change: change.of):
        command = schema.commands.get(name)
        told = list(group)
        own = []
        if command is not None and not command.gen:
            told = [change for change in told if change.role != "argument"]
            own = ["does not tell its arguments: it looks at them itself"]
        yield f"| `{name}` | {'; '.join(own + phrases(told))} |"
    yield ""
    for verb, kind, heading in (
        ("removed", "command", "Commands of QEMU 7.2 that are not here"),
        ("removed", "event", "Events of QEMU 7.2 that are not here"),
        ("added", "command", "Commands that QEMU 7.2 has not"),
        ("added", "event", "Events that QEMU 7.2 has not"),
    ):
        names = [
            change.name
            for change in changes
            if (change.verb, change.kind) == (verb, kind)
        ]
        if names:
            yield f"## {heading}"
            yield ""
            text = ", ".join(f"`{name}`" for name in names)
            yield fill(text, 88, break_on_hyphens=False, break_long_words=False)
            yield ""


def phrases(changes: Iterable[Change]) -> list[str]:
    """Return changes as phrases, those of one place together."""
    grouped: dict[tuple[str, ...], list[Change]] = {}
    for change in changes:
        detail = change.detail if change.verb == "changed" else ""
        key = (change.verb, change.kind, change.role, change.path, detail)
        grouped.setdefault(key, []).append(change)
    return [_phrase(group) for group in grouped.values()]


def _phrase(group: list[Change]) -> str:
    change = group[0]
    names = ", ".join(f"`{each.name}`" for each in group)
    path = f"`{change.path}`"
    if change.kind == "value":
        takes = "takes" if change.role == "argument" else "may be"
        denied = "does not take" if change.role == "argument" else "is never"
        return f"{path} {takes if change.verb == 'added' else denied} {names}"
    if change.verb == "changed" and change.kind != "command":
        place = ".".join(filter(None, (change.path, change.name)))
        qemus, _, mine = change.detail.partition(" became ")
        where = f"the {change.role}" if not place else f"`{place}`"
        if not mine:
            return f"{where} is {qemus.removesuffix(' now')}"
        return f"{where} is `{mine}`, for QEMU's `{qemus}`"
    at = f" in {path}" if change.path else ""
    if change.kind == "feature" and change.role:
        at = f" of {change.detail}{at}"
    form = _PHRASES[change.verb, change.kind]
    return form.format(names=names, at=at, detail=change.detail)


def _is_whole(change: Change) -> bool:
    return change.kind in {"command", "event"} and change.verb in {"added", "removed"}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
