"""The header of qcow2: what is believed, and what is refused."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine.block import ImageError, open_image
from qmpx.machine.block.qcow2_header import (
    COMPRESSION,
    CORRUPT,
    DATA_FILE,
    DIRTY,
    EXTENDED_L2,
    new_image,
)
from tests.machine.block.images import check_qcow2, info, qemu_img

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 1 << 20


def changed(path: Path, at: int, code: str, value: int, version: int = 3) -> Path:
    """Write an image of which one number of the header is another."""
    content = bytearray(new_image(SIZE, version=version))
    struct.pack_into(code, content, at, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("at", "code", "value", "complaint"),
    [
        (4, ">I", 4, "not a qcow2 image"),
        (8, ">Q", 1 << 63, "a backing file name of 0 bytes"),
        (20, ">I", 8, r"clusters of 2\^8 bytes"),
        (20, ">I", 22, r"clusters of 2\^22 bytes"),
        (20, ">I", 2**32 - 1, r"clusters of 2\^4294967295 bytes"),
        (24, ">Q", 2**63, "impossible size"),
        (24, ">Q", 2**50, "1 entries in the L1 table"),
        (32, ">I", 3, "unknown encryption method 3"),
        (36, ">I", 0, "0 entries in the L1 table"),
        (36, ">I", 2**31, "2147483648 entries in the L1 table"),
        (40, ">Q", 5, "a table does not begin at a cluster"),
        (48, ">Q", 2**63, "a table does not begin at a cluster"),
        (56, ">I", 2**31, "the table of reference counts is too large"),
        (60, ">I", 65537, "65537 snapshots"),
        (40, ">Q", 0, "a table where the header is"),
        (48, ">Q", 0, "a table where the header is"),
        (60, ">I", 1, "a table where the header is"),
        (64, ">Q", 77, "a table does not begin at a cluster"),
        (72, ">Q", 1 << 20, "unknown features 0x100000"),
        (96, ">I", 7, r"reference counts of 2\^7 bits"),
        (100, ">I", 8, "a header of 8 bytes"),
        (100, ">I", 2**31, "a header of 2147483648 bytes"),
    ],
)
def test_a_header_that_cannot_be_true(
    tmp_path: Path, at: int, code: str, value: int, complaint: str
) -> None:
    path = changed(tmp_path / "a.qcow2", at, code, value)
    with pytest.raises(ImageError, match=complaint):
        open_image(str(path))


def test_a_header_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    for size in (8, 71, 72, 103):
        path.write_bytes(new_image(SIZE, version=3)[:size])
        with pytest.raises(ImageError, match="shorter than a qcow2 header"):
            open_image(str(path))


@pytest.mark.parametrize(
    ("at", "code", "value", "complaint"),
    [
        (72, ">Q", DATA_FILE, "guest data in another file"),
        (72, ">Q", EXTENDED_L2, "extended L2 entries"),
        (32, ">I", 2, "encryption by LUKS"),
    ],
)
def test_what_is_told_of_but_not_read(
    tmp_path: Path, at: int, code: str, value: int, complaint: str
) -> None:
    path = changed(tmp_path / "a.qcow2", at, code, value)
    image = open_image(str(path))
    assert (image.format, image.size, image.can_save) == ("qcow2", SIZE, False)
    with pytest.raises(ImageError) as caught:
        image.read(0, 1)
    assert caught.value.errno == errno.ENOTSUP
    assert caught.value.strerror == f"not supported: {complaint}"
    image.close()


def test_compression_that_is_not_known(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.qcow2", 72, ">Q", COMPRESSION)
    content = bytearray(path.read_bytes())
    content[104] = 1
    path.write_bytes(content)
    image = open_image(str(path))
    with pytest.raises(ImageError, match="compression other than zlib"):
        image.read(0, 1)
    image.close()


@pytest.mark.parametrize(
    ("feature", "complaint"),
    [(DIRTY, "not closed well"), (CORRUPT, "marked as corrupt")],
)
def test_what_is_read_but_not_written(
    tmp_path: Path, feature: int, complaint: str
) -> None:
    image = open_image(str(changed(tmp_path / "a.qcow2", 72, ">Q", feature)))
    assert image.read(0, 4) == bytes(4)
    assert image.is_dirty is (feature == DIRTY)
    assert not image.can_save
    with pytest.raises(ImageError, match=complaint):
        image.write(0, b"x")
    image.close()


def test_a_writer_clears_the_features_that_it_does_not_keep_up(tmp_path: Path) -> None:
    path = changed(tmp_path / "a.qcow2", 88, ">Q", 4)
    image = open_image(str(path))
    image.read(0, 1)
    assert path.read_bytes()[88:96] == b"\0\0\0\0\0\0\0\4"
    image.write(0, b"x")
    image.close()
    assert path.read_bytes()[88:96] == bytes(8)


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": 1},
        {"size": SIZE, "cluster_bits": 9},
        {"size": 1 << 33, "cluster_bits": 9},
        {"size": 1 << 40},
        {"size": SIZE, "backing_file": "b.img", "backing_format": "raw"},
        {"size": SIZE, "version": 3, "backing_file": "b.img", "backing_format": "raw"},
    ],
)
def test_a_new_image_is_well(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "a.qcow2"
    (tmp_path / "b.img").write_bytes(bytes(512))
    path.write_bytes(new_image(**options))
    assert check_qcow2(path) == []
    image = open_image(str(path))
    assert (image.size, image.backing_file) == (
        options["size"],
        options.get("backing_file"),
    )
    image.close()


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("bits", [9, 16, 21])
def test_qemu_takes_a_new_image(tmp_path: Path, version: int, bits: int) -> None:
    path = tmp_path / "a.qcow2"
    (tmp_path / "b.img").write_bytes(bytes(512))
    content = new_image(
        *(SIZE,),
        version=version,
        cluster_bits=bits,
        backing_file="b.img",
        backing_format="raw",
    )
    path.write_bytes(content)
    assert "No errors were found" in qemu_img("check", path)
    told = info(path)
    assert told["virtual-size"] == SIZE
    assert told["backing-filename"] == "b.img"
    assert told["backing-filename-format"] == "raw"
    assert told["format-specific"]["data"]["compat"] == {2: "0.10", 3: "1.1"}[version]


@pytest.mark.parametrize(
    "options",
    [
        {"size": -1},
        {"size": 1 << 63},
        {"size": 1 << 50, "cluster_bits": 9},
        {"size": 1, "cluster_bits": 8},
        {"size": 1, "cluster_bits": 22},
        {"size": 1, "backing_file": "x" * 1024},
        {"size": 1, "backing_file": "x" * 300, "cluster_bits": 9},
        {"size": 1, "backing_format": "x" * 17},
    ],
)
def test_images_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no qcow2 image"):
        new_image(**options)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["other", "a much longer name " * 20, None])
@pytest.mark.peer("qemu-img")
def test_another_backing_file_is_written(
    tmp_path: Path, version: int, name: str | None
) -> None:
    path = tmp_path / "image"
    content = new_image(
        SIZE, backing_file="base", backing_format="raw", version=version
    )
    path.write_bytes(content)
    (tmp_path / "base").write_bytes(bytes(SIZE))
    image = open_image(str(path))
    image.set_backing_file(name, None if name is None else "qcow2")
    image.close()
    told = info(path)
    format_ = None if name is None else "qcow2"
    assert (told.get("backing-filename"), told.get("backing-filename-format")) == (
        name,
        format_,
    )
    check_qcow2(path)


def test_a_name_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(new_image(SIZE, version=3))
    image = open_image(str(path))
    with pytest.raises(ImageError, match="no room for the name"):
        image.set_backing_file("x" * 1024, None)
    image.close()
    assert path.read_bytes() == new_image(SIZE, version=3)
