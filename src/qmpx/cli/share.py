"""``qmpx share``: many clients, one monitor."""

import argparse
import asyncio
import contextlib
import logging
import sys
from typing import TYPE_CHECKING

from qmpx.cli.file_limit import raise_file_limit
from qmpx.cli.signals import on_signals
from qmpx.errors import AddressError
from qmpx.gateway import SharedMonitor
from qmpx.gateway.sharing.monitor import MAX_CLIENTS
from qmpx.monitor.loop import loop_factory

if TYPE_CHECKING:
    from qmpx.gateway.settings.configuration import Configuration


def run(arguments: argparse.Namespace) -> None:
    """Share a monitor until interrupted.

    Raises:
        QmpxError: There is no monitor, or no place to listen, or the configuration is
            wrong; `main` tells.
    """
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    configuration = _configuration(arguments)
    places = list(arguments.listen or ())
    if configuration is not None:
        addresses = [each.address for each in configuration.listener]
        places += [each for each in addresses if "*" not in each and each not in places]
    if not places:
        message = "no place to listen: give one with --listen, or in the configuration"
        raise AddressError(message)
    raise_file_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_share(arguments, configuration, places))


def _configuration(arguments: argparse.Namespace) -> "Configuration | None":
    """Return what is configured; ``None``: whoever may connect may do all."""
    if arguments.config is None and arguments.role is None:
        return None
    # Without a policy none of this needs to be imported.
    from qmpx.gateway.access.explaining import with_default_role
    from qmpx.gateway.settings.configuration import Configuration, read_configuration

    configuration = Configuration()
    if arguments.config is not None:
        configuration = read_configuration(arguments.config)
        if configuration.upstream:
            message = f"{arguments.config}: [[upstream]] is for qmpx gateway"
            raise AddressError(message)
    if arguments.role is not None:
        configuration = with_default_role(
            configuration, arguments.role, plain_tcp=arguments.config is None
        )
    return configuration


async def _share(
    arguments: argparse.Namespace,
    configuration: "Configuration | None",
    places: list[str],
) -> None:
    monitor = SharedMonitor(
        arguments.address, connect_timeout=arguments.connect_timeout
    )
    async with contextlib.AsyncExitStack() as stack:
        if configuration is not None:
            await _configure(monitor, configuration, stack)
        server = monitor.serve(
            *places,
            max_sessions=arguments.clients or MAX_CLIENTS,
            allow_remote=arguments.allow_remote,
        )
        await stack.enter_async_context(monitor)
        await stack.enter_async_context(server)
        is_asked = False

        def end() -> None:
            nonlocal is_asked
            monitor.shut_down(0 if is_asked else None)
            is_asked = True

        on_signals(end)
        for address in server.addresses:
            place = monitor.upstream.address
            print(f"qmpx: sharing {place} on {address}", file=sys.stderr, flush=True)
        await server.wait_closed()


async def _configure(
    monitor: SharedMonitor,
    configuration: "Configuration",
    stack: contextlib.AsyncExitStack,
) -> None:
    """Put policy, audit, journal, limits and leases beside a monitor."""
    from qmpx.gateway.access.access import Access
    from qmpx.gateway.equipment import Equipment

    if configuration.has_policy:
        monitor.access = Access(configuration)
    equipment = await stack.enter_async_context(
        Equipment(
            audit=configuration.audit,
            journal=configuration.journal,
            limits=configuration.limits,
            lease=configuration.lease,
        )
    )
    attachment = equipment.attach(monitor, str(monitor.upstream.address))
    stack.push_async_callback(attachment.close)
