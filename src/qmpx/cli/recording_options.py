"""The options of the commands that record, replay and look at conversations."""

from typing import Any, Final

from qmpx.cli.options import add_address, command, seconds


def _add_record(add: Any) -> None:
    parser = command(
        add,
        "record",
        "pass a conversation on, and write it down",
        "Listen, pass all that comes on to a monitor, and write every message of\n"
        "every client into a file, until interrupted.\n\n"
        "  qmpx record /run/vm/qmp.sock --listen /tmp/qmp.sock -o talk.jsonl\n",
    )
    add_address(parser)
    _add_listen(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="where to write it"
    )
    _add_secrets(parser, "write")
    parser.add_argument(
        "--connect-timeout",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds for a connection to the monitor (default: %(default)g)",
    )


def _add_replay(add: Any) -> None:
    parser = command(
        add,
        "replay",
        "serve a recorded conversation, and see whether it is held again",
        "Serve a recording: each client is held against the next recorded connection,\n"
        "and answered as that one was. The first difference ends it, with status 1.\n\n"
        "  qmpx replay talk.jsonl --listen /tmp/qmp.sock\n",
    )
    parser.add_argument("file", metavar="FILE", help="the recording; - is stdin")
    _add_listen(parser)
    parser.add_argument(
        "--loose",
        action="store_true",
        help="take commands in any order, and as often as they come",
    )
    _add_ignored(parser)
    _add_format(parser)


def _add_transcript(add: Any) -> None:
    transcript = add.add_parser(
        "transcript",
        help="show, convert, compare and count recorded conversations",
        description="Work with recorded conversations, whoever wrote them down.",
    )
    add = transcript.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = _transcript_command(add, "show", "show a recording, a message a line")
    _add_choice(show)
    show.add_argument("-p", "--pretty", action="store_true", help="indent messages")
    show.add_argument(
        "--absolute", action="store_true", help="show the time of day, not seconds"
    )
    convert = _transcript_command(add, "convert", "write a recording in another format")
    _add_choice(convert)
    convert.add_argument(
        "--to",
        choices=["qmpx", "arrows", "replies"],
        default="qmpx",
        help="our own, that of QEMU's documentation, or libvirt's (default: qmpx)",
    )
    convert.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="where to (default: stdout)"
    )
    diff = _transcript_command(add, "diff", "compare two recordings; status 1: differ")
    diff.add_argument("before", metavar="BEFORE", help="a recording; - is stdin")
    diff.add_argument("after", metavar="AFTER", help="another one")
    diff.add_argument(
        "--strict", action="store_true", help="let only times and ids differ"
    )
    diff.add_argument("--no-events", action="store_true", help="leave out events")
    _add_ignored(diff)
    _add_format(diff)
    stats = _transcript_command(add, "stats", "count what is in a recording")
    _add_choice(stats)
    stats.add_argument("--json", action="store_true", help="print JSON, for programs")


def _transcript_command(add: Any, action: str, summary: str) -> Any:
    about = f"{summary[0].upper()}{summary[1:]}."
    parser = command(add, "transcript", summary, about, shown=action)
    parser.set_defaults(action=action)
    return parser


def _add_choice(parser: Any) -> None:
    parser.add_argument("file", metavar="FILE", help="the recording; - is stdin")
    parser.add_argument(
        "--only",
        choices=["command", "reply", "error", "event", "greeting", "raw", "note"],
        action="append",
        help="only these; may be given several times",
    )
    parser.add_argument(
        "--name",
        metavar="PATTERN",
        action="append",
        help="only commands and events of this name; may be given several times",
    )
    parser.add_argument(
        "--conn",
        type=int,
        metavar="N",
        action="append",
        help="only this connection; may be given several times",
    )
    _add_secrets(parser, "show")
    _add_format(parser)


def _add_listen(parser: Any) -> None:
    parser.add_argument(
        "--listen", metavar="ADDRESS", required=True, help="where clients connect"
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="listen on TCP addresses that others can reach",
    )


def _add_secrets(parser: Any, verb: str) -> None:
    parser.add_argument(
        "--secrets", action="store_true", help=f"{verb} passwords and keys, too"
    )


def _add_ignored(parser: Any) -> None:
    parser.add_argument(
        "--ignore",
        metavar="MEMBER",
        action="append",
        default=[],
        help="pass over members of this name; may be given several times",
    )


def _add_format(parser: Any) -> None:
    parser.add_argument(
        "--format",
        choices=[
            "auto",
            "qmpx",
            "libvirt",
            "arrows",
            "replies",
            "socat",
            "incus",
            "log",
        ],
        default="auto",
        help="how it is written (default: find out)",
    )


COMMANDS: Final = {
    "record": _add_record,
    "replay": _add_replay,
    "transcript": _add_transcript,
}
"""What adds each command to the subcommands of ``qmpx``."""
