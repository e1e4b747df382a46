"""``qmpx type``: a text on the guest's keyboard."""

import argparse
import sys

from qmpx.cli.output import print_json
from qmpx.client import connect


def run(arguments: argparse.Namespace) -> None:
    """Type it.

    Raises:
        QmpxError: A character has no key, or there is no conversation; `main` tells.
    """
    text = sys.stdin.read() if arguments.text == "-" else arguments.text
    if arguments.enter:
        text += "\n"
    with connect(
        arguments.address,
        timeout=arguments.timeout,
        connect_timeout=arguments.connect_timeout,
        capabilities=(),
    ) as client:
        client.type_text(text)
    if arguments.json:
        print_json({"typed": len(text)})
