"""Formats of which only the header is read."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import ImageError, open_image
from tests.machine.block.samples import SIZE, TOLD_ONLY, bochs, cow

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", TOLD_ONLY)
def test_the_size_is_told_and_the_data_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"image.{name}"
    path.write_bytes(TOLD_ONLY[name]())
    image = open_image(str(path))
    assert (image.format, image.size, image.backing_file) == (name, SIZE, None)
    for act, verb in (
        (lambda: image.read(0, 1), "read"),
        (lambda: image.write(0, b"x"), "written"),
    ):
        with pytest.raises(ImageError) as caught:
            act()
        assert caught.value.errno == errno.ENOTSUP
        assert caught.value.strerror == f"data of {name} images cannot be {verb}"
    image.close()


def test_a_cow_image_has_another_behind_it(tmp_path: Path) -> None:
    (tmp_path / "base.img").write_bytes(bytes(512))
    (tmp_path / "image").write_bytes(cow())
    image = open_image(str(tmp_path / "image"))
    assert image.backing_file == "base.img"
    image.close()


def test_both_versions_of_bochs(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bochs(0x00010000))
    image = open_image(str(path))
    assert image.size == SIZE
    image.close()
    path.write_bytes(bochs(0x00030000))
    with pytest.raises(ImageError, match="bochs version 0x30000"):
        open_image(str(path))
