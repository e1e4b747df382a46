"""A libvirtd that is restarted finds the machines of the stand-in as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]


@pytest.mark.parametrize("is_sudden", [False, True], ids=["ended", "killed"])
def test_a_machine_lives_on(libvirt: Libvirt, rich: str, *, is_sudden: bool) -> None:
    state = libvirt.state(rich)
    asked = ["dumpxml", "domid", "iothreadinfo", "vcpucount", "domblklist"]
    before = [libvirt.told(each, rich) for each in asked]
    libvirt.stop(is_sudden=is_sudden)
    libvirt.start()
    libvirt.wait_for(rich, state)
    assert [libvirt.told(each, rich) for each in asked] == before
    libvirt.told("suspend", rich)
    libvirt.told("resume", rich)


def test_a_copy_goes_on(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(
        f"blockcopy {rich} sda --dest @/r.qcow2 --format qcow2 --wait --transient-job"
    )
    libvirt.stop(is_sudden=True)
    libvirt.start()
    libvirt.wait_until(
        lambda: "cur=" in libvirt.virsh("blockjob", rich, "sda", "--raw").stdout
    )
    libvirt.told("blockjob", rich, "sda", "--pivot")
    assert "r.qcow2" in libvirt.told("domblklist", rich)


def test_a_machine_that_died_meanwhile_has_crashed(libvirt: Libvirt, rich: str) -> None:
    libvirt.stop()
    libvirt.kill(rich)
    libvirt.start()
    libvirt.wait_for(rich, "shut off (crashed)")
    libvirt.told("start", rich)
