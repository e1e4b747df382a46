"""What the options of several commands have in common.

The modules that end in ``_options`` say what each command takes; what runs a command is
imported when it runs.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def command(
    add: Any,
    name: str,
    help: str,  # noqa: A002
    description: str,
    more: str = "",
    shown: str = "",
) -> Any:
    """Add a subcommand, and return its parser.

    Args:
        add: The subcommands that it is to be among.
        name: The module of `qmpx.cli` that runs it, which mostly is its name, too.
        help: What it does, in the list of commands.
        description: What it does, in its own help.
        more: The argument that takes words which stand behind an option.
        shown: Its name, if that is not the module's.
    """
    parser = add.add_parser(shown or name, help=help, description=description)
    parser.set_defaults(module=name, more=more)
    return parser


def add_address(parser: Any) -> None:
    """Add the address of a monitor."""
    parser.add_argument(
        "address", metavar="ADDRESS", help="where the monitor is; see 'qmpx --help'"
    )


def add_json(parser: Any, what: str = "print JSON, for programs") -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help=what)


def add_timeouts(parser: Any, default: float | None, what: str) -> None:
    """Add ``--timeout`` and ``--connect-timeout``.

    Args:
        parser: What to add them to.
        default: Seconds of the first; ``None`` for ever.
        what: What it is for, as in ``seconds for the reply``.
    """
    shown = "%(default)g" if default else "none"
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=default,
        metavar="S",
        help=f"seconds {what} (default: {shown})",
    )
    parser.add_argument(
        "--connect-timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _number(
    convert: Callable[[str], Any], what: str, *, or_zero: bool = False
) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = -1
        if not (value > 0 or (or_zero and value == 0)):
            message = f"{text!r} is no {what}"
            raise argparse.ArgumentTypeError(message)
        return value

    return read


positive = _number(int, "number above zero")
"""Reads a number of things."""

seconds = _number(float, "number of seconds above zero")
"""Reads a span of time."""

some_seconds = _number(float, "number of seconds", or_zero=True)
"""Reads a span of time that may be none."""
