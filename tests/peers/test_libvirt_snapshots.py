"""libvirt with the stand-in: snapshots inside images, and of memory beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt_domains import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]

ONLY_DISKS = "--diskspec hdc,snapshot=no"


def tags(folder: Path, name: str) -> list[str]:
    """Return the snapshots that an image holds, by their tags."""
    told = run("qemu-img", "snapshot", "-U", "-l", name, folder=folder)
    return [line.split()[1] for line in told.splitlines()[2:]]


def test_a_snapshot_is_in_the_images(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(f"snapshot-create-as {fresh} i1 {ONLY_DISKS}")
    libvirt.line(f"snapshot-create-as {fresh} i2 {ONLY_DISKS}")
    assert libvirt.state(fresh) == "running (unpaused)"
    for name in ("root.qcow2", "data.qcow2"):
        assert tags(libvirt.folder, name) == ["i1", "i2"]
    listed = libvirt.told("snapshot-list", fresh, "--name").split()
    assert listed == ["i1", "i2"]
    libvirt.told("snapshot-delete", fresh, "i1")
    assert tags(libvirt.folder, "data.qcow2") == ["i2"]
    for name in ("root.qcow2", "data.qcow2"):
        run("qemu-img", "check", "-U", name, folder=libvirt.folder)


def test_a_domain_goes_back_to_a_snapshot(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(f"snapshot-create-as {fresh} i1 {ONLY_DISKS}")
    libvirt.told("destroy", fresh)
    for pattern in ("write -P 85 0 64k", "write -P 85 8M 64k"):
        words = ("qemu-io", "-f", "qcow2", "-c", pattern, "data.qcow2")
        run(*words, folder=libvirt.folder)
    libvirt.told("snapshot-revert", fresh, "i1")
    assert libvirt.state(fresh) == "running (from snapshot)"
    libvirt.told("snapshot-revert", fresh, "i1", "--paused")
    assert libvirt.state(fresh) == "paused (from snapshot)"
    libvirt.told("destroy", fresh)
    for pattern in ("read -P 17 0 1M", "read -P 34 8M 2M"):
        asked = ("qemu-io", "-f", "qcow2", "-r", "-c", pattern, "data.qcow2")
        assert "verification failed" not in run(*asked, folder=libvirt.folder)


def test_a_snapshot_of_a_paused_domain_is_paused(libvirt: Libvirt, fresh: str) -> None:
    libvirt.told("suspend", fresh)
    libvirt.line(f"snapshot-create-as {fresh} ip {ONLY_DISKS}")
    libvirt.told("resume", fresh)
    libvirt.told("snapshot-revert", fresh, "ip")
    assert libvirt.state(fresh).startswith("paused")


def test_a_snapshot_that_qemu_img_has_made_is_seen(
    libvirt: Libvirt, fresh: str
) -> None:
    libvirt.told("destroy", fresh)
    libvirt.told("snapshot-create-as", fresh, "off")  # libvirt asks qemu-img for it
    libvirt.told("start", fresh)
    told = libvirt.told("qemu-monitor-command", fresh, "--hmp", "info snapshots")
    assert "off" in told
    libvirt.told("snapshot-delete", fresh, "off")
    assert tags(libvirt.folder, "data.qcow2") == []


def test_a_disk_that_cannot_hold_snapshots_is_in_the_way(
    libvirt: Libvirt, fresh: str
) -> None:
    libvirt.line(f"attach-disk {fresh} @/more.raw vdb --subdriver raw --live")
    told = libvirt.refused(*f"snapshot-create-as {fresh} no {ONLY_DISKS}".split())
    assert "internal snapshot for disk vdb unsupported" in told
    told = libvirt.told("qemu-monitor-command", fresh, "--hmp", "savevm no")
    assert "is writable but does not support snapshots" in told


def test_memory_is_kept_beside_the_images(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(
        f"snapshot-create-as {fresh} m1 --memspec file=@/mem1,snapshot=external "
        f"--diskspec vda,file=@/ms1.qcow2 --diskspec sda,file=@/ms2.qcow2 "
        f"{ONLY_DISKS} --live"
    )
    assert libvirt.state(fresh).startswith("running")
    assert (libvirt.folder / "mem1").read_bytes()[:16] == b"LibvirtQemudSave"
    assert libvirt.told("snapshot-list", fresh, "--name") == "m1"
    assert "revert to external snapshot not supported yet" in libvirt.refused(
        "snapshot-revert", fresh, "m1"
    )
