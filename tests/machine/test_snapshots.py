"""Snapshots: what was saved comes back, and what cannot be is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine, RunState, VirtualClock
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.happenings import (
    MigrationMoved,
    MigrationPassBegan,
    Resumed,
    Stopped,
)
from qmpx.machine.migration.links import pair
from qmpx.machine.snapshots import SavedMachine
from tests.loops import run_on

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from qmpx.machine.happenings import Happening

SIZE = 2**20
NOON = 1_281_355_200_000_000  # microseconds: 2010-08-09 12:00 UTC


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a running machine with two disks that can hold snapshots."""
    machine = Machine(clock=VirtualClock(NOON), is_started=True, memory_size=2**20)
    for number in range(2):
        path = tmp_path / f"{number}.qcow2"
        path.write_bytes(new_image(SIZE))
        machine.drives.plug({"file": str(path), "index": str(number)})
    return machine


def run(coroutine: Coroutine[None, None, None]) -> None:
    run_on("asyncio", coroutine)


def refusal(coroutine: Coroutine[None, None, None]) -> str:
    """Return why something cannot be done."""
    with pytest.raises(GenericError) as caught:
        run(coroutine)
    return caught.value.desc


def advance(machine: Machine, seconds: float) -> None:
    clock = machine.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(seconds)


def mark(machine: Machine, text: bytes) -> None:
    """Leave a mark in memory, on both disks and in a part."""
    machine.memory.write(0x5000, text)
    for drive in machine.drives.values():
        drive.write(7, text.ljust(512))
    machine.balloon.actual = len(text) * 4096


def marks(machine: Machine) -> set[bytes]:
    """Return the marks that are there."""
    seen = {machine.memory.read(0x5000, 5)}
    seen |= {drive.read(7, 1)[:5] for drive in machine.drives.values()}
    assert machine.balloon.actual == 5 * 4096
    return seen


def test_memory_disks_parts_and_run_state_come_back(machine: Machine) -> None:
    advance(machine, 90)
    mark(machine, b"first")
    run(machine.snapshots.save("one"))
    machine.stop()
    mark(machine, b"later")
    machine.memory.write(0x80000, b"more")
    machine.balloon.actual = 0
    run(machine.snapshots.load("one"))
    assert marks(machine) == {b"first"}
    assert machine.memory.read(0x80000, 4) == bytes(4)
    assert machine.state is RunState.RUNNING
    assert machine.run_time.microseconds() == 90_000_000


def test_a_machine_that_stood_still_stands_still_again(machine: Machine) -> None:
    machine.stop()
    run(machine.snapshots.save("still"))
    machine.cont()
    run(machine.snapshots.load("still"))
    assert machine.state is RunState.PAUSED


def test_it_stands_still_while_it_is_saved_or_restored(machine: Machine) -> None:
    told: list[Happening] = []
    machine.listen(told.append)
    run(machine.snapshots.save("one"))
    run(machine.snapshots.load("one"))
    saved = [
        MigrationMoved("setup"),
        MigrationPassBegan(1),
        MigrationPassBegan(2),
        MigrationMoved("completed"),
    ]
    assert told == [Stopped(), *saved, Resumed(), Stopped(), Resumed()]


