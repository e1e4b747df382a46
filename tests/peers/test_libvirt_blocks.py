"""libvirt with the stand-in: the chains of images behind a disk, and jobs on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt_domains import are_alike, run

if TYPE_CHECKING:
    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]


def chain(libvirt: Libvirt, name: str) -> list[str]:
    """Return the images behind one another, by their headers."""
    told = run(
        *("qemu-img", "info", "-U", "--backing-chain", "--output=json", name),
        folder=libvirt.folder,
    )
    return [each["filename"].rpartition("/")[2] for each in json.loads(told)]


def source(libvirt: Libvirt, domain: str, target: str) -> str:
    """Return the image that a disk writes to."""
    for line in libvirt.told("domblklist", domain).splitlines():
        if line.split()[0] == target:
            return line.rpartition("/")[2]
    raise KeyError(target)


def snapshot(libvirt: Libvirt, domain: str, name: str) -> None:
    """Let the first disk write to an overlay."""
    libvirt.line(
        f"snapshot-create-as {domain} {name} --disk-only --atomic --no-metadata "
        f"--diskspec vda,file=@/{name}.qcow2 --diskspec sda,snapshot=no "
        "--diskspec hdc,snapshot=no"
    )


def test_an_overlay_is_committed_and_the_disk_uses_its_base(
    libvirt: Libvirt, fresh: str
) -> None:
    snapshot(libvirt, fresh, "s1")
    assert chain(libvirt, "s1.qcow2") == ["s1.qcow2", "root.qcow2", "base.img"]
    assert source(libvirt, fresh, "vda") == "s1.qcow2"
    libvirt.line(f"blockcommit {fresh} vda --active --wait --verbose --pivot")
    assert source(libvirt, fresh, "vda") == "base.img"


def test_an_image_in_the_middle_is_committed(libvirt: Libvirt, fresh: str) -> None:
    snapshot(libvirt, fresh, "m1")
    snapshot(libvirt, fresh, "m2")
    names = "--top @/m1.qcow2 --base @/root.qcow2"
    libvirt.line(f"blockcommit {fresh} vda {names} --wait --verbose")
    assert chain(libvirt, "m2.qcow2") == ["m2.qcow2", "root.qcow2", "base.img"]
    assert source(libvirt, fresh, "vda") == "m2.qcow2"


def test_what_is_behind_is_pulled(libvirt: Libvirt, fresh: str) -> None:
    snapshot(libvirt, fresh, "p1")
    libvirt.line(f"blockpull {fresh} vda --wait --verbose")
    assert chain(libvirt, "p1.qcow2") == ["p1.qcow2"]
    assert are_alike(libvirt.folder, "p1.qcow2", "root.qcow2")


def test_a_copy_is_followed_and_taken_over(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(
        f"blockcopy {fresh} sda --dest @/c.qcow2 --format qcow2 --wait "
        "--verbose --transient-job"
    )
    libvirt.line(f"blockjob {fresh} sda --bandwidth 10")
    told = libvirt.line(f"blockjob {fresh} sda --info --raw").split()
    assert told[-3:] == ["bandwidth=10", f"cur={16 << 20}", f"end={16 << 20}"]
    libvirt.line(f"blockjob {fresh} sda --pivot")
    assert source(libvirt, fresh, "sda") == "c.qcow2"
    assert are_alike(libvirt.folder, "c.qcow2", "data.qcow2")


def test_a_copy_is_given_up(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(
        f"blockcopy {fresh} sda --dest @/d.qcow2 --format qcow2 --wait --transient-job"
    )
    libvirt.line(f"blockjob {fresh} sda --abort")
    assert source(libvirt, fresh, "sda") == "data.qcow2"


def test_a_copy_is_made_and_left(libvirt: Libvirt, fresh: str) -> None:
    libvirt.line(
        f"blockcopy {fresh} sda --dest @/e.raw --format raw --wait --finish "
        "--transient-job --bandwidth 16"
    )
    assert source(libvirt, fresh, "sda") == "data.qcow2"
    assert are_alike(libvirt.folder, "e.raw", "data.qcow2")


def test_a_snapshot_of_disks_is_deleted_with_its_file(
    libvirt: Libvirt, fresh: str
) -> None:
    libvirt.line(
        f"snapshot-create-as {fresh} x1 --disk-only --diskspec vda,file=@/x1.qcow2 "
        "--diskspec sda,file=@/x2.qcow2 --diskspec hdc,snapshot=no"
    )
    told = libvirt.refused("snapshot-revert", fresh, "x1")
    assert "revert to external snapshot not supported yet" in told
    libvirt.told("snapshot-delete", fresh, "x1")
    assert source(libvirt, fresh, "vda") == "root.qcow2"
    assert not (libvirt.folder / "x1.qcow2").exists()
