"""``qmpx share``: many clients, one monitor."""

import argparse
import asyncio
import logging
import sys

from qmpx.cli.signals import on_signals
from qmpx.gateway import SharedMonitor
from qmpx.gateway.sharing import MAX_CLIENTS
from qmpx.monitor.loop import loop_factory


def run(arguments: argparse.Namespace) -> None:
    """Share a monitor until interrupted.

    Raises:
        QmpxError: There is no monitor, or no place to listen; `main` tells.
    """
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_share(arguments))


async def _share(arguments: argparse.Namespace) -> None:
    monitor = SharedMonitor(
        arguments.address, connect_timeout=arguments.connect_timeout
    )
    server = monitor.serve(
        *arguments.listen,
        max_sessions=arguments.clients or MAX_CLIENTS,
        allow_remote=arguments.allow_remote,
    )
    async with monitor, server:
        on_signals(monitor.shut_down)
        for address in server.addresses:
            place = monitor.upstream.address
            print(f"qmpx: sharing {place} on {address}", file=sys.stderr, flush=True)
        await server.wait_closed()
