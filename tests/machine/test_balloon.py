"""The balloon: who may use it, what target it takes, what it tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from qmpx.errors import CommandError, DeviceNotActive, KVMMissingCap
from qmpx.machine import Machine
from qmpx.machine.balloon import Accelerator, Balloon
from qmpx.machine.guest import Guest
from qmpx.machine.happenings import (
    BalloonChanged,
    DeviceUnplugged,
    Exited,
    Happening,
)
from tests.loops import run_on, settle

MIB = 2**20


class Wishes(Guest):
    """A guest that only notes what it is asked for."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def asked_for_memory(self, target: int) -> None:
        self.heard.append(target)


@pytest.fixture
def machine() -> Machine:
    machine = Machine(memory_size=64 * MIB)
    machine.devices.add({"driver": "virtio-balloon-pci"})
    machine.guest = Wishes()
    return machine


@pytest.mark.parametrize(
    ("size", "target"),
    [
        (32 * MIB, 32 * MIB),
        (1, 4096),
        (64 * MIB - 1, 64 * MIB),
        (64 * MIB - 4095, 64 * MIB),
        (64 * MIB - 4096, 64 * MIB - 4096),
        (64 * MIB, 64 * MIB),
        (1 << 62, 64 * MIB),
        (-1, 64 * MIB),
    ],
)
def test_a_target_is_whole_pages_of_what_there_is(
    machine: Machine, size: int, target: int
) -> None:
    machine.balloon.set_target(size)
    assert machine.balloon.target == target
    assert isinstance(machine.guest, Wishes)
    assert machine.guest.heard == [target]
    assert machine.balloon.actual == 64 * MIB


def test_nobody_is_asked_to_live_without_memory(machine: Machine) -> None:
    machine.balloon.set_target(32 * MIB)
    machine.balloon.set_target(0)
    assert machine.balloon.target == 32 * MIB
    assert isinstance(machine.guest, Wishes)
    assert machine.guest.heard == [32 * MIB]


@pytest.mark.parametrize(
    ("accelerator", "has_device", "error"),
    [
        (Accelerator(), True, None),
        (Accelerator(), False, DeviceNotActive(device="balloon")),
        (Accelerator(is_enabled=True), True, None),
        (Accelerator(has_synchronous_mmu=False), True, None),
        *[
            (
                Accelerator(is_enabled=True, has_synchronous_mmu=False),
                has_device,
                KVMMissingCap(capability="synchronous MMU", feature="balloon"),
            )
            for has_device in (True, False)
        ],
    ],
)
def test_it_works_where_the_device_is_and_kvm_can_follow(
    accelerator: Accelerator, has_device: bool, error: CommandError | None
) -> None:
    machine = Machine()
    machine.accelerator = accelerator
    if has_device:
        machine.devices.add({"driver": "virtio-balloon-pci"})
    if error is None:
        machine.balloon.check()
        machine.balloon.set_target(MIB)
        return
    for act in (machine.balloon.check, lambda: machine.balloon.set_target(MIB)):
        with pytest.raises(type(error)) as caught:
            act()
        assert caught.value.data == error.data


def test_a_new_size_is_told_once(machine: Machine) -> None:
    told: list[Happening] = []
    machine.listen(told.append)
    for size in (64 * MIB, 32 * MIB, 32 * MIB, 1 << 40, -5):
        machine.balloon.settle(size)
    assert told == [
        BalloonChanged(32 * MIB),
        BalloonChanged(64 * MIB),
        BalloonChanged(0),
    ]


def test_a_guest_that_begins_anew_has_all_its_memory(machine: Machine) -> None:
    machine.balloon.set_target(32 * MIB)
    machine.balloon.settle(32 * MIB)
    machine.reset(reason="why")
    assert (machine.balloon.actual, machine.balloon.target) == (64 * MIB, 32 * MIB)


def test_its_state_comes_back(machine: Machine) -> None:
    machine.balloon.set_target(32 * MIB)
    machine.balloon.settle(40 * MIB)
    other = Balloon(machine)
    other.restore(machine.balloon.state())
    assert other.state() == {"target": 32 * MIB, "actual": 40 * MIB}


# Waiting for the guest

Act = Callable[[Machine], object]

ENDS: list[tuple[str, Act, str | None]] = [
    ("it gets there", lambda m: m.balloon.settle(32 * MIB), None),
    ("same again", lambda m: m.balloon.set_target(32 * MIB), "nothing"),
    ("half way", lambda m: m.balloon.settle(40 * MIB), "nothing"),
    (
        "another",
        lambda m: m.balloon.set_target(16 * MIB),
        "another size was asked for meanwhile",
    ),
    ("off", lambda m: m.shut_down(reason="why"), "the machine is off"),
    ("exited", lambda m: m.tell(Exited()), "the machine is off"),
    (
        "unplugged",
        lambda m: m.devices.destroy(m.devices.find("b")),
        "No balloon device has been activated",
    ),
    ("another unplugged", lambda m: m.tell(DeviceUnplugged("x", "y")), "nothing"),
    ("reset", lambda m: m.reset(reason="why"), "nothing"),
    ("stopped", lambda m: m.stop(), "nothing"),
]


def nobody_listens(machine: Machine) -> bool:
    try:
        machine.unlisten(machine.balloon._look)  # noqa: SLF001 - what it listens with
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    ("act", "end"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS]
)
def test_who_waits_learns_how_it_ended(act: Act, end: str | None, count: int) -> None:
    async def main() -> list[object]:
        machine = Machine(memory_size=64 * MIB, is_started=True)
        machine.devices.add({"driver": "virtio-balloon-pci", "id": "b"})
        machine.balloon.set_target(32 * MIB)
        tasks = [asyncio.create_task(machine.balloon.wait()) for _ in range(count)]
        await settle()
        act(machine)
        await settle()
        for task in tasks:
            if not task.done():
                task.cancel()
        ended: list[object] = [*await asyncio.gather(*tasks, return_exceptions=True)]
        assert nobody_listens(machine)
        return ended

    found = run_on("asyncio", main())
    if end == "nothing":
        assert [type(it) for it in found] == [asyncio.CancelledError] * count
    elif end is None:
        assert found == [None] * count
    else:
        assert [getattr(it, "desc", it) for it in found] == [end] * count


def test_who_goes_leaves_the_others_waiting() -> None:
    async def main() -> None:
        machine = Machine(memory_size=64 * MIB, is_started=True)
        machine.devices.add({"driver": "virtio-balloon-pci"})
        await machine.balloon.wait()  # it is where it is to be
        machine.balloon.set_target(32 * MIB)
        goes, stays = (asyncio.create_task(machine.balloon.wait()) for _ in range(2))
        await settle()
        goes.cancel()
        await settle()
        machine.balloon.settle(32 * MIB)
        await stays
        assert nobody_listens(machine)

    run_on("asyncio", main())


def test_by_default_an_emulator_runs_the_code() -> None:
    assert Machine().accelerator == Accelerator(
        is_present=False, is_enabled=False, has_synchronous_mmu=True
    )
