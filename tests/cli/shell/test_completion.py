"""What may come next in a line."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.cli.human_text import commands_in
from qmpx.cli.shell.completion import candidates, offered
from qmpx.cli.shell.explanation import explanation
from qmpx.cli.shell.human_completion import human_slot
from qmpx.cli.shell.places import names_at
from qmpx.cli.shell.slots import slot_at
from qmpx.errors import GenericError

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.qapi.model import Schema


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("query-sta", ["query-stats", "query-stats-schemas", "query-status"]),
        ("tree-of", []),
        ("transact", ["transaction( "]),
        ("oob migrate-p", ["migrate-pause"]),
        ("eject ", ["device=", "id=", "force="]),
        ("eject device=x ", ["id=", "force="]),
        ("eject force=", ["true", "false"]),
        ("eject force=t", ["true"]),
        ("blockdev-add ", ["driver=", "node-name="]),
        ("blockdev-add driver=qcow2 ", ["file=", "node-name="]),
        ("blockdev-add driver=qc", ["qcow", "qcow2"]),
        ("blockdev-add driver=qcow2 file.", ["file.driver="]),
        ("blockdev-add driver=qcow2 file.driver=file file.f", ["file.filename="]),
        (
            "blockdev-add driver=raw file.driver=nbd file.server.type=",
            ["inet", "unix", "vsock", "fd"],
        ),
        ("oob query-", ["query-yank"]),
        ("oob quer", ["query-yank"]),
        ("migrate-set-capabilities capabilities.", ["capabilities.0."]),
        ("announce-self interfaces.", ["interfaces.0="]),
        (
            "migrate-set-capabilities capabilities.0.",
            ["capabilities.0.capability=", "capabilities.0.state="],
        ),
        ("set-numa-node type=n", ["node"]),
        ("transaction( block-dirty-bitmap-a", ["block-dirty-bitmap-add "]),
        ("transaction( abort ", []),
        ("help eje", ["eject"]),
        ("events STO", ["STOP"]),
        ("as ", ["auto", "json", "table"]),
        ('{"execute": "que', []),
        ("eject device:=", []),
    ],
)
def test_the_schema_knows_what_may_follow(
    schema: Schema, line: str, first: list[str]
) -> None:
    slot = slot_at(line, schema)
    found = [each.text for each in candidates(slot, schema)]
    assert found[: len(first)] == first
    if not first:
        assert found == []


def test_within_a_transaction_actions_are_offered(schema: Schema) -> None:
    slot = slot_at("block-dirty-bitmap-add n", schema, in_transaction=True)
    texts = [each.text for each in candidates(slot, schema)]
    assert texts[:2] == ["node=", "name="]


@pytest.mark.parametrize(
    ("line", "places"),
    [
        ("device_del id=", "devices"),
        ("device_add driver=", "models"),
        ("eject device=", "drives"),
        ("block-stream device=", "images"),
        ("transaction( blockdev-backup device=", "images"),
        ("set_link name=", "links"),
        ("blockdev-del node-name=", "nodes"),
        ("blockdev-add node-name=", ""),
        ("qom-get path=/ma", "qom"),
        ("qom-get path=/machine property=", "properties"),
        ("netdev_del id=", "netdevs"),
        ("chardev-remove id=", "chardevs"),
        ("object-del id=", "objects"),
        ("job-cancel id=", "jobs"),
        ("block-job-cancel device=", "block-jobs"),
        ("blockdev-add driver=file filename=", "files"),
        ("eject force=", ""),
    ],
)
def test_what_only_the_machine_knows_is_named(
    schema: Schema, line: str, places: str
) -> None:
    assert slot_at(line, schema).places == places


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("eject ", "eject: [device] [id] [force]"),
        ("eject force=", "eject force: bool"),
        ("query-status ", "query-status: no arguments -> StatusInfo"),
        ("block-set-x ", "block-set-x"),
        ("blockdev-add file.cache.", "blockdev-add file.cache: [direct] [no-flush]"),
        ("as ", "as auto|json|table|pretty: how answers are shown"),
        ("", ""),
    ],
)
def test_what_is_typed_is_explained(schema: Schema, line: str, text: str) -> None:
    assert explanation(slot_at(line, schema), schema) == text


ANSWERS: dict[str, Any] = {
    "query-block": [
        {"device": "hd0", "inserted": {"file": "d.img"}},
        {"device": "cd0"},
    ],
    "query-named-block-nodes": [{"node-name": "n0", "drv": "raw", "file": "d.img"}],
    "query-jobs": [{"id": "job0", "type": "mirror", "status": "running"}],
    "qom-list": [
        {"name": "unattached", "type": "child<container>"},
        {"name": "type", "type": "string"},
    ],
    "human-monitor-command": "hub 0\r\n \\ net0: index=0,type=user,net=10.0.2.0\r\n"
    "nic0: index=0,type=nic,model=e1000,macaddr=52:54:00:12:34:56\r\n",
}


def ask(places: str, prefix: str = "", **given: str) -> list[tuple[str, str]]:
    """Ask a machine by hand."""

    async def answer(name: str, arguments: dict[str, Any]) -> Any:  # noqa: ARG001
        if name not in ANSWERS:
            raise GenericError("no")
        return ANSWERS[name]

    return asyncio.run(names_at(places, prefix, given, answer))


@pytest.mark.parametrize(
    ("places", "prefix", "names"),
    [
        ("drives", "", [("cd0", "no medium"), ("hd0", "d.img")]),
        ("nodes", "", [("n0", "raw d.img")]),
        ("jobs", "", [("job0", "mirror running")]),
        ("qom", "/machine/un", [("/machine/unattached", "child<container>")]),
        ("devices", "", [("unattached", "container")]),
        ("properties", "", [("type", "string"), ("unattached", "child<container>")]),
        ("netdevs", "", [("net0", "user")]),
        ("links", "", [("net0", "user"), ("nic0", "nic")]),
        ("images", "", [("cd0", "no medium"), ("hd0", "d.img"), ("n0", "raw d.img")]),
        ("chardevs", "", []),
        ("nothing", "", []),
    ],
)
def test_the_machine_is_asked_for_its_names(
    places: str, prefix: str, names: list[tuple[str, str]]
) -> None:
    assert ask(places, prefix) == names


def test_files_are_those_of_this_host(tmp_path: Path) -> None:
    (tmp_path / "a.img").touch()
    (tmp_path / "folder").mkdir()
    names = [name for name, _ in ask("files", f"{tmp_path}/")]
    assert names == [f"{tmp_path}/a.img", f"{tmp_path}/folder/"]


def test_a_name_with_a_blank_is_offered_in_quotes(schema: Schema) -> None:
    slot = slot_at("blockdev-add driver=file filename=a", schema)
    found = offered(slot, [("a b.img", "")])
    assert [each.text for each in found] == ['"a b.img"']


HELP = """\
balloon target -- request VM to change its memory allocation (in MB)
eject [-f] device -- eject a removable medium (use -f to force it)
quit|q  -- quit the emulator
"""
TOPICS = """\
info block [-n] [-v] [device] -- show info of one block device
info status  -- show the current VM status (running|paused)
"""


@pytest.mark.parametrize(
    ("line", "start", "texts", "places", "about"),
    [
        ("q", 0, ["quit", "q"], "", ""),
        ("info ", 5, ["block", "status"], "", ""),
        ("info st", 5, ["status"], "", ""),
        ("help ej", 5, ["eject"], "", ""),
        (
            "eject ",
            6,
            [],
            "drives",
            "eject [-f] device: eject a removable medium (use -f to force it)",
        ),
        ("eject -f c", 9, [], "drives", None),
        (
            "info block ",
            11,
            [],
            "",
            "info block [-n] [-v] [device]: show info of one block device",
        ),
        ("frob x", 5, [], "", ""),
    ],
)
def test_the_human_monitor_is_completed_by_its_help(
    line: str, start: int, texts: list[str], places: str, about: str | None
) -> None:
    slot = human_slot(line, commands_in(HELP), commands_in(TOPICS, "info"))
    assert (slot.start, [c.text for c in slot.candidates]) == (start, texts)
    assert slot.places == places
    if about is not None:
        assert slot.about == about
