"""The command line: its subcommands, its help, its exit statuses.

Each subcommand lives in a module that is imported only when it runs, so that a one-shot
command starts quickly.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from qmpx.cli.gateway_options import add_gateway
from qmpx.cli.keeping_options import add_keeping
from qmpx.cli.people_options import add_people
from qmpx.cli.policy_options import add_policy
from qmpx.cli.recording_options import add_recordings
from qmpx.errors import CommandError, QmpxError

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
    arguments = _parse(argv)
    try:
        run = import_module(f"qmpx.cli.{arguments.module}")
        return int(run.run(arguments) or 0)
    except QmpxError as error:
        from qmpx.cli.output import printable

        print(f"qmpx: {printable(str(error))}", file=sys.stderr)
        if isinstance(error, CommandError):
            from qmpx.cli.refusals import REFUSED, what_to_do

            if advice := what_to_do(error):
                print(printable(advice), file=sys.stderr)
                return REFUSED
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone: that is not our user's problem.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; options may stand anywhere among the other words."""
    parser = make_parser()
    arguments, rest = parser.parse_known_args(argv)
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


class _Parser(argparse.ArgumentParser):
    """Takes what follows ``--`` as it stands, and keeps help as it is written."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line; ``qmpx completion`` reads it in turn."""
    parser = _Parser(
        prog="qmpx",
        description="Speak the QEMU Monitor Protocol, from both ends.",
        epilog=f"{ADDRESS_FORMS}\n{EXIT_STATUSES}",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    add = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(add)
    _add_events(add)
    add_people(add, _command, _add_timeouts)
    _add_serve(add)
    _add_share(add)
    add_gateway(add, _command)
    add_keeping(add, _command)
    add_policy(add, _command)
    _add_errors(add)
    _add_tour(add)
    _add_schema(add)
    _add_demo(add)
    add_recordings(add, _command)
    _add_standin(add)
    _add_profile(add)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        print(f"qmpx {version('qmpx')}")
        parser.exit()


def _command(
    add: Any,
    name: str,
    help: str,  # noqa: A002
    description: str,
    more: str = "",
    shown: str = "",
) -> Any:
    parser = add.add_parser(shown or name, help=help, description=description)
    parser.set_defaults(module=name, more=more)
    return parser


def _add_run(add: Any) -> None:
    parser = _command(
        add,
        "run",
        "run one command, print what it returns",
        "Run one command and print what it returns, as JSON, on standard output.\n"
        "An error reply goes to standard error, and the exit status is 1.\n\n"
        "  qmpx run /run/vm/qmp.sock query-status\n"
        "  qmpx run /run/vm/qmp.sock eject device=ide1-cd0 force:=true\n",
        more="arguments",
    )
    _add_address(parser)
    parser.add_argument("command", metavar="COMMAND", help="such as query-status")
    parser.add_argument(
        "arguments",
        metavar="ARGUMENT",
        nargs="*",
        help="key=value for a string, key:=JSON for anything else; a.b=value for "
        "a member within a member",
    )
    parser.add_argument("-p", "--pretty", action="store_true", help="indent the output")
    parser.add_argument(
        "--oob", action="store_true", help="run it out of band, ahead of the queue"
    )
    parser.add_argument("--json", action="store_true", help="as it does anyway")
    _add_timeouts(parser, 30.0, "for the reply")


def _add_events(add: Any) -> None:
    parser = _command(
        add,
        "events",
        "print events as they come, a JSON line each",
        "Print events as they come, a JSON line each, until interrupted.\n\n"
        "  qmpx events /run/vm/qmp.sock 'BLOCK_JOB_*' --count 1 --timeout 60\n",
        more="patterns",
    )
    _add_address(parser)
    parser.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="*",
        help="only events whose name matches one of these; * and ? are wildcards",
    )
    parser.add_argument(
        "--count", type=_positive, metavar="N", help="end after so many events"
    )
    parser.add_argument(
        "--since",
        type=int,
        metavar="N",
        help="of a gateway with a journal: go on behind event N, and show numbers",
    )
    parser.add_argument("--json", action="store_true", help="as it does anyway")
    _add_timeouts(parser, None, "in all; ends with status 4 if --count was not reached")


