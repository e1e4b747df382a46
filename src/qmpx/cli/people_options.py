"""The options of the commands for people: the shell, and what does one thing."""

from collections.abc import Callable
from typing import Any

Command = Callable[..., Any]
"""What adds a subcommand: given what to add to, its name, its help, its description."""


def add_people(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    """Add the commands.

    Args:
        add: The subcommands of ``qmpx``.
        command: What adds one.
        add_timeouts: What adds ``--timeout`` and ``--connect-timeout``.
    """
    _add_shell(add, command)
    _add_hmp(add, command, add_timeouts)
    _add_wait(add, command, add_timeouts)
    _add_screen(add, command, add_timeouts)
    _add_type(add, command, add_timeouts)
    _add_job(add, command, add_timeouts)
    _add_migrate(add, command, add_timeouts)
    _add_tree(add, command, add_timeouts)
    _add_doctor(add, command)
    _add_top(add, command)
    _add_completion(add, command)


def _add_shell(add: Any, command: Command) -> None:
    parser = command(
        add,
        "shell.start",
        "talk with a monitor: completion, help, events as they come",
        "Talk with a monitor. What is typed is completed and explained by the schema\n"
        "of the QEMU at hand; events are shown as they come.\n\n"
        "  qmpx shell /run/vm/qmp.sock\n"
        "  qmpx shell --demo\n\n"
        "Without an address, QMP_SOCKET of the environment has it; else the monitors\n"
        "of this host are listed. Lines that come through a pipe are run one by one.",
        shown="shell",
    )
    parser.add_argument(
        "address",
        metavar="ADDRESS",
        nargs="?",
        help="where the monitor is; see 'qmpx --help'",
    )
    parser.add_argument(
        "--demo", action="store_true", help="talk with a machine embedded in the shell"
    )
    parser.add_argument(
        "-H", "--hmp", action="store_true", help="begin with the human monitor"
    )
    parser.add_argument(
        "-N",
        "--skip-negotiation",
        action="store_true",
        help="talk with a guest agent, which neither greets nor negotiates",
    )
    parser.add_argument(
        "-p",
        "--pretty",
        action="store_true",
        help="show answers as JSON that is indented, through a pipe, too",
    )
    parser.add_argument(
        "--schema",
        metavar="PATH",
        help="explain with the documentation in these QAPI files: the first of them, "
        "or QEMU's sources",
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show what crosses the wire"
    )
    parser.add_argument(
        "--json", action="store_true", help="show answers as JSON, never as tables"
    )
    parser.add_argument(
        "-y",
        "--yes",
        action="store_true",
        help="do not ask before what may destroy something",
    )
    parser.add_argument(
        "-l",
        "--record",
        "--log",
        metavar="FILE",
        help="write the conversation down, without secrets; see 'qmpx transcript'",
    )
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="S",
        help="seconds to wait for a QEMU that is starting (default: 0)",
    )
    parser.add_argument(
        "--connect-timeout",
        type=float,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _add_address(parser: Any) -> None:
    parser.add_argument(
        "address", metavar="ADDRESS", help="where the monitor is; see 'qmpx --help'"
    )


def _add_json(parser: Any, what: str = "print JSON, for programs") -> None:
    parser.add_argument("--json", action="store_true", help=what)


def _add_quiet(parser: Any) -> None:
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="do not show how far it is"
    )


