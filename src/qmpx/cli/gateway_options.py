"""What ``qmpx share`` and ``qmpx gateway`` are told on the command line."""

from typing import Any, Final

from qmpx.cli.options import add_address, command, positive, seconds


def _add_share(add: Any) -> None:
    parser = command(
        add,
        "share",
        "let many clients use one monitor",
        "Connect to a monitor, which serves one client, and serve many in its place:\n"
        "each sees a monitor of its own. Until interrupted.\n\n"
        "  qmpx share unix:/run/vm/qmp.sock --listen unix:/run/vm/shared.sock\n",
    )
    add_address(parser)
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
        type=positive,
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
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds for connection, greeting and negotiation (default: %(default)g)",
    )


def _add_gateway(add: Any) -> None:
    parser = command(
        add,
        "gateway",
        "share many monitors, as a service",
        "Share the monitors that a configuration tells of, each with many clients,\n"
        "until interrupted. SIGHUP reads the configuration anew.\n\n"
        "  qmpx gateway --config /etc/qmpx/gateway.toml\n"
        "  qmpx gateway check /etc/qmpx/gateway.toml\n"
        "  qmpx gateway status\n"
        "  qmpx gateway token alice >> /etc/qmpx/gateway.toml\n\n"
        "The exit status of status is 1 if one of the monitors is not ok.",
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=["run", "check", "status", "reload", "token"],
        default="run",
        help="run it (default); check a file; ask a running one how its monitors are; "
        "let it read its file anew; make a token",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="what to check; whose token"
    )
    parser.add_argument("--config", metavar="FILE", help="the configuration, in TOML")
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="the control socket to ask (default: what --config says, or "
        "unix:/run/qmpx/control.sock)",
    )
    parser.add_argument("--json", action="store_true", help="as the gateway tells it")


COMMANDS: Final = {
    "share": _add_share,
    "gateway": _add_gateway,
}
"""What adds each command to the subcommands of ``qmpx``."""
