"""What the command line prints: data on standard output, and nothing else there."""

import json
import sys
from typing import Any


def print_json(value: Any, *, pretty: bool = False) -> None:
    """Print a value as JSON on one line, or indented, in ASCII."""
    sys.stdout.write(json.dumps(value, indent=2 if pretty else None) + "\n")
    sys.stdout.flush()


def printable(text: str) -> str:
    """Return what came from a peer without what a terminal would act on."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in text
    )
