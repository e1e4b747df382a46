"""What a policy leaves to somebody with eyes, and refuses where there is none."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import Raw

from qmpx.gateway.policy.named import HEADER_SIZE, Named, has_data_file
from qmpx.gateway.settings.roles import RoleSettings, build_role

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.gateway.policy import Decision

FILE = {"driver": "file", "filename": "/srv/a"}
IMAGE = {"driver": "qcow2", "file": FILE, "backing": None}
OVER_A_NODE = {"driver": "qcow2", "file": "n0", "backing": None}


def decided(name: str, arguments: Any, **settings: Any) -> Decision:
    settings = {"profile": "admin", "directories": ["/srv"]} | settings
    settings["profile"] = "storage"
    role = build_role("r", msgspec.convert(settings, RoleSettings))
    return role.decide(name, Raw(msgspec.json.encode(arguments)))[0]


@pytest.mark.parametrize("image", [IMAGE, OVER_A_NODE], ids=["file", "node"])
def test_where_nobody_can_look_no_image_is_opened_that_may_name_a_file(
    image: dict[str, Any],
) -> None:
    decision = decided("blockdev-add", image)
    assert not decision.is_allowed
    assert decision.reason == (
        "driver qcow2: its header may name a data-file, and is not known here: the "
        'role says neither host-files = "here" nor "trusted"'
    )
    # The data file that the options name is in the place of the header's.
    assert decided("blockdev-add", image | {"data-file": FILE}).is_allowed
    assert decided("blockdev-add", image, **{"host-files": "trusted"}).is_allowed
    assert decided("blockdev-add", FILE).is_allowed


@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("blockdev-add", FILE, Named(files=["/srv/a"])),
        ("blockdev-add", IMAGE, Named(files=["/srv/a"], images=["/srv/a"])),
        ("blockdev-add", OVER_A_NODE, Named(nodes=["n0"])),
        (
            "blockdev-add",
            IMAGE | {"backing": OVER_A_NODE},
            Named(files=["/srv/a"], images=["/srv/a"], nodes=["n0"]),
        ),
        ("blockdev-add", {"driver": "raw", "file": "n0"}, None),
        (
            "transaction",
            {
                "actions": [
                    {
                        "type": "blockdev-snapshot-sync",
                        "data": {"device": "d", "snapshot-file": f"/srv/{name}"},
                    }
                    for name in "bc"
                ]
            },
            Named(files=["/srv/b", "/srv/c"]),
        ),
        ("query-block", {}, None),
    ],
    ids=["file", "image", "node", "nested", "raw", "transaction", "none"],
)
def test_where_somebody_can_look_it_is_told_at_what(
    name: str, arguments: Any, named: Named | None
) -> None:
    given = {"allow": ["blockdev-snapshot-sync"], "host-files": "here"}
    decision = decided(name, arguments, **given)
    assert decision.is_allowed, decision
    assert decision.named == named


def test_an_image_over_what_is_no_file_cannot_be_looked_at() -> None:
    inner = {"driver": "raw", "file": FILE}
    image = {"driver": "qcow2", "file": inner, "backing": None}
    decision = decided("blockdev-add", image, **{"host-files": "here"})
    assert "cannot be looked at: file must be a file, or a node" in decision.reason


def test_an_agent_is_not_told_to_trust() -> None:
    with pytest.raises(ValueError, match="cannot be given host-files = 'trusted'"):
        RoleSettings(profile="agent", host_files="trusted")


@pytest.mark.skipif(not shutil.which("qemu-img"), reason="there is no qemu-img here")
@pytest.mark.parametrize(
    ("options", "has"),
    [
        ("", False),
        ("compat=0.10", False),
        ("lazy_refcounts=on", False),
        ("data_file=data", True),
        ("data_file=data,data_file_raw=on", True),
    ],
)
def test_a_header_says_whether_there_is_a_data_file(
    tmp_path: Path, options: str, *, has: bool
) -> None:
    words = ["qemu-img", "create", "-q", "-f", "qcow2", "image", "1M"]
    words[5:5] = ["-o", options] if options else []
    subprocess.run(words, cwd=tmp_path, check=True, timeout=30)
    assert has_data_file((tmp_path / "image").read_bytes()[:HEADER_SIZE]) is has


@pytest.mark.parametrize("header", [b"", b"QFI\xfb", b"\xff" * HEADER_SIZE], ids=len)
def test_what_is_no_header_names_nothing(header: bytes) -> None:
    assert not has_data_file(header)
