"""libvirt with the stand-in: what a running domain tells, gets and loses."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt_domains import MAC

if TYPE_CHECKING:
    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]

# In these D is the domain; each row leaves it as it was.
OPERATIONS = [
    ("dominfo D", "domstate D --reason", "domcontrol D", "domid D"),
    ("domstats D", "domstats D --nowait"),
    ("dommemstat D", "dommemstat D --period 5 --live"),
    ("vcpuinfo D", "vcpucount D", "emulatorpin D", "iothreadinfo D"),
    ("vcpupin D 0 0 --live", "emulatorpin D 0-1 --live", "iothreadpin D 1 0 --live"),
    ("domblklist D", "domblkinfo D --all", "domblkstat D vda", "domblkerror D"),
    ("domblkthreshold D vda 1M",),
    ("iothreadadd D 5", "iothreadset D 5 --poll-max-ns 1000", "iothreaddel D 5"),
    ("send-key D KEY_A", "send-key D --codeset linux KEY_LEFTSHIFT KEY_B"),
    ("inject-nmi D",),
    ("domdisplay D", "vncdisplay D"),
    ("domiflist D", f"domif-getlink D {MAC}"),
    (
        "set-lifecycle-action D reboot destroy --live",
        "set-lifecycle-action D reboot restart --live",
    ),
    (
        "change-media D hdc --eject --live",
        "change-media D hdc @/cd.iso --insert --live",
        "change-media D hdc @/cd.iso --update --live",
        "change-media D hdc --eject --force",
        "change-media D hdc @/cd.iso --insert",
    ),
    (
        "attach-disk D @/more.raw vdb --targetbus virtio --subdriver raw",
        "detach-disk D vdb",
    ),
]


def words(line: str, domain: str) -> str:
    """Return a line with the name of the domain."""
    return re.sub(r"\bD\b", domain, line)


@pytest.mark.parametrize("lines", OPERATIONS, ids=lambda row: row[0].split()[0])
def test_an_operation_is_carried_out(
    libvirt: Libvirt, rich: str, lines: tuple[str, ...]
) -> None:
    for line in lines:
        libvirt.line(words(line, rich))
    assert libvirt.told("domstate", rich) == "running"


DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
    "<source file='@/more.raw'/><target dev='{}' bus='{}'/></disk>"
)
NIC = "<interface type='user'><model type='virtio'/><mac address='{}'/></interface>"
DEVICES = {
    "disk-scsi": DISK.format("sdb", "scsi"),
    "disk-usb": DISK.format("sdc", "usb"),
    "nic": NIC.format("52:54:00:11:22:44"),
    "dimm": "<memory model='dimm'><target><size unit='MiB'>128</size>"
    "<node>0</node></target></memory>",
    "rng": "<rng model='virtio'><backend model='random'>/dev/urandom</backend>"
    "<alias name='ua-one'/></rng>",
    "input": "<input type='tablet' bus='usb'><alias name='ua-one'/></input>",
    "channel": "<channel type='unix'><target type='virtio' name='c2'/>"
    "<alias name='ua-one'/></channel>",
    "controller": "<controller type='scsi' index='7' model='virtio-scsi'/>",
}


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_comes_and_goes(libvirt: Libvirt, rich: str, name: str) -> None:
    before = libvirt.told("dumpxml", rich)
    file = libvirt.folder / f"{name}.xml"
    file.write_text(DEVICES[name].replace("@", str(libvirt.folder)))
    libvirt.told("attach-device", rich, file, "--live")
    there = libvirt.told("dumpxml", rich)
    assert there != before
    if "ua-one" in DEVICES[name]:  # libvirt does not wait for what it is asked so
        libvirt.told("detach-device-alias", rich, "ua-one", "--live")
        libvirt.wait_until(lambda: libvirt.told("dumpxml", rich) == before)
    else:
        libvirt.told("detach-device", rich, file, "--live")
        assert libvirt.told("dumpxml", rich) == before


def test_a_watchdog_comes(libvirt: Libvirt, rich: str) -> None:
    file = libvirt.folder / "watchdog.xml"
    file.write_text("<watchdog model='i6300esb' action='reset'/>")
    libvirt.told("attach-device", rich, file, "--live")
    assert "i6300esb" in libvirt.told("dumpxml", rich)


def test_memory_that_is_plugged_in_is_the_guests(libvirt: Libvirt, rich: str) -> None:
    file = libvirt.folder / "more-memory.xml"
    file.write_text(DEVICES["dimm"])
    libvirt.told("attach-device", rich, file, "--live")
    told = libvirt.told("dominfo", rich)
    assert re.findall(r"memory: +(\d+) KiB", told) == [str(192 << 10)] * 2
    libvirt.told("detach-device", rich, file, "--live")


def test_the_balloon_follows(libvirt: Libvirt, rich: str) -> None:
    libvirt.told("setmem", rich, "32M", "--live")
    libvirt.wait_until(
        lambda: "actual 32768" in libvirt.told("dommemstat", rich).splitlines()
    )
    libvirt.told("setmem", rich, "64M", "--live")


def test_a_processor_comes_and_goes(libvirt: Libvirt, rich: str) -> None:
    libvirt.told("setvcpus", rich, "2", "--live")
    assert libvirt.told("vcpucount", rich, "--live", "--current") == "2"
    told = libvirt.told("vcpuinfo", rich)
    assert told.count("State:          running") == 2
    libvirt.told("setvcpus", rich, "1", "--live")
    assert libvirt.told("vcpucount", rich, "--live", "--current") == "1"


def test_limits_come_back(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"blkdeviotune {rich} vda --total-bytes-sec 1000000 --live")
    told = libvirt.line(f"blkdeviotune {rich} vda --live")
    assert "total_bytes_sec: 1000000" in told.splitlines()
    libvirt.line(f"blkdeviotune {rich} vda --total-bytes-sec 0 --live")


def test_a_disk_grows(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"blockresize {rich} sda 32M")
    told = libvirt.line(f"domblkinfo {rich} sda")
    assert told.split()[1] == str(32 << 20)


def test_a_link_is_cut(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"domif-setlink {rich} {MAC} down")
    assert libvirt.line(f"domif-getlink {rich} {MAC}") == f"{MAC} down"
    libvirt.line(f"domif-setlink {rich} {MAC} up")


def test_a_user_s_network_counts_nothing(libvirt: Libvirt, rich: str) -> None:
    assert "Interface name not provided" in libvirt.refused("domifstat", rich, MAC)


def test_a_picture_is_taken(libvirt: Libvirt, rich: str) -> None:
    picture = libvirt.folder / "screen"
    libvirt.told("screenshot", rich, picture)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_console_is_a_terminal(libvirt: Libvirt, rich: str) -> None:
    terminal = libvirt.told("ttyconsole", rich)
    fd = os.open(terminal, os.O_RDWR | os.O_NOCTTY)
    try:
        assert os.isatty(fd)
    finally:
        os.close(fd)


def test_what_cannot_be_attached_is_undone(libvirt: Libvirt, rich: str) -> None:
    before = libvirt.told("dumpxml", rich)
    told = libvirt.refused(
        *("attach-disk", rich, libvirt.folder / "data.qcow2", "vdc"),
        *("--driver", "qemu", "--subdriver", "qcow2", "--live"),
    )
    assert 'Failed to get "write" lock' in told
    assert libvirt.told("dumpxml", rich) == before


def test_a_dirty_rate_is_measured(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"domdirtyrate-calc {rich} --seconds 1")
    libvirt.wait_until(
        lambda: (
            "dirtyrate.calc_status=2"
            in libvirt.line(f"domstats {rich} --dirtyrate").split()
        )
    )
    assert "dirtyrate.megabytes_per_second=0" in libvirt.line(
        f"domstats {rich} --dirtyrate"
    )
