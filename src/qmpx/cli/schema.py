"""``qmpx schema``: check, list and look up what a monitor's schema says."""

import argparse
import difflib
import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

import msgspec

from qmpx.cli.oneshot import run_command
from qmpx.cli.output import print_json, printable
from qmpx.cli.schema_text import details, outline
from qmpx.errors import LocalProtocolError, SchemaError
from qmpx.qapi.builds import resolved
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import Release, load_schema, read_release
from qmpx.qapi.language.files import read_file
from qmpx.qapi.model import Schema
from qmpx.qapi.shipped import RELEASES, shipped_schema


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for.

    Raises:
        QmpxError: A schema cannot be had, or has no such name; `main` tells.
    """
    match arguments.action:
        case "check":
            return _check(arguments)
        case "introspect":
            return _introspect(arguments)
        case _:
            return _show(arguments)


def _check(arguments: argparse.Namespace) -> int:
    try:
        schema = load_schema(arguments.file, release=_release(arguments))
    except SchemaError as error:
        # Word for word and line for line what QEMU's own generator says.
        print(printable(str(error)), file=sys.stderr)
        return error.exit_status
    counts = {
        "commands": len(schema.commands),
        "events": len(schema.events),
        "types": len(schema.types),
    }
    if arguments.json:
        print_json(counts)
    else:
        text = ", ".join(f"{what}: {count}" for what, count in counts.items())
        print(f"{arguments.file}: {text}")
    return 0


def _introspect(arguments: argparse.Namespace) -> int:
    told = _told(arguments)
    if arguments.json and told is not None:
        print_json(told)  # word for word
        return 0
    schema = _schema(arguments, told)
    if arguments.json:
        masked, symbols = not arguments.unmasked, arguments.define
        print_json(to_introspection(schema, masked=masked, symbols=symbols))
    else:
        if arguments.define is not None:
            schema = resolved(schema, arguments.define)
        print_lines(outline(schema))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    schema = read_source(arguments)
    found = schema.find(arguments.name)
    if found is None:
        names = [*schema.commands, *schema.events, *schema.types]
        message = f"{arguments.source} has no {arguments.name!r}" + _hint(
            arguments.name, names
        )
        raise SchemaError(message)
    if arguments.json:
        print_json(to_introspection(schema, masked=False, only=found))
    else:
        print_lines(details(schema, found))
    return 0


def read_source(arguments: argparse.Namespace) -> Schema:
    """Return the schema of a file, or of whoever answers at an address.

    Raises:
        QmpxError: It cannot be had.
    """
    return read_schema(arguments.source, arguments)


def read_schema(source: str, arguments: argparse.Namespace) -> Schema:
    """Return the schema of a file, of a shipped release, or of a monitor.

    Args:
        source: Which.
        arguments: The command line, for how to read it.

    Raises:
        QmpxError: It cannot be had.
    """
    arguments.source = source
    return _schema(arguments, _told(arguments))


def _schema(arguments: argparse.Namespace, told: Any) -> Schema:
    if told is not None:
        return from_introspection(told)
    if arguments.source in RELEASES and not os.path.isfile(arguments.source):
        return shipped_schema(arguments.source)
    return load_schema(arguments.source, release=_release(arguments))


def _told(arguments: argparse.Namespace) -> Any:
    """Return the introspection that there is at the source; None if it is none."""
    source = arguments.source
    # A socket is a file, too, but not one to read.
    if os.path.isfile(source) or source.endswith(".json"):
        return _saved(source)
    if source in RELEASES:
        return None
    return run_command(
        source,
        "query-qmp-schema",
        {},
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
    )


def _saved(path: str) -> Any:
    """Return the introspection that a file holds; None if it is no such file.

    A schema file never begins with a bracket.
    """
    try:
        text = read_file(path).lstrip()
    except (OSError, UnicodeDecodeError):
        return None  # which is told when it is read as a schema
    if not text.startswith("["):
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        message = f"{path}: neither a schema nor saved introspection: {error}"
        raise SchemaError(message) from None


def _release(arguments: argparse.Namespace) -> Release | None:
    if arguments.qemu is None:
        return None
    try:
        return read_release(arguments.qemu)
    except ValueError as error:
        raise LocalProtocolError(str(error)) from None


def _hint(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, with nothing in them that a terminal would obey."""
    sys.stdout.writelines(printable(line) + "\n" for line in lines)
    sys.stdout.flush()
