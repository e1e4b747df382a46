"""``qmpx migrate``: send the machine elsewhere, and see how far it is."""

import argparse

from msgspec import to_builtins

from qmpx.cli.output import print_json
from qmpx.cli.progress import progress
from qmpx.client import connect
from qmpx.client.operations import MigrationProgress


def run(arguments: argparse.Namespace) -> None:
    """Migrate, and wait until the machine has moved.

    Raises:
        QmpxError: It cannot begin, it failed or took too long; `main` tells.
    """
    with (
        connect(
            arguments.address,
            connect_timeout=arguments.connect_timeout,
            capabilities=(),
        ) as client,
        progress("migrate", quiet=arguments.quiet) as advance,
    ):

        def show(now: MigrationProgress) -> None:
            advance(now.status, now.transferred, now.transferred + now.remaining)

        moved = client.migrate(
            arguments.uri, timeout=arguments.timeout, on_progress=show
        )
    if arguments.json:
        print_json(to_builtins(moved))
