"""``qmpx serve``: a monitor for an embedded machine."""

import argparse
import asyncio
import contextlib
import logging
import sys
import uuid
from typing import TYPE_CHECKING, Final

from qmpx.cli.file_limit import raise_file_limit
from qmpx.cli.signals import on_signals
from qmpx.errors import AddressError, QmpxError
from qmpx.machine import Clock, Machine, Medium
from qmpx.machine.happenings import Happening, IncomingMoved
from qmpx.monitor.frontend import Mode
from qmpx.monitor.loop import loop_factory
from qmpx.monitor.monitor import MAX_SESSIONS, Monitor
from qmpx.transport.address import StdioAddress

if TYPE_CHECKING:
    from qmpx.standin.stage import Stage

SIGNAL_GRACE: Final = 1.0
"""Seconds for what is being answered when a signal asks for the end. QEMU gives none; a
reply that a fault holds back for longer will not be sent."""


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted or told to quit."""
    logging.basicConfig(format="qmpx: %(message)s", level=logging.WARNING)
    raise_file_limit()
    if arguments.check and arguments.dialect != "modern":
        message = "--check is for --dialect modern: that of 2010 declares no types"
        raise AddressError(message)
    if arguments.dialect == "2010" and arguments.options:
        main = _serve_2010(arguments)
    else:
        main = _serve_demo(arguments)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main)


async def _serve_demo(arguments: argparse.Namespace) -> None:
    """Serve the machine of the demonstration."""
    if arguments.options:
        message = "options of QEMU are taken with --dialect 2010 only"
        raise AddressError(message)
    stage = _stage(arguments)
    clock = None if stage is None else stage.clock
    machine = demo_machine(arguments.name, _uuid(arguments.uuid), clock=clock)
    if not arguments.paused:
        machine.cont()
    monitor = make_monitor(
        machine,
        arguments.dialect,
        pretty=arguments.pretty,
        offers_async=arguments.offers_async,
        check=arguments.check,
    )
    await _serve(monitor, machine, arguments, stage)


async def _serve_2010(arguments: argparse.Namespace) -> None:
    """Serve the machine that options of QEMU 0.13 describe."""
    from qmpx.dialects.v2010.assembly import assemble, start
    from qmpx.dialects.v2010.options import parse_options

    options = parse_options(arguments.options)
    options.name = arguments.name or options.name
    options.uuid = _uuid(arguments.uuid) or options.uuid
    options.is_paused = options.is_paused or arguments.paused
    for place, mode in options.monitors:
        (arguments.qmp if mode is Mode.CONTROL else arguments.hmp).append(place)
    stage = _stage(arguments)
    machine = await assemble(options, None if stage is None else stage.clock)
    monitor = make_monitor(
        machine,
        "2010",
        pretty=arguments.pretty,
        offers_async=arguments.offers_async,
    )
    await start(machine, options)
    await _serve(monitor, machine, arguments, stage)


def _stage(arguments: argparse.Namespace) -> "Stage | None":
    """Return the circumstances that were asked for, if any were.

    Raises:
        ScenarioError: The scenario is not as it must be.
    """
    asked = arguments.scenario, arguments.control, arguments.clock, arguments.record
    if not any(asked):
        return None
    from qmpx.standin.faults.scenario import read_scenario
    from qmpx.standin.stage import Stage, end_process

    scenario = read_scenario(arguments.scenario) if arguments.scenario else None
    stage = Stage(scenario, clock=arguments.clock, end=end_process)
    if arguments.record:
        from qmpx.cli.record import TranscriptFile

        stage.plan.witnesses.append(TranscriptFile(arguments.record).write)
    return stage


def make_monitor(
    machine: Machine,
    dialect: str,
    *,
    pretty: bool = False,
    offers_async: bool | None = None,
    check: bool = False,
) -> Monitor:
    """Return a monitor for *machine* in the dialect of that name.

    Only the modern one can check what it says.
    """
    if offers_async is None:
        offers_async = dialect == "modern"
    if dialect == "2010":
        from qmpx.dialects.v2010 import v2010_monitor

        return v2010_monitor(machine, pretty=pretty, offers_async=offers_async)
    from qmpx.dialects.modern import modern_monitor

    return modern_monitor(
        machine, pretty=pretty, offers_async=offers_async, check=check
    )


def demo_machine(
    name: str | None = None,
    id_: uuid.UUID | None = None,
    *,
    clock: Clock | None = None,
) -> Machine:
    """Return a machine with a disk and a CD-ROM drive, as the talk's had."""
    machine = Machine(name, uuid=id_ or uuid.UUID(int=0), clock=clock)
    machine.drives.add(
        "ide0-hd0",
        id="/machine/unattached/device[10]",
        medium=Medium("disk.img", size=10 * 2**30, node_name="#block100"),
    )
    machine.drives.add(
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
    monitor: Monitor,
    machine: Machine,
    arguments: argparse.Namespace,
    stage: "Stage | None",
) -> None:
    if not arguments.qmp and not arguments.hmp:
        message = "nobody could come: give --qmp ADDRESS, or --hmp ADDRESS"
        raise AddressError(message)
    if arguments.hmp and monitor.human is None:
        from qmpx.dialects.modern.human import table_for_people

        monitor.human = table_for_people()
    server = monitor.serve(
        *arguments.qmp,
        human=arguments.hmp,
        max_sessions=arguments.clients or MAX_SESSIONS,
        allow_remote=arguments.allow_remote,
    )

    is_asked = False
    opening = asyncio.current_task()

    def end(reason: str) -> None:
        nonlocal is_asked
        if is_asked:  # in earnest, then
            monitor.shut_down(0)
            return
        is_asked = True
        machine.shut_down(reason=reason)
        if monitor.servers:
            monitor.shut_down(SIGNAL_GRACE)
        elif opening is not None:  # a fault keeps its sockets from being there
            opening.cancel()

    refusals: list[str] = []

    def note(happening: Happening) -> None:
        if isinstance(happening, IncomingMoved) and not happening.has_come:
            refusals.append(happening.reason)
            monitor.shut_down()

    machine.listen(note)
    on_signals(end, "host-signal")
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(machine))
        if stage is None:
            await stack.enter_async_context(server)
        else:
            stage.set(machine, monitor)
            controlled = stage.controlled(
                arguments.control, allow_remote=arguments.allow_remote
            )
            for address in await stack.enter_async_context(controlled):
                print(f"qmpx: control {address}", file=sys.stderr, flush=True)
            try:
                await stack.enter_async_context(stage.opened(server))
            except asyncio.CancelledError:
                if not is_asked or opening is None:
                    raise
                opening.uncancel()
                return
        for listener, frontend in server.frontends.items():
            if listener.address == StdioAddress() and frontend.mode is Mode.READLINE:
                continue  # the person is here, and sees
            print(f"qmpx: serving {listener.address}", file=sys.stderr, flush=True)
        await server.wait_closed()
    if refusals:
        message = f"the machine that was awaited has not come: {refusals[0]}"
        raise QmpxError(message)


def _uuid(text: str | None) -> uuid.UUID | None:
    if text is None:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        message = f"{text!r} is no UUID"
        raise AddressError(message) from None