def test_what_is_saved_is_listed_with_its_particulars(machine: Machine) -> None:
    advance(machine, 61.5)
    run(machine.snapshots.save("one"))
    advance(machine, 10)
    run(machine.snapshots.save())
    saved = machine.snapshots.saved()
    assert saved == [
        SavedMachine(
            "1", "one", saved[0].state_size, NOON // 10**6 + 61, 61_500_000_000
        ),
        SavedMachine("2", "", saved[0].state_size, NOON // 10**6 + 71, 71_500_000_000),
    ]
    assert 500 < saved[0].state_size < SIZE
    assert machine.snapshots.devices() == ["ide0-hd0", "ide0-hd1"]


def test_the_second_disk_holds_disk_data_only(machine: Machine) -> None:
    run(machine.snapshots.save("one"))
    sizes = [
        [shot.state_size > 0 for shot in drive.image.snapshots()]
        for drive in machine.drives.values()
        if drive.image is not None
    ]
    assert sizes == [[True], [False]]


@pytest.mark.parametrize("name", ["one", "1"])
def test_one_of_the_same_tag_or_id_is_replaced(machine: Machine, name: str) -> None:
    mark(machine, b"first")
    run(machine.snapshots.save("one"))
    mark(machine, b"again")
    run(machine.snapshots.save(name))
    mark(machine, b"other")
    run(machine.snapshots.load("one"))
    assert marks(machine) == {b"again"}
    assert [saved.tag for saved in machine.snapshots.saved()] == ["one"]


def test_what_is_deleted_is_gone_from_all_disks(machine: Machine) -> None:
    run(machine.snapshots.save("one"))
    run(machine.snapshots.save("two"))
    machine.snapshots.delete("1")
    for drive in machine.drives.values():
        assert drive.image is not None
        assert [shot.name for shot in drive.image.snapshots()] == ["two"]


def test_snapshots_outlive_the_machine(machine: Machine, tmp_path: Path) -> None:
    mark(machine, b"first")
    run(machine.snapshots.save("one"))
    for drive in machine.drives.values():
        drive.close()
    other = Machine(memory_size=2**20)
    for number in range(2):
        path = tmp_path / f"{number}.qcow2"
        other.drives.plug({"file": str(path), "index": str(number)})
    run(other.snapshots.load("one"))
    assert marks(other) == {b"first"}
    assert other.state is RunState.RUNNING


def test_the_image_tells_the_size_of_the_state(
    machine: Machine, tmp_path: Path
) -> None:
    from qmpx.machine.block.opening import open_image

    run(machine.snapshots.save("one"))
    image = open_image(str(tmp_path / "0.qcow2"), read_only=True)
    (shot,) = image.snapshots()
    assert shot.state_size == machine.snapshots.saved()[0].state_size
    image.close()


def raw(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "hd.img"
    path.write_bytes(bytes(SIZE))
    machine.drives.plug({"file": str(path), "index": "2", "media": "disk"})


NONE_AT_ALL: list[tuple[Callable[[Machine], Coroutine[None, None, None]], str]] = [
    (lambda m: m.snapshots.save("x"), "No block device can accept snapshots"),
    (lambda m: m.snapshots.load("x"), "No block device supports snapshots"),
    (lambda m: delete(m, "x"), "No block device supports snapshots"),
    (lambda m: listed(m), "No available block device supports snapshots"),
]


async def delete(machine: Machine, name: str) -> None:
    machine.snapshots.delete(name)


async def listed(machine: Machine) -> None:
    machine.snapshots.saved()


@pytest.mark.parametrize(("act", "text"), NONE_AT_ALL)
def test_without_a_drive_that_can_it_is_refused(
    act: Callable[[Machine], Coroutine[None, None, None]], text: str
) -> None:
    machine = Machine(is_started=True)
    assert refusal(act(machine)) == text
    assert machine.state is RunState.RUNNING


def test_a_disk_that_cannot_be_saved_is_named(machine: Machine, tmp_path: Path) -> None:
    run(machine.snapshots.save("one"))
    raw(machine, tmp_path)
    text = "Device 'ide1-hd0' is writable but does not support snapshots."
    assert refusal(machine.snapshots.save("two")) == text
    assert refusal(machine.snapshots.load("one")) == text
    assert machine.state is RunState.RUNNING


@pytest.mark.parametrize("name", ["two", ""])
def test_what_was_never_saved_is_not_found(machine: Machine, name: str) -> None:
    run(machine.snapshots.save("one"))
    mark(machine, b"first")
    text = f"Could not find snapshot '{name}' on device 'ide0-hd0'"
    assert refusal(machine.snapshots.load(name)) == text
    assert refusal(delete(machine, name)) == text
    assert marks(machine) == {b"first"}
    assert machine.state is RunState.PAUSED  # as in 0.13, it is stopped first


def test_a_disk_that_lacks_the_snapshot_is_named(machine: Machine) -> None:
    run(machine.snapshots.save("one"))
    image = machine.drives["ide0-hd1"].image
    assert image is not None
    image.delete(image.snapshots()[0])
    text = "Could not find snapshot 'one' on device 'ide0-hd1'"
    assert refusal(machine.snapshots.load("one")) == text


def test_a_snapshot_of_disks_only_is_refused(machine: Machine) -> None:
    for drive in machine.drives.values():
        assert drive.image is not None
        drive.image.save("disks", seconds=0)
    text = "This is a disk-only snapshot. Revert to it  offline using qemu-img"
    assert refusal(machine.snapshots.load("disks")) == text


def test_a_damaged_state_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    mark(machine, b"first")
    run(machine.snapshots.save("one"))
    mark(machine, b"later")
    path = tmp_path / "0.qcow2"
    data = bytearray(path.read_bytes())
    data[data.index(b"processors", data.index(b"qmpx machine"))] ^= 1
    path.write_bytes(data)
    said = refusal(machine.snapshots.load("one"))
    assert said.startswith("Error while loading VM state: the stream is damaged before")
    assert marks(machine) == {b"later"}
    assert machine.state is RunState.PAUSED


def test_a_machine_of_another_size_is_refused(machine: Machine, tmp_path: Path) -> None:
    run(machine.snapshots.save("one"))
    for drive in machine.drives.values():
        drive.close()
    other = Machine(memory_size=2**21)
    other.drives.plug({"file": str(tmp_path / "0.qcow2"), "index": "0"})
    assert refusal(other.snapshots.load("one")) == (
        "Error while loading VM state: "
        "the machine that comes has memory 1048576, this one has 2097152"
    )


def test_a_machine_that_migrates_is_not_saved(machine: Machine) -> None:
    assert isinstance(machine.clock, VirtualClock)
    machine.migration.start_over(pair(machine.clock)[0])
    assert refusal(machine.snapshots.save("one")) == "a migration is in progress"


def test_cancelled_it_has_saved_nothing_and_the_machine_runs_on(
    machine: Machine,
) -> None:
    async def main() -> None:
        saving = asyncio.create_task(machine.snapshots.save("one"))
        await asyncio.sleep(0)
        assert machine.state is RunState.SAVE_VM
        saving.cancel()
        await asyncio.wait([saving])
        assert saving.cancelled()

    run(main())
    assert machine.state is RunState.RUNNING
    assert machine.snapshots.saved() == []


def test_a_machine_that_is_being_saved_is_not_saved_again(machine: Machine) -> None:
    async def main() -> None:
        saving = asyncio.create_task(machine.snapshots.save("one"))
        await asyncio.sleep(0)
        with pytest.raises(GenericError) as caught:
            await machine.snapshots.save("two")
        assert caught.value.desc == "a machine that is save-vm cannot become save-vm"
        with pytest.raises(GenericError):
            machine.cont()
        await saving

    run(main())
    assert [saved.tag for saved in machine.snapshots.saved()] == ["one"]


def test_it_may_be_switched_off_while_it_is_saved(machine: Machine) -> None:
    async def main() -> None:
        saving = asyncio.create_task(machine.snapshots.save("one"))
        await asyncio.sleep(0)
        machine.shut_down(reason="host-qmp-quit")
        await saving

    run(main())
    assert machine.state is RunState.SHUTDOWN


def test_a_state_that_cannot_be_saved_is_told_of(machine: Machine) -> None:
    machine.processors.state = lambda: {"x": object()}  # type: ignore[method-assign]
    assert refusal(machine.snapshots.save("one")) == (
        "the machine's state cannot be saved: "
        "a state holds a object, which cannot be moved"
    )
    assert machine.state is RunState.RUNNING
