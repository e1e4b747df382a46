"""Trace events: switches that are kept, and that nothing is written for.

The names are some of those that a QEMU with tracing has.

Source: QEMU 7.2.22, observed.
"""

import fnmatch
from typing import Annotated, Final, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry()

OF_PROCESSORS: Final = (
    "guest_cpu_enter",
    "guest_cpu_exit",
    "guest_cpu_reset",
    "guest_user_syscall",
    "guest_user_syscall_ret",
)
"""The events that are of one processor each."""

OTHERS: Final = (
    "vm_state_notify",
    "runstate_set",
    "system_wakeup_request",
    "qemu_system_shutdown_request",
    "qemu_system_powerdown_request",
    "handle_qmp_command",
    "monitor_protocol_event_emit",
    "monitor_protocol_event_queue",
    "monitor_suspend",
    "balloon_event",
    "migrate_set_state",
)
"""The events that are of the machine as a whole."""

State = Annotated[str, Values("unavailable", "disabled", "enabled")]


_WORD: Final = 2**32


class TraceEventInfo(TypedDict):
    """An event, and whether it is traced."""

    name: str
    state: State
    vcpu: bool


def _choose(machine: Machine, name: str, vcpu: int | None) -> list[str]:
    """Return the events of a name or pattern.

    Raises:
        GenericError: There is none of that name, none of a processor, or no such
            processor.
    """
    count = 0 if machine.is_bare else machine.processor_count
    if vcpu is not None and not 0 <= vcpu < count:
        message = f"invalid vCPU index {vcpu % _WORD}"
        raise GenericError(message)
    known = (*OF_PROCESSORS, *OTHERS)
    if "*" in name or "?" in name:
        chosen = [each for each in known if fnmatch.fnmatchcase(each, name)]
        return [x for x in chosen if vcpu is None or x in OF_PROCESSORS]
    if name not in known:
        message = f'unknown event "{name}"'
        raise GenericError(message)
    if vcpu is not None and name not in OF_PROCESSORS:
        message = f'event "{name}" is not vCPU-specific'
        raise GenericError(message)
    return [name]


@commands.command("trace-event-get-state")
def trace_event_get_state(
    machine: Machine, *, name: str, vcpu: int | None = None
) -> list[TraceEventInfo]:
    """Tell whether events are traced.

    Raises:
        GenericError: There is no such event or processor.
    """
    traced = machine.log.traced_events
    return [
        {
            "name": each,
            "state": "enabled" if each in traced else "disabled",
            "vcpu": each in OF_PROCESSORS,
        }
        for each in _choose(machine, name, vcpu)
    ]


@commands.command("trace-event-set-state")
def trace_event_set_state(
    machine: Machine,
    *,
    name: str,
    enable: bool,
    ignore_unavailable: bool | None = None,  # noqa: ARG001 - all that are known are
    vcpu: int | None = None,
) -> None:
    """Switch the tracing of events.

    Raises:
        GenericError: There is no such event or processor.
    """
    chosen = _choose(machine, name, vcpu)
    if enable:
        machine.log.traced_events.update(chosen)
    else:
        machine.log.traced_events.difference_update(chosen)
