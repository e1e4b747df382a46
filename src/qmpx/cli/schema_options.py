"""The options of ``qmpx schema`` and all that is below it."""

from typing import Any, Final

from qmpx.cli.options import add_timeouts, command

_SOURCES = (
    "a schema file, saved introspection, a release (6.2, 7.2, 8.2, 9.1, 9.2), or where "
    "a monitor is; see 'qmpx --help'"
)


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
    parser = command(add, module, summary, description, more, shown=action)
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
    _add_defines(parser)
    parser.add_argument(
        "--unmasked",
        action="store_true",
        help="with --json: give types their own names, not numbers",
    )


def _add_defines(parser: Any) -> None:
    parser.add_argument(
        "-D",
        "--define",
        metavar="SYMBOL",
        action="append",
        help="leave out what is not in a build with just these symbols; may be given "
        "several times (default: whatever has a condition is there)",
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
    add_timeouts(parser, 30.0, "for the reply")


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
    add_timeouts(parser, 30.0, "for the reply")


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
    parser = command(add, "generate", summary, description, shown=language)
    parser.set_defaults(language=language)
    _add_schema_release(parser)
    _add_schema_source(parser)
    parser.add_argument("-o", "--output", metavar="PATH", required=True, help=output)
    _add_defines(parser)
    parser.add_argument(
        "--title",
        metavar="TEXT",
        help=f"what it is the schema of, for {titled}, such as 'QEMU 9.2.0' (default: "
        "its source)",
    )


def _add_schema_source(parser: Any) -> None:
    parser.add_argument(
        "source",
        metavar="FILE|ADDRESS",
        help=_SOURCES,
    )
    add_timeouts(parser, 30.0, "for the reply")


COMMANDS: Final = {
    "schema": _add_schema,
}
"""What adds each command to the subcommands of ``qmpx``."""
