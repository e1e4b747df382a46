"""libvirt tells of the stand-in what it tells of QEMU 7.2: rows recorded from that.

Each row was found by playing some 800 operations to both side by side; what was the
same at once has no row here.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt_domains import disk_xml, domain_xml, running_domain

if TYPE_CHECKING:
    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]

NV = "<source><path>@/nv.img</path></source>"
FILES = {
    "nvdimm": f"<memory model='nvdimm'>{NV}<target><size unit='MiB'>16</size>"
    "<node>0</node></target></memory>",
    "pmem": f"<memory model='virtio-pmem'>{NV}<target><size unit='MiB'>16</size>"
    "</target></memory>",
    "redir": "<redirdev bus='usb' type='tcp'><source mode='bind' host='127.0.0.1' "
    "service='0'/></redirdev>",
}
"""Devices that rows attach, as files of the folder ``@``."""

NO_DEVICE = (
    "error: Failed to complete action insert on media\n"
    "error: internal error: unable to execute QEMU command 'blockdev-add': "
    "'host_device' driver requires '@/cd.iso' to be either a character or block device"
)
NO_NVDIMM = (
    "error: Failed to attach device from @/nvdimm.xml\n"
    "error: internal error: unable to execute QEMU command 'device_add': "
    "nvdimm is not enabled: missing 'nvdimm' in '-M'"
)
NO_UNPLUG = (
    "error: Failed to detach device from @/pmem.xml\n"
    "error: internal error: unable to execute QEMU command 'device_del': "
    "virtio based memory devices cannot be unplugged."
)
PMEM = (
    '~^Memory device \\[virtio-pmem\\]: "virtiopmem0"\n'
    "  memaddr: 0x100000000\n  size: 16777216\n  memdev: /objects/memvirtiopmem0"
)

# Lines of virsh and what it prints; in these D is the domain and @ the folder;
# what begins with ~ is searched for.
ALIKE: dict[str, list[tuple[str, str]]] = {
    "threads are told of in QEMU's order": [
        ("iothreadadd D 5", ""),
        ("domstats D --iothread", "~iothread.5.+iothread.1."),
        ("iothreaddel D 5", ""),
    ],
    "a disk shrinks": [
        ("blockresize D sda 32M", ""),
        ("blockresize D sda 16M", ""),
        ("domblkinfo D sda", "~^Capacity: +16777216\n"),
    ],
    "a file is no device": [
        ("change-media D hdc --eject --live", "Successfully ejected media."),
        ("change-media D hdc @/cd.iso --insert --block", NO_DEVICE),
        (
            "change-media D hdc @/cd.iso --insert --live",
            "Successfully inserted media.",
        ),
    ],
    "persistent memory is for some machines": [
        ("attach-device D @/nvdimm.xml --live", NO_NVDIMM),
    ],
    "persistent memory of virtio stays": [
        ("attach-device D @/pmem.xml --live", ""),
        (
            "qemu-monitor-command D --hmp info memory-devices",
            PMEM,
        ),
        ("detach-device D @/pmem.xml --live", NO_UNPLUG),
    ],
    "a redirected device takes its channel along": [
        ("attach-device D @/redir.xml --live", ""),
        ("qemu-monitor-command D --hmp info chardev", "~charredir0"),
        ("detach-device D @/redir.xml --live", ""),
        ("qemu-monitor-command D --hmp info chardev", "~^(?!.*charredir0)"),
    ],
    "memory is kept out of dumps": [
        ("qemu-monitor-command D query-memdev", '~"dump":false'),
    ],
}


def words(libvirt: Libvirt, line: str, domain: str) -> list[str]:
    """Return the words of a line; its last two are one behind ``--hmp``."""
    line = re.sub(r"\bD\b", domain, line).replace("@", str(libvirt.folder))
    before, hmp, command = line.partition(" --hmp ")
    return [*before.split(), "--hmp", command] if hmp else before.split()


@pytest.mark.parametrize("rows", ALIKE.values(), ids=ALIKE)
def test_virsh_prints_what_it_does_with_qemu(
    libvirt: Libvirt, rich: str, rows: list[tuple[str, str]]
) -> None:
    (libvirt.folder / "nv.img").write_bytes(bytes(16 << 20))
    for name, xml in FILES.items():
        file = libvirt.folder / f"{name}.xml"
        file.write_text(xml.replace("@", str(libvirt.folder)))
    for line, expected in rows:
        ended = libvirt.virsh(*words(libvirt, line, rich))
        told = (ended.stdout + ended.stderr).replace(str(libvirt.folder), "@")
        told = told.replace("\r", "").strip()
        if expected.startswith("~"):
            assert re.search(expected[1:], told + "\n", re.DOTALL), (line, told)
        else:
            assert told == expected, line


PROCESSORS = {
    "host's": "<cpu mode='host-model'/>",
    "most": "<cpu mode='maximum'/>",
    "changed": "<features><acpi/><hyperv><relaxed state='on'/><vapic state='on'/>"
    "<spinlocks state='on' retries='8191'/></hyperv><kvm><hidden state='on'/></kvm>"
    "</features><cpu mode='custom' match='exact'><model fallback='allow'>Nehalem"
    "</model><feature policy='disable' name='sse4.2'/>"
    "<feature policy='require' name='aes'/></cpu>",
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_what_was_saved_has_the_same_processor(libvirt: Libvirt, name: str) -> None:
    disk = libvirt.folder / "cpu.raw"
    disk.write_bytes(bytes(1 << 20))
    xml = domain_xml("cpu", disk_xml(disk, "vda", "virtio", "raw"))
    asked = PROCESSORS[name]
    before = "<features><acpi/></features>"
    given = asked if "<features>" in asked else before + asked
    with running_domain(libvirt, "cpu", xml.replace(before, given)) as domain:
        shown = libvirt.told("dumpxml", domain, "--xpath", "//cpu")
        if name == "changed":
            features = re.findall(r'policy="(\w+)" name="([\w.]+)"', shown)
            assert features == [
                ("disable", "sse4.2"),
                ("require", "aes"),
                ("require", "hypervisor"),
            ]
        libvirt.told("managedsave", domain)
        libvirt.told("start", domain)
        assert libvirt.state(domain) == "running (restored)"
        assert libvirt.told("dumpxml", domain, "--xpath", "//cpu") == shown


def test_a_disk_is_shared_by_those_who_say_so(libvirt: Libvirt) -> None:
    disk = libvirt.folder / "shared.raw"
    disk.write_bytes(bytes(1 << 20))
    device = disk_xml(disk, "vda", "virtio", "raw")
    shared = device.replace("</disk>", "<shareable/></disk>")
    file = libvirt.folder / "another.xml"
    with running_domain(libvirt, "one", domain_xml("one", shared)):
        file.write_text(domain_xml("another", device))
        assert 'Failed to get shared "write" lock' in libvirt.refused("create", file)
        file.write_text(domain_xml("another", shared))
        libvirt.told("create", file)
        libvirt.told("destroy", "another")


def test_firmware_is_in_drives_that_others_may_write(libvirt: Libvirt) -> None:
    code, variables = libvirt.folder / "code.fd", libvirt.folder / "variables.fd"
    for file in (code, variables):
        file.write_bytes(bytes(1 << 20))
    told = (
        f"<loader readonly='yes' type='pflash'>{code}</loader>"
        f"<nvram>{variables}</nvram></os>"
    )
    xml = domain_xml("flash").replace("'pc'", "'q35'").replace("</os>", told)
    with running_domain(libvirt, "flash", xml) as domain:
        answer = libvirt.told("qemu-monitor-command", domain, "query-block")
        drives = json.loads(answer)["return"]
        assert [(each["qdev"], each["inserted"]["ro"]) for each in drives] == [
            ("/machine/system.flash0", True),
            ("/machine/system.flash1", False),
        ]
        file = libvirt.folder / "other.xml"
        file.write_text(xml.replace("<name>flash", "<name>other"))
        libvirt.told("create", file)  # who has one store for two is not warned
        libvirt.told("destroy", "other")


def test_the_signal_that_ends_it_is_noted_once(libvirt: Libvirt) -> None:
    disk = libvirt.folder / "ended.raw"
    disk.write_bytes(bytes(1 << 20))
    xml = domain_xml("ended", disk_xml(disk, "vda", "virtio", "raw"))
    with running_domain(libvirt, "ended", xml) as domain:
        libvirt.told("shutdown", domain)
        libvirt.wait_for(domain, "shut off (shutdown)")
        assert libvirt.log_of(domain).count("terminating on signal 15") == 1
