"""Where drives go, what they are called, and what makes no sense."""

from __future__ import annotations

import dataclasses

import pytest

from qmpx.machine.block.drives import DrivePlan, Place, plan
from qmpx.machine.drive import Interface, Kind, Policy

IDE, SCSI, FLOPPY = Interface.IDE, Interface.SCSI, Interface.FLOPPY
VIRTIO, NONE = Interface.VIRTIO, Interface.NONE
DISK, CDROM = Kind.DISK, Kind.CDROM


def planned(text: str, taken: tuple[Place, ...] = ()) -> DrivePlan | None:
    options = dict(part.split("=", 1) for part in text.split(",") if part)
    return plan(options, taken, formats={"raw", "qcow2"})


@pytest.mark.parametrize(
    ("text", "name", "place", "kind", "read_only"),
    [
        ("index=0", "ide0-hd0", (IDE, 0, 0), DISK, False),
        ("index=1", "ide0-hd1", (IDE, 0, 1), DISK, False),
        ("index=2,media=cdrom", "ide1-cd0", (IDE, 1, 0), CDROM, True),
        ("index=3", "ide1-hd1", (IDE, 1, 1), DISK, False),
        ("index=9", "ide4-hd1", (IDE, 4, 1), DISK, False),
        ("", "ide0-hd0", (IDE, 0, 0), DISK, False),
        ("bus=1", "ide1-hd0", (IDE, 1, 0), DISK, False),
        ("bus=1,unit=1", "ide1-hd1", (IDE, 1, 1), DISK, False),
        ("if=floppy,index=0", "floppy0", (FLOPPY, 0, 0), Kind.FLOPPY, False),
        ("if=floppy,index=1", "floppy1", (FLOPPY, 0, 1), Kind.FLOPPY, False),
        ("if=floppy,readonly=on", "floppy0", (FLOPPY, 0, 0), Kind.FLOPPY, True),
        ("if=scsi", "scsi0-hd0", (SCSI, 0, 0), DISK, False),
        ("if=scsi,index=8", "scsi1-hd1", (SCSI, 1, 1), DISK, False),
        ("if=scsi,unit=6,media=cdrom", "scsi0-cd6", (SCSI, 0, 6), CDROM, True),
        ("if=virtio", "virtio0", (VIRTIO, 0, 0), DISK, False),
        ("if=virtio,index=5", "virtio5", (VIRTIO, 0, 5), DISK, False),
        ("if=none", "none0", (NONE, 0, 0), DISK, False),
        ("if=none,media=cdrom", "none0", (NONE, 0, 0), CDROM, True),
        ("if=none,id=enc0", "enc0", (NONE, 0, 0), DISK, False),
    ],
)
def test_a_drive_has_a_name_and_a_place(
    text: str, name: str, place: Place, kind: Kind, read_only: bool
) -> None:
    assert planned(text) == DrivePlan(name, *place, kind, read_only=read_only)


@pytest.mark.parametrize(
    ("text", "taken", "name"),
    [
        ("", ((IDE, 0, 0),), "ide0-hd1"),
        ("", ((IDE, 0, 0), (IDE, 0, 1)), "ide1-hd0"),
        ("media=cdrom", ((IDE, 0, 0), (IDE, 1, 0)), "ide0-cd1"),
        ("bus=1", ((IDE, 1, 0),), "ide1-hd1"),
        ("if=virtio", tuple((VIRTIO, 0, n) for n in range(12)), "virtio12"),
        ("if=scsi", tuple((SCSI, 0, n) for n in range(7)), "scsi1-hd0"),
        ("if=none", ((VIRTIO, 0, 0),), "none0"),
    ],
)
def test_the_first_free_place_is_taken(
    text: str, taken: tuple[Place, ...], name: str
) -> None:
    found = planned(text, taken)
    assert found is not None
    assert found.name == name
    assert found.place not in taken


@pytest.mark.parametrize("text", ["index=0", "bus=0,unit=0", "index=0,id=other"])
def test_a_place_holds_one_drive(text: str) -> None:
    assert planned(text, ((IDE, 0, 0),)) is None


def test_everything_that_is_said_counts() -> None:
    text = (
        "if=none,id=d,file=a.img,format=raw,snapshot=on,readonly=on,serial=S1,"
        "rerror=stop,werror=ignore,cache=none,aio=native"
    )
    assert planned(text) == DrivePlan(
        *("d", NONE, 0, 0, DISK),
        file="a.img",
        format="raw",
        is_temporary=True,
        read_only=True,
        serial="S1",
        on_read_error=Policy.STOP,
        on_write_error=Policy.IGNORE,
    )
    found = planned("if=virtio,addr=7,cyls=10,heads=4,secs=9,trans=lba")
    assert found == dataclasses.replace(
        DrivePlan("virtio0", VIRTIO, 0, 0, DISK), address="7"
    )


def test_a_serial_number_is_cut() -> None:
    found = planned("serial=" + "x" * 30)
    assert found is not None
    assert found.serial == "x" * 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour=red", "Invalid parameter 'colour'"),
        ("id=1bad", "Parameter 'id' expects an identifier"),
        ("if=mfm", "unsupported bus type 'mfm'"),
        ("media=tape", "'tape' invalid media"),
        ("cache=some", "invalid cache option 'some'"),
        ("aio=later", "invalid aio option 'later'"),
        ("format=nofmt", "'nofmt' invalid format"),
        ("snapshot=maybe", "Parameter 'snapshot' expects 'on' or 'off'"),
        ("readonly=on", "readonly flag not supported for drive with this interface"),
        ("index=0,unit=0", "index cannot be used with bus and unit"),
        ("index=-1", "Parameter 'index' expects a number"),
        ("unit=x", "Parameter 'unit' expects a number"),
        ("bus=256", "Parameter 'bus' expects a number"),
        ("unit=2", "unit 2 too big (max is 1)"),
        ("if=scsi,unit=7", "unit 7 too big (max is 6)"),
        ("rerror=enospc", "'enospc' invalid read error action"),
        ("werror=explode", "'explode' invalid write error action"),
        ("if=scsi,rerror=stop", "rerror is not supported by this format"),
        ("if=floppy,werror=stop", "werror is not supported by this format"),
        ("cyls=0,heads=1,secs=1", "invalid physical cyls number"),
        ("cyls=1,heads=17,secs=1", "invalid physical heads number"),
        ("cyls=1,heads=1,secs=x", "invalid physical secs number"),
        ("cyls=1", "a geometry has cyls, heads and secs, and is that of a disk"),
        (
            "cyls=1,heads=1,secs=1,media=cdrom",
            "a geometry has cyls, heads and secs, and is that of a disk",
        ),
        ("trans=lba", "'lba' trans must be used with cyls, heads and secs"),
        ("cyls=1,heads=1,secs=1,trans=x", "'x' invalid translation type"),
    ],
)
def test_what_makes_no_sense(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        planned(text)
    assert str(caught.value) == complaint
