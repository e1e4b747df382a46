"""Trace events: switches that are kept, and that nothing is written for.

Source: QEMU 7.2.22, observed; the names are those of Debian's build.
"""

import gzip
import re
from collections.abc import Mapping
from enum import Enum
from functools import cache
from importlib import resources
from typing import Annotated, Final, TypedDict

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)

_NAMES: Final = "trace_events_7_2.txt.gz"


class Kind(Enum):
    """What kind of event it is; the value stands before its name in our file."""

    OF_PROCESSOR = "v"
    NOT_COMPILED = "-"
    OF_MACHINE = ""


@cache
def trace_events() -> Mapping[str, Kind]:
    """Return the events by name, in the order in which QEMU lists them."""
    text = gzip.decompress(resources.files(__package__).joinpath(_NAMES).read_bytes())
    found: dict[str, Kind] = {}
    for line in text.decode().splitlines():
        mark, _, name = line.rpartition(" ")
        found[name] = Kind(mark)
    return found


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
    known = trace_events()
    if "*" in name:
        pattern = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."))
        chosen = [each for each in known if pattern.fullmatch(each)]
        return [x for x in chosen if vcpu is None or known[x] is Kind.OF_PROCESSOR]
    if name not in known:
        message = f'unknown event "{name}"'
        raise GenericError(message)
    if vcpu is not None and known[name] is not Kind.OF_PROCESSOR:
        message = f'event "{name}" is not vCPU-specific'
        raise GenericError(message)
    return [name]


def _state(machine: Machine, name: str) -> State:
    if trace_events()[name] is Kind.NOT_COMPILED:
        return "unavailable"
    return "enabled" if name in machine.log.traced_events else "disabled"


@commands.command("trace-event-get-state")
def trace_event_get_state(
    machine: Machine, *, name: str, vcpu: int | None = None
) -> list[TraceEventInfo]:
    """Tell whether events are traced.

    Raises:
        GenericError: There is no such event or processor.
    """
    known = trace_events()
    return [
        {
            "name": each,
            "state": _state(machine, each),
            "vcpu": known[each] is Kind.OF_PROCESSOR,
        }
        for each in _choose(machine, name, vcpu)
    ]


@commands.command("trace-event-set-state")
def trace_event_set_state(
    machine: Machine,
    *,
    name: str,
    enable: bool,
    ignore_unavailable: bool | None = None,
    vcpu: int | None = None,
) -> None:
    """Switch the tracing of events.

    Raises:
        GenericError: There is no such event or processor; or the event was not
            compiled in, and that is not to be overlooked.
    """
    known = trace_events()
    chosen = _choose(machine, name, vcpu)
    missing = [each for each in chosen if known[each] is Kind.NOT_COMPILED]
    if missing and not ignore_unavailable:
        message = f'event "{missing[-1]}" is disabled'
        raise GenericError(message)
    if enable:
        machine.log.traced_events.update(chosen)
    else:
        machine.log.traced_events.difference_update(chosen)
