"""``qmpx events``: events as they come, a JSON line each."""

import argparse
import time

from qmpx.cli.output import print_json
from qmpx.client import connect
from qmpx.errors import DeadlineExceeded


def run(arguments: argparse.Namespace) -> None:
    """Print events until there were enough, or the time is over.

    Raises:
        DeadlineExceeded: There were not as many as asked for.
        QmpxError: There is no conversation, or it broke off; `main` tells.
    """
    deadline = (
        None if arguments.timeout is None else time.monotonic() + arguments.timeout
    )
    with (
        connect(
            arguments.address,
            connect_timeout=arguments.connect_timeout,
            capabilities=(),
        ) as client,
        client.events(*arguments.patterns) as events,
    ):
        count = 0
        while arguments.count is None or count < arguments.count:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                event = events.get(left)
            except DeadlineExceeded:
                if arguments.count is None:
                    return
                awaited = f"event {count + 1} of {arguments.count}"
                raise DeadlineExceeded("", arguments.timeout, awaited) from None
            stamp = {"seconds": event.seconds, "microseconds": event.microseconds}
            shown = {"timestamp": stamp, "event": event.name, "data": event.data}
            print_json(shown)
            count += 1
