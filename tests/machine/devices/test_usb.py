"""USB ports, hubs and addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceInitFailed
from qmpx.machine import Machine

if TYPE_CHECKING:
    from qmpx.machine.devices.usb import UsbBus


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.devices.board.has_usb = True
    return machine


@pytest.fixture
def bus(machine: Machine) -> UsbBus:
    return machine.devices.usb_buses[0]


def models(bus: UsbBus) -> list[str]:
    return [device.model.name for device in bus.attached]


def test_a_hub_is_put_in_before_ports_run_out(machine: Machine, bus: UsbBus) -> None:
    for driver in ("usb-tablet", "usb-mouse", "usb-kbd"):
        machine.devices.add({"driver": driver})
    assert models(bus) == ["usb-tablet", "usb-hub", "usb-mouse", "usb-kbd"]


def test_hubs_hang_from_hubs(machine: Machine, bus: UsbBus) -> None:
    for _ in range(9):
        machine.devices.add({"driver": "usb-kbd"})
    assert models(bus).count("usb-hub") == 2
    assert models(bus).count("usb-kbd") == 9


def test_what_is_in_a_hub_goes_with_it(machine: Machine, bus: UsbBus) -> None:
    machine.devices.add({"driver": "usb-hub", "id": "h"})
    machine.devices.add({"driver": "usb-hub", "id": "h2"})
    machine.devices.add({"driver": "usb-kbd", "id": "k"})
    machine.devices.remove("h")
    assert [device.id for device in bus.attached] == ["h2"]


def test_without_a_free_port_a_device_stays_unattached(
    machine: Machine, bus: UsbBus
) -> None:
    bus.plug_hub = None
    made = [machine.devices.add({"driver": "usb-kbd"}) for _ in range(3)]
    assert [device.is_attached for device in made] == [True, True, False]
    machine.devices.destroy(made[2])
    assert len(bus.attached) == 2


def test_a_device_is_found_by_its_address(machine: Machine, bus: UsbBus) -> None:
    tablet = machine.devices.add({"driver": "usb-tablet"})
    mouse = machine.devices.add({"driver": "usb-mouse"})
    assert bus.at_address(0) is tablet
    tablet.usb_address, mouse.usb_address = 2, 3
    assert bus.at_address(3) is mouse
    assert bus.at_address(9) is None


def test_a_pointing_device_can_be_pointed_with_while_it_is_there(
    machine: Machine,
) -> None:
    machine.devices.add({"driver": "usb-tablet", "id": "t"})
    mice = [
        (mouse.index, mouse.name, mouse.is_absolute)
        for mouse in machine.display.pointers.mice
    ]
    assert mice == [(0, "QEMU PS/2 Mouse", False), (1, "QEMU USB Tablet", True)]
    machine.devices.remove("t")
    assert len(machine.display.pointers.mice) == 1


def test_buses_are_numbered_as_they_come(machine: Machine) -> None:
    machine.devices.add({"driver": "pci-ohci"})
    assert [
        (bus.number, bus.parent and bus.parent.model.name)
        for bus in (machine.devices.usb_buses)
    ] == [(0, "piix3-usb-uhci"), (1, "pci-ohci")]


def test_a_bus_has_as_many_devices_as_addresses(machine: Machine, bus: UsbBus) -> None:
    while len(bus.children) < 127:
        machine.devices.add({"driver": "usb-hub"})
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "usb-kbd"})
    assert caught.value.__notes__ == ["USB bus usb.0 has 127 devices already"]
    assert len(bus.children) == 127
