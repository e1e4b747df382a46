"""``qmpx journal``: the events that a gateway has kept."""

import argparse
import fnmatch
import json
import time
from contextlib import closing
from typing import Any, Final

from qmpx.cli.output import print_json, printable
from qmpx.gateway.journal.file import JournalError, JournalReader, Place, Recorded

PAUSE: Final = 0.2
"""Seconds between two looks with ``--follow``; a look is a short query."""


def run(arguments: argparse.Namespace) -> None:
    """Do what is asked for.

    Raises:
        JournalError: The file cannot be read, or has no such monitor or number.
    """
    with closing(JournalReader(arguments.file)) as reader:
        if arguments.action == "list":
            _list(reader, as_json=arguments.json)
        else:
            _show(reader, arguments)


def _list(reader: JournalReader, *, as_json: bool) -> None:
    for name, place in reader.monitors().items():
        count = place.last - place.oldest + 1
        if as_json:
            told = {"upstream": name, "oldest": place.oldest, "last": place.last}
            print_json(told)
        elif count:
            print(printable(f"{name}: {place.oldest} to {place.last}"))
        else:
            print(printable(f"{name}: none; the next is {place.last + 1}"))


def _show(reader: JournalReader, arguments: argparse.Namespace) -> None:
    place = _place_of(reader, arguments.upstream)
    first = place.oldest if arguments.since is None else arguments.since + 1
    if first < place.oldest:
        message = (
            f"{reader.path}: events after {arguments.since} are no longer kept: the "
            f"oldest is {place.oldest}"
        )
        raise JournalError(message)
    count = 0
    while True:
        events = reader.read(place.number, first)
        for event in events:
            first = event.sequence + 1
            if not _is_wanted(event, arguments.patterns):
                continue
            print_json(_shown(event))
            count += 1
            if count == arguments.count:
                return
        if not events:
            if not arguments.follow:
                return
            time.sleep(PAUSE)


def _place_of(reader: JournalReader, name: str | None) -> Place:
    monitors = reader.monitors()
    if name is None and len(monitors) == 1:
        return next(iter(monitors.values()))
    if name in monitors:
        return monitors[name]
    names = ", ".join(monitors) or "none"
    which = "say which with --upstream" if name is None else f"{name!r} is not among"
    message = f"{reader.path}: {which} its monitors: {names}"
    if name is None:
        message = f"{reader.path}: {which}: there are {names}"
    raise JournalError(message)


def _is_wanted(event: Recorded, patterns: list[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(event.name, x) for x in patterns)


def _shown(event: Recorded) -> dict[str, Any]:
    return {**json.loads(event.message), "x-qmpx-sequence": event.sequence}
