"""``qmpx wait``: until an event comes, which is printed; a command may cause it."""

import argparse
import json
from typing import Any

from qmpx.cli.arguments import how_to_type, read_arguments
from qmpx.cli.output import print_json
from qmpx.client import connect
from qmpx.client.events import Event
from qmpx.errors import CommandError, LocalProtocolError


def run(arguments: argparse.Namespace) -> None:
    """Run the command, if there is one, and wait for the event.

    Raises:
        DeadlineExceeded: It did not come in time.
        CommandError: The peer said no to the command.
        QmpxError: There is no conversation, or it broke off; `main` tells.
    """
    wanted = dict(_condition(each) for each in arguments.match)

    def is_wanted(event: Event) -> bool:
        return all(
            value in _texts(_member(event.data, path)) for path, value in wanted.items()
        )

    name, *words = arguments.command or [None]
    after = None if name is None else (name, read_arguments(words))
    with connect(
        arguments.address, connect_timeout=arguments.connect_timeout, capabilities=()
    ) as client:
        try:
            event = client.wait_for(
                arguments.event,
                is_wanted if wanted else None,
                after=after,
                timeout=arguments.timeout,
            )
        except CommandError as error:
            if hint := how_to_type(error.desc, words):
                error.add_note(hint)
            raise
    stamp = {"seconds": event.seconds, "microseconds": event.microseconds}
    print_json({"timestamp": stamp, "event": event.name, "data": event.data})


def _condition(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        message = f"{text!r} is no condition: expected key=value"
        raise LocalProtocolError(message)
    return key, value


def _member(data: Any, path: str) -> Any:
    for part in path.split("."):
        if not isinstance(data, dict) or part not in data:
            return None
        data = data[part]
    return data


def _texts(value: Any) -> tuple[str, ...]:
    """Return how a value may be typed: text as it is, all else as JSON."""
    if isinstance(value, str):
        return (value,)
    return () if value is None else (json.dumps(value),)
