"""qcow2: what is written is read, the tables stay true, QEMU agrees."""

from __future__ import annotations

import errno
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.machine.block import Image, ImageError, Snapshot, open_image
from qmpx.machine.block.qcow2_header import new_image
from tests.machine.block.images import (
    KIB,
    MIB,
    check_qcow2,
    info,
    pattern,
    qemu_img,
    qemu_io,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 256 * KIB

OPTIONS = [
    "compat=0.10",
    "compat=1.1",
    "compat=1.1,cluster_size=512",
    "compat=1.1,cluster_size=2M",
    "compat=1.1,refcount_bits=1",
    "compat=1.1,refcount_bits=8",
    "compat=1.1,refcount_bits=64",
]


def make(path: Path, size: int = SIZE, *, cluster_bits: int = 12, **more: Any) -> Path:
    path.write_bytes(new_image(size, cluster_bits=cluster_bits, **more))
    return path


def content(image: Image) -> bytes:
    return b"".join(
        image.read(at, min(MIB, image.size - at)) for at in range(0, image.size, MIB)
    )


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Image]:
    opened = open_image(str(make(tmp_path / "a.qcow2")))
    yield opened
    opened.close()


def test_a_new_image_reads_as_zero(image: Image) -> None:
    assert (image.format, image.size, image.backing_file) == ("qcow2", SIZE, None)
    assert content(image) == bytes(SIZE)


