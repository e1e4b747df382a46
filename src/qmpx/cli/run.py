"""``qmpx run``: one command, what it returns on standard output."""

import argparse

from qmpx.cli.arguments import how_to_type, read_arguments
from qmpx.cli.oneshot import run_command
from qmpx.cli.output import print_json
from qmpx.errors import CommandError


def run(arguments: argparse.Namespace) -> None:
    """Run one command.

    Raises:
        QmpxError: It was refused, or there is no conversation; `main` tells.
    """
    try:
        value = run_command(
            arguments.address,
            arguments.command,
            read_arguments(arguments.arguments),
            out_of_band=arguments.oob,
            timeout=arguments.timeout,
            connect_timeout=arguments.connect_timeout,
        )
    except CommandError as error:
        if hint := how_to_type(error.desc, arguments.arguments):
            error.add_note(hint)
        raise
    print_json(value, pretty=arguments.pretty)
