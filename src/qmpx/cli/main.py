"""The command line: its subcommands, its help, its exit statuses.

Each subcommand lives in a module that is imported only when it runs, and so do its
options: a one-shot command starts quickly.
"""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import re
import sys
from importlib import import_module

from qmpx.errors import CommandError, LocalProtocolError, QmpxError

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final, NoReturn

COMMANDS: Final = {
    "shell": "people_options",
    "run": "oneshot_options",
    "hmp": "oneshot_options",
    "events": "oneshot_options",
    "wait": "oneshot_options",
    "job": "oneshot_options",
    "migrate": "oneshot_options",
    "screenshot": "oneshot_options",
    "type": "oneshot_options",
    "top": "people_options",
    "tree": "people_options",
    "doctor": "people_options",
    "serve": "serving_options",
    "share": "gateway_options",
    "gateway": "gateway_options",
    "policy": "policy_options",
    "audit": "keeping_options",
    "journal": "keeping_options",
    "standin": "serving_options",
    "profile": "serving_options",
    "record": "recording_options",
    "replay": "recording_options",
    "transcript": "recording_options",
    "schema": "schema_options",
    "tour": "learning_options",
    "demo": "learning_options",
    "errors": "learning_options",
    "completion": "people_options",
}
"""The commands, as help lists them, and the module that says what each takes."""

EXIT_STATUSES = """\
exit status:
  0  done             3  no connection, or no greeting     6  connection lost
  1  the peer's error 4  no reply before the deadline    130  interrupted
  2  usage            5  refused by a gateway's rules
"""

ADDRESS_FORMS = """\
addresses:
  /run/vm/qmp.sock   unix:/run/vm/qmp.sock   unix:@abstract-name
  localhost:4444     tcp:127.0.0.1:4444      [::1]:4444
  fd:3               vsock:2:4444            stdio (to serve)
QEMU's options may follow, as in unix:/run/vm/qmp.sock,server=on,wait=off.
A dash stands for the address in the environment's QMP_SOCKET.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments, without the program's name; else those of the process.

    Returns:
        The exit status; see `EXIT_STATUSES`.
    """
    _mend_streams()
    try:
        arguments = _parse(argv)
        run = _import(arguments.module, is_program=argv is None)
        return int(run.run(arguments) or 0)
    except QmpxError as error:
        from qmpx.cli.output import printable

        print(f"qmpx: {printable(str(error))}", file=sys.stderr)
        if isinstance(error, CommandError):
            from qmpx.cli.refusals import REFUSED, what_to_do

            if advice := what_to_do(error):
                print(printable(advice), file=sys.stderr)
                return REFUSED
        for note in getattr(error, "__notes__", ()):
            print(printable(note), file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone: that is not our user's problem.
        _print_no_more()
        return 0
    except OSError as error:
        # Files and sockets are dealt with by those who use them; this is the output.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise
        _print_no_more()
        print(f"qmpx: cannot write the output: {error.strerror}", file=sys.stderr)
        return LocalProtocolError.exit_status


def _import(name: str, *, is_program: bool) -> Any:
    """Import the module of a subcommand.

    What is imported stays. If the process is ours, no garbage is looked for in it: not
    now, not later, and not when the process ends, which would take longest.
    """
    if is_program:
        gc.disable()
    try:
        return import_module(f"qmpx.cli.{name}")
    finally:
        if is_program:
            gc.freeze()
            gc.enable()


def _mend_streams() -> None:
    """See to it that there are three streams, and that each takes every text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Closed by who started us. What is opened takes its number, which a
            # socket would take else.
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; options may stand anywhere among the other words."""
    words = sys.argv[1:] if argv is None else argv
    parser = make_parser(words[0] if words else "")
    arguments, rest = parser.parse_known_args(words)
    if rest:
        # argparse takes the words before an option for all of them.
        more = getattr(arguments, arguments.more, None)
        if more is None or any(word.startswith("-") for word in rest):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        more.extend(rest)
    if getattr(arguments, "address", None) == "-":
        arguments.address = os.environ.get("QMP_SOCKET")
        if not arguments.address:
            parser.error("'-' stands for the address in QMP_SOCKET, which is not set")
    return arguments


_UNKNOWN: Final = (
    r"(?s)argument COMMAND: invalid choice: '([^']*)' \(choose from (.*)\)"
)
"""What argparse says of a command that there is not: a list that nobody reads."""


class _Unmeasured(argparse.HelpFormatter):
    """Does not ask how wide the terminal is: that imports what takes longer than us.

    The parser makes one for each argument, and shows nothing of it.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class _Parser(argparse.ArgumentParser):
    """Takes what follows ``--`` as it stands, and keeps help as it is written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Unmeasured, **options)

    def format_help(self) -> str:
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        unknown = re.fullmatch(_UNKNOWN, message)
        if unknown is not None:
            import difflib  # it is not free, and seldom needed

            name, known = unknown[1], re.findall(r"'([^']*)'", unknown[2])
            message = f"there is no command {name!r}"
            if close := difflib.get_close_matches(name, known):
                message += f"; did you mean {' or '.join(map(repr, close))}?"
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def make_parser(command: str = "") -> argparse.ArgumentParser:
    """Return what reads the command line; ``qmpx completion`` reads it in turn.

    Args:
        command: The only command that it has to know; if there is none of that name,
            it knows all of them.
    """
    parser = _Parser(
        prog="qmpx",
        description="Speak the QEMU Monitor Protocol, from both ends.",
        epilog=f"{ADDRESS_FORMS}\n{EXIT_STATUSES}",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    add = parser.add_subparsers(
        prog="qmpx", title="commands", metavar="COMMAND", required=True
    )
    for name in (command,) if command in COMMANDS else COMMANDS:
        home = import_module(f"qmpx.cli.{COMMANDS[name]}")
        home.COMMANDS[name](add)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"qmpx {version('qmpx')}")
        parser.exit()
