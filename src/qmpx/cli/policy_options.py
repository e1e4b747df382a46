"""What ``qmpx policy`` is told on the command line."""

from typing import Any, Final

from qmpx.cli.options import command


def _add_policy(add: Any) -> None:
    parser = command(
        add,
        "policy",
        "say what a gateway's policy decides, and why",
        "Say which rule of a configuration decides about a command, and why; or list\n"
        "what a role allows.\n\n"
        "  qmpx policy explain gateway.toml stop --role read\n"
        "  qmpx policy explain gateway.toml qom-get '{...}' --identity user:alice\n"
        "  qmpx policy show operate\n\n"
        "The exit status of explain is 0 if it is allowed and 5 if it is denied.\n",
        more="words",
    )
    parser.add_argument("action", choices=["explain", "show"], help="what to do")
    parser.add_argument(
        "words",
        nargs="*",
        default=[],
        metavar="WORD",
        help="explain: FILE COMMAND [ARGUMENTS, as JSON]; show: ROLE",
    )
    parser.add_argument("--role", metavar="NAME", help="explain for this role")
    parser.add_argument(
        "--identity",
        metavar="WHO",
        help="explain for the role of user:NAME, uid:NUMBER, certificate:NAME or "
        "token:NAME",
    )
    parser.add_argument(
        "--listener",
        metavar="ADDRESS",
        default="",
        help="where that one comes in (default: the first listener)",
    )
    parser.add_argument(
        "--config", metavar="FILE", help="show: the configuration with the role"
    )
    parser.add_argument("--json", action="store_true", help="tell it as JSON")


COMMANDS: Final = {
    "policy": _add_policy,
}
"""What adds each command to the subcommands of ``qmpx``."""