def _add_hmp(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
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
    _add_address(parser)
    parser.add_argument(
        "line", metavar="LINE", nargs="+", help="the line, in one word or several"
    )
    parser.add_argument(
        "--cpu", type=int, metavar="N", help="the processor that it is about"
    )
    parser.add_argument(
        "--no-check", action="store_true", help="take whatever it prints for success"
    )
    _add_json(parser, "print the text as a JSON string")
    add_timeouts(parser, 30.0, "for the reply")


def _add_wait(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    parser = command(
        add,
        "wait",
        "wait for an event, and print it",
        "Wait for an event, and print it as a JSON line. Only what happens from now\n"
        "on counts.\n\n"
        "  qmpx wait /run/vm/qmp.sock DEVICE_DELETED --match device=net1\n",
    )
    _add_address(parser)
    parser.add_argument(
        "event", metavar="EVENT", help="its name; * and ? are wildcards"
    )
    parser.add_argument(
        "--match",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="only one whose data have this; a.b=value is a member within a member; "
        "may be given several times",
    )
    _add_json(parser, "as it does anyway")
    add_timeouts(parser, None, "to wait; then it ends with status 4")


def _add_screen(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    parser = command(
        add,
        "screenshot",
        "save what is on the guest's screen",
        "Save what is on the guest's screen as a PNG.\n\n"
        "  qmpx screenshot /run/vm/qmp.sock screen.png\n",
    )
    _add_address(parser)
    parser.add_argument("file", metavar="FILE.png", help="where to; - is stdout")
    parser.add_argument(
        "--device", metavar="ID", help="the graphics device (default: the first)"
    )
    parser.add_argument(
        "--head", type=int, metavar="N", help="which of its outputs (default: 0)"
    )
    _add_json(parser, "print the file's name, and the picture's width and height")
    add_timeouts(parser, 30.0, "for the picture")


def _add_type(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    parser = command(
        add,
        "type_text",
        "type a text on the guest's keyboard",
        "Type a text on the guest's keyboard, whose layout is taken for an American\n"
        "one.\n\n"
        "  qmpx type /run/vm/qmp.sock root --enter\n",
        shown="type",
    )
    _add_address(parser)
    parser.add_argument("text", metavar="TEXT", help="what to type; - is stdin")
    parser.add_argument(
        "-e", "--enter", action="store_true", help="press Enter after it"
    )
    _add_json(parser, "print how many characters were typed")
    add_timeouts(parser, 30.0, "for each reply")


_ACTIONS = ["list", "run", "wait", "cancel", "pause", "resume", "complete"]
_ACTIONS += ["finalize", "dismiss"]


def _add_job(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
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
    _add_address(parser)
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
        help="the job; with 'run' a command and its arguments, as for 'qmpx run'",
    )
    _add_json(parser)
    _add_quiet(parser)
    add_timeouts(parser, None, "for the job to end")


def _add_migrate(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    parser = command(
        add,
        "migrate",
        "send the machine elsewhere, and wait until it is there",
        "Send the machine elsewhere, and wait until it is there. If that is given up,\n"
        "by the deadline or with Ctrl-C, it is cancelled, and the guest stays.\n\n"
        "  qmpx migrate /run/vm/qmp.sock tcp:otherhost:4444\n",
    )
    _add_address(parser)
    parser.add_argument(
        "uri", metavar="URI", help="where to, as for QEMU: tcp:HOST:PORT, exec:COMMAND"
    )
    _add_json(parser)
    _add_quiet(parser)
    add_timeouts(parser, None, "for all of it")


def _add_tree(add: Any, command: Command, add_timeouts: Callable[..., None]) -> None:
    parser = command(
        add,
        "tree",
        "show the machine's objects, devices or block nodes as a tree",
        "Show the machine's objects (qom), its devices on their buses (qdev) or the\n"
        "graph of its block nodes (block).\n\n"
        "  qmpx tree /run/vm/qmp.sock\n"
        "  qmpx tree /run/vm/qmp.sock block --svg > graph.svg\n",
    )
    _add_address(parser)
    parser.add_argument(
        "kind",
        metavar="KIND",
        nargs="?",
        choices=["qom", "qdev", "block"],
        help="qom, qdev or block (default: all of them)",
    )
    parser.add_argument(
        "--path", metavar="P", default="/machine", help="begin QOM here (%(default)s)"
    )
    parser.add_argument(
        "--depth", type=int, metavar="N", help="show so many levels of QOM"
    )
    parser.add_argument(
        "--svg", action="store_true", help="draw the block graph, as SVG"
    )
    _add_json(parser)
    add_timeouts(parser, 30.0, "for each reply")


def _add_doctor(add: Any, command: Command) -> None:
    parser = command(
        add,
        "doctor",
        "find out why a monitor does not answer",
        "Look at a monitor from outside and inside: is its socket there, who listens,\n"
        "who holds it, does the process live, does it greet, how soon does it answer.\n"
        "The exit status is 0 if a program could work with it.\n\n"
        "  qmpx doctor /run/vm/qmp.sock\n",
    )
    _add_address(parser)
    _add_json(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=5.0,
        metavar="S",
        help="seconds for each step (default: %(default)g)",
    )


def _add_completion(add: Any, command: Command) -> None:
    parser = command(
        add,
        "completion",
        "print a script that completes these commands in your shell",
        "Print a script that completes the commands and options of qmpx.\n\n"
        '  eval "$(qmpx completion bash)"\n',
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="your shell")


def _add_top(add: Any, command: Command) -> None:
    parser = command(
        add,
        "top.start",
        "watch machines: state, processors, disks, network, jobs",
        "Watch machines: their state, how busy their processors, disks and interfaces\n"
        "are, their jobs, what happened last. On a terminal it is a screen; elsewhere\n"
        "a JSON line for each machine, again and again.\n\n"
        "  qmpx top /run/vm/*.sock\n\n"
        "Without an address the monitors of this host are taken. Processors and\n"
        "interfaces can be seen of machines on this host only.",
        more="addresses",
        shown="top",
    )
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        help="where a monitor is; see 'qmpx --help'",
    )
    _add_json(parser, "print JSON on a terminal, too")
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="S",
        help="seconds between two measurements (default: %(default)g)",
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="as JSON: end after so many times"
    )
