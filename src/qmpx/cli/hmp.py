"""``qmpx hmp``: one line for the human monitor; that it failed is status 1."""

import argparse
import sys

from qmpx.cli.output import print_json, printable
from qmpx.client import connect


def run(arguments: argparse.Namespace) -> None:
    """Run the line, and print what the monitor prints.

    Raises:
        QmpxError: The text says that it failed, or there is no conversation.
    """
    line = " ".join(arguments.line)
    with connect(
        arguments.address,
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
        capabilities=(),
    ) as client:
        text = client.hmp(line, cpu_index=arguments.cpu, check=not arguments.no_check)
    if arguments.json:
        print_json(text)
    else:
        sys.stdout.write(printable(text))
