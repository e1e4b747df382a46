"""libvirt with the stand-in: checkpoints, and backups that are pushed and pulled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.libvirt_domains import are_alike, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]

OTHERS = "<disk name='vda' backup='no'/><disk name='hdc' backup='no'/>"
PUSH = f"""<domainbackup mode='push'>@<disks>{OTHERS}
  <disk name='sda' type='file'><driver type='qcow2'/><target file='#/bk.qcow2'/></disk>
</disks></domainbackup>"""
PULL = f"""<domainbackup mode='pull'>@<server transport='unix' socket='#/bk.sock'/>
  <disks>{OTHERS}<disk name='sda' type='file' exportname='sda' exportbitmap='changed'>
    <driver type='qcow2'/><scratch file='#/scratch.qcow2'/></disk></disks>
</domainbackup>"""


def begin(libvirt: Libvirt, domain: str, xml: str, since: str = "") -> None:
    """Begin a backup of the second disk."""
    file = libvirt.folder / "backup.xml"
    asked = f"<incremental>{since}</incremental>" if since else ""
    file.write_text(xml.replace("@", asked).replace("#", str(libvirt.folder)))
    libvirt.told("backup-begin", domain, file)


def write(libvirt: Libvirt, domain: str, offset: str) -> None:
    """Let something be written to the second disk, as if the guest did."""
    command = f'qemu-io -d scsi0-0-0-0 "write -P 51 {offset} 64k"'
    told = libvirt.told("qemu-monitor-command", domain, "--hmp", command)
    assert told == ""  # what is told goes to the emulator's own output


def query(libvirt: Libvirt, domain: str, command: str, **arguments: Any) -> Any:
    """Give a command to the monitor, and return what it returns."""
    text = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(libvirt.told("qemu-monitor-command", domain, text))["return"]


def stored(folder: Path, name: str) -> dict[str, list[str]]:
    """Return the bitmaps that an image holds, with their flags."""
    told = run("qemu-img", "info", "-U", "--output=json", name, folder=folder)
    data = json.loads(told)["format-specific"]["data"]
    return {each["name"]: each["flags"] for each in data.get("bitmaps", ())}


def sizes(libvirt: Libvirt, domain: str, name: str) -> str:
    """Return how much has changed on the second disk since a checkpoint."""
    told = libvirt.told("checkpoint-dumpxml", domain, name, "--size")
    (line,) = [line for line in told.splitlines() if "name='sda'" in line]
    return line.partition("size='")[2].partition("'")[0]


def checkpoint(libvirt: Libvirt, domain: str, name: str) -> None:
    """Begin to note what changes on the second disk."""
    disks = "--diskspec vda,checkpoint=no --diskspec sda --diskspec hdc,checkpoint=no"
    libvirt.line(f"checkpoint-create-as {domain} {name} {disks}")


def test_a_checkpoint_notes_what_changes_and_outlives_the_machine(
    libvirt: Libvirt, fresh: str
) -> None:
    checkpoint(libvirt, fresh, "c1")
    assert sizes(libvirt, fresh, "c1") == "0"
    write(libvirt, fresh, "1M")
    assert sizes(libvirt, fresh, "c1") == "65536"
    libvirt.told("destroy", fresh)
    assert stored(libvirt.folder, "data.qcow2") == {"c1": ["auto"]}
    run("qemu-img", "check", "data.qcow2", folder=libvirt.folder)
    libvirt.told("start", fresh)
    assert stored(libvirt.folder, "data.qcow2") == {"c1": ["in-use", "auto"]}
    assert sizes(libvirt, fresh, "c1") == "65536"
    checkpoint(libvirt, fresh, "c2")
    assert libvirt.told("checkpoint-list", fresh, "--name").split() == ["c1", "c2"]
    write(libvirt, fresh, "2M")
    assert sizes(libvirt, fresh, "c1") == "131072"
    libvirt.told("checkpoint-delete", fresh, "c2")  # what it noted goes to the other
    assert sizes(libvirt, fresh, "c1") == "131072"
    libvirt.told("checkpoint-delete", fresh, "c1")
    libvirt.told("destroy", fresh)
    assert stored(libvirt.folder, "data.qcow2") == {}
    run("qemu-img", "check", "data.qcow2", folder=libvirt.folder)


def test_after_a_crash_a_checkpoint_is_not_trusted(
    libvirt: Libvirt, fresh: str
) -> None:
    checkpoint(libvirt, fresh, "c1")
    libvirt.told("destroy", fresh)
    libvirt.told("start", fresh)
    libvirt.kill(fresh)
    libvirt.wait_for(fresh, "shut off (crashed)")
    libvirt.told("start", fresh)
    nodes = query(libvirt, fresh, "query-named-block-nodes", flat=True)
    (bitmaps,) = [each for node in nodes if (each := node.get("dirty-bitmaps"))]
    assert [each.get("inconsistent") for each in bitmaps] == [True]


def test_a_backup_is_pushed(libvirt: Libvirt, fresh: str) -> None:
    begin(libvirt, fresh, PUSH)
    libvirt.wait_until(
        lambda: "Backup" in libvirt.told("domjobinfo", fresh, "--completed")
    )
    assert are_alike(libvirt.folder, "bk.qcow2", "data.qcow2")
    run("qemu-img", "check", "bk.qcow2", folder=libvirt.folder)


def test_what_has_changed_is_pushed(libvirt: Libvirt, fresh: str) -> None:
    checkpoint(libvirt, fresh, "c1")
    write(libvirt, fresh, "3M")
    (libvirt.folder / "bk.qcow2").unlink(missing_ok=True)
    begin(libvirt, fresh, PUSH, "c1")
    libvirt.wait_until(
        lambda: "Backup" in libvirt.told("domjobinfo", fresh, "--completed")
    )
    told = run(
        "qemu-img", "map", "-U", "--output=json", "bk.qcow2", folder=libvirt.folder
    )
    own = [x for x in json.loads(told) if x["depth"] == 0 and x["data"]]
    assert [(each["start"], each["length"]) for each in own] == [(3 << 20, 65536)]


def test_a_backup_is_pulled(libvirt: Libvirt, fresh: str) -> None:
    begin(libvirt, fresh, PULL)
    assert "mode='pull'" in libvirt.told("backup-dumpxml", fresh)
    assert "Backup" in libvirt.told("domjobinfo", fresh)
    where = f"nbd+unix:///sda?socket={libvirt.folder}/bk.sock"
    convert = ("qemu-img", "convert", "-f", "raw", where, "-O", "qcow2", "got.qcow2")
    run(*convert, folder=libvirt.folder)
    libvirt.told("domjobabort", fresh)
    libvirt.wait_until(lambda: not (libvirt.folder / "bk.sock").exists())
    assert are_alike(libvirt.folder, "got.qcow2", "data.qcow2")


def test_what_has_changed_is_told_to_who_pulls(libvirt: Libvirt, fresh: str) -> None:
    checkpoint(libvirt, fresh, "c1")
    write(libvirt, fresh, "5M")
    begin(libvirt, fresh, PULL, "c1")
    options = (
        f"driver=nbd,export=sda,server.type=unix,"
        f"server.path={libvirt.folder}/bk.sock,x-dirty-bitmap=qemu:dirty-bitmap:changed"
    )
    told = run(
        *("qemu-img", "map", "--output=json", "--image-opts", options),
        folder=libvirt.folder,
    )
    # qemu-img shows what is dirty as what has no data.
    dirty = [x for x in json.loads(told) if not x["data"]]
    assert [(each["start"], each["length"]) for each in dirty] == [(5 << 20, 65536)]
    libvirt.told("domjobabort", fresh)
