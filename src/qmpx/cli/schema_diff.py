"""``qmpx schema diff``: what one schema has and another has not."""

import argparse
import enum
from typing import Final

import msgspec

from qmpx.cli.output import print_json
from qmpx.cli.schema import print_lines, read_schema
from qmpx.qapi.differences import Change, differences


class ExitStatus(enum.IntEnum):
    """How schemas differ: in nothing that breaks a caller, or else."""

    SAME = 0
    HARMLESS = 10
    BREAKING = 11


_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "deprecated": "~"}


def run(arguments: argparse.Namespace) -> int:
    """Print the differences.

    Raises:
        QmpxError: A schema cannot be had; `main` tells.
    """
    old = read_schema(arguments.old, arguments)
    new = read_schema(arguments.new, arguments)
    changes = differences(old, new)
    breaking = sum(change.breaks for change in changes)
    if arguments.json:
        print_json(msgspec.to_builtins(changes))
    elif changes:
        print_lines(map(_line, changes))
        print_lines([f"differences: {len(changes)}, breaking callers: {breaking}"])
    if breaking:
        return ExitStatus.BREAKING
    return ExitStatus.HARMLESS if changes else ExitStatus.SAME


def _line(change: Change) -> str:
    mark = "!" if change.breaks else " "
    return f"{mark} {_SIGNS[change.verb]} {_text(change)}"


def _text(change: Change) -> str:
    path, detail = change.path, change.detail
    if change.kind == "feature":
        where = change.of if not change.role else f"{change.of}: {detail}"
        if path:
            where += f" in {path}"
        return f"{where}: feature {change.name}"
    after = " deprecated" if change.verb == "deprecated" else ""
    after += f": {detail}" if detail else ""
    if not change.role:
        return f"{change.kind} {change.name}{after}"
    if change.kind == "value":
        return f"{change.of}: {change.role} {path}: value {change.name}{after}"
    # Of the whole there is no name.
    place = ".".join(filter(None, (path, change.name)))
    return f"{change.of}: {change.role} {place}".rstrip() + after
