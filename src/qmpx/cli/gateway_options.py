"""What ``qmpx gateway`` is told on the command line."""

from typing import Any


def add_gateway(add: Any, command: Any) -> None:
    """Add the subcommand.

    Args:
        add: What subcommands are added to.
        command: Makes one: `qmpx.cli.main._command`.
    """
    parser = command(
        add,
        "gateway",
        "share many monitors, as a service",
        "Share the monitors that a configuration tells of, each with many clients,\n"
        "until interrupted. SIGHUP reads the configuration anew.\n\n"
        "  qmpx gateway --config /etc/qmpx/gateway.toml\n"
        "  qmpx gateway check /etc/qmpx/gateway.toml\n"
        "  qmpx gateway status\n"
        "  qmpx gateway token alice >> /etc/qmpx/gateway.toml\n",
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
