"""Mirrors: to a file, and the node that they put in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.dialects.modern.conftest import MIB, wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box


@pytest.mark.parametrize("driver", ["raw", "qcow2"])
def test_a_drive_is_mirrored_to_a_file(chain: Box, tmp_path: Path, driver: str) -> None:
    target = str(tmp_path / "copy")
    chain.run(
        "drive-mirror",
        device="top",
        job_id="m",
        target=target,
        sync="full",
        format=driver,
        node_name="copy",
    )
    wait(chain, "m", "ready")
    (told,) = chain.run("query-block-jobs")
    assert told == {
        "type": "mirror",
        "device": "m",
        "len": MIB,
        "offset": MIB,
        "busy": False,
        "paused": False,
        "speed": 0,
        "io-status": "ok",
        "ready": True,
        "status": "ready",
        "auto-finalize": True,
        "auto-dismiss": True,
    }
    chain.run("job-complete", id="m")
    wait(chain, "m", "null")
    inserted = chain.run("query-block")[0]["inserted"]
    assert (inserted["node-name"], inserted["drv"]) == ("copy", driver)
    assert chain.do(lambda: chain.machine.drives["disk"].read(0, 1)) == b"\1" * 512


def test_a_job_shows_the_node_that_it_puts_in_front(chain: Box) -> None:
    size = {"driver": "null-co", "size": MIB}
    chain.run("blockdev-add", node_name="copy", **size)
    chain.run("blockdev-mirror", job_id="m", device="top", target="copy", sync="full",
            speed=1, filter_node_name="front")  # fmt: skip
    chain.run("blockdev-add", node_name="later", **size)
    told = chain.run("query-named-block-nodes")
    assert [each["node-name"] for each in told[:3]] == ["later", "front", "copy"]
    front, top = told[1], next(x for x in told if x["node-name"] == "top")
    assert front["drv"] == front["image"]["format"] == "mirror_top"
    assert front["image"]["backing-image"] == top["image"]
    assert front["backing_file_depth"] == top["backing_file_depth"] + 1
    shown = chain.run("query-block")[0]["inserted"]
    assert shown["node-name"] == "front"
    taken = ("GenericError", "Duplicate nodes with node-name='front'")
    assert chain.refusal("blockdev-add", node_name="front", **size) == taken
    chain.run("block-job-cancel", device="m", force=True)
    wait(chain, "m", "null")
    names = [each["node-name"] for each in chain.run("query-named-block-nodes")]
    assert "front" not in names
