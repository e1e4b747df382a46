"""The board: what a machine has without being told, and what its options add."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path


def on_pci(machine: Machine) -> dict[str, str]:
    return {
        device.bus.place(device): device.model.name
        for device, _ in machine.devices.pci.in_order()
    }


def test_a_board_has_bridges_and_a_display() -> None:
    assert on_pci(Machine()) == {
        "00.0": "i440FX",
        "01.0": "PIIX3",
        "01.1": "piix3-ide",
        "01.3": "PIIX4_PM",
        "02.0": "VGA",
    }


def test_options_change_the_board() -> None:
    machine = Machine()
    machine.devices.board.has_usb = True
    machine.devices.board.vga = None
    machine.devices.board.has_hpet = False
    assert on_pci(machine)["01.2"] == "piix3-usb-uhci"
    assert "02.0" not in on_pci(machine)
    assert not machine.devices.has("hpet")


def test_each_processor_has_an_interrupt_controller() -> None:
    machine = Machine(processor_count=3)
    ids = [d.values["id"] for d in machine.devices if d.model.name == "apic"]
    assert ids == [2, 1, 0]


@pytest.mark.parametrize(
    ("options", "model", "place", "name"),
    [
        ({}, "e1000", "03.0", "e1000.0"),
        ({"model": "rtl8139"}, "rtl8139", "03.0", "rtl8139.0"),
        ({"model": "virtio", "name": "n"}, "virtio-net-pci", "03.0", "n"),
        ({"model": "pcnet", "addr": "0:9"}, "pcnet", "09.0", "pcnet.0"),
    ],
)
def test_net_nic_makes_an_adapter(
    options: dict[str, str], model: str, place: str, name: str
) -> None:
    machine = Machine()
    machine.network.add_legacy({"type": "nic", **options})
    assert on_pci(machine)[place] == model
    client = machine.network.vlans[0][0]
    assert (client.name, client.mac) == (name, "52:54:00:12:34:56")


def test_vectors_are_for_models_that_have_them() -> None:
    machine = Machine()
    machine.network.add_legacy({"type": "nic", "model": "virtio", "vectors": "7"})
    machine.network.add_legacy({"type": "nic", "vectors": "7"})
    (virtio,) = (d for d in machine.devices if d.model.name == "virtio-net-pci")
    assert virtio.values["vectors"] == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "foo"}, "Unsupported NIC model: foo"),
        ({"addr": "zz"}, "Invalid PCI device address zz for device e1000"),
        ({"addr": "1"}, "PCI: devfn 8 not available for e1000, in use by PIIX3"),
    ],
)
def test_an_adapter_that_cannot_be_made_is_told(
    options: dict[str, str], message: str
) -> None:
    machine = Machine()
    machine.network.add_legacy({"type": "nic", **options})
    with pytest.raises(GenericError) as caught:
        _ = machine.devices.root
    assert caught.value.desc == message


def test_drives_are_put_where_they_belong(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(4096))
    machine = Machine()
    for options in (
        {"if": "ide", "index": "0"},
        {"if": "ide", "index": "3", "media": "cdrom"},
        {"if": "scsi", "index": "8"},
        {"if": "floppy"},
        {"if": "none", "id": "loose"},
    ):
        machine.drives.plug({"file": str(image), **options})
    assert {
        device.values.get("drive", device.values.get("driveA")): (
            device.bus.name,
            device.bus.place(device),
        )
        for device in machine.devices
        if device.claims.drives
    } == {
        "ide0-hd0": ("ide.0", "0"),
        "ide1-cd1": ("ide.1", "1"),
        "scsi1-hd1": ("scsi.0", "1"),
        "floppy0": ("isa.0", "2"),
    }
    assert list(on_pci(machine).values()).count("lsi53c895a") == 2


def test_the_tree_is_built_when_somebody_first_looks() -> None:
    machine = Machine()
    tree = machine.devices
    assert not tree.is_built
    assert tree.root is tree.root
    assert tree.is_built
