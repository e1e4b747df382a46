"""ISA ports and virtio-serial ports: numbers of their own."""

from __future__ import annotations

import pytest

from qmpx.errors import DeviceInitFailed
from qmpx.machine import Machine


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_serial_ports_are_where_a_pc_has_them(machine: Machine) -> None:
    ports = [machine.devices.add({"driver": "isa-serial"}) for _ in range(4)]
    assert [
        (port.values["index"], port.values["iobase"], port.values["irq"])
        for port in ports
    ] == [(0, 0x3F8, 4), (1, 0x2F8, 3), (2, 0x3E8, 4), (3, 0x2E8, 3)]
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "isa-serial"})
    assert caught.value.__notes__ == ["Max. supported number of ISA serial ports is 4."]


def test_a_port_may_be_elsewhere(machine: Machine) -> None:
    values = machine.devices.add(
        {"driver": "isa-parallel", "iobase": "278", "irq": "5"}
    ).values
    assert (values["index"], values["iobase"], values["irq"]) == (0, 0x278, 5)


def test_only_a_console_has_number_0_unasked(machine: Machine) -> None:
    machine.devices.add({"driver": "virtio-serial", "max_ports": "4"})
    drivers = ["virtserialport", "virtconsole", "virtconsole"]
    made = [machine.devices.add({"driver": driver}) for driver in drivers]
    assert [port.values["nr"] for port in made] == [1, 0, 2]
    machine.devices.destroy(made[1])
    assert machine.devices.add({"driver": "virtconsole"}).values["nr"] == 0


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({}, "virtio-serial-bus: Maximum port limit for this device reached"),
        ({"nr": "1"}, "virtio-serial-bus: A port already exists at id 1"),
        (
            {"nr": "2"},
            "virtio-serial-bus: Out-of-range port id specified, max. allowed: 1",
        ),
    ],
)
def test_a_port_that_cannot_be_had_is_refused(
    machine: Machine, options: dict[str, str], note: str
) -> None:
    machine.devices.add({"driver": "virtio-serial", "max_ports": "2"})
    machine.devices.add({"driver": "virtserialport"})
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "virtserialport", **options})
    assert caught.value.__notes__ == [note]
