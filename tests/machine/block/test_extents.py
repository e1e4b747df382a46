"""Formats that are read only: samples made by hand, and images of the real QEMU."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import ImageError, open_image
from tests.machine.block import samples
from tests.machine.block.images import MIB, info, pattern, qemu_img, qemu_io
from tests.machine.block.samples import DATA, HALF, READABLE, SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BACKED: dict[str, Callable[[bytes], bytes]] = {
    "qcow": samples.qcow,
    "qed": samples.qed,
    "vmdk": samples.vmdk,
}


@pytest.mark.parametrize("name", READABLE)
def test_data_are_read_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(READABLE[name]())
    image = open_image(str(path))
    assert (image.format, image.size, image.backing_file) == (name, SIZE, None)
    assert image.read(0, SIZE) == DATA + bytes(HALF)
    assert image.read(HALF - 3, 5) == DATA[-3:] + b"\0\0"
    with pytest.raises(ImageError) as caught:
        image.write(0, b"x")
    assert caught.value.errno == errno.ENOTSUP
    assert caught.value.strerror == f"data of {name} images cannot be written"
    image.close()
    assert path.read_bytes() == READABLE[name]()


@pytest.mark.parametrize("name", BACKED)
def test_what_is_not_there_is_what_the_image_behind_has(
    tmp_path: Path, name: str
) -> None:
    base = pattern(SIZE - 1024, 99)
    (tmp_path / "base.img").write_bytes(base)
    (tmp_path / "image").write_bytes(BACKED[name](b"base.img"))
    image = open_image(str(tmp_path / "image"))
    assert image.backing_file == "base.img"
    rest = bytearray(base[HALF:].ljust(HALF, b"\0"))
    if name == "qed":
        rest[:4096] = bytes(4096)
    assert image.read(0, SIZE) == DATA + rest
    assert image.allocated(0)[0] is True
    assert image.allocated(SIZE - 512)[0] is False
    image.close()


def test_compressed_clusters_of_qcow_are_read(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(samples.qcow_compressed())
    image = open_image(str(tmp_path / "image"))
    assert image.read(0, 8192) == b"text" * 1024 + bytes(4096)
    image.close()


def test_the_older_parallels_counts_sectors(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(samples.parallels(b"WithoutFreeSpace"))
    image = open_image(str(tmp_path / "image"))
    assert image.read(0, SIZE) == DATA + bytes(HALF)
    image.close()


def test_the_size_of_vpc_is_that_of_its_geometry_unless_its_maker_knows_better(
    tmp_path: Path,
) -> None:
    (tmp_path / "image").write_bytes(samples.vpc(b"vpc "))
    image = open_image(str(tmp_path / "image"))
    assert image.size == 2 * 4 * 17 * 512
    image.close()


@pytest.mark.parametrize(
    ("name", "at", "piece", "complaint"),
    [
        ("qcow", 32, b"\x20", "impossible tables"),
        ("vdi", 71, b"\x02", "an unknown kind of vdi"),
        ("vdi", 376, bytes(4), "blocks of 0 bytes"),
        ("vdi", 384, bytes(4), "0 blocks for 131072 bytes"),
        ("vpc", 60, b"\0\0\0\4", "a differencing image"),
        ("vpc", 512 + 28, bytes(4), "0 blocks for"),
        ("qed", 4, bytes(4), "clusters of 0 bytes"),
        ("qed", 8, b"\3", "unknown features or tables"),
        ("parallels", 28, bytes(4), "an unknown kind of parallels"),
        ("cloop", 128, bytes(4), "blocks of 0 bytes"),
        ("vmdk", 20, bytes(8), "blocks of 0 bytes"),
        ("vmdk", 44, bytes(4), "an impossible table of grains"),
    ],
)
def test_a_header_that_cannot_be_true(
    tmp_path: Path, name: str, at: int, piece: bytes, complaint: str
) -> None:
    content = bytearray(READABLE[name]())
    content[at : at + len(piece)] = piece
    (tmp_path / "image").write_bytes(content)
    with pytest.raises(ImageError, match=complaint):
        open_image(str(tmp_path / "image"))


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
@pytest.mark.peer("qemu-io")
@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("qcow", ""),
        ("vdi", ""),
        ("vdi", "static=on"),
        ("vpc", "force_size=on"),
        ("vpc", ""),
        ("vpc", "subformat=fixed"),
        ("qed", ""),
        ("qed", "cluster_size=131072,table_size=2"),
        ("parallels", ""),
        ("vmdk", ""),
        ("vmdk", "subformat=monolithicFlat"),
        ("vmdk", "subformat=twoGbMaxExtentSparse"),
        ("vmdk", "subformat=streamOptimized"),
    ],
)
def test_we_read_what_the_real_qemu_made(
    tmp_path: Path, format_: str, options: str
) -> None:
    raw, path = tmp_path / "raw.img", tmp_path / f"a.{format_}"
    raw.write_bytes(pattern(3 * MIB) + bytes(2 * MIB) + b"text" * 1000 + bytes(96))
    words = ["-o", options] if options else []
    qemu_img("convert", "-f", "raw", "-O", format_, *words, raw, path)
    is_fixed = options == "subformat=fixed"
    image = open_image(str(path), format="vpc" if is_fixed else None)
    told = info(path)
    assert image.format == ("vpc" if is_fixed else told["format"])
    if not is_fixed:
        assert image.size == told["virtual-size"]
    data = raw.read_bytes().ljust(image.size, b"\0")
    assert (
        b"".join(
            image.read(at, min(MIB, image.size - at))
            for at in range(0, image.size, MIB)
        )
        == data[: image.size]
    )
    image.close()


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
@pytest.mark.peer("qemu-io")
@pytest.mark.parametrize("format_", ["qcow", "qed", "vmdk"])
def test_we_find_what_is_behind_an_image_of_the_real_qemu(
    tmp_path: Path, format_: str
) -> None:
    base = tmp_path / f"base.{format_}"
    qemu_img("create", "-q", "-f", format_, base, "4M")
    qemu_io(base, "write -P 9 1M 2M")
    path = tmp_path / "over"
    qemu_img("create", "-q", "-f", format_, "-b", base, "-F", format_, path)
    qemu_io(path, "write -P 5 2M 64k")
    image = open_image(str(path))
    assert image.backing_file == str(base)
    assert image.read(MIB - 512, 1024) == bytes(512) + b"\x09" * 512
    assert image.read(2 * MIB, 128 * 1024) == b"\x05" * 65536 + b"\x09" * 65536
    image.close()
