"""``qmpx schema generate``: code out of a schema."""

import argparse
import os
import sys
from pathlib import Path

from qmpx.cli.schema import read_source
from qmpx.errors import LocalProtocolError
from qmpx.qapi.generation import generate_python


def run(arguments: argparse.Namespace) -> int:
    """Write a Python module for a schema.

    Raises:
        QmpxError: The schema cannot be had, or the module not be written; `main` tells.
    """
    schema = read_source(arguments)
    if arguments.define is not None:
        schema = schema.resolved(arguments.define)
    text = generate_python(schema, arguments.title or arguments.source)
    if arguments.output == "-":
        sys.stdout.write(text)
        return 0
    path = Path(arguments.output)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        # Whoever imports it meanwhile gets all of it, old or new.
        written.write_text(text, encoding="utf-8")
        written.replace(path)
    except OSError as error:
        written.unlink(missing_ok=True)
        message = f"cannot write {arguments.output}: {error.strerror}"
        raise LocalProtocolError(message) from None
    return 0
