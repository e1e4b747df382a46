"""The options of the commands that do one thing: for scripts, and for a person."""

from __future__ import annotations

from qmpx.cli.options import add_address, add_json, add_timeouts, command, positive

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, Final


def _add_run(add: Any) -> None:
    parser = command(
        add,
        "run",
        "run one command, print what it returns",
        "Run one command and print what it returns, as JSON, on standard output.\n"
        "An error reply goes to standard error, and the exit status is 1.\n\n"
        "  qmpx run /run/vm/qmp.sock query-status\n"
        "  qmpx run /run/vm/qmp.sock eject device=ide1-cd0 force:=true\n",
        more="arguments",
    )
    add_address(parser)
    parser.add_argument("command", metavar="COMMAND", help="such as query-status")
    parser.add_argument(
        "arguments",
        metavar="ARGUMENT",
        nargs="*",
        default=[],
        help="key=value for a string, key:=JSON for anything else; a.b=value for "
        "a member within a member",
    )
    parser.add_argument("-p", "--pretty", action="store_true", help="indent the output")
    parser.add_argument(
        "--oob", action="store_true", help="run it out of band, ahead of the queue"
    )
    add_json(parser, "accepted; the output is JSON in any case")
    add_timeouts(parser, 30.0, "for the reply")


def _add_hmp(add: Any) -> None:
    parser = command(
        add,
        "hmp",
        "run a line of the human monitor",
        "Run a line of the human monitor, and print what it prints. If that says that\n"
        "it failed, it goes to standard error, and the exit status is 1.\n\n"
        "  qmpx hmp /run/vm/qmp.sock info block\n"
        "  qmpx hmp /run/vm/qmp.sock -- info block -v\n",
        more="line",
    )
    add_address(parser)
    parser.add_argument(
        "line", metavar="LINE", nargs="+", help="the line, in one word or several"
    )
    parser.add_argument(
        "--cpu", type=int, metavar="N", help="the processor that it is about"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="take whatever it prints for success"
    )
    add_json(parser, "print the text as a JSON string")
    add_timeouts(parser, 30.0, "for the reply")


def _add_events(add: Any) -> None:
    parser = command(
        add,
        "events",
        "print events as they come, a JSON line each",
        "Print events as they come, a JSON line each, until interrupted.\n\n"
        "  qmpx events /run/vm/qmp.sock 'BLOCK_JOB_*' --count 1 --timeout 60\n",
        more="patterns",
    )
    add_address(parser)
    parser.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="*",
        default=[],
        help="only events whose name matches one of these; * and ? are wildcards",
    )
    parser.add_argument(
        "--count", type=positive, metavar="N", help="end after so many events"
    )
    parser.add_argument(
        "--since",
        type=int,
        metavar="N",
        help="of a gateway with a journal: go on behind event N, and show numbers",
    )
    add_json(parser, "accepted; the output is JSON in any case")
    add_timeouts(parser, None, "in all; ends with status 4 if --count was not reached")


def _add_wait(add: Any) -> None:
    parser = command(
        add,
        "wait",
        "wait for an event, and print it",
        "Wait for an event, and print it as a JSON line. Only what happens from now\n"
        "on counts. With a command, run that first: what it causes is not missed.\n\n"
        "  qmpx wait /run/vm/qmp.sock SHUTDOWN system_powerdown --timeout 60\n"
        "  qmpx wait /run/vm/qmp.sock DEVICE_DELETED --match device=net1 \\\n"
        "      device_del id=net1\n",
        more="command",
    )
    add_address(parser)
    parser.add_argument(
        "event", metavar="EVENT", help="its name; * and ? are wildcards"
    )
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs="*",
        default=[],
        help="what causes it, and its arguments, as for 'qmpx run'",
    )
    parser.add_argument(
        "--match",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only one whose data have this; a.b=value is a member within a member; "
        "may be given several times",
    )
    add_json(parser, "accepted; the output is JSON in any case")
    add_timeouts(parser, None, "for the event; then it ends with status 4")


_ACTIONS = ["list", "run", "wait", "cancel", "pause", "resume", "complete"]
_ACTIONS += ["finalize", "dismiss"]


def _add_job(add: Any) -> None:
    parser = command(
        add,
        "job",
        "list, start, watch and end background jobs",
        "List, start, watch and end background jobs.\n\n"
        "  qmpx job /run/vm/qmp.sock\n"
        "  qmpx job /run/vm/qmp.sock run blockdev-backup device=disk0 target=copy0 \\\n"
        "      sync=full\n"
        "  qmpx job /run/vm/qmp.sock wait job0\n\n"
        "'run' and 'wait' show how far it is, end with the job, with status 1 if it\n"
        "failed, and see it off the list.",
        more="words",
    )
    add_address(parser)
    parser.add_argument(
        "action",
        metavar="ACTION",
        nargs="?",
        choices=_ACTIONS,
        default="list",
        help=f"{', '.join(_ACTIONS)} (default: list)",
    )
    parser.add_argument(
        "words",
        metavar="WORD",
        nargs="*",
        default=[],
        help="the job; with 'run' a command and its arguments, as for 'qmpx run'",
    )
    add_json(parser)
    _add_quiet(parser)
    add_timeouts(parser, None, "for the job to end")


def _add_quiet(parser: Any) -> None:
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="do not show how far it is"
    )


def _add_migrate(add: Any) -> None:
    parser = command(
        add,
        "migrate",
        "send the machine elsewhere, and wait until it is there",
        "Send the machine elsewhere, and wait until it is there. If that is given up,\n"
        "by the deadline or with Ctrl-C, it is cancelled, and the guest stays.\n\n"
        "  qmpx migrate /run/vm/qmp.sock tcp:otherhost:4444\n",
    )
    add_address(parser)
    parser.add_argument(
        "uri", metavar="URI", help="where to, as for QEMU: tcp:HOST:PORT, exec:COMMAND"
    )
    add_json(parser)
    _add_quiet(parser)
    add_timeouts(parser, None, "for all of it")


def _add_screen(add: Any) -> None:
    parser = command(
        add,
        "screenshot",
        "save what is on the guest's screen",
        "Save what is on the guest's screen as a PNG.\n\n"
        "  qmpx screenshot /run/vm/qmp.sock screen.png\n",
    )
    add_address(parser)
    parser.add_argument("file", metavar="FILE.png", help="where to; - is stdout")
    parser.add_argument(
        "--device", metavar="ID", help="the graphics device (default: the first)"
    )
    parser.add_argument(
        "--head", type=int, metavar="N", help="which of its outputs (default: 0)"
    )
    add_json(parser, "print the file's name, and the picture's width and height")
    add_timeouts(parser, 30.0, "for the picture")


def _add_type(add: Any) -> None:
    parser = command(
        add,
        "type_text",
        "type a text on the guest's keyboard",
        "Type a text on the guest's keyboard, whose layout is taken for an American\n"
        "one.\n\n"
        "  qmpx type /run/vm/qmp.sock root --enter\n",
        shown="type",
    )
    add_address(parser)
    parser.add_argument("text", metavar="TEXT", help="what to type; - is stdin")
    parser.add_argument(
        "-e", "--enter", action="store_true", help="press Enter after it"
    )
    add_json(parser, "print how many characters were typed")
    add_timeouts(parser, 30.0, "for each reply")


COMMANDS: Final = {
    "run": _add_run,
    "hmp": _add_hmp,
    "events": _add_events,
    "wait": _add_wait,
    "job": _add_job,
    "migrate": _add_migrate,
    "screenshot": _add_screen,
    "type": _add_type,
}
"""What adds each command to the subcommands of ``qmpx``."""
