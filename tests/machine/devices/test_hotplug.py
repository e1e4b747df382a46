"""The older ways to plug things in: pci_add, drive_add, usb_add."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import CommandError, DeviceInitFailed, GenericError, OpenFileFailed
from qmpx.machine import Machine
from qmpx.machine.devices.device import Refusal
from qmpx.machine.devices.hotplug import add_drive, add_nic, add_storage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.devices.board.has_usb = True
    return machine


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(4096))
    return str(path)


def test_a_nic_is_an_rtl8139_unless_told(machine: Machine) -> None:
    made = [add_nic(machine, "7", {}), add_nic(machine, None, {"model": "e1000"})]
    assert [(d.model.name, d.bus.place(d)) for d in made] == [
        ("rtl8139", "07.0"),
        ("e1000", "03.0"),
    ]


@pytest.mark.parametrize(
    ("address", "options", "text"),
    [
        ("zz", {}, "Invalid PCI device address zz"),
        ("9:1", {}, "Invalid PCI device address 9:1"),
        (None, {"addr": "5"}, "Parameter addr not supported"),
        (None, {"model": "foo"}, "Unsupported NIC model: foo"),
        ("2", {}, "PCI: devfn 16 not available for rtl8139, in use by VGA"),
    ],
)
def test_a_nic_that_cannot_be_had_is_refused(
    machine: Machine, address: str | None, options: dict[str, str], text: str
) -> None:
    with pytest.raises(Refusal) as caught:
        add_nic(machine, address, options)
    assert str(caught.value) == text
    assert machine.network.nics == []


def test_a_pc_has_eight_nics(machine: Machine) -> None:
    for _ in range(8):
        add_nic(machine, None, {})
    with pytest.raises(DeviceInitFailed) as caught:
        add_nic(machine, None, {})
    assert caught.value.__notes__ == ["Too Many NICs"]


def test_a_disk_is_virtio_or_on_a_controller_of_its_own(
    machine: Machine, image: str
) -> None:
    virtio = add_storage(machine, None, {"if": "virtio", "file": image})
    scsi = add_storage(machine, "9", {"if": "scsi", "file": image, "unit": "3"})
    bare = add_storage(machine, None, {"if": "scsi"})
    (disk,) = scsi.buses[0].children
    assert (virtio.model.name, disk.values["scsi-id"], bare.buses[0].children) == (
        "virtio-blk-pci",
        3,
        [],
    )


@pytest.mark.parametrize(
    ("address", "options", "text"),
    [
        (None, {}, "no if= specified"),
        (None, {"if": "ide"}, "type ide not a hotpluggable PCI device."),
        (None, {"if": "virtio"}, "virtio requires a backing file/device."),
        ("zz", {"if": "scsi"}, "Invalid PCI device address zz"),
        ("zz", {"if": "virtio", "file": "IMAGE"}, "Invalid PCI device address zz"),
        (
            None,
            {"if": "virtio", "file": "IMAGE", "addr": "5"},
            "Parameter addr not supported",
        ),
        (
            None,
            {"if": "scsi", "file": "IMAGE", "unit": "7"},
            "unit 7 too big (max is 6)",
        ),
        (None, {"if": "scsi", "file": "IMAGE", "foo": "1"}, "Invalid parameter 'foo'"),
    ],
)
def test_a_disk_that_cannot_be_had_leaves_nothing_behind(
    machine: Machine,
    image: str,
    address: str | None,
    options: dict[str, str],
    text: str,
) -> None:
    before = list(machine.devices)
    options = {n: image if v == "IMAGE" else v for n, v in options.items()}
    with pytest.raises(Refusal) as caught:
        add_storage(machine, address, options)
    assert str(caught.value) == text
    assert (list(machine.devices), machine.drives) == (before, {})


def test_an_image_that_is_not_there_is_told(machine: Machine) -> None:
    with pytest.raises(OpenFileFailed):
        add_storage(machine, None, {"if": "virtio", "file": "/nonexistent"})


def test_a_scsi_drive_goes_on_a_controller_that_is_there(
    machine: Machine, image: str
) -> None:
    machine.devices.add({"driver": "lsi", "addr": "5"})
    assert add_drive(machine, "5", {"if": "scsi", "file": image}) == (0, 0)
    assert add_drive(machine, "5", {"if": "scsi", "file": image}) == (0, 1)


def test_a_loose_drive_needs_no_controller(machine: Machine, image: str) -> None:
    options = {"if": "none", "id": "d", "file": image}
    assert add_drive(machine, "anything", options) is None
    assert list(machine.drives) == ["d"]


@pytest.mark.parametrize(
    ("address", "interface", "text"),
    [
        ("5", "ide", "Can't hot-add drive to type 1"),
        ("5", "floppy", "Can't hot-add drive to type 3"),
        ("5", "virtio", "Can't hot-add drive to type 7"),
        ("zz", "scsi", "Invalid pci address"),
        ("1:1", "scsi", "Invalid pci address"),
        ("1e", "scsi", "no pci device with address 1e"),
        ("2", "scsi", "Device is not a SCSI adapter"),
    ],
)
def test_a_drive_that_cannot_be_had_is_refused(
    machine: Machine, image: str, address: str, interface: str, text: str
) -> None:
    with pytest.raises(Refusal) as caught:
        add_drive(machine, address, {"if": interface, "file": image})
    assert str(caught.value) == text
    assert machine.drives == {}


# USB.


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("tablet", "usb-tablet"),
        ("mouse", "usb-mouse"),
        ("keyboard", "usb-kbd"),
        ("wacom-tablet", "usb-wacom-tablet"),
        ("braille", "usb-braille"),
        ("disk:IMAGE", "usb-storage"),
        ("disk:format=raw:IMAGE", "usb-storage"),
        ("serial:null", "usb-serial"),
        ("serial::null", "usb-serial"),
        ("net:vlan=2,macaddr=52:54:00:00:00:01", "usb-net"),
    ],
)
def test_usb_devices_have_short_names(
    machine: Machine, image: str, text: str, model: str
) -> None:
    added = asyncio.run(machine.devices.add_usb(text.replace("IMAGE", image)))
    assert added.model.name == model


def test_a_usb_disk_has_a_drive_of_its_own(machine: Machine, image: str) -> None:
    for _ in range(2):
        asyncio.run(machine.devices.add_usb(f"disk:{image}"))
    assert list(machine.drives) == ["usb0", "usb1"]


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("foo", []),
        ("", []),
        ("host:1.2", []),
        ("tablet:x", ["usbdevice tablet accepts no params"]),
        ("disk:", []),
        ("disk:foo:x", []),
        ("disk:/nonexistent", ["Could not open '/nonexistent'"]),
        ("serial:foo", ["'foo' is no character device"]),
        ("net:foo=1", ["Invalid parameter 'foo'"]),
    ],
)
def test_a_usb_device_that_cannot_be_had_is_told(
    machine: Machine, text: str, notes: list[str]
) -> None:
    with pytest.raises(GenericError) as caught:
        asyncio.run(machine.devices.add_usb(text))
    assert caught.value.desc == f"could not add USB device '{text}'"
    assert getattr(caught.value, "__notes__", []) == notes


def test_without_a_controller_there_is_no_usb() -> None:
    with pytest.raises(CommandError):
        asyncio.run(Machine().devices.add_usb("tablet"))


def test_a_bus_behind_a_bridge_takes_nothing_while_the_machine_is_on(
    machine: Machine,
) -> None:
    bridge = machine.devices.add({"driver": "pci-bridge"})
    if bridge.function and bridge.function.bridge:
        bridge.function.bridge.secondary = 1
    with pytest.raises(Refusal) as caught:
        add_nic(machine, "1:0", {})
    assert str(caught.value) == "PCI bus doesn't support hotplug"


def test_a_place_that_has_a_drive_is_told(machine: Machine, image: str) -> None:
    machine.devices.add({"driver": "lsi", "addr": "5"})
    options = {"if": "scsi", "index": "0", "file": image}
    add_drive(machine, "5", options)
    with pytest.raises(Refusal) as caught:
        add_drive(machine, "5", options)
    assert str(caught.value) == "drive with this place exists"
