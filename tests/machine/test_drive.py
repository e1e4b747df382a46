"""A drive's medium, tray and lock."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import CommandError, DeviceLocked, DeviceNotRemovable, GenericError
from qmpx.machine import Drive, Machine, Medium
from qmpx.machine.block import ImageError, Statistics
from qmpx.machine.block.qcow2_header import new_image
from qmpx.machine.drive import Policy
from qmpx.machine.happenings import BlockIOError, TrayMoved
from tests.machine.block.samples import cow

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = cow(b"")
OPENED = TrayMoved("cd0", "/cd", is_open=True)
CLOSED = TrayMoved("cd0", "/cd", is_open=False)


class Bay:
    """A drive, and what it has told."""

    def __init__(
        self,
        *,
        removable: bool = True,
        has_tray: bool = True,
        medium: Medium | None = None,
    ) -> None:
        self.told: list[TrayMoved | BlockIOError] = []
        self.drive = Drive(
            "cd0",
            id="/cd",
            medium=medium,
            removable=removable,
            has_tray=has_tray,
            tell=self.told.append,
        )


def disc(name: str = "a.iso") -> Medium:
    return Medium(name, size=2048, read_only=True, node_name="#block1")


def test_a_new_drive_is_shut_unlocked_and_empty() -> None:
    drive = Bay().drive
    assert (drive.device, drive.id, drive.medium) == ("cd0", "/cd", None)
    assert (drive.is_locked, drive.is_tray_open, drive.wants_eject) == (
        False,
        False,
        False,
    )


def test_a_drive_is_built_in_and_has_no_tray_unless_said_otherwise() -> None:
    told: list[TrayMoved | BlockIOError] = []
    drive = Drive("hd0", id="/hd", tell=told.append)
    assert (drive.removable, drive.has_tray) == (False, False)


def test_a_medium_is_raw_unless_said_otherwise() -> None:
    assert Medium("a.img") == Medium("a.img", "raw", 0, read_only=False, node_name="")


def test_eject_opens_the_tray_and_takes_the_medium_out() -> None:
    bay = Bay(medium=disc())
    bay.drive.eject()
    assert (bay.drive.medium, bay.drive.is_tray_open) == (None, True)
    assert bay.told == [OPENED]


def test_eject_of_an_empty_drive_opens_the_tray() -> None:
    bay = Bay()
    bay.drive.eject()
    assert bay.told == [OPENED]
    bay.drive.eject()
    assert bay.told == [OPENED]


def test_a_locked_drive_is_asked_to_let_go_and_keeps_its_medium() -> None:
    medium = disc()
    bay = Bay(medium=medium)
    bay.drive.is_locked = True
    for act in (bay.drive.eject, bay.drive.open_tray):
        bay.drive.wants_eject = False
        with pytest.raises(DeviceLocked) as caught:
            act()
        assert caught.value.data == {"device": "cd0"}
        assert bay.drive.wants_eject
    assert (bay.drive.medium, bay.drive.is_tray_open) == (medium, False)
    assert bay.told == []


def test_force_pays_no_heed_to_the_lock() -> None:
    bay = Bay(medium=disc())
    bay.drive.is_locked = True
    bay.drive.eject(force=True)
    assert (bay.drive.medium, bay.drive.is_locked) == (None, True)
    assert not bay.drive.wants_eject
    assert bay.told == [OPENED]


def test_the_lock_of_an_open_tray_holds_nothing() -> None:
    bay = Bay(medium=disc())
    bay.drive.open_tray()
    bay.drive.is_locked = True
    bay.drive.eject()
    assert bay.drive.medium is None
    assert bay.told == [OPENED]


def test_a_tray_moves_once_each_way() -> None:
    bay = Bay(medium=disc())
    for act in (
        bay.drive.close_tray,
        bay.drive.open_tray,
        bay.drive.open_tray,
        bay.drive.close_tray,
        bay.drive.close_tray,
    ):
        act()
    assert bay.told == [OPENED, CLOSED]
    assert bay.drive.medium == disc()


@pytest.mark.parametrize("act", ["eject", "open_tray", "close_tray"])
@pytest.mark.parametrize("is_locked", [False, True])
def test_what_is_built_in_cannot_be_taken_out(act: str, is_locked: bool) -> None:
    bay = Bay(removable=False, has_tray=False, medium=disc())
    bay.drive.is_locked = is_locked
    with pytest.raises(DeviceNotRemovable) as caught:
        getattr(bay.drive, act)()
    assert caught.value.data == {"device": "cd0"}
    assert bay.drive.medium == disc()
    assert not bay.drive.wants_eject


def test_force_takes_out_nothing_that_is_built_in() -> None:
    bay = Bay(removable=False, has_tray=False, medium=disc())
    with pytest.raises(DeviceNotRemovable):
        bay.drive.eject(force=True)
    assert bay.drive.medium == disc()


def test_a_medium_goes_into_the_open_tray() -> None:
    bay = Bay()
    bay.drive.open_tray()
    bay.drive.insert(disc())
    assert bay.drive.medium == disc()
    assert bay.told == [OPENED]


@pytest.mark.parametrize(
    ("bay", "error"),
    [
        (Bay(), GenericError("Tray of device '/cd' is not open")),
        (Bay(medium=disc()), GenericError("Tray of device '/cd' is not open")),
        (
            Bay(has_tray=False, medium=disc()),
            GenericError("There already is a medium in device '/cd'"),
        ),
        (Bay(removable=False, has_tray=False), DeviceNotRemovable(device="cd0")),
    ],
)
def test_a_medium_does_not_go_in_everywhere(bay: Bay, error: CommandError) -> None:
    before = bay.drive.medium
    with pytest.raises(type(error)) as caught:
        bay.drive.insert(disc("b.iso"))
    assert str(caught.value) == str(error)
    assert bay.drive.medium == before


def test_an_open_tray_holds_one_medium() -> None:
    bay = Bay(medium=disc())
    bay.drive.open_tray()
    with pytest.raises(GenericError) as caught:
        bay.drive.insert(disc("b.iso"))
    assert caught.value.desc == "There already is a medium in device '/cd'"
    assert bay.drive.medium == disc()


def test_a_drive_without_a_tray_tells_nothing() -> None:
    bay = Bay(has_tray=False, medium=disc())
    bay.drive.eject()
    bay.drive.insert(disc("b.iso"))
    bay.drive.close_tray()
    assert bay.drive.medium == disc("b.iso")
    assert not bay.drive.is_tray_open
    assert bay.told == []


def test_the_lock_of_a_drive_without_a_tray_holds() -> None:
    bay = Bay(has_tray=False, medium=disc())
    bay.drive.is_locked = True
    with pytest.raises(DeviceLocked):
        bay.drive.eject()
    assert bay.drive.medium == disc()


# Drives with real images.


def real(tmp_path: Path, content: bytes = bytes(4096), **options: str) -> Drive:
    """Return a drive of a machine, with a real image in it."""
    (tmp_path / "a.img").write_bytes(content)
    drive = Machine().drives.plug({"file": str(tmp_path / "a.img"), **options})
    assert drive is not None
    return drive


def test_guest_data_are_read_and_written_by_sectors(tmp_path: Path) -> None:
    drive = real(tmp_path, b"a" * 512 + b"b" * 512)
    assert (drive.sectors, drive.read(1, 1)) == (2, b"b" * 512)
    drive.write(0, b"c" * 512)
    drive.flush()
    assert (tmp_path / "a.img").read_bytes() == b"c" * 512 + b"b" * 512
    assert drive.statistics == Statistics(512, 512, 1, 1, 512)


@pytest.mark.parametrize(("sector", "count"), [(8, 1), (7, 2), (-1, 1)])
def test_there_are_no_sectors_behind_the_end(
    tmp_path: Path, sector: int, count: int
) -> None:
    drive = real(tmp_path)
    with pytest.raises(ImageError) as caught:
        drive.read(sector, count)
    assert caught.value.errno == errno.EIO


def test_what_is_counted_stays_when_the_medium_goes(tmp_path: Path) -> None:
    drive = real(tmp_path, media="cdrom")
    drive.read(0, 1)
    drive.eject_2010()
    assert drive.statistics.rd_bytes == 512
    with pytest.raises(OSError, match="No medium found") as caught:
        drive.read(0, 1)
    assert caught.value.errno == errno.ENOMEDIUM
    drive.flush()


def test_a_medium_without_an_image_has_no_data() -> None:
    drive = Bay(medium=disc()).drive
    with pytest.raises(OSError, match="No medium found"):
        drive.read(0, 1)
    with pytest.raises(OSError, match="No medium found"):
        drive.commit()
    drive.resize(4096)
    assert drive.sectors == 8


def test_the_size_of_an_image_can_change(tmp_path: Path) -> None:
    drive = real(tmp_path)
    drive.resize(8192)
    assert (drive.sectors, (tmp_path / "a.img").stat().st_size) == (16, 8192)
    drive = real(tmp_path, SAMPLE)
    with pytest.raises(GenericError) as caught:
        drive.resize(8192)
    assert caught.value.desc == "the size of a cow image cannot be changed"


def test_a_medium_tells_what_the_image_tells(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(bytes(512))
    drive = real(tmp_path, new_image(1024, backing_file="base.img"), media="disk")
    assert drive.medium is not None
    assert (drive.medium.format, drive.medium.backing_file) == ("qcow2", "base.img")
    assert not drive.medium.is_encrypted
    drive.close()
    assert drive.image is None


@pytest.mark.parametrize(
    ("policy", "number", "action"),
    [
        (Policy.REPORT, errno.EIO, Policy.REPORT),
        (Policy.IGNORE, errno.EIO, Policy.IGNORE),
        (Policy.STOP, errno.EIO, Policy.STOP),
        (Policy.ENOSPC, errno.EIO, Policy.REPORT),
        (Policy.ENOSPC, errno.ENOSPC, Policy.STOP),
        (Policy.REPORT, errno.ENOSPC, Policy.REPORT),
    ],
)
def test_what_is_done_about_an_error(
    policy: Policy, number: int, action: Policy
) -> None:
    bay = Bay()
    bay.drive.on_write_error = policy
    error = OSError(number, "x")
    assert bay.drive.on_error("write", error) is action
    assert bay.drive.on_error("read", error) is Policy.REPORT
    bay.drive.tell_error("write", error, action)
    is_full = number == errno.ENOSPC
    told = BlockIOError("cd0", "write", action.value, "x", is_full)
    assert bay.told == [told]
    status = "nospace" if is_full else "failed"
    assert bay.drive.io_status == (status if action is Policy.STOP else "ok")
