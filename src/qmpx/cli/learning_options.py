"""The options of the commands that show what QMP is: the tour, the demo, the errors."""

from typing import Any, Final

from qmpx.cli.options import command


def _add_tour(add: Any) -> None:
    parser = command(
        add,
        "tour",
        "take the tour of 2010, live",
        "Play the talk 'A Quick Tour of the QEMU Monitor Protocol' on the embedded\n"
        "machine, chapter by chapter: what crosses the wire, and what it means.",
    )
    parser.add_argument("--fast", action="store_true", help="do not wait between steps")


def _add_demo(add: Any) -> None:
    parser = command(
        add,
        "demo",
        "show a conversation, line by line as it crosses the wire",
        "Start a machine, talk with it, and show each line as it crosses the wire.",
    )
    parser.add_argument(
        "--qemu",
        action="store_true",
        help="talk with an installed qemu-system-* instead",
    )


def _add_errors(add: Any) -> None:
    parser = command(
        add,
        "errors",
        "list the errors of QMP",
        "List the error classes of QMP: the name on the wire since QEMU 1.2, the data\n"
        "that monitors before that sent along, and the description.\n\n"
        "  qmpx errors DeviceNotFound --json\n",
        more="names",
    )
    parser.add_argument(
        "names", metavar="CLASS", nargs="*", default=[], help="only these"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")


COMMANDS: Final = {
    "tour": _add_tour,
    "demo": _add_demo,
    "errors": _add_errors,
}
"""What adds each command to the subcommands of ``qmpx``."""
