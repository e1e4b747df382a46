"""What a stream holds of a machine beside RAM and disks: what it is, and its parts.

Snapshots and migration share this: the record that says what machine it is, and the
records with the states of its parts.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.migration.records import MAX_PAYLOAD, Kind
from qmpx.machine.migration.values import StreamError, dump_value, load_value
from qmpx.machine.runstate import RunState

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MAX_STATE: Final = 64 * 2**20
"""Bytes of one part's state: four times the largest screen that there is."""

RUN_STATE: Final = ""
"""The name under which the run state goes: no part is called so."""

_LAST: Final = b"\x00"
_MORE: Final = b"\x01"
_PIECE: Final = MAX_PAYLOAD - 1

Write = Callable[[Kind, bytes], None]


def describe(machine: "Machine", disks: dict[str, int]) -> dict[str, Any]:
    """Return what machine it is: what has to be the same at the other end.

    Args:
        machine: The machine.
        disks: The sizes of the disks whose contents come along, by name, in bytes.
    """
    return {
        "name": machine.name,
        "uuid": machine.uuid.bytes,
        "memory": machine.memory.size,
        "processors": machine.processor_count,
        "disks": disks,
    }


def check_description(machine: "Machine", description: Any) -> None:
    """Make sure that *machine* can become the machine that is described.

    Raises:
        StreamError: It cannot, and why.
    """
    if not isinstance(description, dict):
        message = "the description of the machine is no dictionary"
        raise StreamError(message)
    for what, ours in (
        ("memory", machine.memory.size),
        ("processors", machine.processor_count),
    ):
        theirs = description.get(what)
        if theirs != ours:
            message = f"the machine that comes has {what} {theirs}, this one has {ours}"
            raise StreamError(message)
    disks = description.get("disks")
    if not isinstance(disks, dict):
        message = "the description of the machine has no disks"
        raise StreamError(message)


def write_parts(machine: "Machine", state: RunState, write: Write) -> None:
    """Write the run state and the states of all parts.

    Args:
        machine: The machine; it does not run.
        state: The run state that it had before.
        write: Takes records.
    """
    _write_part(
        RUN_STATE,
        {
            "state": state.value,
            "ran": machine.run_time.microseconds(),
            "drives": {
                name: [drive.is_locked, drive.is_tray_open, drive.wants_eject]
                for name, drive in machine.drives.items()
            },
        },
        write,
    )
    from qmpx.machine.parts import PARTS  # which makes what uses this

    for name in PARTS:
        if name == "devices" and "qom" in vars(machine):
            continue  # a machine has one tree of devices, and this one has the other
        getattr(machine, name)  # what nobody has looked at yet has a state, too
    for name, part in machine.parts():
        _write_part(name, part.state(), write)


def _write_part(name: str, state: dict[str, Any], write: Write) -> None:
    data = dump_value([name, state])
    if len(data) > MAX_STATE:
        message = f"the state of {name!r} has {len(data)} bytes, more than {MAX_STATE}"
        raise ValueError(message)
    while len(data) > _PIECE:
        write(Kind.PART, _MORE + data[:_PIECE])
        data = data[_PIECE:]
    write(Kind.PART, _LAST + data)


class PartStates:
    """The states of parts as they come, until all are there and sound."""

    def __init__(self) -> None:
        self._states: dict[str, Any] = {}
        self._pieces = bytearray()

    def take(self, payload: bytes) -> None:
        """Take a record of `Kind.PART`.

        Raises:
            StreamError: It is none, or too much.
        """
        self._pieces += payload[1:]
        if len(self._pieces) > MAX_STATE:
            message = f"the state of a part has more than {MAX_STATE} bytes"
            raise StreamError(message)
        if payload[:1] == _MORE:
            return
        value = load_value(bytes(self._pieces))
        self._pieces.clear()
        match value:
            case [str(name), dict(state)] if payload[:1] == _LAST:
                self._states[name] = state
            case _:
                message = "what came as the state of a part is none"
                raise StreamError(message)

    def run_state(self) -> RunState:
        """Return the run state that the machine had.

        Raises:
            StreamError: It did not come, or there is no such state.
        """
        try:
            return RunState(self._states[RUN_STATE]["state"])
        except (KeyError, ValueError) as error:
            message = "the run state of the machine is missing or unknown"
            raise StreamError(message) from error

    def _restore_whole(self, machine: "Machine") -> None:
        """Restore what belongs to no part: the guest's time, and its hold on drives."""
        match self._states.get(RUN_STATE):
            case {"ran": int(ran), "drives": dict(drives)} if ran >= 0:
                for name, hold in drives.items():
                    _restore_drive(machine, name, hold)
                machine.run_time.set(ran)
            case _:
                message = "the time that the machine has run, or its drives, is missing"
                raise StreamError(message)

    def restore(self, machine: "Machine") -> None:
        """Give all parts of *machine* the states that came.

        Raises:
            StreamError: A part has no state, a state has no part, or does not fit.
        """
        self._restore_whole(machine)
        for name, state in self._of_parts():
            part = getattr(machine, name, None)
            if part is None or not hasattr(part, "restore"):
                message = f"this machine has no part {name!r}"
                raise StreamError(message)
            try:
                part.restore(state)
            except Exception as error:
                message = f"the state of {name!r} does not fit: {error!r}"
                raise StreamError(message) from error

    def _of_parts(self) -> Iterator[tuple[str, Any]]:
        return ((n, s) for n, s in self._states.items() if n != RUN_STATE)


def _restore_drive(machine: "Machine", name: str, hold: Any) -> None:
    if name not in machine.drives:
        message = f"this machine has no drive {name!r}"
        raise StreamError(message)
    match hold:
        case [bool(is_locked), bool(is_tray_open), bool(wants_eject)]:
            drive = machine.drives[name]
            drive.is_locked = is_locked
            drive.is_tray_open = is_tray_open
            drive.wants_eject = wants_eject
        case _:
            message = f"the state of drive {name!r} is none"
            raise StreamError(message)
