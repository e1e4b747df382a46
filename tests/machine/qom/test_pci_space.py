"""Numbers, addresses and interrupts on the PCI bus, as the firmware gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.qom.pci_space import NOWHERE, PciFunction, pci_functions, walk

if TYPE_CHECKING:
    from qmpx.machine import Machine


def found(machine: Machine, name: str) -> PciFunction:
    """Return a device on the bus."""
    functions = pci_functions(machine)
    assert functions is not None
    return next(x for x in walk(functions) if x.device.id == name)


def test_before_the_machine_runs_nobody_has_anything(machine: Machine) -> None:
    controller = found(machine, "usb")
    assert controller.irq == 0
    assert [controller.address(x) for x in controller.model.registers] == [NOWHERE]


def test_the_firmware_gives_addresses_and_interrupts(machine: Machine) -> None:
    machine.cont()
    controller = found(machine, "usb")
    assert (controller.slot, controller.irq) == (2, 10)
    assert controller.addresses == {0: 0xFEBFC000}


def test_what_comes_later_has_nothing_until_the_guest_begins_anew(
    machine: Machine,
) -> None:
    machine.cont()
    machine.qom.devices.add({"driver": "e1000", "id": "late"})
    assert found(machine, "late").addresses == {}
    machine.reset(reason="host-qmp-system-reset")
    late = found(machine, "late")
    assert late.addresses == {0: 0xFEBC0000, 1: 0xC000}
    assert (late.slot, late.irq) == (3, 11)


def test_a_bridge_has_windows_that_hold_what_is_behind_it(machine: Machine) -> None:
    bridge = {"driver": "pci-bridge", "id": "b", "chassis_nr": "1"}
    card = {"driver": "e1000", "id": "c", "bus": "b", "addr": "1"}
    for options in (bridge, card):
        machine.qom.devices.add(options, hotplug=False)
    machine.cont()
    over, under = found(machine, "b"), found(machine, "c")
    assert (over.bus, over.secondary, over.subordinate) == (0, 1, 1)
    assert under.bus == 1
    for kind, number in (("io", 1), ("memory", 0)):
        base, size = over.windows[kind]
        assert base <= under.addresses[number] < base + size
    assert over.windows["memory"][1] == 2 << 20
    assert over.windows["io"][1] == 4 << 10


@pytest.mark.parametrize("board", ["isapc-7.2", "none"])
def test_other_boards_have_no_bus(machine: Machine, board: str) -> None:
    machine.qom.become(board)
    machine.qom.__dict__.update(_root=None, _devices=None)
    assert pci_functions(machine) is None
