"""``qmpx events``: events as they come, a JSON line each."""

import argparse
import time
from typing import Any, Final

from qmpx.cli.output import print_json
from qmpx.client import connect
from qmpx.errors import DeadlineExceeded

LOST: Final = "X_QMPX_EVENTS_LOST"
"""What a gateway tells whose journal no longer has what is asked for; it has no
number."""


def run(arguments: argparse.Namespace) -> None:
    """Print events until there were enough, or the time is over.

    Raises:
        DeadlineExceeded: There were not as many as asked for.
        QmpxError: There is no conversation, or it broke off; `main` tells.
    """
    deadline = (
        None if arguments.timeout is None else time.monotonic() + arguments.timeout
    )
    patterns = list(arguments.patterns)
    if patterns and arguments.since is not None:
        patterns.append(LOST)
    with (
        connect(
            arguments.address,
            connect_timeout=arguments.connect_timeout,
            capabilities=(),
        ) as client,
        client.events(*patterns) as events,
    ):
        if arguments.since is not None:
            wanted = {"events": arguments.patterns} if arguments.patterns else {}
            client.execute("x-qmpx-subscribe", {"since": arguments.since, **wanted})
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
            shown: dict[str, Any] = {"timestamp": stamp, "event": event.name}
            shown["data"] = event.data
            if arguments.since is not None:
                if event.sequence is not None:
                    shown["x-qmpx-sequence"] = event.sequence
                elif event.name != LOST:
                    continue  # it came before we had subscribed, and comes again
            print_json(shown)
            count += 1
