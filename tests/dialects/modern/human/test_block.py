"""Drives, their jobs, and how they are shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZE = 1 << 20
PLACE = "    Attached to:      cd0\n"
EMPTY = f"cd0: [not inserted]\n{PLACE}    Removable device: not locked, tray closed\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return an empty raw image."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        os.truncate(file.fileno(), SIZE)
    return path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("info block", EMPTY),
        ("info block cd0", EMPTY),
        ("info block x", ""),
        ("info block -n", ""),
        ("info block-jobs", "No active jobs\n"),
        ("eject x", "Error: Device 'x' not found\n"),
        ("block_resize cd0 10", "Error: Device 'cd0' has no medium\n"),
        ("commit x", "Device 'x' not found\n"),
        ("commit all", ""),
        ("change vnc x", "Expected 'password' after 'vnc'\n"),
        ("change vnc password", "terminal does not support password prompting\n"),
        ("change cd0 x raw foo", "Error: invalid parameter value: foo\n"),
        ("block_job_cancel x", "Error: Block job 'x' not found\n"),
        ("snapshot_blkdev cd0", "Error: Parameter 'snapshot-file' is missing\n"),
        ("nbd_server_stop", "Error: NBD server not running\n"),
        ("nbd_server_start -w :1", "Error: -w only valid together with -a\n"),
        ("nbd_server_add cd0", "Error: Device 'cd0' has no medium\n"),
        ("drive_del x", "Device 'x' not found\n"),
        ("drive_add -n 0 driver=null-co", "'node-name' needs to be specified\n"),
        (
            "drive_add 0 if=none,file=/nowhere/x,id=d",
            "Could not open '/nowhere/x': No such file or directory\n",
        ),
        ("savevm x", "Error: no block device can store vmstate for snapshot\n"),
        ("info snapshots", "no block device can store vmstate for snapshot\n"),
    ],
)
def test_a_line_says(say: Callable[[str], str], line: str, said: str) -> None:
    assert say(line) == said


def test_a_medium_is_put_in_shown_and_taken_out(
    say: Callable[[str], str], image: Path
) -> None:
    assert say(f"change cd0 {image} raw read-only") == ""
    head, *rest = say("info block cd0").splitlines()
    assert head.startswith("cd0 (#block")
    assert head.endswith(f"): {image} (raw, read-only)")
    assert rest == [
        PLACE.rstrip(),
        "    Removable device: not locked, tray closed",
        "    Cache mode:       writeback",
    ]
    verbose = say("info block -v cd0")
    assert f"image: {image}\nfile format: raw\n" in verbose
    assert f"virtual size: 1 MiB ({SIZE} bytes)\n" in verbose
    assert say("eject cd0") == ""
    assert say("info block cd0") == EMPTY.replace("closed", "open")


def test_a_drive_comes_and_goes(say: Callable[[str], str], image: Path) -> None:
    assert say(f"drive_add 0 if=none,file={image},format=raw,id=d1") == "OK\n"
    assert say("drive_add 0 if=none,id=d1") == "Duplicate ID 'd1' for drive\n"
    assert say('qemu-io d1 "write -P 7 512 1k"') == ""
    assert image.read_bytes()[510:514] == b"\0\0\7\7"
    assert say("drive_del d1") == ""
    assert say("drive_del d1") == "Device 'd1' not found\n"


def test_a_node_comes_and_goes(say: Callable[[str], str]) -> None:
    assert say("drive_add -n 0 driver=null-co,node-name=n,size=512") == ""
    assert say("info block n").startswith("\nn: ")
    assert say("drive_del n") == ""
    assert say("info block n") == ""


def test_throttling_is_shown(say: Callable[[str], str], image: Path) -> None:
    say(f"drive_add 0 if=none,file={image},format=raw,id=d1")
    assert say("block_set_io_throttle d1 1000 0 0 0 0 0") == ""
    assert "    I/O throttling:   bps=1000 bps_rd=0 bps_wr=0 bps_max=100 " in say(
        "info block d1"
    ).replace("bps_max=0 ", "bps_max=100 ")
