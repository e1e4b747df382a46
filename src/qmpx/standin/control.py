"""The control monitor: a QMP monitor that a test drives the circumstances with.

It is a monitor of its own, on a socket of its own, so that any QMP client in any
language can use it, and the monitor under test shows nothing of it.
"""

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from qmpx.errors import GenericError, LocalProtocolError, QmpxError
from qmpx.machine.clock import VirtualClock
from qmpx.machine.guest import ObedientGuest
from qmpx.monitor import CommandRegistry, Monitor
from qmpx.standin.faults.kind import MAX_SECONDS
from qmpx.standin.faults.menu import FAULTS
from qmpx.standin.stage import Stage
from qmpx.transcript.entry import as_object

if TYPE_CHECKING:
    from qmpx.standin.agent import GuestAgents
    from qmpx.transcript import Entry

commands = CommandRegistry()

MAX_ENTRIES: Final = 4096
"""Messages of the conversation in one reply, some two megabytes."""


class Added(Struct, frozen=True):
    """A fault that was added.

    Attributes:
        id: Its number, from 1.
    """

    id: int


class ParameterInfo(Struct, frozen=True):
    """What a kind of fault takes.

    Attributes:
        name: As it is called in a description.
        summary: What it means.
    """

    name: str
    summary: str


class KindInfo(Struct, frozen=True):
    """A kind of fault.

    Attributes:
        name: What descriptions call it.
        summary: What it does.
        parameters: What it takes, beside the conditions that all kinds take.
    """

    name: str
    summary: str
    parameters: list[ParameterInfo]


class ClockInfo(Struct, frozen=True):
    """The time of the machine and of the faults.

    Attributes:
        kind: Whose time it is.
        microseconds: The machine's, since 1970.
        elapsed: Seconds since the faults were set up.
    """

    kind: Literal["virtual", "real"]
    microseconds: int
    elapsed: float


class Said(Struct, frozen=True):
    """What crossed the wire.

    Attributes:
        entries: Lines of a transcript.
        next: What to ask for next.
        forgotten: How many of the first are not kept any more.
    """

    entries: list[Any]
    next: int
    forgotten: int


def control_monitor(stage: Stage) -> Monitor:
    """Return the monitor that controls *stage*; its commands begin with ``x-qmpx-``."""
    version = {"qemu": {"major": 0, "minor": 0, "micro": 0}, "package": "qmpx-control"}
    own = CommandRegistry(commands)
    return Monitor(stage, commands=own, version=version, introspection=True)


@commands.command("x-qmpx-fault-add")
def fault_add(stage: Stage, *, fault: dict[str, Any]) -> Added:
    """Add a fault, described as in a scenario; tell its number.

    Raises:
        GenericError: It is not described as it must be.
    """
    try:
        return Added(stage.plan.add_described(fault).id)
    except QmpxError as error:
        raise GenericError(str(error)) from None


@commands.command("x-qmpx-fault-remove")
def fault_remove(stage: Stage, *, id_: int | None = None) -> None:
    """Take a fault away; all of them if none is named.

    Raises:
        GenericError: There is none of that number.
    """
    if id_ is None:
        stage.plan.clear()
    elif not stage.plan.remove(id_):
        raise GenericError(f"there is no fault {id_}")


@commands.command("x-qmpx-fault-query")
def fault_query(stage: Stage) -> list[Any]:
    """Tell the faults: how they are described, how often each was met and set in."""
    return [fault.describe() for fault in stage.plan.faults]


@commands.command("x-qmpx-fault-kinds")
def fault_kinds() -> list[KindInfo]:
    """Tell the fault menu."""
    return [
        KindInfo(
            kind.name,
            kind.summary,
            [ParameterInfo(x, y.summary) for x, y in kind.parameters.items()],
        )
        for kind in FAULTS.values()
    ]


@commands.command("x-qmpx-clock-query")
def clock_query(stage: Stage) -> ClockInfo:
    """Tell the time, and the seconds since the faults were set up."""
    is_virtual = isinstance(stage.clock, VirtualClock)
    kind: Literal["virtual", "real"] = "virtual" if is_virtual else "real"
    return ClockInfo(kind, stage.clock.microseconds(), stage.plan.now)


@commands.command("x-qmpx-clock-advance")
def clock_advance(stage: Stage, *, seconds: float) -> ClockInfo:
    """Let virtual time pass, and do what falls due; tell the time then.

    Raises:
        GenericError: The time is the real one, or would go back.
    """
    try:
        stage.advance(seconds)
    except LocalProtocolError as error:
        raise GenericError(str(error)) from None
    return clock_query(stage)


