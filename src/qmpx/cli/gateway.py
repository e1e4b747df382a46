"""``qmpx gateway``: share many monitors as a service, ask how it is, check its file."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import time
from typing import Any

from qmpx.cli.file_limit import raise_file_limit
from qmpx.cli.output import print_json
from qmpx.errors import AddressError, ConnectError, GreetingTimeout
from qmpx.gateway.host.systemd import Notifier, take_sockets

DEFAULT_CONTROL = "unix:/run/qmpx/control.sock"
"""Where ``status`` and ``reload`` ask unless they are told: as in the unit file."""


def run(arguments: argparse.Namespace) -> int:
    """Run the gateway until interrupted, or do what the word after it says.

    Raises:
        QmpxError: The configuration is bad, or nobody answers; `main` tells.
    """
    match arguments.action:
        case "check":
            return _check(arguments)
        case "token":
            return _token(arguments)
        case "status":
            return _status(arguments)
        case "reload":
            return _reload(arguments)
        case _:
            return _serve(arguments)


def _serve(arguments: argparse.Namespace) -> int:
    from qmpx.monitor.loop import loop_factory

    if not arguments.config:
        message = "give the configuration: qmpx gateway --config FILE"
        raise AddressError(message)
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    raise_file_limit()
    handed = take_sockets(os.environ)
    # A reload that comes too early must not end it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_service(arguments.config, handed))
    return 0


async def _service(path: str, handed: dict[str, list[int]]) -> None:
    from qmpx.gateway.daemon.service import Service

    async with Service(path, Notifier(os.environ), handed) as service:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.gateway.shut_down)
        loop.add_signal_handler(signal.SIGHUP, service.hang_up)
        service.ready()
        for address in service.instruments.addresses:
            print(f"qmpx: metrics on {address}", file=sys.stderr)
        count = len(service.gateway.configuration.upstream)
        words = "upstream" if count == 1 else "upstreams"
        print(f"qmpx: gateway of {count} {words}", file=sys.stderr, flush=True)
        await service.gateway.wait_closed()


def _control_of(arguments: argparse.Namespace) -> str:
    if arguments.address:
        return str(arguments.address)
    if arguments.config:
        from qmpx.gateway.settings.configuration import read_configuration

        control = read_configuration(arguments.config).gateway.control
        if not control or control.startswith("systemd:"):
            message = (
                f"{arguments.config} names no control socket to ask: give --address"
            )
            raise AddressError(message)
        return control
    return DEFAULT_CONTROL


def _ask(arguments: argparse.Namespace, command: str) -> Any:
    """Run a command of the control socket, and return what it returned."""
    import qmpx

    address = _control_of(arguments)
    try:
        with qmpx.connect(address) as control:
            return control.execute(command)
    except GreetingTimeout:
        raise
    except ConnectError as error:
        # What helps where a QEMU does not answer would lead astray here.
        hint = (
            "is the gateway running, with [gateway] control = "
            f"{json.dumps(address)}? --config FILE or --address says where else"
        )
        raise ConnectError(error.address, error.reason, hint) from error


def _status(arguments: argparse.Namespace) -> int:
    told = _ask(arguments, "x-qmpx-status")
    if arguments.json:
        print(json.dumps(told))
    else:
        _show(told)
    return (
        0 if all(each["health"]["state"] == "ok" for each in told["upstreams"]) else 1
    )


def _reload(arguments: argparse.Namespace) -> int:
    _ask(arguments, "x-qmpx-reload")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from qmpx.gateway.access.explaining import check_configuration
    from qmpx.gateway.daemon.instruments import check_instruments
    from qmpx.gateway.finding.places import refuse_twins
    from qmpx.gateway.settings.configuration import read_configuration

    file = arguments.file or arguments.config
    if not file:
        message = "say which file: qmpx gateway check FILE"
        raise AddressError(message)
    configuration = read_configuration(file)
    refuse_twins(configuration.upstream)
    check_configuration(configuration)
    check_instruments(configuration.metrics, configuration.tracing)
    count = len(configuration.upstream)
    if arguments.json:
        print_json({"file": file, "upstreams": count})
        return 0
    print(f"{file}: in order, {count} upstream" + "s" * (count != 1))
    return 0


def _token(arguments: argparse.Namespace) -> int:
    """Make a token: what is to be kept goes to standard output, it to the terminal."""
    from qmpx.gateway.access.tokens import new_token

    if not arguments.file:
        message = "say whose: qmpx gateway token NAME"
        raise AddressError(message)
    token, digest = new_token()
    print(f"[[token]]\nname = {json.dumps(arguments.file)}\nsha256 = {digest!r}")
    sys.stdout.flush()
    print(f"qmpx: the token, shown this once: {token}", file=sys.stderr)
    return 0


def _show(told: dict[str, Any]) -> None:
    from qmpx.cli.output import printable

    now = time.time()
    rows = [("UPSTREAM", "STATE", "FOR", "CLIENTS", "WAITING", "ADDRESS")]
    for each in told["upstreams"]:
        health = each["health"]
        waiting = health["waiting"] + health["sent"] + health["sent-out-of-band"]
        rows.append(
            (
                each["name"],
                health["state"],
                _lasting(now - health["since"]),
                str(len(each["clients"])),
                str(waiting),
                each["address"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print(printable("  ".join([*cells, row[-1]])))
    for each in told["upstreams"]:
        for text in (each["health"].get("reason"), each.get("problem")):
            if text:
                print(printable(f"{each['name']}: {text}"))
        for client in each["clients"]:
            who = f"client {client['number']} {client['identity']}"
            place = f"as {client['role']} on {client['listener']}"
            lasting = _lasting(now - client["since"])
            print(printable(f"{each['name']}: {who} {place} for {lasting}"))


def _lasting(seconds: float) -> str:
    seconds = max(round(seconds), 0)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
