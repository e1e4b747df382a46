"""The options of the commands for people: the shell, and what looks at machines."""

from typing import Any, Final

from qmpx.cli.options import (
    add_address,
    add_json,
    add_timeouts,
    command,
    positive,
    seconds,
    some_seconds,
)


def _add_shell(add: Any) -> None:
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
        type=some_seconds,
        default=0.0,
        metavar="S",
        help="seconds to wait for a QEMU that is starting (default: 0)",
    )
    parser.add_argument(
        "--connect-timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _add_top(add: Any) -> None:
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
        default=[],
        help="where a monitor is; see 'qmpx --help'",
    )
    add_json(parser, "print JSON on a terminal, too")
    parser.add_argument(
        "--interval",
        type=seconds,
        default=1.0,
        metavar="S",
        help="seconds between two measurements (default: %(default)g)",
    )
    parser.add_argument(
        "--count", type=positive, metavar="N", help="as JSON: end after so many times"
    )


def _add_tree(add: Any) -> None:
    parser = command(
        add,
        "tree",
        "show the machine's objects, devices or block nodes as a tree",
        "Show the machine's objects (qom), its devices on their buses (qdev) or the\n"
        "graph of its block nodes (block).\n\n"
        "  qmpx tree /run/vm/qmp.sock\n"
        "  qmpx tree /run/vm/qmp.sock block --svg > graph.svg\n",
    )
    add_address(parser)
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
        "--depth", type=positive, metavar="N", help="show so many levels of QOM"
    )
    parser.add_argument(
        "--svg", action="store_true", help="draw the block graph, as SVG"
    )
    add_json(parser)
    add_timeouts(parser, 30.0, "for each reply")


def _add_doctor(add: Any) -> None:
    parser = command(
        add,
        "doctor",
        "find out why a monitor does not answer",
        "Look at a monitor from outside and inside: is its socket there, who listens,\n"
        "who holds it, does the process live, does it greet, how soon does it answer.\n"
        "The exit status is 0 if a program could work with it.\n\n"
        "  qmpx doctor /run/vm/qmp.sock\n",
    )
    add_address(parser)
    add_json(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="S",
        help="seconds for each step (default: %(default)g)",
    )


def _add_completion(add: Any) -> None:
    parser = command(
        add,
        "completion",
        "print a script that completes these commands in your shell",
        "Print a script that completes the commands and options of qmpx.\n\n"
        '  eval "$(qmpx completion bash)"\n',
    )
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], help="your shell")


COMMANDS: Final = {
    "shell": _add_shell,
    "top": _add_top,
    "tree": _add_tree,
    "doctor": _add_doctor,
    "completion": _add_completion,
}
"""What adds each command to the subcommands of ``qmpx``."""
