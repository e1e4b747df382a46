"""The screen as a file."""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING

import pytest

from qmpx.errors import GenericError
from qmpx.machine.display.pictures import png, ppm, rgb, save
from qmpx.machine.display.screen import ACCENT, PALETTE, Screen, line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def screen() -> Screen:
    screen = Screen()
    screen.show([line(("qmpx", ACCENT), columns=90)])
    return screen


def test_each_pixel_has_the_colour_of_its_index(screen: Screen) -> None:
    colours = rgb(screen)
    assert colours == b"".join(bytes(PALETTE[index]) for index in screen.pixels())
    assert bytes(PALETTE[ACCENT]) in colours


def test_a_ppm_is_a_header_and_the_colours(screen: Screen) -> None:
    assert ppm(screen) == b"P6\n720 400\n255\n" + rgb(screen)


def test_a_png_unpacks_to_the_same_colours(screen: Screen) -> None:
    data = png(screen)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = [], 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + size)
        assert checksum == zlib.crc32(kind + body)
        chunks.append((kind, body))
        at += 12 + size
    assert [kind for kind, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[0][1]) == (720, 400, 8, 2, 0, 0, 0)
    rows = zlib.decompress(chunks[1][1])
    pitch = 1 + 3 * 720
    assert {rows[n] for n in range(0, len(rows), pitch)} == {0}
    colours = (rows[n + 1 : n + pitch] for n in range(0, len(rows), pitch))
    assert b"".join(colours) == rgb(screen)


@pytest.mark.parametrize(("image_format", "write"), [("ppm", ppm), ("png", png)])
def test_a_picture_replaces_what_was_there(
    screen: Screen, tmp_path: Path, image_format: str, write: object
) -> None:
    assert callable(write)
    file = tmp_path / "picture"
    file.write_bytes(b"x" * 2_000_000)
    save(screen, str(file), image_format)
    assert file.read_bytes() == write(screen)


def test_a_picture_that_cannot_be_written_is_an_error(
    screen: Screen, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        save(screen, str(tmp_path / "none" / "picture"))


def test_a_pipe_that_nobody_reads_is_an_error_and_no_end_of_all(
    screen: Screen, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        save(screen, str(tmp_path / "pipe"))


def test_a_picture_is_ppm_or_png(screen: Screen, tmp_path: Path) -> None:
    with pytest.raises(GenericError) as caught:
        save(screen, str(tmp_path / "picture"), "jpeg")
    assert caught.value.desc == "a picture is ppm or png, not 'jpeg'"
    assert not (tmp_path / "picture").exists()
