"""Plugging devices in and out, and all that can go wrong, in QEMU's order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import (
    BadBusForDevice,
    BusNoHotplug,
    BusNotFound,
    CommandError,
    DeviceInitFailed,
    DeviceMultipleBusses,
    DeviceNoBus,
    DeviceNotFound,
    DuplicateId,
    GenericError,
    InvalidParameterValue,
    MissingParameter,
    NoBusForDevice,
    PropertyNotFound,
    PropertyValueBad,
    PropertyValueInUse,
    PropertyValueNotFound,
)
from qmpx.machine import Machine, VirtualClock
from qmpx.machine.guest import Guest, ObedientGuest
from qmpx.machine.happenings import DeviceUnplugged, Happening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def machine() -> Machine:
    machine = Machine(is_started=True, clock=VirtualClock())
    machine.devices.board.has_usb = True
    machine.network.add_netdev({"type": "user", "id": "nd0"})
    machine.devices.add({"driver": "lsi", "id": "s0"})
    machine.devices.add({"driver": "virtio-net-pci", "netdev": "nd0", "id": "vn0"})
    return machine


def same(error: CommandError) -> tuple[object, ...]:
    return type(error), error.data, error.hint


ID = InvalidParameterValue(name="id", expected="an identifier").hinting(
    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."
)
DRIVER = InvalidParameterValue(name="driver", expected="a driver name").hinting(
    "Try with argument '?' for a list."
)
DEVICES = (
    'devices at "pci.0": "virtio-net-pci"/"vn0", "lsi53c895a"/"s0", "PIIX4_PM", '
    '"piix3-usb-uhci", "piix3-ide", "VGA", "PIIX3", "i440FX"'
)

# One row for each check, in the order in which they are made: each row has all the
# faults of the rows behind it, so a check that comes too late shows.
ORDER: list[tuple[dict[str, str], CommandError]] = [
    ({"id": "1bad", "driver": "foo"}, ID),
    ({"id": "s0", "bus": "none"}, DuplicateId(id="s0", object="device")),
    ({"id": "x", "bus": "none"}, MissingParameter(name="driver")),
    ({"driver": "foo", "bus": "none"}, DRIVER),
    ({"driver": "e1000", "bus": "none", "foo": "1"}, BusNotFound(bus="none")),
    (
        {"driver": "e1000", "bus": "s0.0", "foo": "1"},
        BadBusForDevice(device="e1000", bad_bus_type="SCSI"),
    ),
    (
        {"driver": "virtserialport", "foo": "1"},
        NoBusForDevice(device="virtserialport", bus="virtio-serial-bus"),
    ),
    ({"driver": "isa-serial", "foo": "1"}, BusNoHotplug(bus="isa.0")),
    (
        {"driver": "virtio-blk-pci", "foo": "1"},
        PropertyNotFound(device="virtio-blk-pci", property="foo"),
    ),
    (
        {"driver": "virtio-blk-pci", "addr": "zz"},
        PropertyValueBad(device="virtio-blk-pci", property="addr", value="zz"),
    ),
    ({"driver": "virtio-blk"}, DeviceInitFailed(device="virtio-blk")),
]


@pytest.mark.parametrize(("options", "expected"), ORDER)
def test_checks_are_made_in_order(
    machine: Machine, options: dict[str, str], expected: CommandError
) -> None:
    before = list(machine.devices)
    with pytest.raises(CommandError) as caught:
        machine.devices.add(options, hotplug=True)
    assert same(caught.value) == same(expected)
    assert list(machine.devices) == before


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", BusNotFound(bus="")),
        ("nobus", BusNotFound(bus="nobus")),
        ("pci.0/foo", DeviceNotFound(device="foo").hinting(DEVICES)),
        ("pci.0/VGA", DeviceNoBus(device="VGA")),
        ("/foo", None),
        (
            "pci.0/s0/zz",
            BusNotFound(bus="zz").hinting('child busses at "s0": "s0.0"'),
        ),
        ("pci.0/VGA/zz", BusNotFound(bus="zz").hinting('child busses at "VGA":')),
        (
            "pci.0/piix3-ide",
            DeviceMultipleBusses(device="piix3-ide").hinting(
                'child busses at "piix3-ide": "ide.1", "ide.0"'
            ),
        ),
        ("b" * 127 + "us", BusNotFound(bus="b" * 127)),
    ],
)
def test_a_path_that_leads_nowhere_is_explained(
    machine: Machine, path: str, expected: CommandError | None
) -> None:
    with pytest.raises(CommandError) as caught:
        machine.devices.add({"driver": "e1000", "bus": path})
    if expected is None:
        expected = DeviceNotFound(device="foo").hinting(
            'devices at "main-system-bus": "hpet", "i440FX-pcihost", "ioapic", "apic"'
        )
    assert same(caught.value) == same(expected)


@pytest.mark.parametrize(
    ("driver", "path", "bus"),
    [
        ("e1000", "pci.0", "pci.0"),
        ("e1000", "/i440FX-pcihost/pci.0", "pci.0"),
        ("e1000", "//i440FX-pcihost///pci.0/", "pci.0"),
        ("e1000", "/i440FX-pcihost", "pci.0"),
        ("usb-tablet", "pci.0/piix3-usb-uhci", "usb.0"),
        ("scsi-disk", "pci.0/s0", "s0.0"),
        ("scsi-disk", "pci.0/lsi53c895a/s0.0", "s0.0"),
        ("scsi-disk", "pci.0/lsi", "s0.0"),
    ],
)
def test_a_path_leads_to_a_bus(
    machine: Machine, tmp_path: Path, driver: str, path: str, bus: str
) -> None:
    options = {"driver": driver, "bus": path}
    if driver == "scsi-disk":
        plug_drive(machine, tmp_path)
        options["drive"] = "hd"
    assert machine.devices.add(options).bus.name == bus


def plug_drive(machine: Machine, where: Path, name: str = "hd") -> None:
    image = where / f"{name}.img"
    image.write_bytes(bytes(4096))
    machine.drives.plug({"if": "none", "id": name, "file": str(image)})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"driver": "e1000", "mac": "5"},
            PropertyValueBad(device="e1000", property="mac", value="5"),
        ),
        (
            {"driver": "e1000", "netdev": "none"},
            PropertyValueNotFound(device="e1000", property="netdev", value="none"),
        ),
        (
            {"driver": "e1000", "netdev": "nd0"},
            PropertyValueInUse(device="e1000", property="netdev", value="nd0"),
        ),
        (
            {"driver": "virtio-blk-pci", "drive": "none"},
            PropertyValueNotFound(
                device="virtio-blk-pci", property="drive", value="none"
            ),
        ),
        (
            {"driver": "virtio-blk", "drive": "taken"},
            PropertyValueInUse(
                device="virtio-blk-pci", property="drive", value="taken"
            ),
        ),
        (
            {"driver": "usb-serial", "chardev": "none"},
            PropertyValueNotFound(
                device="usb-serial", property="chardev", value="none"
            ),
        ),
    ],
)
def test_what_a_property_names_has_to_be_there_and_free(
    machine: Machine, tmp_path: Path, options: dict[str, str], expected: CommandError
) -> None:
    plug_drive(machine, tmp_path, "taken")
    machine.devices.add({"driver": "virtio-blk-pci", "drive": "taken"})
    with pytest.raises(CommandError) as caught:
        machine.devices.add(options, hotplug=True)
    assert same(caught.value) == same(expected)


def test_of_two_bad_properties_the_first_is_told(machine: Machine) -> None:
    with pytest.raises(PropertyNotFound):
        machine.devices.add({"driver": "e1000", "foo": "1", "mac": "5"})
    with pytest.raises(PropertyValueBad):
        machine.devices.add({"driver": "e1000", "mac": "5", "foo": "1"})


def test_what_fails_gives_back_what_it_took(machine: Machine, tmp_path: Path) -> None:
    plug_drive(machine, tmp_path)
    for fault in ({"foo": "1"}, {"addr": "2"}):
        options = {"driver": "virtio-blk-pci", "id": "v", "drive": "hd"} | fault
        with pytest.raises(CommandError):
            machine.devices.add(options, hotplug=True)
    added = machine.devices.add({"driver": "virtio-blk-pci", "id": "v", "drive": "hd"})
    assert (added.id, added.values["drive"]) == ("v", "hd")


def test_a_refusal_says_in_a_note_why(machine: Machine) -> None:
    with pytest.raises(DeviceInitFailed) as caught:
        machine.devices.add({"driver": "virtio-blk-pci"})
    assert caught.value.__notes__ == ["virtio-blk-pci: drive property not set"]


@pytest.mark.parametrize("driver", ["i440FX", "PIIX3", "isa-fdc", "i8042", "apic"])
def test_the_board_s_own_devices_are_not_for_users(
    machine: Machine, driver: str
) -> None:
    with pytest.raises(InvalidParameterValue):
        machine.devices.add({"driver": driver})


def test_an_id_is_free_again_when_its_device_has_gone(machine: Machine) -> None:
    for _ in range(2):
        machine.devices.add({"driver": "usb-mouse", "id": "m"}, hotplug=True)
        machine.devices.remove("m")
    with pytest.raises(DeviceNotFound):
        machine.devices.find("m")


def test_buses_are_called_after_their_device_or_their_kind(machine: Machine) -> None:
    nameless = machine.devices.add({"driver": "lsi"})
    named = machine.devices.find("s0")
    assert [bus.name for bus in (*nameless.buses, *named.buses)] == ["scsi.0", "s0.0"]


# Going.


def test_a_usb_device_goes_at_once(machine: Machine) -> None:
    told: list[Happening] = []
    machine.listen(told.append)
    machine.devices.add({"driver": "usb-tablet", "id": "t"}, hotplug=True)
    machine.devices.remove("t")
    assert told == [DeviceUnplugged("t", "/machine/peripheral/t")]
    assert not machine.devices.has("usb-tablet")


def test_a_pci_device_stays_until_the_guest_lets_it_go(machine: Machine) -> None:
    machine.devices.remove("s0")
    machine.devices.remove("s0")  # to be asked again changes nothing
    assert machine.devices.find("s0").is_leaving


def test_a_guest_lets_a_pci_device_go_and_what_hangs_from_it(
    machine: Machine, tmp_path: Path
) -> None:
    plug_drive(machine, tmp_path)
    machine.devices.add({"driver": "scsi-disk", "drive": "hd", "id": "d"})
    told: list[Happening] = []
    machine.listen(told.append)
    asked: list[tuple[str, Callable[[], None]]] = []

    class Thoughtful(Guest):
        def ask_to_unplug(self, path: str, release: Callable[[], None]) -> None:
            asked.append((path, release))

    machine.guest = Thoughtful()
    machine.devices.remove("s0")
    ((path, release),) = asked
    release()
    release()  # a guest that says it twice
    assert path == "/machine/peripheral/s0"
    assert told == [
        DeviceUnplugged("d", "/machine/peripheral/d"),
        DeviceUnplugged("s0", "/machine/peripheral/s0"),
    ]
    assert "hd" not in machine.drives  # a drive goes with its device


def test_an_obedient_guest_lets_go_after_its_time() -> None:
    clock = VirtualClock()
    machine = Machine(is_started=True, clock=clock)
    machine.guest = ObedientGuest(unplug=2.0)
    machine.devices.add({"driver": "e1000", "id": "n"})
    machine.devices.remove("n")
    clock.advance(1.9)
    assert machine.devices.has("e1000")
    clock.advance(0.1)
    assert not machine.devices.has("e1000")


def test_what_is_soldered_on_no_guest_lets_go(machine: Machine) -> None:
    machine.guest = ObedientGuest()
    bridge = machine.devices.pci.places[1 << 3]
    machine.devices.unplug(bridge)
    assert not bridge.is_leaving


def test_what_is_on_a_fixed_bus_stays(machine: Machine, tmp_path: Path) -> None:
    plug_drive(machine, tmp_path)
    machine.devices.add({"driver": "ide-drive", "drive": "hd", "id": "i"})
    with pytest.raises(BusNoHotplug) as caught:
        machine.devices.remove("i")
    assert caught.value.data == {"bus": "ide.1"}


def test_what_is_not_there_cannot_go(machine: Machine) -> None:
    with pytest.raises(DeviceNotFound):
        machine.devices.remove("nobody")


def test_a_machine_that_nobody_looks_into_has_no_tree() -> None:
    machine = Machine()
    assert not machine.devices.has("virtio-balloon-pci")
    machine.devices.reset()
    assert not machine.devices.is_built


def test_a_model_is_looked_for_without_its_id(machine: Machine) -> None:
    assert machine.devices.has("lsi53c895a")
    assert not machine.devices.has("ib700")


# Moving.


def test_what_a_guest_told_devices_moves(machine: Machine) -> None:
    function = machine.devices.find("vn0").function
    assert function is not None
    function.interrupt_line, function.mapped[0] = 11, 0xC000
    there = Machine()
    there.devices.board.has_usb = True
    there.devices.add({"driver": "lsi"})
    vn0 = there.devices.add({"driver": "virtio-net-pci"})
    there.devices.restore(machine.devices.state())
    assert vn0.function is not None
    assert (vn0.function.interrupt_line, vn0.function.mapped) == (11, {0: 0xC000})


def test_a_machine_with_other_devices_refuses_the_state(machine: Machine) -> None:
    with pytest.raises(GenericError, match=r"device at .*virtio-net-pci@04\.0$"):
        Machine().devices.restore(machine.devices.state())


def test_a_reset_lets_devices_forget(machine: Machine) -> None:
    function = machine.devices.find("vn0").function
    assert function is not None
    function.interrupt_line, function.mapped[0] = 11, 0xC000
    machine.reset(reason="host-qmp-system-reset")
    assert (function.interrupt_line, function.mapped) == (0, {})


def test_one_device_has_a_character_device_at_a_time(machine: Machine) -> None:
    asyncio.run(machine.characters.open({"id": "c", "backend": "null"}))
    machine.devices.add({"driver": "usb-serial", "chardev": "c", "id": "u"})
    with pytest.raises(PropertyValueInUse):
        machine.devices.add({"driver": "usb-serial", "chardev": "c"})
    machine.devices.remove("u")
    machine.devices.add({"driver": "usb-serial", "chardev": "c"})


def test_paths_tell_who_plugged_a_device_in(machine: Machine) -> None:
    named = machine.devices.add({"driver": "e1000", "id": "n"})
    nameless = [machine.devices.add({"driver": "e1000"}) for _ in range(2)]
    board = [device.path for device in machine.devices if "unattached" in device.path]
    assert [device.path for device in (named, *nameless)] == [
        "/machine/peripheral/n",
        "/machine/peripheral-anon/device[0]",
        "/machine/peripheral-anon/device[1]",
    ]
    assert sorted(board) == sorted(
        f"/machine/unattached/device[{number}]" for number in range(len(board))
    )