def test_what_is_written_is_read_after_it_was_opened_again(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2")
    image, data = open_image(str(path)), pattern(10_000)
    image.write(5000, data)
    image.close()
    image = open_image(str(path), read_only=True)
    assert content(image) == bytes(5000) + data + bytes(SIZE - 15_000)
    image.close()
    assert check_qcow2(path) == []


def test_nothing_is_written_to_what_is_read_only(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2")
    before = path.read_bytes()
    image = open_image(str(path), read_only=True)
    for act in (
        lambda: image.write(0, b"x"),
        lambda: image.save("s", seconds=0),
        lambda: image.resize(2 * SIZE),
    ):
        with pytest.raises(ImageError) as caught:
            act()
        assert caught.value.errno == errno.EROFS
    assert not image.can_save
    image.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("offset", "size"), [(-1, 1), (SIZE, 1), (SIZE - 1, 2), (2**63, 1), (0, 33 * MIB)]
)
def test_there_is_nothing_behind_the_end(image: Image, offset: int, size: int) -> None:
    with pytest.raises(ImageError):
        image.read(offset, size)


def test_what_is_not_there_is_what_the_image_behind_it_has(tmp_path: Path) -> None:
    base = pattern(100_352)  # 196 sectors: shorter than the overlay
    (tmp_path / "base.img").write_bytes(base)
    path = make(tmp_path / "over.qcow2", backing_file="base.img")
    image = open_image(str(path))
    model = bytearray(base.ljust(SIZE, b"\0"))
    assert content(image) == model
    image.write(4000, b"new" * 100)
    image.write(100_000, b"end" * 1000)
    model[4000:4300] = b"new" * 100
    model[100_000:103_000] = b"end" * 1000
    assert content(image) == model
    assert image.allocated(0) == (True, 4096)
    assert image.allocated(8192)[0] is False
    image.close()
    assert (tmp_path / "base.img").read_bytes() == base
    assert check_qcow2(path) == []


def test_guest_data_are_encrypted_by_the_key_that_is_given(tmp_path: Path) -> None:
    path = make(tmp_path / "enc.qcow2", encrypted=True)
    image = open_image(str(path))
    assert (image.is_encrypted, image.has_key, image.lacks_key) == (True, False, True)
    assert image.read(0, 512) == bytes(512)  # what is not there is not encrypted
    with pytest.raises(ImageError) as caught:
        image.write(0, b"secret")
    assert caught.value.errno == errno.EACCES
    image.set_key("sesame")
    assert not image.lacks_key
    image.write(1000, b"secret" * 200)
    image.write(1003, b"SECRET")
    wanted = b"sec" + b"SECRET" + (b"secret" * 200)[9:]
    assert image.read(1000, 1200) == wanted
    image.close()
    assert b"secret" not in path.read_bytes()
    image = open_image(str(path))
    image.set_key("other")
    assert image.read(1000, 1200) != wanted
    image.set_key("sesame")
    assert image.read(1000, 1200) == wanted
    image.close()
    assert check_qcow2(path) == []


def test_an_image_that_is_not_encrypted_takes_no_key(image: Image) -> None:
    with pytest.raises(ImageError):
        image.set_key("p")


def compressed(path: Path, data: bytes) -> None:
    """Make an image whose first cluster is compressed, by hand."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -12)
    packed = packer.compress(data) + packer.flush()
    cluster = 4096
    raw = bytearray(new_image(SIZE, cluster_bits=12).ljust(6 * cluster, b"\0"))
    l2, at = 4 * cluster, 5 * cluster + 100
    raw[3 * cluster : 3 * cluster + 8] = (l2 | 1 << 63).to_bytes(8, "big")
    sectors = (100 % 512 + len(packed) - 1) // 512
    entry = 1 << 62 | sectors << 62 - 4 | at
    raw[l2 : l2 + 8] = entry.to_bytes(8, "big")
    raw[2 * cluster : 2 * cluster + 12] = b"\0\1" * 6
    raw[at:at] = packed
    path.write_bytes(raw[: at + len(packed)])


def test_compressed_clusters_are_read_and_replaced_when_written(tmp_path: Path) -> None:
    path, data = tmp_path / "a.qcow2", b"compress me" * 372 + b"1234"
    compressed(path, data)
    assert check_qcow2(path) == []
    image = open_image(str(path))
    assert image.read(0, 8192) == data + bytes(4096)
    image.write(1, b"X")
    assert image.read(0, 4096) == data[:1] + b"X" + data[2:]
    image.close()
    assert check_qcow2(path) == []


def test_compressed_data_that_are_broken_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    compressed(path, b"compress me" * 372 + b"1234")
    raw = bytearray(path.read_bytes())
    raw[5 * 4096 + 100 :] = b"\xff" * len(raw[5 * 4096 + 100 :])
    path.write_bytes(raw)
    image = open_image(str(path))
    with pytest.raises(ImageError, match="compressed data at 0x5064"):
        image.read(0, 1)
    image.close()


def test_an_image_grows(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2", cluster_bits=9)
    image = open_image(str(path))
    image.write(SIZE - 3, b"end")
    image.resize(5 * MIB)
    image.write(5 * MIB - 3, b"END")
    assert (image.size, image.read(SIZE - 3, 5)) == (5 * MIB, b"end\0\0")
    image.close()
    image = open_image(str(path))
    assert (image.size, image.read(5 * MIB - 3, 3)) == (5 * MIB, b"END")
    image.close()
    assert check_qcow2(path) == []


@pytest.mark.parametrize("size", [0, 512, SIZE - 512, SIZE, 3 * MIB + 512])
def test_an_image_shrinks_and_forgets_what_was_behind(
    tmp_path: Path, size: int
) -> None:
    path = make(tmp_path / "a.qcow2", cluster_bits=9)
    image = open_image(str(path))
    image.resize(5 * MIB)
    for offset in (0, SIZE - 512, SIZE, 3 * MIB, 5 * MIB - 512):
        image.write(offset, b"x" * 512)
    image.resize(size)
    image.close()
    assert check_qcow2(path) == []
    image = open_image(str(path))
    assert image.size == size
    image.resize(5 * MIB)
    assert image.read(size, 5 * MIB - size) == bytes(5 * MIB - size)
    image.close()
    assert check_qcow2(path) == []


def test_data_that_nobody_counts_are_not_overwritten(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2")
    content = bytearray(path.read_bytes())
    content[4096:4104] = bytes(8)  # the block of the first clusters is not found
    path.write_bytes(content)
    image = open_image(str(path))
    with pytest.raises(ImageError, match="data that nobody counts at 0x0"):
        image.write(0, b"x")
    image.close()
    assert path.read_bytes() == content


def test_a_table_of_counts_that_writes_over_itself_is_noticed(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2")
    content = bytearray(path.read_bytes())
    at = 2048 * 4096  # what the second block would count first: put the table there
    content[48:56] = at.to_bytes(8, "big")
    content[8192:12288] = b"\0\1" * 2048
    content = content.ljust(at, b"\0") + (8192).to_bytes(8, "big")
    path.write_bytes(content)
    image = open_image(str(path))
    with pytest.raises(ImageError, match="broken reference counts"):
        image.write(0, b"x")
    image.close()


def test_a_count_that_is_too_large_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2", version=3)
    content = bytearray(path.read_bytes())
    content[99] = 0  # counts of one bit: in use or not
    content[8192:12288] = b"\x0f".ljust(4096, b"\0")
    path.write_bytes(content)
    image = open_image(str(path))
    image.write(0, b"x")
    with pytest.raises(ImageError, match="broken reference counts: 2 for cluster"):
        image.save("s", seconds=0)
    assert image.read(0, 1) == b"x"
    image.close()


def test_names_need_not_be_text(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2")
    image = open_image(str(path))
    shot = image.save("\udcff", seconds=0)
    with pytest.raises(ImageError, match="more than 255 bytes"):
        image.save("x" * 256, seconds=0)
    image.close()
    image = open_image(str(path))
    assert image.snapshots() == [shot]
    image.delete(shot)
    image.close()
    assert check_qcow2(path) == []


def test_a_state_that_cannot_be_had_leaves_all_as_it_was(tmp_path: Path) -> None:
    def state() -> Iterator[bytes]:
        yield b"state" * 2000
        raise OSError(errno.ENOSPC, "no more")

    path = make(tmp_path / "a.qcow2")
    image = open_image(str(path))
    image.write(0, b"data")
    with pytest.raises(OSError, match="no more"):
        image.save("s", state(), seconds=0)
    assert (image.snapshots(), image.read(0, 4)) == ([], b"data")
    image.close()
    assert check_qcow2(path) == []


@pytest.mark.slow
def test_the_table_of_counts_moves_when_it_is_full(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2", 12 * MIB, cluster_bits=9)
    image, data = open_image(str(path)), pattern(12 * MIB)
    before = path.read_bytes()[48:60]
    for at in range(0, 12 * MIB, MIB):
        image.write(at, data[at : at + MIB])
    assert content(image) == data
    image.close()
    assert path.read_bytes()[48:60] != before
    assert check_qcow2(path) == []


Step = tuple[str, int, int]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SIZE), st.integers(1, 9000)),
        st.tuples(
            st.sampled_from(["save", "load", "delete", "open"]),
            st.integers(0, 3),
            st.integers(0, 20_000),
        ),
    ),
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(
    steps=STEPS,
    cluster_bits=st.sampled_from([9, 12, 16]),
    version=st.sampled_from([2, 3]),
)
def test_whatever_is_done_the_data_and_the_tables_are_true(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Step],
    cluster_bits: int,
    version: int,
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    base = pattern(SIZE // 2, 7)
    (folder / "base.img").write_bytes(base)
    path = folder / "a.qcow2"
    path.write_bytes(
        new_image(
            SIZE, backing_file="base.img", cluster_bits=cluster_bits, version=version
        )
    )
    image = open_image(str(path))
    model = bytearray(base.ljust(SIZE, b"\0"))
    shots: list[tuple[Snapshot, bytes, bytes]] = []
    for number, (action, first, second) in enumerate(steps):
        if action == "write":
            data = pattern(min(second, SIZE - first), number * 10_000)
            image.write(first, data)
            model[first : first + len(data)] = data
        elif action == "save":
            state = pattern(second, number)
            shot = image.save(f"s{first}", [state[:99], state[99:]], seconds=number)
            shots.append((shot, bytes(model), state))
        elif action == "open":
            image.close()
            image = open_image(str(path))
        elif shots:
            shot, then, state = shots[first % len(shots)]
            if action == "load":
                image.load(shot)
                model = bytearray(then)
            else:
                image.delete(shot)
                del shots[first % len(shots)]
    assert content(image) == model
    assert image.snapshots() == [shot for shot, _, _ in shots]
    for shot, _, state in shots:
        assert image.read_state(shot, 0, 30_000) == state
    image.close()
    assert check_qcow2(path) == []


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
@pytest.mark.peer("qemu-io")
@pytest.mark.parametrize("options", OPTIONS)
def test_qemu_reads_what_we_write_and_we_what_it_writes(
    tmp_path: Path, options: str
) -> None:
    path = tmp_path / "a.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", options, path, "8M")
    qemu_io(path, "write -P 17 100k 300k", "write -z 2M 64k")
    image = open_image(str(path))
    model = bytearray(8 * MIB)
    model[100 * KIB : 400 * KIB] = b"\x11" * 300 * KIB
    assert content(image) == model
    for seed, at in enumerate([0, 99_999, 2 * MIB + 5, 5 * MIB, 8 * MIB - 70_000]):
        data = pattern(70_000, seed * 9000)
        image.write(at, data)
        model[at : at + len(data)] = data
    image.close()
    (tmp_path / "model.img").write_bytes(model)
    assert "No errors were found" in qemu_img("check", path)
    qemu_img("compare", "-q", "-f", "raw", "-F", "qcow2", tmp_path / "model.img", path)


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
def test_qemu_lists_checks_and_applies_our_snapshots(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2", 4 * MIB, version=3)
    image, first, second = open_image(str(path)), pattern(MIB, 1), pattern(MIB, 2)
    image.write(0, first)
    image.save("clean", [b"state" * 1000], seconds=1281340800, clock=3_723_004_000_000)
    image.write(0, second)
    image.save("later", seconds=1281340801)
    image.write(0, b"neither")
    image.close()
    assert "No errors were found" in qemu_img("check", path)
    found = info(path)["snapshots"]
    assert [(s["id"], s["name"], s["vm-state-size"]) for s in found] == [
        ("1", "clean", 5000),
        ("2", "later", 0),
    ]
    assert found[0]["vm-clock-sec"] == 3723
    assert found[0]["date-sec"] == 1281340800
    qemu_img("snapshot", "-a", "clean", path)
    image = open_image(str(path))
    assert image.read(0, MIB) == first
    image.close()
    qemu_img("snapshot", "-d", "clean", path)
    image = open_image(str(path))
    (later,) = image.snapshots()
    image.load(later)
    assert image.read(0, MIB) == second
    image.delete(later)
    image.close()
    assert "No errors were found" in qemu_img("check", path)


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
def test_we_apply_and_delete_the_snapshots_of_qemu(tmp_path: Path) -> None:
    path = make(tmp_path / "a.qcow2", 4 * MIB)
    image, data = open_image(str(path)), pattern(MIB)
    image.write(0, data)
    image.close()
    qemu_img("snapshot", "-c", "theirs", path)
    image = open_image(str(path))
    image.write(1000, b"changed")
    shot = image.find_snapshot("theirs")
    assert shot is not None
    assert (shot.id, image.find_snapshot("1"), image.find_snapshot("no")) == (
        "1",
        shot,
        None,
    )
    image.load(shot)
    assert image.read(0, MIB) == data
    image.write(1000, b"again")
    image.delete(shot)
    image.close()
    assert "No errors were found" in qemu_img("check", path)


@pytest.mark.slow
@pytest.mark.peer("qemu-img")
def test_we_read_what_qemu_compresses_and_encrypts(tmp_path: Path) -> None:
    data = pattern(MIB) + bytes(MIB) + b"again and again " * 65536
    (tmp_path / "raw.img").write_bytes(data)
    path = tmp_path / "packed.qcow2"
    qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", tmp_path / "raw.img", path)
    image = open_image(str(path))
    assert content(image) == data
    image.write(2 * MIB + 7, b"X")
    image.close()
    assert "No errors were found" in qemu_img("check", path)
    path = tmp_path / "enc.qcow2"
    path.write_bytes(new_image(MIB, encrypted=True))
    key = "secret,id=k,data=sesame"
    options = f"driver=qcow2,encrypt.key-secret=k,file.filename={path}"
    image = open_image(str(path))
    image.set_key("sesame")
    image.write(0, data[:MIB])
    image.close()
    qemu_img(
        *("convert", "--object", key, "--image-opts", options, "-O", "raw"),
        tmp_path / "plain.img",
    )
    assert (tmp_path / "plain.img").read_bytes() == data[:MIB]
