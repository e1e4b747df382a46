"""libvirt and the guest agent of the stand-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt_domains import MAC, disk_xml, domain_xml, running_domain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt"), pytest.mark.slow]

NAMESPACE = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
DEVICES = f"""
    <interface type='user'><mac address='{MAC}'/><model type='virtio'/></interface>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
"""


@pytest.fixture
def guest(libvirt: Libvirt) -> Iterator[str]:
    """Run a domain whose guest has an agent."""
    disk = libvirt.folder / "agent.raw"
    disk.write_bytes(bytes(1 << 20))
    xml = domain_xml("agent", disk_xml(disk, "vda", "virtio", "raw") + DEVICES)
    ours = "<qemu:commandline><qemu:arg value='--guest-agent'/></qemu:commandline>"
    xml = xml.replace("<domain ", f"<domain {NAMESPACE} ").replace(
        "</domain>", f"{ours}</domain>"
    )
    with running_domain(libvirt, "agent", xml) as name:
        libvirt.wait_until(lambda: "state='connected'" in libvirt.told("dumpxml", name))
        yield name


def test_a_command_of_its_own(libvirt: Libvirt, guest: str) -> None:
    told = libvirt.told("qemu-agent-command", guest, '{"execute": "guest-ping"}')
    assert json.loads(told) == {"return": {}}
    refused = libvirt.refused("qemu-agent-command", guest, '{"execute": "nope"}')
    assert "The command nope has not been found" in refused


def test_time(libvirt: Libvirt, guest: str) -> None:
    libvirt.told("domtime", guest, "--time", "1000000000")
    told = libvirt.told("domtime", guest)
    assert 1000000000 <= int(told.split()[1]) < 1000000060
    libvirt.told("domtime", guest, "--sync")
    assert int(libvirt.told("domtime", guest).split()[1]) > 1000000060


def test_addresses(libvirt: Libvirt, guest: str) -> None:
    told = libvirt.told("domifaddr", guest, "--source", "agent")
    (line,) = [line for line in told.splitlines() if "10.0.2.15" in line]
    assert line.split() == ["eth0", MAC, "ipv4", "10.0.2.15/24"]


def test_what_the_guest_is(libvirt: Libvirt, guest: str) -> None:
    told = libvirt.told("guestinfo", guest)
    for fact in ("os.id", "hostname", "timezone.name", "fs.count", "user.count"):
        assert fact in told
    assert libvirt.told("domhostname", guest, "--source", "agent").strip() == guest
    assert "/" in libvirt.told("domfsinfo", guest)


def test_file_systems_are_frozen_and_thawed(libvirt: Libvirt, guest: str) -> None:
    def status() -> str:
        asked = '{"execute": "guest-fsfreeze-status"}'
        return str(
            json.loads(libvirt.told("qemu-agent-command", guest, asked))["return"]
        )

    libvirt.told("domfsfreeze", guest)
    assert status() == "frozen"
    libvirt.told("domfsthaw", guest)
    assert status() == "thawed"
    libvirt.told("domfstrim", guest)


def test_processors_accounts_and_keys(libvirt: Libvirt, guest: str) -> None:
    assert "online         : 0" in libvirt.told("guestvcpus", guest)
    libvirt.told("set-user-password", guest, "root", "secret")
    keys = libvirt.folder / "keys"
    keys.write_text("ssh-ed25519 AAAA somebody\n")
    libvirt.told("set-user-sshkeys", guest, "root", "--file", keys)
    told = libvirt.told("get-user-sshkeys", guest, "root")
    assert "ssh-ed25519 AAAA somebody" in told


def test_it_shuts_the_machine_down(libvirt: Libvirt, guest: str) -> None:
    libvirt.told("shutdown", guest, "--mode", "agent")
    libvirt.wait_for(guest, "shut off (shutdown)")


def test_it_starts_the_machine_anew(libvirt: Libvirt, guest: str) -> None:
    libvirt.told("reboot", guest, "--mode", "agent")
    libvirt.wait_for(guest, "running (booted)")
    libvirt.wait_until(lambda: "state='connected'" in libvirt.told("dumpxml", guest))
