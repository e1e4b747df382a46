"""How images are opened: format, what is behind them, overlays; what is refused."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.machine.block import Image, ImageError, open_image
from qmpx.machine.block.opening import FORMATS, MAX_DEPTH, commit, open_overlay
from qmpx.machine.block.qcow2_header import new_image
from tests.machine.block.images import (
    KIB,
    check_qcow2,
    info,
    pattern,
    qemu_img,
)
from tests.machine.block.samples import READABLE, TOLD_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 256 * KIB


def qcow2() -> bytes:
    return new_image(SIZE, cluster_bits=12)


SAMPLES: dict[str, Callable[[], bytes]] = {**READABLE, **TOLD_ONLY, "qcow2": qcow2}


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_known_by_its_header(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"image.{name}"
    path.write_bytes(SAMPLES[name]())
    image = open_image(str(path))
    assert image.format == name
    image.close()


@pytest.mark.parametrize("content", [b"", b"x", bytes(512), b"QFI\xfb\0\0\0\0" * 99])
def test_what_has_no_header_is_raw(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    image = open_image(str(path))
    assert image.format == "raw"
    assert image.size == -(-len(content) // 512) * 512
    assert image.read(0, image.size) == content.ljust(image.size, b"\0")
    image.close()


def test_the_format_that_is_asked_for_counts(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(SAMPLES["qcow2"]())
    image = open_image(str(path), format="raw")
    assert image.read(0, 4) == b"QFI\xfb"
    image.close()
    for name in FORMATS.keys() - {"raw", "file", "host_device", "qcow2"}:
        with pytest.raises(OSError, match=r"\w"):
            open_image(str(path), format=name)
    with pytest.raises(ImageError, match="unknown format 'nofmt'"):
        open_image(str(path), format="nofmt")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("no-such-file", errno.ENOENT),
        ("", errno.ENOENT),
        ("a\0b", errno.ENOENT),
        (".", errno.EISDIR),
        ("nbd:localhost:1", errno.ENOENT),
        ("blkdebug:rules", errno.EINVAL),
    ],
)
def test_what_is_no_file_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    monkeypatch.chdir(tmp_path)
    before = open_descriptors()
    with pytest.raises(OSError, match=r"\w") as caught:
        open_image(name)
    assert caught.value.errno == number
    assert open_descriptors() == before


def test_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match=r"\w") as caught:
        open_image(str(tmp_path / "fifo"), read_only=True)
    assert caught.value.errno == errno.ENOTSUP


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(512))
    path.chmod(0o400)
    with pytest.raises(PermissionError):
        open_image(str(path))
    open_image(str(path), read_only=True).close()


def test_the_image_behind_is_found_from_the_folder_of_the_one_in_front(
    tmp_path: Path,
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.img").write_bytes(b"base" * 128)
    path = tmp_path / "deep" / "over.qcow2"
    path.write_bytes(new_image(512, backing_file="../base.img", backing_format="raw"))
    image = open_image(str(path))
    assert (image.backing_file, image.backing_format) == ("../base.img", "raw")
    assert image.read(0, 512) == b"base" * 128
    image.close()


@pytest.mark.parametrize("behind", ["missing.img", "over.qcow2"])
def test_what_is_behind_must_be_there_and_have_an_end(
    tmp_path: Path, behind: str
) -> None:
    path = tmp_path / "over.qcow2"
    path.write_bytes(new_image(512, backing_file=behind))
    before = open_descriptors()
    with pytest.raises(OSError, match=r"\w"):
        open_image(str(path))
    assert open_descriptors() == before


def test_a_chain_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"root" * 128)
    for number in range(1, MAX_DEPTH + 2):
        content = new_image(512, backing_file=str(number - 1), cluster_bits=9)
        (tmp_path / str(number)).write_bytes(content)
    image = open_image(str(tmp_path / str(MAX_DEPTH)))
    assert image.read(0, 4) == b"root"
    image.close()
    with pytest.raises(ImageError, match="more than 64 images"):
        open_image(str(tmp_path / str(MAX_DEPTH + 1)))


def test_an_overlay_takes_the_writes_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    path = tmp_path / "hd.img"
    path.write_bytes(pattern(SIZE))
    image = open_overlay(str(path))
    assert (image.format, image.size, image.backing_file) == ("qcow2", SIZE, str(path))
    assert Path(image.filename).name.startswith("vl.")
    image.write(1000, b"written")
    model = bytearray(pattern(SIZE))
    model[1000:1007] = b"written"
    assert image.read(0, SIZE) == model
    assert path.read_bytes() == pattern(SIZE)
    assert list((tmp_path / "temporary").iterdir()) == []
    commit(image)
    assert path.read_bytes() == model
    image.close()


def test_what_an_overlay_has_is_committed_into_a_smaller_image(tmp_path: Path) -> None:
    base, over = tmp_path / "base.qcow2", tmp_path / "over.qcow2"
    base.write_bytes(new_image(SIZE // 2, cluster_bits=12))
    content = new_image(SIZE, backing_file="base.qcow2", cluster_bits=9)
    over.write_bytes(content)
    image = open_image(str(over))
    image.write(SIZE - 1000, b"end")
    image.write(7, b"begin")
    commit(image)
    image.close()
    image = open_image(str(base))
    assert (image.size, image.read(7, 5)) == (SIZE, b"begin")
    assert image.read(SIZE - 1000, 3) == b"end"
    image.close()
    assert check_qcow2(base) == []


def test_there_must_be_an_image_to_commit_to(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(bytes(512))
    image = open_image(str(tmp_path / "a.img"))
    with pytest.raises(ImageError, match="no image behind it"):
        commit(image)
    image.close()


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
def test_qemu_sees_what_was_committed(tmp_path: Path) -> None:
    base, over = tmp_path / "base.qcow2", tmp_path / "over.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", over)
    image = open_image(str(over))
    image.write(12345, pattern(100_000))
    commit(image)
    image.close()
    assert "No errors were found" in qemu_img("check", base)
    assert "No errors were found" in qemu_img("check", over)
    qemu_img("compare", "-q", base, over)
    assert info(over)["backing-filename"] == str(base)


def delete_all(image: Image) -> None:
    for shot in image.snapshots():
        image.delete(shot)


def use(path: Path) -> None:
    """Do everything with an image that an image may make impossible."""
    try:
        image = open_image(str(path))
    except OSError:
        return
    acts: list[Callable[[], object]] = [
        lambda: image.read(0, min(image.size, 65536)),
        lambda: image.read(max(0, image.size - 512), min(image.size, 512)),
        lambda: image.allocated(0),
        lambda: image.write(0, bytes(min(image.size, 5000))),
        lambda: image.save("s", [b"state"], seconds=1),
        lambda: delete_all(image),
        lambda: image.read(0, min(image.size, 65536)),
    ]
    for act in acts:
        try:
            act()
        except OSError:
            continue
    image.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=120)
@given(data=st.data())
def test_a_broken_image_is_an_error_and_nothing_worse(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("broken", numbered=True)
    path = folder / f"image.{name}"
    content = bytearray(SAMPLES[name]())
    if name == "qcow2":
        path.write_bytes(content)
        image = open_image(str(path))
        image.write(3000, pattern(9000))
        image.save("snapshot", [b"state" * 999], seconds=1)
        image.close()
        content = bytearray(path.read_bytes())
    limit = len(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(limit, 600) - 1) | st.integers(0, limit - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + len(piece)] = piece
    del content[data.draw(st.integers(0, limit) | st.just(limit)) :]
    path.write_bytes(content)
    before = open_descriptors()
    use(path)
    assert open_descriptors() == before
    assert path.stat().st_blocks * 512 < 64 << 20
    shutil.rmtree(folder)


@pytest.mark.slow
def test_so_is_one_that_is_garbage_behind_its_magic(tmp_path: Path) -> None:
    source = random.Random(1)
    for number in range(1500):
        path = tmp_path / "image"
        name = source.choice([*SAMPLES])
        path.write_bytes(SAMPLES[name]()[:8] + source.randbytes(number))
        use(path)