@commands.command("x-qmpx-event-emit")
def event_emit(stage: Stage, *, event: str, data: dict[str, Any] | None = None) -> None:
    """Send an event to the clients of the monitor."""
    stage.monitor.emit(event, data)


@commands.command("x-qmpx-guest-set")
def guest_set(
    stage: Stage,
    *,
    power_off: float | None = None,
    balloon: float | None = None,
    unplug: float | None = None,
) -> None:
    """Put in a guest that does what it is asked for after so many seconds, or never.

    Raises:
        GenericError: These are no times.
    """
    _check_times(power_off, balloon, unplug)
    stage.machine.guest = ObedientGuest(
        power_off=power_off, balloon=balloon, unplug=unplug
    )


@commands.command("x-qmpx-agent-set")
def agent_set(
    stage: Stage,
    *,
    starts_after: float | None = None,
    echoes_ids: bool | None = None,
    disabled: list[str] | None = None,
    is_deaf: bool | None = None,
    stale: str | None = None,
    delays: dict[str, float] | None = None,
) -> None:
    """Let the guest's agent behave otherwise from now on; what is absent stays.

    With ``starts_after`` or ``stale`` it goes, and comes again after these seconds.

    Raises:
        GenericError: The guest has no agent; or these are no times.
    """
    agents = _agents(stage)
    _check_times(starts_after, *(delays or {}).values())
    changes = {
        "starts-after": starts_after,
        "echoes-ids": echoes_ids,
        "disabled": disabled,
        "is-deaf": is_deaf,
        "stale": stale,
        "delays": delays,
    }
    for name, value in changes.items():
        if value is not None:
            agents.behaviour.set(name, value)
    if starts_after is not None or stale is not None:
        agents.restart()


@commands.command("x-qmpx-agent-stop")
def agent_stop(stage: Stage) -> None:
    """Let the guest's agent end, as a service that is stopped."""
    agents = _agents(stage)
    agents.behaviour.starts_after = None
    agents.restart()


@commands.command("x-qmpx-agent-write-file")
def agent_write_file(stage: Stage, *, path: str, text: str) -> None:
    """Put a file into the guest."""
    try:
        _agents(stage).system.files.write_whole(path, text.encode())
    except OSError as error:
        raise GenericError(f"{path}: {error.strerror}") from None


def _check_times(*times: float | None) -> None:
    if not all(time is None or 0 <= time <= MAX_SECONDS for time in times):
        raise GenericError(f"expected seconds from 0 to {MAX_SECONDS:g}")


def _agents(stage: Stage) -> "GuestAgents":
    if stage.agents is None:
        raise GenericError("the guest has no agent: start it with --guest-agent")
    return stage.agents


@commands.command("x-qmpx-guest-shutdown")
def guest_shutdown(stage: Stage) -> None:
    """Let the guest switch its machine off."""
    stage.machine.shut_down(by_guest=True, reason="guest-shutdown")


@commands.command("x-qmpx-guest-reset")
def guest_reset(stage: Stage) -> None:
    """Let the guest start its machine anew."""
    stage.machine.reset(by_guest=True, reason="guest-reset")


@commands.command("x-qmpx-guest-suspend")
def guest_suspend(stage: Stage) -> None:
    """Let the guest put its machine to sleep."""
    stage.machine.suspend()


@commands.command("x-qmpx-guest-panic")
def guest_panic(stage: Stage) -> None:
    """Let the guest give up; what follows says ``set-action``."""
    stage.machine.panic()


@commands.command("x-qmpx-guest-watchdog")
def guest_watchdog(stage: Stage) -> None:
    """Let the guest forget its watchdog; what follows says ``watchdog-set-action``."""
    stage.machine.chipset.watchdog.expire()


@commands.command("x-qmpx-conversation-query")
def conversation_query(stage: Stage, *, since: int = 0) -> Said:
    """Tell what crossed the wire, as the lines of a transcript.

    Args:
        stage: The stage.
        since: How many messages to pass over: the ``next`` of the reply before.

    Returns:
        At most `MAX_ENTRIES`.
    """
    start = max(since - stage.forgotten, 0)
    entries: list[Entry] = list(stage.conversation)[start : start + MAX_ENTRIES]
    return Said(
        entries=[as_object(entry) for entry in entries],
        next=stage.forgotten + start + len(entries),
        forgotten=stage.forgotten,
    )


@commands.command("x-qmpx-conversation-clear")
def conversation_clear(stage: Stage) -> None:
    """Forget what crossed the wire so far."""
    stage.forgotten = 0
    stage.conversation.clear()


@commands.command("x-qmpx-quit")
def quit_(stage: Stage) -> None:
    """Switch the machine off and end the monitor under test."""
    stage.machine.shut_down(reason="host-signal")
    stage.monitor.shut_down()
