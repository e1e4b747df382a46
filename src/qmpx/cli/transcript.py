"""``qmpx transcript``: show, convert, compare and count recorded conversations."""

import argparse
import fnmatch
import sys
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec
from msgspec import UNSET

from qmpx.cli.output import printable
from qmpx.transcript import Entry, TranscriptError, write_entry
from qmpx.transcript.difference import STRICT, Looseness, difference
from qmpx.transcript.formats import read_any, write_arrows, write_replies
from qmpx.transcript.redaction import redactor
from qmpx.transcript.statistics import statistics_of


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for.

    Returns:
        1 if two conversations differ.

    Raises:
        TranscriptError: A file is no recording.
    """
    return int(_ACTIONS[arguments.action](arguments) or 0)


def read_file(path: str, format: str = "auto") -> list[Entry]:  # noqa: A002
    """Return the entries of a file; ``-`` is standard input.

    Raises:
        TranscriptError: It cannot be read, or is no recording.
    """
    try:
        if path == "-":
            return read_any(sys.stdin.buffer.read(), "<stdin>", format)
        with open(path, "rb") as file:
            return read_any(file.read(), path, format)
    except OSError as error:
        raise TranscriptError(error.strerror or str(error), path) from None


def _chosen(arguments: argparse.Namespace) -> Iterator[Entry]:
    """Yield the entries that are asked for, without their secrets."""
    redact = (lambda entry: entry) if arguments.secrets else redactor()
    for entry in map(redact, read_file(arguments.file, arguments.format)):
        if arguments.conn and entry.connection not in arguments.conn:
            continue
        if arguments.only and entry.kind not in arguments.only:
            continue
        if arguments.name and not any(
            fnmatch.fnmatchcase(entry.name, pattern) for pattern in arguments.name
        ):
            continue
        yield entry


def _show(arguments: argparse.Namespace) -> None:
    start: float | None = None
    for entry in _chosen(arguments):
        if entry.time and start is None:
            start = entry.time
        print(_line_of(entry, start, arguments))


def _line_of(entry: Entry, start: float | None, arguments: argparse.Namespace) -> str:
    if arguments.absolute and entry.time:
        moment = time.strftime("%H:%M:%S", time.localtime(entry.time))
        stamp = f"{moment}.{entry.time % 1 * 1000:03.0f}"
    else:
        stamp = f"{entry.time - start:9.3f}" if entry.time and start else f"{0:9.3f}"
    if entry.note is not UNSET:
        return f"{stamp} {entry.connection} -- {printable(str(entry.note))}"
    if entry.message is UNSET:
        text = repr(entry.raw)
    else:
        text = msgspec.json.encode(entry.message).decode()
        if arguments.pretty:
            text = msgspec.json.format(text, indent=4)
    fds = f" [{entry.fds} fds]" if entry.fds else ""
    return f"{stamp} {entry.connection} {entry.direction} {printable(text)}{fds}"


def _convert(arguments: argparse.Namespace) -> None:
    lines = _WRITERS[arguments.to](_chosen(arguments))
    if arguments.output == "-":
        _write(lines, sys.stdout.buffer)
        return
    try:
        with open(arguments.output, "wb") as file:
            _write(lines, file)
    except OSError as error:
        message = error.strerror or str(error)
        raise TranscriptError(message, arguments.output) from None


def _write(lines: Iterable[bytes], file: BinaryIO) -> None:
    file.writelines(lines)
    file.flush()


def _write_own(entries: Iterable[Entry]) -> Iterator[bytes]:
    return map(write_entry, entries)


_WRITERS = {"qmpx": _write_own, "arrows": write_arrows, "replies": write_replies}


def _diff(arguments: argparse.Namespace) -> int:
    base = STRICT if arguments.strict else Looseness()
    looseness = Looseness(
        members=(*base.members, *arguments.ignore),
        events=not arguments.no_events,
        greetings=base.greetings,
    )
    one, two = (
        map(redactor(), read_file(path, arguments.format))
        for path in (arguments.before, arguments.after)
    )
    names = arguments.before, arguments.after
    lines = difference(one, two, looseness, names)
    for line in lines:
        print(printable(line))
    return 1 if lines else 0


def _stats(arguments: argparse.Namespace) -> None:
    found = statistics_of(_chosen(arguments))
    if arguments.json:
        print(msgspec.json.encode(found).decode())
        return
    print(
        f"{_counted(found.messages, 'message')}, "
        f"{_counted(found.connections, 'connection')}, "
        f"{found.seconds:.3f} s"
    )
    if found.commands:
        print(f"{'command':32} {'count':>6} {'errors':>6} {'mean ms':>8} {'max ms':>8}")
    for name, of in found.commands.items():
        answered = of.count - of.unanswered
        mean = of.total / answered * 1000 if answered else 0.0
        print(
            f"{printable(name):32} {of.count:6} {of.errors:6} {mean:8.2f} "
            f"{of.longest * 1000:8.2f}"
            + (f"  {of.unanswered} unanswered" if of.unanswered else "")
        )
    for name, count in found.events.items():
        print(f"{printable(name):32} {count:6} events")


_ACTIONS = {"show": _show, "convert": _convert, "diff": _diff, "stats": _stats}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
