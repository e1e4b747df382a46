"""Rules that make requests fail."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from qmpx.machine.block import Image, ImageError, open_image
from qmpx.machine.block.blkdebug import MAX_RULES_SIZE, Rule, parse_rules, split_name
from qmpx.machine.block.qcow2_header import new_image

if TYPE_CHECKING:
    from pathlib import Path

EVERY_READ = '[inject-error]\nevent = "read_aio"\nerrno = "5"\nonce = "off"\n'


def opened(folder: Path, rules: str) -> Image:
    """Open an image of which the first cluster has data, behind rules."""
    path = folder / "a.qcow2"
    path.write_bytes(new_image(1 << 20))
    image = open_image(str(path))
    image.write(0, b"data")
    image.close()
    (folder / "bd.cfg").write_text(rules)
    return open_image(f"blkdebug:{folder}/bd.cfg:{path}")


def failure(image: Image, offset: int = 0) -> int | None:
    try:
        image.read(offset, 4)
    except OSError as error:
        return error.errno
    return None


def test_rules_are_read() -> None:
    text = """
    # a comment
    [inject-error]
    event = "write_aio"   # another
    errno = "28"
    state = "2"
    once = "on"
    immediately = "off"

    [set-state]
    event = "l2_update"
    new_state = "2"
    """
    assert parse_rules(text) == [
        Rule("write_aio", 2, 28, once=True),
        Rule("l2_update", new_state=2),
    ]
    assert parse_rules('[inject-error]\nevent = "read"') == [Rule("read", error=5)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[no-section]", "line 1: unknown section 'no-section'"),
        ('event = "read"', "line 1: unknown option 'event'"),
        ('[set-state]\nerrno = "5"', "line 2: unknown option 'errno'"),
        ("[set-state]\nstate = 5", "line 2: neither a section nor an option: "),
        ("[set-state]", "section at line 1: unknown event ''"),
        ('[inject-error]\nevent = "x"', "section at line 1: unknown event 'x'"),
        (
            '[inject-error]\nevent = "read"\nerrno = "x"',
            "section at line 1: invalid literal",
        ),
    ],
)
def test_what_are_no_rules(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="line") as caught:
        parse_rules(text)
    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    "name", ["blkdebug:", "blkdebug:x", "blkdebug::x", "blkdebug:x:", "x:y:z"]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ImageError, match="not of the form blkdebug:RULES:IMAGE"):
        split_name(name)


def test_the_rules_must_be_there_and_must_be_rules(tmp_path: Path) -> None:
    path = tmp_path / "a.img"
    path.write_bytes(bytes(512))
    with pytest.raises(FileNotFoundError):
        open_image(f"blkdebug:{tmp_path}/none:{path}")
    for content in (b"nonsense", b"\xff", b"#" * (MAX_RULES_SIZE + 1)):
        (tmp_path / "rules").write_bytes(content)
        with pytest.raises(ImageError):
            open_image(f"blkdebug:{tmp_path}/rules:{path}")
    (tmp_path / "rules").write_bytes(b"#" * MAX_RULES_SIZE)
    twice = f"blkdebug:{tmp_path}/rules:blkdebug:{tmp_path}/rules:{path}"
    with pytest.raises(ImageError, match="rules behind rules"):
        open_image(twice)
    open_image(f"blkdebug:{tmp_path}/rules:{path}").close()


def test_every_read_fails_of_what_is_there(tmp_path: Path) -> None:
    image = opened(tmp_path, EVERY_READ)
    assert (image.format, image.filename) == (
        "qcow2",
        f"blkdebug:{tmp_path}/bd.cfg:{tmp_path}/a.qcow2",
    )
    assert failure(image, 1 << 17) is None  # it has no data there, so none are read
    assert failure(image) == errno.EIO
    assert failure(image) == errno.EIO
    image.close()


def test_every_read_of_a_raw_image_fails(tmp_path: Path) -> None:
    (tmp_path / "bd.cfg").write_text(EVERY_READ)
    (tmp_path / "hd.img").write_bytes(bytes(512))
    image = open_image(f"blkdebug:{tmp_path}/bd.cfg:{tmp_path}/hd.img")
    assert failure(image) == errno.EIO
    image.close()


def test_one_request_fails_once(tmp_path: Path) -> None:
    rules = '[inject-error]\nevent="read_aio"\nerrno="28"\nonce="on"'
    image = opened(tmp_path, rules)
    with pytest.raises(OSError, match="No space left") as caught:
        image.read(0, 4)
    assert caught.value.errno == errno.ENOSPC
    assert failure(image) == errno.ENOSPC  # the event is there again
    image.write(0, b"ok")
    image.close()


def test_a_state_is_entered_and_counts_from_the_next_event_on(tmp_path: Path) -> None:
    rules = (
        '[set-state]\nevent = "read_aio"\nstate = "0"\nnew_state = "2"\n'
        '[inject-error]\nevent = "read_aio"\nstate = "2"\nerrno = "5"\n'
    )
    image = opened(tmp_path, rules)
    assert [failure(image) for _ in range(3)] == [None, errno.EIO, errno.EIO]
    image.close()


def test_both_layers_count(tmp_path: Path) -> None:
    image = opened(tmp_path, "")
    storage = image.storage
    assert storage.statistics.rd_operations == 0  # opening does not count
    image.read(0, 512)
    image.write(0, b"abc")
    below = storage.below
    assert below is not None
    assert storage.statistics == below.statistics
    assert storage.statistics.wr_bytes == 3
    assert storage.statistics.wr_highest_offset == 5 * 65536 + 3
    image.close()
