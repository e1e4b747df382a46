"""Devices that come and go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceNotFound, GenericError
from qmpx.machine import VirtualClock
from qmpx.machine.guest import Guest
from qmpx.machine.happenings import (
    DeviceUnplugged,
    Happening,
    MemoryDeviceResized,
    UnplugRefused,
)
from qmpx.machine.objects import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.machine import Machine

CARD = {"driver": "virtio-rng-pci", "id": "card"}
PATH = "/machine/peripheral/card"


class AskedGuest(Guest):
    """A guest that keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Callable[[], None]]] = []

    def ask_to_unplug(self, path: str, release: Callable[[], None]) -> None:
        """Keep it."""
        self.asked.append((path, release))

    def asked_to_resize(self, path: str, size: int, settle: Callable[[], None]) -> None:
        """Keep it."""
        self.asked.append((f"{path} {size}", settle))


def listening(machine: Machine) -> tuple[AskedGuest, list[Happening]]:
    """Put a guest in, and return it and what will happen."""
    guest, heard = AskedGuest(), list[Happening]()
    machine.guest = guest
    machine.listen(heard.append)
    return guest, heard


def test_a_guest_lets_a_card_go_and_its_parts_go_first(machine: Machine) -> None:
    guest, heard = listening(machine)
    devices = machine.qom.devices
    devices.add(CARD)
    devices.unplug("card")
    assert machine.qom.resolve(PATH) is not None
    assert [path for path, _ in guest.asked] == [PATH]
    with pytest.raises(GenericError) as caught:
        devices.unplug("card")
    assert caught.value.desc == "Device card is already in the process of unplug"
    guest.asked[0][1]()
    assert heard == [
        DeviceUnplugged(None, f"{PATH}/virtio-backend"),
        DeviceUnplugged("card", PATH),
    ]
    assert machine.qom.resolve(PATH) is None
    guest.asked[0][1]()
    assert len(heard) == 2


def test_a_guest_that_refuses_can_be_asked_again(machine: Machine) -> None:
    guest, heard = listening(machine)
    devices = machine.qom.devices
    devices.add(CARD)
    devices.unplug("card")
    devices.refuse("card")
    assert heard == [UnplugRefused("card", PATH)]
    devices.unplug("card")
    assert len(guest.asked) == 2


def test_a_reset_takes_out_what_was_leaving_and_tells_it_later(
    machine: Machine,
) -> None:
    _, heard = listening(machine)
    clock = machine.clock = VirtualClock()
    machine.qom.devices.add(CARD)
    machine.qom.devices.unplug("card")
    machine.reset(reason="host-qmp-system-reset")
    assert DeviceUnplugged("card", PATH) not in heard
    clock.advance(0)
    assert DeviceUnplugged("card", PATH) in heard
    with pytest.raises(DeviceNotFound):
        machine.qom.devices.unplug("card")


def test_a_place_is_free_again(machine: Machine) -> None:
    devices = machine.qom.devices
    for _ in range(2):
        device = devices.add(CARD | {"addr": "7"})
        assert device.values["addr"] == 7 << 3
        devices.destroy(device)


def test_a_processor_has_a_thread_of_its_own(machine: Machine) -> None:
    options = {"socket-id": 0, "core-id": 1, "thread-id": 0, "id": "cpu1"}
    machine.qom.devices.add({"driver": "qemu64-x86_64-cpu", **options})
    (_, first, _), (_, second, path) = machine.qom.processors.present()
    assert path == "/machine/peripheral/cpu1"
    threads = {int(name) for name in os.listdir("/proc/self/task")}
    assert {first.thread_id, second.thread_id} <= {
        int(name) for name in os.listdir("/proc/self/task")
    }
    assert len({first.thread_id, second.thread_id, os.getpid()}) == 3
    machine.qom.devices.destroy(machine.qom.devices.find("cpu1"))
    assert len(list(machine.qom.processors.present())) == 1
    left = {int(name) for name in os.listdir("/proc/self/task")}
    assert second.thread_id not in left | threads - {first.thread_id}


def test_memory_is_in_use_while_it_is_plugged_in(machine: Machine) -> None:
    guest, _ = listening(machine)
    machine.objects.create("m", MemoryBackend(2**28))
    machine.qom.devices.add({"driver": "pc-dimm", "id": "card", "memdev": "m"})
    with pytest.raises(GenericError) as caught:
        machine.objects.remove("m")
    assert caught.value.desc == "object 'm' is in use, can not be deleted"
    machine.qom.devices.unplug("card")
    guest.asked[0][1]()
    machine.objects.remove("m")
    assert "m" not in machine.objects


def test_memory_that_grows_is_told_of_when_the_guest_has_it(
    machine: Machine,
) -> None:
    guest, heard = listening(machine)
    machine.objects.create("m", MemoryBackend(2**28))
    options = {"driver": "virtio-mem-pci", "id": "card", "memdev": "m"}
    machine.qom.devices.add(options)
    shown = machine.qom.find(PATH)
    shown.set("requested-size", 2**26)
    assert (shown.get("requested-size"), shown.get("size")) == (2**26, 0)
    assert guest.asked[0][0] == f"{PATH} {2**26}"
    guest.asked[0][1]()
    assert shown.get("size") == 2**26
    assert heard == [MemoryDeviceResized("card", 2**26, PATH)]


def test_a_guest_that_keeps_a_memory_module_says_so_of_its_slot(
    machine: Machine,
) -> None:
    _, heard = listening(machine)
    tree = machine.qom
    tree.memory_slots, tree.maximum_memory = 2, 1 << 40
    machine.objects.create("m", MemoryBackend(1 << 24))
    tree.devices.add({"driver": "pc-dimm", "id": "d", "memdev": "m"})
    tree.devices.unplug("d")
    tree.devices.refuse("d")
    assert heard[-1] == UnplugRefused("d", "/machine/peripheral/d", 0)
    assert tree.said_of_slots == {0: (3, 1)}
