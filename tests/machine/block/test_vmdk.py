"""vmdk: extents of several kinds, in one file or in several."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import ImageError, open_image
from qmpx.machine.block.vmdk import MAX_DESCRIPTOR
from tests.machine.block import samples
from tests.machine.block.images import pattern
from tests.machine.block.samples import DATA, HALF, SIZE

if TYPE_CHECKING:
    from pathlib import Path

HEAD = '# Disk DescriptorFile\nversion=1\nparentFileNameHint="{parent}"\n'


def described(folder: Path, *extents: str, parent: str = "") -> Path:
    path = folder / "image.vmdk"
    path.write_text(HEAD.format(parent=parent) + "\n".join(extents) + "\n")
    return path


def test_the_older_sparse_extent(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(samples.vmdk_esx())
    image = open_image(str(tmp_path / "image"))
    assert (image.format, image.size) == ("vmdk", SIZE)
    assert image.read(0, SIZE) == DATA + bytes(HALF)
    image.close()


def test_grains_that_are_zero_hide_what_is_behind(tmp_path: Path) -> None:
    content = bytearray(samples.vmdk(b"base.img", flags=7))
    table = 3 * 512 + 4 * (HALF // 8192)
    content[table : table + 4] = struct.pack("<I", 1)
    (tmp_path / "image").write_bytes(content)
    (tmp_path / "base.img").write_bytes(b"b" * SIZE)
    image = open_image(str(tmp_path / "image"))
    assert image.read(HALF, 16384) == bytes(8192) + b"b" * 8192
    image.close()


def test_an_image_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "flat.bin").write_bytes(bytes(1024) + pattern(SIZE))
    (tmp_path / "sparse.bin").write_bytes(samples.vmdk())
    (tmp_path / "base.img").write_bytes(pattern(5 * SIZE, 1))
    sectors = SIZE // 512
    path = described(
        tmp_path,
        f'RW {sectors} FLAT "flat.bin" 2',
        f"RW {sectors} ZERO",
        f'RDONLY {sectors} SPARSE "sparse.bin"',
        parent="base.img",
    )
    image = open_image(str(path))
    assert (image.size, image.backing_file) == (3 * SIZE, "base.img")
    behind = pattern(5 * SIZE, 1)[2 * SIZE + HALF : 3 * SIZE]
    assert image.read(0, 3 * SIZE) == pattern(SIZE) + bytes(SIZE) + DATA + behind
    assert image.read(SIZE - 5, 10) == pattern(SIZE)[-5:] + bytes(5)
    image.close()


def test_an_extent_that_is_too_short_ends_in_zeros(tmp_path: Path) -> None:
    (tmp_path / "flat.bin").write_bytes(b"x" * 512)
    image = open_image(str(described(tmp_path, 'RW 4 FLAT "flat.bin" 0')))
    assert image.read(0, 2048) == b"x" * 512 + bytes(1536)
    image.close()


@pytest.mark.parametrize(
    ("extents", "complaint"),
    [
        ((), "0 extents"),
        (("RW 1 ZERO",) * 257, "257 extents"),
        (('RW 1 VMFSRDM "x"',), "not supported: a VMFSRDM extent"),
        (("RW 1 FLAT",), "not supported: a FLAT extent"),
        (('RW 1 FLAT "missing"',), "No such file"),
        (('RW 1 SPARSE "image.vmdk"',), "not a sparse extent"),
        (("#" * MAX_DESCRIPTOR,), "the descriptor is too long"),
    ],
)
def test_what_is_refused(
    tmp_path: Path, extents: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(OSError, match=complaint):
        open_image(str(described(tmp_path, *extents)))


def test_grains_may_be_compressed(tmp_path: Path) -> None:
    content = bytearray(samples.vmdk(flags=3 | 1 << 16)[: 16 * 512])
    packed = zlib.compress(DATA[:8192])
    content[3 * 512 : 3 * 512 + 4 * 8] = struct.pack("<8I", 16, *[0] * 7)
    content += struct.pack("<QI", 0, len(packed)) + packed
    path = tmp_path / "image"
    path.write_bytes(content)
    image = open_image(str(path))
    assert image.read(100, 16384) == DATA[100:8192] + bytes(8292)
    image.close()
    content[16 * 512 + 8 : 16 * 512 + 12] = struct.pack("<I", 2**31)
    path.write_bytes(content)
    image = open_image(str(path))
    with pytest.raises(ImageError, match="a grain of 2147483648 bytes"):
        image.read(0, 1)
    image.close()
