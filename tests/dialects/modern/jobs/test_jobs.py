"""The job that makes an image: its events, and why it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.dialects.modern.conftest import MIB, statuses, wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box


def test_an_image_is_made_in_a_file_that_is_made(chain: Box, tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    options: dict[str, Any] = {"driver": "file", "filename": path, "size": MIB}
    chain.run("blockdev-create", job_id="j", options=options)
    wait(chain, "j", "concluded")
    chain.run("job-dismiss", id="j")
    below = {"driver": "file", "filename": path}
    options = {"driver": "qcow2", "file": below, "size": 2 * MIB, "version": "v2"}
    chain.run("blockdev-create", job_id="j", options=options)
    wait(chain, "j", "concluded")
    chain.run("blockdev-add", driver="qcow2", node_name="n", file=below)
    (told, *_) = chain.run("query-named-block-nodes", flat=True)
    assert told["image"]["virtual-size"] == 2 * MIB
    assert told["image"]["format-specific"]["data"]["compat"] == "0.10"


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"size": 511}, "Image size must be a multiple of 512 bytes"),
        (
            {"cluster-size": 1000},
            "Cluster size must be a power of two between 512 and 2048k",
        ),
        (
            {"backing-fmt": "raw"},
            "Backing format cannot be used without backing file",
        ),
    ],
)
def test_a_create_job_fails_with_a_reason(
    chain: Box, more: dict[str, Any], error: str
) -> None:
    chain.run("blockdev-add", driver="null-co", node_name="null", size=MIB)
    options = {"driver": "qcow2", "file": "null", "size": MIB, **more}
    chain.run("blockdev-create", job_id="j", options=options)
    wait(chain, "j", "concluded")
    (told,) = chain.run("query-jobs")
    assert told["error"] == error
    assert statuses(chain) == ["created", "running", "aborting", "concluded"]
