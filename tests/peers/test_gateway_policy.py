"""Roles between clients and a real QEMU: what is listed is what runs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.gateway.settings.roles import built_in_roles
from qmpx.qapi.danger import HUMAN_LINES, Danger
from qmpx.qapi.introspection.reading import from_introspection
from tests.programs import SECONDS, sharing

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.client import Client
    from tests.peers.conftest import StartQemu

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]


def is_refused(vm: Client, name: str, arguments: Any) -> bool:
    """Whether the gateway refuses a command; what QEMU says of it is its own affair."""
    try:
        vm.execute(name, arguments)
    except qmpx.CommandError as error:
        return "does not allow" in error.desc
    return False


ARGUMENTS = {
    "human-monitor-command": {"command-line": "info status"},
    "qom-get": {"path": "/machine", "property": "type"},
    "transaction": {"actions": []},
}
"""What a command is given that may be refused for its arguments."""


@pytest.mark.parametrize("role", ["observe", "read", "operate", "agent"])
def test_all_that_the_schema_of_a_role_has_runs_and_nothing_else(
    qemu: StartQemu, role: str
) -> None:
    machine = qemu()
    with qmpx.connect(machine.qmp) as direct:
        every = from_introspection(direct.execute("query-qmp-schema"))
    with sharing(machine.qmp, "--role", role) as path, qmpx.connect(path) as vm:
        schema = from_introspection(vm.execute("query-qmp-schema"))
        listed = {each["name"] for each in vm.execute("query-commands")}
        assert schema.commands.keys() == listed
        own = {name for name in listed if name.startswith("x-qmpx-")}
        assert own == {"x-qmpx-subscribe", "x-qmpx-unsubscribe"}
        listed -= own
        assert listed < every.commands.keys()
        assert schema.events.keys() <= every.events.keys()
        refused = {
            name
            for name in every.commands
            if is_refused(vm, name, ARGUMENTS.get(name, {}))
        }
        assert refused == every.commands.keys() - listed
        assert not is_refused(vm, "query-status", {})


def test_a_wide_role_may_not_run_what_its_schema_does_not_have(
    qemu: StartQemu,
) -> None:
    machine = qemu()
    with qmpx.connect(machine.qmp) as direct:
        every = {each["name"] for each in direct.execute("query-commands")}
    with sharing(machine.qmp, "--role", "storage") as path, qmpx.connect(path) as vm:
        listed = {each["name"] for each in vm.execute("query-commands")}
        assert {"blockdev-add", "quit"} <= listed
        outside = every - listed
        assert {"migrate", "device_add", "drive-backup", "screendump"} <= outside
        assert [name for name in outside if not is_refused(vm, name, {})] == []


def test_what_is_secret_stays_so(qemu: StartQemu) -> None:
    machine = qemu("-object", "secret,id=sec0,data=hunter2")
    with qmpx.connect(machine.qmp) as direct:
        secret = direct.execute("qom-get", {"path": "sec0", "property": "data"})
        assert secret == "hunter2"
    with sharing(machine.qmp, "--role", "operate") as path, qmpx.connect(path) as vm:
        for name in ("/objects/sec0", "sec0", "objects/sec0"):
            arguments = {"path": name, "property": "data"}
            assert is_refused(vm, "qom-get", arguments)
            other = {"path": name, "property": "format"}
            assert vm.execute("qom-get", other) == "raw"


def test_the_lines_for_people_are_known_to_qemu(qemu: StartQemu) -> None:
    machine = qemu()
    with sharing(machine.qmp, "--role", "read") as path, qmpx.connect(path) as vm:
        strange = {}
        for line in HUMAN_LINES:
            arguments = {"command-line": line}
            said = vm.execute("human-monitor-command", arguments)
            if "unknown command" in said or "description" in said:
                strange[line] = said
    assert strange == {}


def test_a_storage_role_works_within_its_directories(
    qemu: StartQemu, tmp_path: Path
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for directory in (inside, outside):
        directory.mkdir()
        (directory / "disk").write_bytes(bytes(1 << 20))
    file = tmp_path / "share.toml"
    file.write_text(f'[role.disks]\nprofile = "storage"\ndirectories = ["{inside}"]\n')
    machine = qemu()
    words = ("--config", str(file), "--role", "disks")
    with sharing(machine.qmp, *words) as path, qmpx.connect(path) as vm:
        disk = {"driver": "file", "filename": f"{inside}/disk"}
        added = {"driver": "raw", "node-name": "n0", "file": disk}
        assert vm.execute("blockdev-add", added) == {}
        for name in (f"{outside}/disk", f"{inside}/../out/disk"):
            elsewhere = {"driver": "raw", "node-name": "n1"}
            elsewhere["file"] = {"driver": "file", "filename": name}  # type: ignore[assignment]
            assert is_refused(vm, "blockdev-add", elsewhere)
        bitmap = {"node": "n0", "name": "b"}
        snapshot = {"node-name": "n0", "snapshot-file": f"{outside}/s"}
        good = [{"type": "block-dirty-bitmap-add", "data": bitmap}]
        bad = [*good, {"type": "blockdev-snapshot-sync", "data": snapshot}]
        assert is_refused(vm, "transaction", {"actions": bad})
        assert vm.execute("transaction", {"actions": good}) == {}


def test_every_reading_line_is_classified() -> None:
    assert set(HUMAN_LINES.values()) == {Danger.READ, Danger.LEAK}
    assert (
        built_in_roles()["observe"].reach.lines < built_in_roles()["read"].reach.lines
    )


LOOKING = """
[[listener]]
address = "unix:*"
role = "images"
[role.images]
profile = "storage"
directories = ["{directory}"]
host-files = "{known}"
"""


def image_node(name: str, file: object) -> dict[str, Any]:
    return {"driver": "qcow2", "node-name": name, "file": file, "backing": None}


def is_open(vm: Client, name: str) -> bool:
    nodes = vm.execute("query-named-block-nodes", {"flat": True})
    return name in {node["node-name"] for node in nodes}


def test_no_image_reaches_a_file_of_the_host_by_its_header_or_by_a_link(
    qemu: StartQemu, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "secret").write_bytes(b"hush" * 4096)
    (images / "link").symlink_to(tmp_path / "secret")

    def make(name: str, *options: str) -> None:
        words = ["qemu-img", "create", "-q", "-f", "qcow2", *options, name, "16k"]
        subprocess.run(words, cwd=images, check=True, timeout=SECONDS)

    make("good")
    # What a guest can write on its raw disk: a header that names any file.
    (tmp_path / "kept").write_bytes((tmp_path / "secret").read_bytes())
    make("evil", "-o", f"data_file={tmp_path / 'secret'},data_file_raw=on")
    (tmp_path / "secret").write_bytes((tmp_path / "kept").read_bytes())
    machine = qemu()
    with qmpx.connect(machine.qmp) as direct:
        direct.execute("blockdev-add", image_node("proof", file_at(images / "evil")))
        assert is_open(direct, "proof")  # QEMU opens it: it is the gateway's to refuse
        direct.execute("blockdev-del", {"node-name": "proof"})
    settings = tmp_path / "share.toml"
    for known, good in (("here", True), ("unknown", False)):
        settings.write_text(LOOKING.format(directory=images, known=known))
        with (
            sharing(machine.qmp, "--config", str(settings)) as path,
            qmpx.connect(path) as vm,
        ):
            evil = file_at(images / "evil")
            assert is_refused(vm, "blockdev-add", image_node("a", evil))
            vm.execute("blockdev-add", evil | {"node-name": "raw"})
            assert is_refused(vm, "blockdev-add", image_node("b", "raw"))
            vm.execute("blockdev-del", {"node-name": "raw"})
            asked = image_node("d", file_at(images / "good"))
            assert is_refused(vm, "blockdev-add", asked) is not good
            assert is_open(vm, "d") is good
            if good:
                vm.execute("blockdev-del", {"node-name": "d"})
            if known == "here":
                link = file_at(images / "link") | {"node-name": "e"}
                assert is_refused(vm, "blockdev-add", link)
            assert not any(is_open(vm, name) for name in "abe")


def file_at(path: Path) -> dict[str, str]:
    return {"driver": "file", "filename": str(path)}
