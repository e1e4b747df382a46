"""A monitor of today over a machine."""

from typing import Final

from qmpx.dialects.modern import (
    block,
    characters,
    descriptors,
    devices,
    display,
    display_clients,
    dump,
    exports,
    graph,
    graph_experiments,
    hardware,
    human,
    jobs,
    memory,
    memory_devices,
    migration,
    network,
    numa,
    objects,
    out_of_band,
    pci,
    platform_facts,
    processors,
    qdev,
    qom,
    readable,
    refusals,
    screens,
    snapshots,
    status,
    tracing,
    transaction,
    virtio,
)
from qmpx.dialects.modern.events import EVENTS, as_event
from qmpx.machine import Machine
from qmpx.machine.happenings import Happening
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.wire.server import ASYNC, OOB

VERSION: Final = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "qmpx"}
"""The QEMU whose behaviour this dialect shows."""


def modern_monitor(
    machine: Machine,
    *,
    pretty: bool = False,
    offers_async: bool = True,
    check: bool = False,
) -> Monitor:
    """Return a monitor that shows *machine* as QEMU 7.2 would.

    Args:
        machine: What it shows.
        pretty: Whether messages are spread over lines, for people.
        offers_async: Whether the greeting offers ``async`` beside ``oob``. QEMU has no
            such capability; a client that does not ask for it sees nothing else of it.
        check: Whether replies and events are held against what is declared.

    Source: QEMU 7.2.22, observed.
    """
    monitor = Monitor(
        machine,
        commands=CommandRegistry(
            refusals.commands,
            screens.commands,
            status.commands,
            tracing.commands,
            block.commands,
            graph.commands,
            graph_experiments.commands,
            jobs.commands,
            exports.commands,
            transaction.commands,
            characters.commands,
            descriptors.commands,
            devices.commands,
            display.commands,
            display_clients.commands,
            dump.commands,
            hardware.commands,
            memory.commands,
            memory_devices.commands,
            migration.commands,
            network.commands,
            numa.commands,
            human.commands,
            objects.commands,
            out_of_band.commands,
            pci.commands,
            platform_facts.commands,
            processors.commands,
            qdev.commands,
            qom.commands,
            snapshots.commands,
            virtio.commands,
            readable.commands,
            virtio.commands,
        ),
        version=VERSION,
        pretty=pretty,
        capabilities=(OOB, ASYNC) if offers_async else (OOB,),
        clock=machine.clock.microseconds,
        describe_error=human.describe_error,
        introspection=True,
        check=check,
    )
    for name, data in (EVENTS | migration.EVENTS | jobs.EVENTS).items():
        monitor.event(name, data)
    monitor.on_idle = lambda: monitor.descriptor_sets.abandon(
        running=machine.state.is_running
    )

    def take_back(fd: int) -> None:
        monitor.descriptor_sets.take_back(fd, running=machine.state.is_running)

    machine.files.lend = monitor.descriptor_sets.lend
    machine.files.take_back = take_back

    def tell(happening: Happening) -> None:
        event = (
            jobs.as_event(happening)
            or as_event(happening)
            or migration.as_event(machine, happening)
        )
        if event is not None:
            monitor.emit(*event)

    machine.listen(tell)
    return monitor
