"""What ``-drive`` says of image files."""

from __future__ import annotations

import re
from typing import Any

import pytest

from qmpx.machine.block.drive_options import image_options, limits

DISK = {"file": "d.img", "format": "raw"}
DIRECT = {"direct": True, "no-flush": False, "writeback": True}


@pytest.mark.parametrize(
    ("more", "root", "file"),
    [
        ({}, {}, {}),
        ({"cache": "none"}, {"cache": DIRECT}, {"cache": DIRECT}),
        ({"aio": "io_uring", "id": "d", "if": "none"}, {}, {"aio": "io_uring"}),
        (
            {"discard": "on", "detect-zeroes": "unmap"},
            {"discard": "unmap", "detect-zeroes": "unmap"},
            {},
        ),
        ({"auto-read-only": "off"}, {}, {"auto-read-only": False}),
        ({"offset": "512", "node-name": "n"}, {"offset": 512, "node-name": "n"}, {}),
    ],
)
def test_a_file_is_a_node_below_one_of_its_format(
    more: dict[str, str], root: dict[str, Any], file: dict[str, Any]
) -> None:
    below = {"driver": "file", "filename": "d.img", "auto-read-only": True, **file}
    assert image_options(DISK | more) == {"driver": "raw", **root, "file": below}


@pytest.mark.parametrize(
    "options", [{"file": "d.img"}, {"format": "raw"}, {**DISK, "snapshot": "on"}]
)
def test_what_is_not_told_in_full_is_left_to_others(options: dict[str, str]) -> None:
    assert image_options(options) is None


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ({"aio": "x"}, "invalid aio option"),
        ({"cache": "x"}, "invalid cache option"),
        ({"discard": "x"}, "Invalid discard option"),
        ({"detect-zeroes": "x"}, "invalid parameter value: x"),
        ({"bogus": "1"}, "Block format 'raw' does not support the option 'bogus'"),
        (
            {"aio": "native"},
            (
                "aio=native was specified, but it requires cache.direct=on, which was "
                "not specified."
            ),
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_qemus_words(
    more: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        image_options(DISK | more)


def test_limits_have_old_names_and_new_ones() -> None:
    old = limits({"iops": "100", "iops_max": "200"}, "d0")
    new = limits(
        {"throttling.iops-total": "100", "throttling.iops-total-max": "200"}, "d0"
    )
    assert old is not None
    assert (old.group, old.average, old.most) == ("d0", {"iops": 100}, {"iops": 200})
    assert new == old
    assert limits({"id": "d0"}, "d0") is None
