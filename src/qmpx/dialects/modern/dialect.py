"""A monitor of today over a machine."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from qmpx.dialects.modern.commands import all_commands
from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.happenings import Happening
from qmpx.monitor import Monitor
from qmpx.wire.server import ASYNC, OOB

VERSION: Final = {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "qmpx"}
"""The QEMU whose behaviour this dialect shows."""

_COMMANDS: Final = all_commands()


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
        commands=_COMMANDS,
        version=VERSION,
        pretty=pretty,
        capabilities=(OOB, ASYNC) if offers_async else (OOB,),
        clock=machine.clock.microseconds,
        describe_error=describe_error,
        introspection=True,
        check=check,
    )
    monitor.declarations.postpone(_declared_events)
    monitor.on_idle = lambda: monitor.descriptor_sets.abandon(
        running=machine.state.is_running
    )

    def take_back(fd: int) -> None:
        monitor.descriptor_sets.take_back(fd, running=machine.state.is_running)

    machine.files.lend = monitor.descriptor_sets.lend
    machine.files.take_back = take_back

    def tell(happening: Happening) -> None:
        event = _event(machine, happening)
        if event is not None:
            monitor.emit(*event)

    machine.listen(tell)
    return monitor


def describe_error(error: CommandError) -> str:
    """Return what people read of an error."""
    return f"Error: {error.desc}"


def _declared_events() -> dict[str, Any]:
    from qmpx.dialects.modern.declared_events import EVENTS  # they have many types

    return EVENTS


@cache
def _as_event(kind: type[Happening]) -> Callable[[Happening], tuple[str, Any] | None]:
    """Return what makes events of happenings of a kind; the first of all imports it."""
    from qmpx.dialects.modern import events
    from qmpx.dialects.modern.jobs import events as job_events

    return job_events.as_event if kind in job_events.TOLD else events.as_event


def _event(machine: Machine, happening: Happening) -> tuple[str, Any] | None:
    event = _as_event(type(happening))(happening)
    if event is None and "migration" in machine.__dict__:
        from qmpx.dialects.modern.migration import states

        event = states.as_event(machine, happening)
    return event
