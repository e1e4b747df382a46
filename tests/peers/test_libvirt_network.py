"""A system's libvirt with the stand-in: networks that need the host's interfaces."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt import Libvirt, private_libvirt
from tests.peers.libvirt_domains import disk_xml, domain_xml, running_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("libvirt"), pytest.mark.slow]

MAC = "52:54:00:11:22:55"
NETWORKS = {
    "bridge": "<interface type='bridge'><source bridge='lvbr0'/>",
    "ethernet": "<interface type='ethernet'><target dev='lvtap9'/>",
}


@pytest.fixture(scope="module")
def system() -> Iterator[Libvirt]:
    """Run a libvirtd of a system."""
    if os.geteuid() != 0:
        pytest.skip("only root has a libvirtd of a system")
    with private_libvirt(is_system=True) as libvirt:
        yield libvirt


@pytest.fixture(scope="module")
def domain(system: Libvirt) -> Iterator[str]:
    """Run a small domain."""
    disk = system.folder / "boot.raw"
    disk.write_bytes(bytes(1 << 20))
    xml = domain_xml("networked", disk_xml(disk, "vda", "virtio", "raw"))
    with running_domain(system, "networked", xml) as name:
        yield name


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_interface_comes_and_goes(system: Libvirt, domain: str, kind: str) -> None:
    file = system.folder / f"{kind}.xml"
    mac = f"<mac address='{MAC}'/><model type='virtio'/></interface>"
    file.write_text(NETWORKS[kind] + mac)
    system.told("attach-device", domain, file, "--live")
    listed = system.told("domiflist", domain).split()
    assert [listed[1], *listed[3:]] == [kind, "virtio", MAC]
    assert "rx_bytes" in system.told("domifstat", domain, MAC)
    system.told("detach-device", domain, file, "--live")
    assert system.told("domiflist", domain) == ""
