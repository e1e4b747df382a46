"""Snapshots inside qcow2 images that change their size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import opening
from qmpx.machine.block.qcow2_header import new_image
from tests.machine.block.images import MIB, check_qcow2

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.peer("qemu-img")
@pytest.mark.parametrize("size", [1 * MIB, 8 * MIB])
def test_an_image_of_another_size_can_be_what_it_was(tmp_path: Path, size: int) -> None:
    path = tmp_path / "image"
    path.write_bytes(new_image(4 * MIB, version=3))
    image = opening.open_image(str(path), format="qcow2")
    image.write(3 * MIB, b"\1" * 512)
    shot = image.save("s", seconds=1)
    image.resize(size)
    image.write(0, b"\2" * 512)
    image.load(shot)
    assert (image.size, image.read(0, 1), image.read(3 * MIB, 1)) == (
        *(4 * MIB, b"\0"),
        b"\1",
    )
    image.flush()
    image.close()
    check_qcow2(path)


def test_an_old_image_keeps_its_size_with_its_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(new_image(4 * MIB, version=2))
    image = opening.open_image(str(path), format="qcow2")
    image.save("s", seconds=1)
    with pytest.raises(OSError, match="Can't resize a v2 image which has snapshots"):
        image.resize(MIB)
    image.close()
