"""Files that a checked command names are looked at, where they are this host's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from qmpx.gateway.policy.named import HEADER_SIZE
from qmpx.gateway.sharing import eyes
from tests.loops import settle, silenced
from tests.monitor.conftest import NEGOTIATE, command, returned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.monitor.conftest import Connect, Run, Stage

EXTERNAL = (b"QFI\xfb" + (3).to_bytes(4, "big")).ljust(72, b"\0") + bytes([0] * 7 + [4])
PLAIN = EXTERNAL[:-1] + b"\0"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a role's directory, which is a link, with files good and bad."""
    (tmp_path / "disks").mkdir()
    images = tmp_path / "images"
    images.symlink_to("disks")
    (tmp_path / "secret").write_bytes(b"hush")
    (images / "plain").write_bytes(PLAIN)
    (images / "external").write_bytes(EXTERNAL)
    (images / "inner").symlink_to("plain")
    (images / "outer").symlink_to(tmp_path / "secret")
    (images / "dangling").symlink_to(tmp_path / "nothing")
    (images / "sub").symlink_to(tmp_path)
    os.mkfifo(images / "pipe")
    return images


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("plain", ""),
        ("inner", ""),
        ("nothing", ""),
        ("outer", "is a link that leads out of the role's directories"),
        ("dangling", "is a link that leads out of the role's directories"),
        ("sub/secret", "is a link that leads out of the role's directories"),
        ("sub/new", "is a link that leads out of the role's directories"),
    ],
)
def test_a_file_lies_where_its_links_lead(images: Path, file: str, told: str) -> None:
    path = str(images / file)
    assert told in eyes.fault_of_seen([path], [], [str(images)])
    assert bool(told) == bool(eyes.fault_of_seen([path], [], [str(images)]))


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("plain", ""),
        ("nothing", ""),
        ("external", "names a data file"),
        ("sub", "cannot be looked at: Is a directory"),
        ("pipe", "cannot be looked at: Illegal seek"),
    ],
)
def test_a_header_is_read(images: Path, file: str, told: str) -> None:
    fault = eyes.fault_of_seen([], [str(images / file)], [str(images)])
    assert told in fault
    assert bool(told) == bool(fault)


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ({"node-name": "n0", "drv": "file", "file": "/a"}, ["/a"]),
        ({"node-name": "n0", "drv": "host_device", "file": "/a"}, ["/a"]),
        (
            {"node-name": "n1", "drv": "file", "file": "/a"},
            "the file of the node 'n0' is not known",
        ),
        (
            {"node-name": "n0", "drv": "raw", "file": 'json:{"driver": "x"}'},
            "the file of the node 'n0' is not known",
        ),
        (  # what a guest has written on it is another image
            {"node-name": "n0", "drv": "qcow2", "file": "/a"},
            "the node 'n0' is no file: what lies in it cannot be looked at",
        ),
    ],
)
def test_the_files_of_nodes_are_what_the_monitor_says(
    node: dict[str, str], found: list[str] | str
) -> None:
    assert eyes.files_of(msgspec.json.encode([node]), ["n0"]) == found


CONFIGURATION = """
[[listener]]
address = "unix:*"
role = "images"
[role.images]
profile = "storage"
directories = ["DIRECTORY"]
host-files = "here"
"""


def image_at(path: Path) -> dict[str, Any]:
    return {
        "driver": "qcow2",
        "file": {"driver": "file", "filename": str(path)},
        "backing": None,
    }


def test_a_command_waits_for_the_look_and_goes_on_or_is_refused(
    run: Run,
    guard: Callable[..., Any],
    stage: Stage,
    connect: Connect,
    images: Path,
) -> None:
    ran = []

    @stage.monitor.command("blockdev-add")
    def blockdev_add(*, driver: str, file: Any, backing: Any) -> None:
        ran.append((driver, file, backing))

    @stage.monitor.command("query-named-block-nodes")
    def query_named_block_nodes(*, flat: bool = False) -> list[dict[str, str]]:
        assert flat
        return [
            {"node-name": name, "drv": "file", "file": str(images / name)}
            for name in ("plain", "external")
        ]

    async def main() -> None:
        async with guard(CONFIGURATION.replace("DIRECTORY", str(images))):
            peer = await connect(NEGOTIATE)

            async def told(options: dict[str, Any]) -> str:
                reply = await peer.ask(command("blockdev-add", 1, **options))
                return str(reply.get("error", {}).get("desc", ""))

            assert await told(image_at(images / "plain")) == ""
            assert "names a data file" in await told(image_at(images / "external"))
            assert "leads out of" in await told(image_at(images / "outer"))
            over = {"driver": "qcow2", "backing": None}
            assert await told(over | {"file": "plain"}) == ""
            assert "names a data file" in await told(over | {"file": "external"})
            assert "is not known" in await told(over | {"file": "other"})
            assert len(ran) == 2
            # The others behind it have their turn all the same.
            await peer.send(command("blockdev-add", 2, **image_at(images / "plain")))
            await peer.send(command("query-status", 3))
            assert (await peer.receive())[0] == returned({}, 2)

    with silenced("qmpx.gateway"):
        run(main())


def test_a_disk_that_does_not_answer_is_a_refusal(
    run: Run,
    guard: Callable[..., Any],
    connect: Connect,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eyes, "LOOK_TIMEOUT", 0.0)

    async def main() -> None:
        async with guard(CONFIGURATION.replace("DIRECTORY", str(images))):
            peer = await connect(NEGOTIATE)
            image = image_at(images / "plain")
            reply = await peer.ask(command("blockdev-add", 1, **image))
            while "in time" not in str(reply.get("error")):
                await settle()
                reply = await peer.ask(command("blockdev-add", 1, **image))

    with silenced("qmpx.gateway"):
        run(main())
    assert len(PLAIN) == HEADER_SIZE
