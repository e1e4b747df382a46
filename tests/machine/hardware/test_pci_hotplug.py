"""A guest lets PCI devices go by the ports of a PC."""

from __future__ import annotations

from qmpx.machine import Machine
from qmpx.machine.happenings import DeviceUnplugged, Happening

COMING, GOING, EJECT = 0xAE00, 0xAE04, 0xAE08


def plugged() -> tuple[Machine, list[Happening]]:
    """Return a machine with an adapter in slot 5 and one in slot 7."""
    machine = Machine(is_started=True)
    for slot in ("5", "7"):
        machine.devices.add({"driver": "lsi", "id": f"s{slot}", "addr": slot})
    told: list[Happening] = []
    machine.listen(told.append)
    return machine, told


def ids(machine: Machine) -> list[str]:
    return sorted(device.id for device in machine.devices if device.id is not None)


def test_a_guest_sees_which_slots_are_to_go_and_lets_them() -> None:
    machine, told = plugged()
    assert machine.ports.read(GOING, 4) == 0
    machine.devices.remove("s7")
    machine.devices.remove("s5")
    assert machine.ports.read(GOING, 4) == 1 << 5 | 1 << 7
    assert ids(machine) == ["s5", "s7"]
    machine.ports.write(EJECT, 4, 1 << 5 | 1 << 7)  # the lowest one counts
    assert ids(machine) == ["s7"]
    assert machine.ports.read(GOING, 4) == 1 << 7
    machine.ports.write(EJECT, 4, 1 << 7)
    assert ids(machine) == []
    assert [type(it) for it in told] == [DeviceUnplugged, DeviceUnplugged]


def test_nothing_goes_that_was_not_asked_to() -> None:
    machine, told = plugged()
    machine.devices.remove("s5")
    for port, value in ((EJECT, 1 << 7), (EJECT, 0), (GOING, 1 << 5), (COMING, 1 << 5)):
        machine.ports.write(port, 4, value)
    machine.ports.write(EJECT, 1, 1 << 5)
    assert (ids(machine), told) == (["s5", "s7"], [])


def test_other_ports_read_as_zero_and_nobody_builds_a_tree_by_looking() -> None:
    machine = Machine()
    assert [machine.ports.read(port, 4) for port in (COMING, GOING, EJECT)] == [0] * 3
    machine.ports.write(EJECT, 4, 1)
    assert not machine.devices.is_built
