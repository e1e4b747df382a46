"""The options of the commands that look at what a gateway has written down."""

from typing import Any, Final

from qmpx.cli.options import command


def _add_audit(add: Any) -> None:
    audit = add.add_parser(
        "audit",
        help="verify and show what a gateway's clients did",
        description="Work with the audit of a gateway: its section [audit].",
    )
    add = audit.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = command(
        add,
        "audit",
        "tell whether lines are missing or changed",
        "Hold each line against the one before, over all files in their order, and\n"
        "the last one against the file that ends in .head. The exit status is 0 if\n"
        "nothing is missing or changed, 1 if something is, and 2 if a file cannot be\n"
        "read.\n\n"
        "  qmpx audit verify /var/log/qmpx/audit.jsonl*\n"
        "  qmpx audit verify --key-file /etc/qmpx/audit.key audit.jsonl*\n",
        shown="verify",
    )
    verify.set_defaults(action="verify")
    _add_files(verify)
    verify.add_argument(
        "--head",
        metavar="N:SHA256",
        help="let line N be there, with this hash: what an earlier run has printed",
    )
    verify.add_argument(
        "--key-file",
        metavar="FILE",
        help="the key by which lines are proved: what [audit] key-file says",
    )
    verify.add_argument("--json", action="store_true", help="print JSON, for programs")
    show = command(
        add,
        "audit",
        "show lines, those that are asked for",
        "Show lines, those that are asked for, in their order.\n\n"
        "  qmpx audit show audit.jsonl --refused\n"
        "  qmpx audit show audit.jsonl* --command 'block*' --who 'unix:*'\n",
        shown="show",
    )
    show.set_defaults(action="show")
    _add_files(show)
    _add_audit_choice(show)
    show.add_argument("--json", action="store_true", help="the lines as they are")


def _add_files(parser: Any) -> None:
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a file of the audit; what ends in .head or .torn-N is passed over",
    )


def _add_audit_choice(parser: Any) -> None:
    for name, what in (
        ("command", "commands of this name"),
        ("who", "what clients of this identity did, such as unix:root"),
        ("role", "what clients of this role did"),
        ("upstream", "what concerns this monitor"),
        ("kind", "lines of this kind, such as intent"),
    ):
        parser.add_argument(
            f"--{name}",
            metavar="PATTERN",
            action="append",
            default=[],
            help=f"only {what}; * and ? are wildcards; may be given several times",
        )
    parser.add_argument(
        "--client", type=int, metavar="N", help="only what this connection did"
    )
    parser.add_argument("--refused", action="store_true", help="only what was refused")
    parser.add_argument(
        "--failed", action="store_true", help="only what ended with an error"
    )
    for name, what in (("since", "from this time on"), ("until", "before this time")):
        parser.add_argument(
            f"--{name}",
            metavar="TIME",
            default="",
            help=f"only what happened {what}: 2026-01-31 or 2026-01-31T12:00, in UTC",
        )


def _add_journal(add: Any) -> None:
    journal = add.add_parser(
        "journal",
        help="show the events that a gateway has kept",
        description="Work with the journal of a gateway: its section [journal].",
    )
    add = journal.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = command(
        add,
        "journal",
        "show the events that are kept, a JSON line each",
        "Show the events that are kept, a JSON line each, with their numbers.\n\n"
        "  qmpx journal show /var/lib/qmpx/events --upstream web1 --since 1200\n"
        "  qmpx journal show /var/lib/qmpx/events --follow 'BLOCK_*'\n",
        more="patterns",
        shown="show",
    )
    show.set_defaults(action="show")
    show.add_argument("file", metavar="FILE", help="the journal")
    show.add_argument(
        "patterns",
        metavar="PATTERN",
        nargs="*",
        default=[],
        help="only events whose name matches one of these; * and ? are wildcards",
    )
    show.add_argument(
        "--upstream",
        metavar="NAME",
        help="of this monitor (needed where there are several)",
    )
    show.add_argument(
        "--since",
        type=int,
        metavar="N",
        help="only those after this number (default: all that are kept)",
    )
    show.add_argument(
        "--follow", action="store_true", help="go on with those that come"
    )
    show.add_argument("--count", type=int, metavar="N", help="end after so many events")
    show.add_argument("--json", action="store_true", help="as it does anyway")
    state = command(
        add,
        "journal",
        "tell which events of which monitors are kept",
        "Tell which events of which monitors are kept.\n\n"
        "  qmpx journal list /var/lib/qmpx/events\n",
        shown="list",
    )
    state.set_defaults(action="list")
    state.add_argument("file", metavar="FILE", help="the journal")
    state.add_argument("--json", action="store_true", help="print JSON, for programs")


COMMANDS: Final = {
    "audit": _add_audit,
    "journal": _add_journal,
}
"""What adds each command to the subcommands of ``qmpx``."""
