"""Migration in virtual time: what goes, how fast, what is kept to, and its end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.errors import GenericError
from qmpx.machine import Machine, RunState, VirtualClock
from qmpx.machine.happenings import MigrationMoved
from qmpx.machine.migration.links import pair
from qmpx.machine.migration.progress import Progress
from qmpx.machine.migration.stored import pieces_of
from tests.loops import run_on
from tests.machine.migration.worlds import (
    MIB,
    Side,
    close,
    content,
    fill,
    side,
)


def test_one_migration_at_a_time() -> None:
    clock = VirtualClock()
    source = side(started=True, clock=clock)
    source.machine.migration.start_over(pair(clock)[0])
    with pytest.raises(GenericError) as caught:
        source.machine.migration.start_over(pair(clock)[0])
    assert caught.value.desc == "migration already in progress"


def test_a_machine_that_awaits_another_does_not_move_nor_run() -> None:
    async def main() -> None:
        destination = side()
        await destination.machine.migration.listen("tcp:127.0.0.1:0")
        assert destination.machine.migration.is_expected
        with pytest.raises(GenericError) as caught:
            destination.machine.cont()
        assert caught.value.desc == "a machine that is inmigrate cannot cont"
        with pytest.raises(GenericError) as caught:
            destination.machine.migration.start("exec:true")
        assert caught.value.desc == "a machine that is inmigrate cannot be migrated"
        close(destination)

    run_on("asyncio", main())


class Halves:
    """Two machines on one virtual clock, and the memory that joins them."""

    def __init__(
        self,
        *,
        size: int = MIB,
        their_size: int | None = None,
        may_run: bool = True,
        started: bool = True,
    ) -> None:
        self.clock = VirtualClock()
        self.source = side(started=started, size=size, clock=self.clock)
        self.destination = side(size=their_size or size, clock=self.clock)
        self.links = pair(self.clock)
        self.destination.machine.migration.receive_from(self.links[1], may_run=may_run)

    def start(self) -> None:
        self.source.machine.migration.start_over(self.links[0])


@pytest.mark.parametrize(
    ("before", "may_run", "after"),
    [
        ("running", True, "running"),
        ("running", False, "paused"),
        ("paused", True, "paused"),
        ("prelaunch", True, "prelaunch"),
        ("suspended", True, "running"),  # it is woken before it leaves
        ("io-error", True, "io-error"),
        ("postmigrate", True, "postmigrate"),
    ],
)
def test_the_destination_is_in_the_run_state_of_the_source(
    before: str, may_run: bool, after: str
) -> None:
    halves = Halves(may_run=may_run)
    halves.source.machine.state = RunState(before)
    halves.start()
    halves.clock.advance(1)
    assert halves.destination.machine.state.value == after
    assert halves.source.machine.state is RunState.POSTMIGRATE


def test_the_time_that_the_machine_has_run_goes_with_it() -> None:
    halves = Halves()
    halves.clock.advance(5)
    halves.start()
    halves.clock.advance(3)
    ran = halves.destination.machine.run_time.microseconds()
    assert ran == 8_000_000


def test_a_machine_of_another_size_is_refused_and_stays() -> None:
    halves = Halves(their_size=2 * MIB)
    halves.start()
    halves.clock.advance(1)
    reason = "the machine that comes has memory 1048576, this one has 2097152"
    assert halves.destination.refusal == reason
    assert halves.source.is_running
    assert halves.source.machine.migration.failure == (
        f"the destination refuses: {reason}"
    )


def test_the_state_of_a_part_that_does_not_fit_is_refused_and_the_source_runs_on() -> (
    None
):
    halves = Halves()
    processors = halves.source.machine.processors
    processors.state = lambda: {"what": "nonsense"}  # type: ignore[method-assign]
    halves.start()
    halves.clock.advance(1)
    assert halves.source.is_running
    refusal = halves.destination.refusal
    assert refusal is not None
    assert refusal.startswith("the state of 'processors' does not fit: ")
    assert halves.source.machine.migration.failure == (
        f"the destination refuses: {refusal}"
    )


def test_a_state_that_cannot_be_moved_leaves_the_source_running() -> None:
    halves = Halves()
    processors = halves.source.machine.processors
    processors.state = lambda: {"what": object()}  # type: ignore[method-assign]
    halves.start()
    halves.clock.advance(1)
    assert halves.source.is_running
    assert halves.source.machine.migration.failure == (
        "the machine's state cannot be moved: "
        "a state holds a object, which cannot be moved"
    )
    assert halves.destination.refusal is not None


def test_all_parts_go_with_the_machine() -> None:
    halves = Halves()
    source, destination = halves.source.machine, halves.destination.machine
    source.ports.write(0x70, 1, 0x0A)  # the index register of the clock chip
    source.balloon.actual = source.balloon.target = 4096
    _ = source.processors
    halves.start()
    halves.clock.advance(1)
    ours, theirs = (
        {name: part.state() for name, part in machine.parts()}
        for machine in (source, destination)
    )
    assert {"chipset", "balloon", "processors"} <= ours.keys()
    assert theirs == ours


def test_speed_and_downtime_are_kept_within_their_bounds() -> None:
    migration = Machine().migration
    assert (migration.limits.speed, migration.limits.downtime) == (33554432, 30_000_000)
    for value, speed in ((-1, 0), (1.9, 1), (2**40, 2**32 - 1), (1e300, 2**32 - 1)):
        migration.limits.set_speed(value)
        assert migration.limits.speed == speed
    for seconds, downtime in ((-1, 0), (0.03, 30_000_000), (1e300, 2**62)):
        migration.limits.set_downtime(seconds)
        assert migration.limits.downtime == downtime


def test_the_speed_limit_is_kept_to_and_may_change() -> None:
    halves = Halves(size=64 * MIB)
    guest, migration = halves.source.machine.guest, halves.source.machine.migration
    guest.working_set = 64 * MIB
    migration.limits.set_speed(8 * MIB)
    halves.start()
    halves.clock.advance(2)
    first = migration.ram_progress
    assert first is not None
    assert abs(first.transferred - 2.1 * 8 * MIB) < 21 * 4104
    migration.limits.set_speed(0)
    halves.clock.advance(0.1)
    still = migration.ram_progress
    halves.clock.advance(100)
    assert migration.ram_progress == still
    migration.limits.set_speed(2**32)
    halves.clock.advance(0.2)
    assert migration.status == "completed"


def test_a_guest_that_writes_faster_than_it_is_moved_is_never_moved() -> None:
    halves = Halves(size=16 * MIB)
    guest, migration = halves.source.machine.guest, halves.source.machine.migration
    guest.working_set, guest.dirty_rate = 16 * MIB, 64 * MIB
    halves.start()
    halves.clock.advance(600)
    assert migration.status == "active"
    guest.dirty_rate = MIB
    halves.clock.advance(10)
    assert migration.status == "completed"


def test_the_downtime_decides_when_the_machine_stands_still() -> None:
    passes = []
    for seconds in (0.001, 0.03, 1.0, 60.0):
        halves = Halves(size=16 * MIB)
        guest, migration = halves.source.machine.guest, halves.source.machine.migration
        guest.working_set, guest.dirty_rate = 16 * MIB, 16 * MIB
        migration.limits.set_downtime(seconds)
        migration.limits.set_speed(24 * MIB)
        halves.start()
        stopped = 0.0
        while migration.is_active and stopped < 100:
            halves.clock.advance(0.1)
            stopped += 0.1
        passes.append(round(stopped, 1))
    assert passes == sorted(passes, reverse=True)
    assert len(set(passes)) > 1


def test_what_is_written_while_it_moves_is_there_in_the_end() -> None:
    halves = Halves(size=16 * MIB)
    source, destination = halves.source.machine, halves.destination.machine
    source.guest.working_set = 16 * MIB
    source.migration.limits.set_speed(4 * MIB)
    halves.start()
    for step in range(30):
        source.memory.write(step * 0x1111, bytes([step + 1]) * 500)
        source.memory.write(5 * 4096, bytes(4096) if step % 2 else b"\x01" * 4096)
        halves.clock.advance(0.1)
    halves.clock.advance(60)
    assert source.migration.status == "completed"
    assert content(destination) == content(source)


def test_cancelling_lets_the_machine_run_on_and_the_destination_say_so() -> None:
    halves = Halves(size=64 * MIB)
    halves.source.machine.guest.working_set = 64 * MIB
    halves.start()
    halves.clock.advance(1)
    halves.source.machine.migration.cancel()
    halves.clock.advance(1)
    assert halves.source.is_running
    assert halves.source.machine.migration.status == "cancelled"
    assert halves.destination.refusal == "the source has called it off"
    assert halves.source.told == [
        MigrationMoved("active"),
        MigrationMoved("cancelled"),
    ]


def test_a_source_that_is_switched_off_calls_it_off() -> None:
    halves = Halves(size=64 * MIB)
    halves.source.machine.guest.working_set = 64 * MIB
    halves.start()
    halves.clock.advance(1)
    halves.source.machine.shut_down(reason="host-qmp-quit")
    halves.clock.advance(1)
    assert halves.source.machine.migration.status == "cancelled"
    assert halves.destination.refusal == "the source has called it off"


def test_waiting_ends_with_the_migration() -> None:
    async def main() -> None:
        source = side(started=True)
        await source.machine.migration.wait()  # there is none
        source.machine.migration.start("exec:cat > /dev/null")
        given_up = asyncio.create_task(source.machine.migration.wait())
        waiting = asyncio.create_task(source.machine.migration.wait())
        await asyncio.sleep(0)
        given_up.cancel()
        await waiting
        assert source.machine.migration.status == "completed"
        close(source)

    run_on("asyncio", main())


def test_a_machine_may_come_and_go_on() -> None:
    """A moves to B, and B to C."""
    clock = VirtualClock()
    machines = [side(started=number == 0, clock=clock) for number in range(3)]
    fill(machines[0].machine)
    was = content(machines[0].machine)
    for source, destination in (machines[:2], machines[1:]):
        here, there = pair(clock)
        destination.machine.migration.receive_from(there)
        source.machine.migration.start_over(here)
        clock.advance(1)
    assert [m.machine.state.value for m in machines] == [
        "postmigrate",
        "postmigrate",
        "running",
    ]
    assert content(machines[2].machine) == was


def test_progress_is_told_in_bytes() -> None:
    halves = Halves(size=64 * MIB)
    halves.source.machine.guest.working_set = 64 * MIB
    halves.start()
    halves.clock.advance(0.05)
    migration = halves.source.machine.migration
    pages = -(-33554432 // 10 // 4104)
    assert migration.ram_progress == Progress(
        pages * 4104, 64 * MIB - pages * 4096, 64 * MIB + 8650752
    )
    assert migration.disk_progress is None


def test_what_the_guest_holds_of_its_drives_goes_too() -> None:
    halves = Halves()
    for half in (halves.source, halves.destination):
        half.machine.drives.add("ide1-cd0", id="cd", removable=True, has_tray=True)
    drive = halves.source.machine.drives["ide1-cd0"]
    drive.is_locked = drive.wants_eject = True
    halves.start()
    halves.clock.advance(1)
    drive = halves.destination.machine.drives["ide1-cd0"]
    assert (drive.is_locked, drive.is_tray_open, drive.wants_eject) == (
        True,
        False,
        True,
    )


def test_a_drive_that_there_is_not_is_refused() -> None:
    halves = Halves()
    halves.source.machine.drives.add("ide1-cd0", id="cd", removable=True)
    halves.start()
    halves.clock.advance(1)
    assert halves.destination.refusal == "this machine has no drive 'ide1-cd0'"
    assert halves.source.is_running


def test_a_machine_that_was_switched_off_takes_no_other() -> None:
    halves = Halves()
    halves.destination.machine.shut_down(reason="host-qmp-quit")
    halves.start()
    halves.clock.advance(1)
    assert halves.destination.refusal == "this machine is shutdown"
    assert halves.source.is_running


def stream_of_a_machine() -> bytes:
    """Return a small machine as a stream that needs no answer."""
    source = side(started=True, size=64 * 4096)
    fill(source.machine)
    return b"".join(pieces_of(source.machine, RunState.RUNNING))


STREAM = stream_of_a_machine()


def fed(data: bytes, cut: int) -> Side:
    """Return a destination that got *data*, in two pieces, and then the end."""
    clock = VirtualClock()
    destination = side(size=64 * 4096, clock=clock)
    here, there = pair(clock)
    destination.machine.migration.receive_from(there)
    here.write(data[:cut])
    here.write(data[cut:])
    clock.advance(1)
    here.close()
    clock.advance(120)
    return destination


def test_a_stream_that_is_whole_is_taken() -> None:
    destination = fed(STREAM, 1000)
    assert destination.is_running
    assert destination.machine.memory.read(0, 5) == b"first"


@pytest.mark.slow
@given(at=st.integers(0), byte=st.integers(1, 255), cut=st.integers(0, len(STREAM)))
def test_a_stream_with_any_byte_changed_is_never_taken(
    at: int, byte: int, cut: int
) -> None:
    data = bytearray(STREAM)
    data[at % len(data)] ^= byte
    destination = fed(bytes(data), cut)
    assert destination.refusal
    assert destination.machine.state is RunState.INMIGRATE


@pytest.mark.slow
@given(size=st.integers(0, len(STREAM) - 1), cut=st.integers(0, len(STREAM)))
def test_a_stream_that_is_cut_short_is_never_taken(size: int, cut: int) -> None:
    destination = fed(STREAM[:size], cut)
    assert destination.refusal == (
        "the stream broke off: the other end has closed the connection"
    )
    assert destination.machine.state is RunState.INMIGRATE
