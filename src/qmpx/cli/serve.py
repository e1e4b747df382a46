"""``qmpx serve``: a monitor for an embedded machine."""

import argparse
import asyncio
import contextlib
import logging
import resource
import signal
import sys
import uuid

from qmpx.errors import AddressError
from qmpx.machine import Machine, Medium
from qmpx.monitor.loop import loop_factory
from qmpx.monitor.monitor import MAX_SESSIONS, Monitor


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted or told to quit."""
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    _raise_file_limit()
    machine = demo_machine(arguments.name, _uuid(arguments.uuid))
    if not arguments.paused:
        machine.cont()
    monitor = make_monitor(machine, arguments.dialect, pretty=arguments.pretty)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(monitor, machine, arguments))


def make_monitor(machine: Machine, dialect: str, *, pretty: bool = False) -> Monitor:
    """Return a monitor for *machine* in the dialect of that name."""
    if dialect == "2010":
        from qmpx.dialects.v2010 import v2010_monitor

        return v2010_monitor(machine, pretty=pretty)
    from qmpx.dialects.modern import modern_monitor

    return modern_monitor(machine, pretty=pretty)


def demo_machine(name: str | None = None, id_: uuid.UUID | None = None) -> Machine:
    """Return a machine with a disk and a CD-ROM drive, as the talk's had."""
    machine = Machine(name, uuid=id_ or uuid.UUID(int=0))
    machine.add_drive(
        "ide0-hd0",
        id="/machine/unattached/device[10]",
        medium=Medium("disk.img", size=10 * 2**30, node_name="#block100"),
    )
    machine.add_drive(
        "ide1-cd0",
        id="/machine/unattached/device[23]",
        medium=Medium(
            "install.iso", size=700 * 2**20, read_only=True, node_name="#block200"
        ),
        removable=True,
        has_tray=True,
    )
    return machine


async def _serve(
    monitor: Monitor, machine: Machine, arguments: argparse.Namespace
) -> None:
    loop = asyncio.get_running_loop()
    server = monitor.serve(
        *arguments.qmp,
        max_sessions=arguments.clients or MAX_SESSIONS,
        allow_remote=arguments.allow_remote,
    )

    def end(reason: str) -> None:
        machine.shut_down(reason=reason)
        monitor.shut_down()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):  # not on this platform
            loop.add_signal_handler(number, end, "host-signal")
    async with server:
        for address in server.addresses:
            print(f"qmpx: serving {address}", file=sys.stderr, flush=True)
        await server.wait_closed()


def _uuid(text: str | None) -> uuid.UUID | None:
    if text is None:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        message = f"{text!r} is no UUID"
        raise AddressError(message) from None


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: each client is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