def _add_serve(add: Any) -> None:
    parser = _command(
        add,
        "serve",
        "serve a monitor for an embedded machine",
        "Serve a monitor for an embedded machine, until interrupted or told "
        "to quit.\n\n"
        "  qmpx serve --qmp unix:/tmp/qmp.sock\n"
        "  qmpx serve --dialect 2010 --hmp stdio -- -m 64 -cdrom install.iso\n",
        more="options",
    )
    parser.add_argument(
        "options",
        metavar="-- OPTION",
        nargs="*",
        help="with --dialect 2010: the machine, in the options of QEMU 0.13",
    )
    parser.add_argument(
        "--qmp",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve QMP here; may be given several times",
    )
    parser.add_argument(
        "--hmp",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve the human monitor here; may be given several times",
    )
    parser.add_argument(
        "--async",
        dest="offers_async",
        action=argparse.BooleanOptionalAction,
        help="offer the capability 'async', for execute_async (default: with modern)",
    )
    parser.add_argument(
        "--dialect",
        choices=["modern", "2010"],
        default="modern",
        help="the monitor of QEMU 7.2, or that of 0.13 (default: %(default)s)",
    )
    parser.add_argument(
        "--pretty", action="store_true", help="spread messages over lines, for people"
    )
    parser.add_argument("--name", metavar="N", help="the machine's name")
    parser.add_argument("--uuid", metavar="UUID", help="the machine's UUID")
    parser.add_argument(
        "-S", "--paused", action="store_true", help="start paused, as QEMU's -S"
    )
    parser.add_argument(
        "--clients",
        type=_positive,
        metavar="N",
        help="clients that each address serves at once; others wait unseen. "
        "QEMU has 1 (default: as many as come, up to 16384)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen on TCP addresses that others can reach",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="hold replies and events against the schema; one that does not fit is "
        "logged, and its command fails (to test qmpx itself)",
    )
    _add_stage(parser)
    _add_record_option(parser)


