"""What the command line prints: data on standard output, and nothing else there."""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, TextIO


def print_json(value: Any, *, pretty: bool = False) -> None:
    """Print a value as JSON on one line, or indented, in ASCII."""
    sys.stdout.write(json.dumps(value, indent=2 if pretty else None) + "\n")
    sys.stdout.flush()


def has_colour(stream: TextIO) -> bool:
    """Whether colours may go there: to a terminal that has them, if they are wanted.

    Who does not want them sets ``NO_COLOR`` (https://no-color.org).
    """
    wanted = not os.environ.get("NO_COLOR")
    return wanted and os.environ.get("TERM") != "dumb" and stream.isatty()


def can_show(text: str) -> bool:
    """Whether standard output can encode a text."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """Return what came from a peer without what a terminal would act on."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in text
    )
