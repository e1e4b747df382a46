"""Dirty bitmaps inside qcow2 images: kept, found again, not trusted after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block.bitmaps import Bitmap
from qmpx.machine.block.image import Image, ImageError
from qmpx.machine.block.opening import open_image
from qmpx.machine.block.qcow2_header import new_image
from tests.machine.block.images import check_qcow2

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 64 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an image that has nothing yet."""
    path = tmp_path / "a.qcow2"
    path.write_bytes(new_image(SIZE, version=3))
    return path


def opened(path: Path, *, read_only: bool = False) -> Image:
    return open_image(str(path), read_only=read_only)


def bitmaps() -> list[Bitmap]:
    first = Bitmap("first", 65536, SIZE, persistent=True)
    first.mark(0, 1)
    first.mark(32 << 20, 1 << 20)
    second = Bitmap("second", 512, SIZE, persistent=True, recording=False)
    second.mark(SIZE - 1, 1)
    return [first, second]


def facts(found: list[Bitmap]) -> list[tuple[object, ...]]:
    return [
        (each.name, each.granularity, each.recording, list(each.areas()))
        for each in found
    ]


def test_what_is_stored_is_found_again(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    image.close()
    image = opened(path, read_only=True)
    found = image.load_bitmaps()
    image.close()
    assert facts(found) == facts([*reversed(bitmaps())])
    assert check_qcow2(path) == []


def test_they_change_and_go(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    first = bitmaps()[0]
    first.mark(16 << 20, 1)
    image.store_bitmaps([first])
    assert check_qcow2(path) == []
    image.forget_bitmap("no such")
    image.forget_bitmap("first")
    assert "bitmaps" not in image.facts
    image.close()
    assert check_qcow2(path) == []
    assert opened(path).load_bitmaps() == []


def test_they_survive_that_the_backing_file_changes(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    (path.parent / "other.raw").write_bytes(b"")
    image.set_backing_file("other.raw", "raw")
    image.close()
    image = opened(path, read_only=True)
    assert (image.backing_file, image.backing_format) == ("other.raw", "raw")
    assert [each.name for each in image.load_bitmaps()] == ["second", "first"]


def test_after_a_crash_they_are_not_trusted(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    image.load_bitmaps()  # they are in use from now on, and nobody stores them
    image.close()
    image = opened(path)
    found = image.load_bitmaps()
    assert [(e.is_inconsistent, e.recording, e.count) for e in found] == [
        (True, False, 0)
    ] * 2
    image.store_bitmaps(found[:1])  # what is not to be trusted stays so
    assert [e.is_inconsistent for e in image.load_bitmaps()] == [True]
    assert check_qcow2(path) == []


def test_who_only_reads_does_not_use_them(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    image.close()
    opened(path, read_only=True).load_bitmaps()
    found = opened(path, read_only=True).load_bitmaps()
    assert not any(each.is_inconsistent for each in found)


def test_a_writer_that_does_not_know_them_takes_their_word(path: Path) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    image.close()
    data = bytearray(path.read_bytes())
    data[88:96] = bytes(8)  # as such a writer leaves the flags
    path.write_bytes(data)
    assert opened(path).load_bitmaps() == []


def test_an_old_image_cannot_hold_them(tmp_path: Path) -> None:
    path = tmp_path / "old.qcow2"
    path.write_bytes(new_image(SIZE, version=2))
    image = opened(path)
    assert image.why_no_bitmaps == "Cannot store dirty bitmaps in qcow2 v2 files"


@pytest.mark.parametrize(
    "what", [b"\0\0\0\0", b"\xff\xff\xff\xff"], ids=["none", "too many"]
)
def test_a_wrong_number_of_them_is_refused(path: Path, what: bytes) -> None:
    image = opened(path)
    image.store_bitmaps(bitmaps())
    image.close()
    data = path.read_bytes()
    at = data.index(bytes.fromhex("23852875")) + 8
    path.write_bytes(data[:at] + what + data[at + 4 :])
    with pytest.raises(ImageError, match="bitmaps in"):
        opened(path)