def _add_share(add: Any) -> None:
    parser = _command(
        add,
        "share",
        "let many clients use one monitor",
        "Connect to a monitor, which serves one client, and serve many in its place:\n"
        "each sees a monitor of its own. Until interrupted.\n\n"
        "  qmpx share unix:/run/vm/qmp.sock --listen unix:/run/vm/shared.sock\n",
    )
    _add_address(parser)
    parser.add_argument(
        "--listen",
        metavar="ADDRESS",
        action="append",
        help="serve clients here; may be given several times",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="who may come in, and do what (TOML); its listeners are served, too",
    )
    parser.add_argument(
        "--role",
        metavar="NAME",
        help="what those may do who come in at --listen: observe, read, operate, "
        "storage, admin, agent, or a role of the configuration (default: everything)",
    )
    parser.add_argument(
        "--clients",
        type=_positive,
        metavar="N",
        help="clients that each address serves at once; others wait unseen "
        "(default: 256)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen on TCP addresses that others can reach",
    )
    parser.add_argument(
        "--connect-timeout",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _add_stage(parser: Any) -> None:
    parser.add_argument(
        "--clock",
        choices=["real", "virtual"],
        help="the machine's time: the host's, or one that only --control moves",
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="what goes wrong, and when: a TOML file"
    )
    parser.add_argument(
        "--control",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="serve here the QMP commands that move the clock, add faults and play "
        "the guest; may be given several times",
    )


def _add_record_option(parser: Any) -> None:
    parser.add_argument(
        "--record", metavar="FILE", help="write down what crosses the wire"
    )


def _add_errors(add: Any) -> None:
    parser = _command(
        add,
        "errors",
        "list the errors of QMP",
        "List the error classes of QMP: the name on the wire since QEMU 1.2, the data\n"
        "that monitors before that sent along, and the description.\n\n"
        "  qmpx errors DeviceNotFound --json\n",
        more="names",
    )
    parser.add_argument("names", metavar="CLASS", nargs="*", help="only these")
    parser.add_argument("--json", action="store_true", help="one object a line")


def _add_tour(add: Any) -> None:
    parser = _command(
        add,
        "tour",
        "take the tour of 2010, live",
        "Play the talk 'A Quick Tour of the QEMU Monitor Protocol' on the embedded\n"
        "machine, chapter by chapter: what crosses the wire, and what it means.",
    )
    parser.add_argument("--fast", action="store_true", help="do not wait between steps")


def _add_schema(add: Any) -> None:
    schema = add.add_parser(
        "schema",
        help="check, look up, compare and translate schemas",
        description="Work with the vocabulary of a monitor: a QAPI schema file, or "
        "what a\nmonitor tells of itself (query-qmp-schema).",
    )
    add = schema.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_schema_check(add)
    _add_schema_introspect(add)
    _add_schema_show(add)
    _add_schema_diff(add)
    _add_schema_lint(add)
    _add_schema_generate(add)


def _schema_command(
    add: Any,
    action: str,
    summary: str,
    description: str,
    *,
    more: str = "",
    module: str = "schema",
) -> Any:
    parser = _command(add, module, summary, description, more, shown=action)
    parser.set_defaults(action=action)
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    _add_schema_release(parser)
    return parser


def _add_schema_release(parser: Any) -> None:
    parser.add_argument(
        "--qemu",
        metavar="VERSION",
        help="read files by the rules of this QEMU, such as 9.2 (default: what their "
        "documentation shows, at least 7.2)",
    )


def _add_schema_check(add: Any) -> None:
    parser = _schema_command(
        add,
        "check",
        "check a schema file, and all that it includes",
        "Check a schema file, and all that it includes.\n\n"
        "  qmpx schema check qapi/qapi-schema.json\n\n"
        "What QEMU's own generator would reject is rejected in the same words, with\n"
        "status 1.",
    )
    parser.add_argument("file", metavar="FILE", help="the first file of the schema")


def _add_schema_introspect(add: Any) -> None:
    parser = _schema_command(
        add,
        "introspect",
        "list all commands and events, or print what query-qmp-schema returns",
        "List all commands and events with their arguments; with --json, print what\n"
        "query-qmp-schema returns.\n\n"
        "  qmpx schema introspect /run/vm/qmp.sock\n"
        "  qmpx schema introspect --json qapi/qapi-schema.json\n",
    )
    _add_schema_source(parser)
    parser.add_argument(
        "-D",
        "--define",
        metavar="SYMBOL",
        action="append",
        help="leave out what is not in a build with just these symbols; may be given "
        "several times (default: whatever has a condition is there)",
    )
    parser.add_argument(
        "--unmasked",
        action="store_true",
        help="with --json: give types their own names, not numbers",
    )


def _add_schema_show(add: Any) -> None:
    parser = _schema_command(
        add,
        "show",
        "show one command, event or type",
        "Show one command, event or type; with --json, as query-qmp-schema has it,\n"
        "with all types that it refers to.\n\n"
        "  qmpx schema show /run/vm/qmp.sock blockdev-add\n",
    )
    _add_schema_source(parser)
    parser.add_argument("name", metavar="NAME", help="such as block_resize")


def _add_schema_diff(add: Any) -> None:
    parser = _schema_command(
        add,
        "diff",
        "tell what is different in another schema, and what breaks callers",
        "Tell what a schema has, and has not, that another one has not, and has.\n\n"
        "  qmpx schema diff 7.2 9.2\n"
        "  qmpx schema diff 9.2 /run/vm/qmp.sock\n\n"
        "Lines that begin with ! are about what breaks a caller. The exit status is 0\n"
        "if nothing is different, 10 if nothing breaks a caller, and else 11.",
        module="schema_diff",
    )
    parser.add_argument("old", metavar="OLD", help=f"the schema before: {_SOURCES}")
    parser.add_argument("new", metavar="NEW", help="the schema after")
    _add_timeouts(parser, 30.0, "for the reply")


def _add_schema_lint(add: Any) -> None:
    parser = _schema_command(
        add,
        "lint",
        "find uses of what a schema does not have, or deprecates",
        "Find uses of commands, arguments, events and values that are missing or\n"
        "deprecated somewhere, in Python, and in transcripts (*.jsonl, *.json: a\n"
        "message on each line).\n\n"
        "  qmpx schema lint --against 7.2,9.2 *.py\n\n"
        "The exit status is 0 if there are none, 10 if all of them are there, but\n"
        "some are deprecated, and 11 if some are missing.",
        more="paths",
        module="schema_lint",
    )
    parser.add_argument(
        "--against",
        metavar="SCHEMA[,SCHEMA...]",
        action="append",
        required=True,
        help=f"hold them against these: {_SOURCES}; may be given several times",
    )
    parser.add_argument("paths", metavar="FILE", nargs="+", help="what to look at")
    _add_timeouts(parser, 30.0, "for the reply")


def _add_schema_generate(add: Any) -> None:
    generate = add.add_parser(
        "generate",
        help="write code, JSON Schema or a site for a schema",
        description="Write something for the commands, events and types of a schema.",
    )
    add = generate.add_subparsers(title="languages", metavar="LANGUAGE", required=True)
    _add_schema_output(
        add,
        "python",
        "write a typed Python module",
        "Write a Python module: a class for each type and event, and for each command\n"
        "a function whose result a client runs.\n\n"
        "  qmpx schema generate python /run/vm/qmp.sock -o qapi.py\n\n"
        "A monitor does not tell the names of its types: in a module made from one\n"
        "they are named after the commands that use them.",
        "the module's docstring",
    )
    _add_schema_output(
        add,
        "json-schema",
        "write JSON Schema",
        "Write JSON Schema (2020-12) for the messages of a monitor.\n\n"
        "  qmpx schema generate json-schema 9.2 -o qmp.schema.json\n\n"
        "As a whole it describes commands and events; what a command takes and\n"
        "returns is in $defs, under 'arguments:NAME' and 'return:NAME'.",
        "its title",
    )
    _add_schema_output(
        add,
        "site",
        "write a site for reference",
        "Write a site: a page for each command, event and type, with links between\n"
        "them, and a search box. It needs no server and no network.\n\n"
        "  qmpx schema generate site qapi/qapi-schema.json -o site\n",
        "its title",
        "the folder; what is not there is made",
    )


def _add_schema_output(
    add: Any,
    language: str,
    summary: str,
    description: str,
    titled: str,
    output: str = "where to; - to print it",
) -> None:
    parser = _command(add, "generate", summary, description, shown=language)
    parser.set_defaults(language=language)
    _add_schema_release(parser)
    _add_schema_source(parser)
    parser.add_argument("-o", "--output", metavar="PATH", required=True, help=output)
    parser.add_argument(
        "-D",
        "--define",
        metavar="SYMBOL",
        action="append",
        help="leave out what is not in a build with just these symbols; may be given "
        "several times (default: whatever has a condition is there)",
    )
    parser.add_argument(
        "--title",
        metavar="TEXT",
        help=f"what it is the schema of, for {titled}, such as 'QEMU 9.2.0' (default: "
        "its source)",
    )


_SOURCES = (
    "a schema file, saved introspection, a release (6.2, 7.2, 8.2, 9.1, 9.2), or where "
    "a monitor is; see 'qmpx --help'"
)


def _add_schema_source(parser: Any) -> None:
    parser.add_argument(
        "source",
        metavar="FILE|ADDRESS",
        help=_SOURCES,
    )
    _add_timeouts(parser, 30.0, "for the reply")


def _add_demo(add: Any) -> None:
    parser = _command(
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


def _add_standin(add: Any) -> None:
    parser = _command(
        add,
        "standin",
        "stand in for qemu-system-x86_64",
        "Take QEMU's command line, and behave like it: what qmpx-system-x86_64 does.\n"
        "With --fleet, many machines in one process, with a QMP socket each.\n\n"
        "  qmpx standin -- -machine pc -qmp unix:qmp.sock,server=on,wait=off\n"
        "  qmpx standin --fleet 100 --dir /tmp/fleet -- -machine pc -m 64\n",
        more="options",
    )
    parser.add_argument(
        "options",
        metavar="-- OPTION",
        nargs="*",
        help="the machine, and its monitors, in QEMU's options",
    )
    parser.add_argument(
        "--profile",
        metavar="FILE",
        help="answer as this binary does: see 'qmpx profile capture'; a .replies file "
        "of libvirt's will do, too (default: a QEMU 7.2)",
    )
    parser.add_argument(
        "--fleet",
        type=_positive,
        metavar="N",
        help="so many machines, on the sockets 0.sock, 1.sock, ...",
    )
    parser.add_argument(
        "--dir", metavar="D", help="where the sockets of a fleet are made"
    )
    _add_stage(parser)


def _add_profile(add: Any) -> None:
    profile = add.add_parser(
        "profile",
        help="ask a QEMU binary what a stand-in needs to know",
        description="Work with profiles: what a QEMU binary says of itself.",
    )
    add = profile.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = _command(
        add,
        "profile",
        "ask a binary all that is always the same, and write it to a file",
        "Ask a QEMU binary all that is always the same: its schema, its machines, its\n"
        "processors, its devices and their properties, its options.\n\n"
        "  qmpx profile capture /usr/bin/qemu-system-x86_64 -o qemu.profile\n",
        shown="capture",
    )
    parser.set_defaults(action="capture")
    parser.add_argument("binary", metavar="PROGRAM", help="a qemu-system-*")
    parser.add_argument(
        "-o", "--output", metavar="PATH", required=True, help="where to"
    )
    parser = _command(
        add,
        "profile",
        "tell what a profile, or a .replies file of libvirt's, holds",
        "Tell which binary a profile is of, and how much it holds.",
        shown="show",
    )
    parser.set_defaults(action="show")
    parser.add_argument("file", metavar="FILE", help="a profile")


def _add_address(parser: Any) -> None:
    parser.add_argument(
        "address", metavar="ADDRESS", help="where the monitor is; see 'qmpx --help'"
    )


def _add_timeouts(parser: Any, default: float | None, what: str) -> None:
    shown = "%(default)g" if default else "none"
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=default,
        metavar="S",
        help=f"seconds {what} (default: {shown})",
    )
    parser.add_argument(
        "--connect-timeout",
        type=_seconds,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _number(convert: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = convert(text)
        except ValueError:
            value = 0
        if not value > 0:
            message = f"{text!r} is no {what}"
            raise argparse.ArgumentTypeError(message)
        return value

    return read


_positive = _number(int, "number above zero")
_seconds = _number(float, "number of seconds above zero")
