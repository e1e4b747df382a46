"""Backups: to a file, and the node that they put in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.dialects.modern.conftest import MIB, statuses, wait

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dialects.conftest import Box


def test_a_drive_is_backed_up_to_a_file(chain: Box, tmp_path: Path) -> None:
    target = str(tmp_path / "copy")
    arguments = {"device": "top", "job_id": "b", "target": target, "sync": "full"}
    chain.run("drive-backup", **arguments, format="raw")
    wait(chain, "b", "null")
    assert (tmp_path / "copy").read_bytes() == b"\1" * MIB
    assert len(chain.run("query-named-block-nodes", flat=True)) == 4
    assert statuses(chain) == [
        *("created", "running", "paused", "running"),
        *("waiting", "pending", "concluded", "null"),
    ]


def test_a_nameless_front_is_shown_as_what_is_in_the_drive(chain: Box) -> None:
    chain.run("blockdev-add", driver="null-co", node_name="copy", size=MIB)
    chain.run("blockdev-backup", job_id="b", device="top", target="copy", sync="none")
    front = chain.run("query-named-block-nodes", flat=True)[0]
    assert front["drv"] == "copy-before-write"
    assert front["node-name"].startswith("#block")
    assert chain.run("query-block")[0]["inserted"]["node-name"] == front["node-name"]
