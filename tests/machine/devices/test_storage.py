"""Which unit of an IDE bus, which target of a SCSI bus a disk is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import DeviceInitFailed
from qmpx.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.machine.devices.device import Device


class Plugger:
    """Plugs in disks, each with a drive of its own."""

    def __init__(self, machine: Machine, where: Path) -> None:
        self.machine = machine
        self._image = where / "disk.img"
        self._image.write_bytes(bytes(4096))
        self._count = 0

    def __call__(self, driver: str, **options: str) -> Device:
        self._count += 1
        name = f"d{self._count}"
        self.machine.drives.plug({"if": "none", "id": name, "file": str(self._image)})
        options = {name.replace("_", "-"): value for name, value in options.items()}
        return self.machine.devices.add({"driver": driver, "drive": name, **options})


@pytest.fixture
def plug(tmp_path: Path) -> Plugger:
    return Plugger(Machine(), tmp_path)


def test_an_ide_bus_has_a_master_and_a_slave(plug: Plugger) -> None:
    units = [plug("ide-drive").values["unit"] for _ in range(2)]
    assert units == [0, 1]


@pytest.mark.parametrize(
    ("options", "note"),
    [({}, "IDE unit 1 is in use"), ({"unit": "2"}, "Invalid IDE unit 2")],
)
def test_an_ide_unit_that_cannot_be_had_is_refused(
    plug: Plugger, options: dict[str, str], note: str
) -> None:
    plug("ide-drive")
    plug("ide-drive")
    with pytest.raises(DeviceInitFailed) as caught:
        plug("ide-drive", **options)
    assert caught.value.__notes__ == [note]


def test_the_latest_ide_bus_is_taken_first(plug: Plugger) -> None:
    assert plug("ide-drive").bus.name == "ide.1"
    assert plug("ide-drive", bus="ide.0").bus.name == "ide.0"


def test_a_scsi_disk_has_the_first_free_target(plug: Plugger) -> None:
    plug.machine.devices.add({"driver": "lsi"})
    made = [plug("scsi-disk"), plug("scsi-disk", scsi_id="2"), plug("scsi-disk")]
    assert [disk.values["scsi-id"] for disk in made] == [0, 2, 1]
    plug.machine.devices.destroy(made[0])
    assert plug("scsi-disk").values["scsi-id"] == 0


@pytest.mark.parametrize(
    ("target", "note"),
    [
        ("7", "bad scsi device id: 7"),
        ("3", "scsi device id 3 is in use"),
    ],
)
def test_a_target_that_cannot_be_had_is_refused(
    plug: Plugger, target: str, note: str
) -> None:
    plug.machine.devices.add({"driver": "lsi"})
    plug("scsi-disk", scsi_id="3")
    with pytest.raises(DeviceInitFailed) as caught:
        plug("scsi-disk", scsi_id=target)
    assert caught.value.__notes__ == [note]


def test_a_scsi_bus_takes_seven_disks(plug: Plugger) -> None:
    plug.machine.devices.add({"driver": "lsi"})
    for _ in range(7):
        plug("scsi-disk")
    with pytest.raises(DeviceInitFailed):
        plug("scsi-disk")
