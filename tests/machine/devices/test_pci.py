"""PCI slots, functions, option ROMs and bridges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceInitFailed
from qmpx.machine import Machine
from qmpx.machine.devices.pci import parse_pci_address

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.devices.device import Device


@pytest.fixture
def machine() -> Machine:
    return Machine()


def place(device: Device) -> str:
    return device.bus.place(device)


def test_the_first_free_slot_is_taken(machine: Machine) -> None:
    first = machine.devices.add({"driver": "e1000"})
    chosen = machine.devices.add({"driver": "e1000", "addr": "4"})
    third = machine.devices.add({"driver": "e1000"})
    assert [place(d) for d in (first, chosen, third)] == ["03.0", "04.0", "05.0"]


def test_a_bus_has_32_slots(machine: Machine) -> None:
    for _ in range(29):
        last = machine.devices.add({"driver": "e1000"})
    assert place(last) == "1f.0"
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "e1000"})
    assert caught.value.__notes__ == ["PCI: no devfn available for e1000, all in use"]


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"addr": "2"}, "PCI: devfn 16 not available for e1000, in use by VGA"),
        (
            {"addr": "2.1"},
            "PCI: single function device can't be populated in function 2.1",
        ),
        (
            {"addr": "6"},
            "PCI: 6.0 indicates single function, but 6.1 is already populated.",
        ),
    ],
)
def test_a_place_that_cannot_be_had_is_refused(
    machine: Machine, options: dict[str, str], note: str
) -> None:
    machine.devices.add({"driver": "e1000", "addr": "6.1"})
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "e1000", **options})
    assert caught.value.__notes__ == [note]


def test_several_functions_share_a_slot_that_allows_it(machine: Machine) -> None:
    machine.devices.add({"driver": "e1000", "addr": "6", "multifunction": "on"})
    assert place(machine.devices.add({"driver": "e1000", "addr": "6.3"})) == "06.3"


def test_a_slot_is_free_again_when_its_device_has_gone(machine: Machine) -> None:
    device = machine.devices.add({"driver": "e1000"})
    machine.devices.destroy(device)
    assert place(machine.devices.add({"driver": "e1000"})) == "03.0"


@pytest.mark.parametrize(("size", "window"), [(1, 1), (1000, 1024), (65536, 65536)])
def test_an_option_rom_that_is_there_has_a_window(
    machine: Machine, tmp_path: Path, size: int, window: int
) -> None:
    rom = tmp_path / "rom"
    rom.write_bytes(bytes(size))
    device = machine.devices.add({"driver": "e1000", "romfile": str(rom)})
    assert device.function is not None
    assert [(r.bar, r.size) for r in device.function.regions][-1] == (6, window)


@pytest.mark.parametrize("options", [{}, {"rombar": "0"}, {"romfile": ""}])
def test_an_option_rom_that_is_not_there_has_none(
    machine: Machine, options: dict[str, str]
) -> None:
    device = machine.devices.add({"driver": "e1000", **options})
    assert device.function is not None
    assert device.function.rom is None


def test_a_bridge_has_a_bus_that_a_guest_numbers(machine: Machine) -> None:
    bridge = machine.devices.add(
        {"driver": "pci-bridge", "vendorid": "1011", "deviceid": "26", "id": "br"}
    )
    behind = machine.devices.add({"driver": "e1000", "bus": "br.0"})
    function = bridge.function
    assert function is not None
    assert (function.facts.vendor, function.facts.device) == (0x1011, 0x26)
    assert machine.devices.pci.find_bus(1) is None
    assert function.bridge is not None
    function.bridge.secondary = 1
    assert machine.devices.pci.find_bus(1) is behind.bus


@pytest.mark.parametrize(
    ("text", "place_"),
    [
        ("3", (0, 3)),
        ("1f", (0, 31)),
        ("2:3", (2, 3)),
        ("0:2:3", (2, 3)),
        ("pci_addr=3", (0, 3)),
        ("20", None),
        ("100:0", None),
        ("1:0:0", None),
        ("0:0:0:0", None),
        ("", None),
        ("x", None),
        ("3:", None),
    ],
)
def test_addresses_are_hexadecimal(text: str, place_: tuple[int, int] | None) -> None:
    assert parse_pci_address(text) == place_
