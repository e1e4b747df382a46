"""``qmpx run``: one command, what it returns on standard output."""

import argparse
import sys

import msgspec

from qmpx.cli.arguments import read_arguments
from qmpx.client import connect


def run(arguments: argparse.Namespace) -> None:
    """Run one command.

    Raises:
        QmpxError: It was refused, or there is no conversation; `main` tells.
    """
    given = read_arguments(arguments.arguments)
    with connect(
        arguments.address,
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
        # Nothing that is not needed: a request less, and a server that lacks it works.
        capabilities=("oob",) if arguments.oob else (),
    ) as client:
        if arguments.oob:
            value = msgspec.json.encode(client.exec_oob(arguments.command, given))
        else:
            value = bytes(client.execute_raw(arguments.command, given))
    print_json(value, pretty=arguments.pretty)


def print_json(text: bytes, *, pretty: bool = False) -> None:
    """Print JSON on one line, or indented."""
    shown = msgspec.json.format(text, indent=2 if pretty else 0)
    sys.stdout.buffer.write(shown + b"\n")
    sys.stdout.buffer.flush()
