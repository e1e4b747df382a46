"""``qmpx top``: begins to watch, on a screen or as lines of JSON."""

import argparse
import asyncio
import sys

from msgspec import to_builtins

from qmpx.cli.discovery import discover
from qmpx.cli.output import print_json
from qmpx.cli.shell.start import require_packages
from qmpx.cli.top.watching import Machine
from qmpx.errors import AddressError
from qmpx.transport.address import parse_address


def run(arguments: argparse.Namespace) -> int:
    """Watch until interrupted.

    Raises:
        QmpxError: There is nothing to watch, or the extra is not installed.
    """
    addresses = arguments.addresses
    if not addresses:
        addresses = [each.address for each in discover() if not each.is_human]
    if not addresses:
        message = "no monitor was found on this host: give addresses"
        raise AddressError(message)
    machines = [Machine(str(parse_address(each))) for each in addresses]
    if arguments.json or not sys.stdout.isatty():
        asyncio.run(_as_lines(machines, arguments.interval, arguments.count))
        return 0
    require_packages("textual", "rich")
    # Imported when needed: it is an extra.
    from qmpx.cli.top.screen import TopScreen

    TopScreen(machines, arguments.interval).run()
    return 0


async def _as_lines(
    machines: list[Machine], interval: float, count: int | None
) -> None:
    tasks = [asyncio.create_task(each.watch(interval)) for each in machines]
    try:
        while count is None or count > 0:
            await asyncio.sleep(interval)
            for each in machines:
                line = {
                    "machine": each.name,
                    "address": each.address,
                    "trouble": each.trouble,
                    "sample": to_builtins(each.sample),
                    "rates": to_builtins(each.rates[-1]) if each.rates else None,
                }
                print_json(line)
            if count is not None:
                count -= 1
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
