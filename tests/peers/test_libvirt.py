"""libvirt, unmodified, with the stand-in as the emulator of its domains."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt import EMULATOR, Libvirt, domain_xml, private_libvirt

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("libvirt"), pytest.mark.slow]

SECONDS = 20.0
QEMU = Path("/usr/bin/qemu-system-x86_64")


@pytest.fixture(scope="module")
def libvirt() -> Iterator[Libvirt]:
    """Run a libvirtd for the tests of this module."""
    with private_libvirt() as libvirt:
        yield libvirt


def define(libvirt: Libvirt, name: str, devices: str = "") -> None:
    file = libvirt.folder / f"{name}.xml"
    file.write_text(domain_xml(name, devices))
    libvirt.told("define", file)


@pytest.fixture
def domain(libvirt: Libvirt, request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a domain; it is gone at the end."""
    name = re.sub(r"\W", "-", request.node.name)[:40]
    define(libvirt, name)
    started = libvirt.virsh("start", name)
    assert started.returncode == 0, f"{started.stderr}\n{libvirt.log_of(name)}"
    try:
        yield name
    finally:
        libvirt.virsh("destroy", name)
        libvirt.virsh("undefine", name)


def state(libvirt: Libvirt, domain: str) -> str:
    return libvirt.told("domstate", domain, "--reason")


def wait_for_state(libvirt: Libvirt, domain: str, expected: str) -> None:
    deadline = time.monotonic() + SECONDS
    while (now := state(libvirt, domain)) != expected:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


@pytest.mark.peer("qemu")
def test_libvirt_takes_the_stand_in_for_a_qemu_7_2(libvirt: Libvirt) -> None:
    asked = "domcapabilities", "--virttype", "qemu", "--emulatorbin"
    ours = libvirt.told(*asked, EMULATOR)
    theirs = libvirt.told(*asked, QEMU)
    assert ours.replace(str(EMULATOR), "") == theirs.replace(str(QEMU), "")


def test_a_domain_that_cannot_start_says_why(libvirt: Libvirt) -> None:
    file = libvirt.folder / "wrong.xml"
    xml = domain_xml("wrong").replace(
        "<domain type='qemu'>",
        "<domain type='qemu' "
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<qemu:commandline><qemu:arg value='-device'/>"
        "<qemu:arg value='no-such-device'/></qemu:commandline>",
    )
    file.write_text(xml)
    libvirt.told("define", file)
    ended = libvirt.virsh("start", "wrong")
    assert ended.returncode == 1
    assert (
        "-device no-such-device: 'no-such-device' is not a valid device model name"
        in ended.stderr
    )


def test_a_domain_starts_and_is_destroyed(libvirt: Libvirt, domain: str) -> None:
    assert state(libvirt, domain) == "running (booted)"
    libvirt.told("destroy", domain)
    assert state(libvirt, domain) == "shut off (destroyed)"


def test_a_domain_is_suspended_and_goes_on(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("suspend", domain)
    assert state(libvirt, domain) == "paused (user)"
    libvirt.told("resume", domain)
    assert state(libvirt, domain) == "running (unpaused)"


def test_a_reset_leaves_it_running(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("reset", domain)
    assert state(libvirt, domain) == "running (booted)"


def test_a_monitor_command_goes_through(libvirt: Libvirt, domain: str) -> None:
    told = libvirt.told("qemu-monitor-command", domain, '{"execute": "query-name"}')
    assert f'"name":"{domain}"' in told
    told = libvirt.told("qemu-monitor-command", domain, "--hmp", "info status")
    assert told == "VM status: running"


def test_an_emulator_that_is_killed_has_crashed(libvirt: Libvirt, domain: str) -> None:
    libvirt.virsh("qemu-monitor-command", domain, '{"execute": "quit"}')
    wait_for_state(libvirt, domain, "shut off (shutdown)")


def test_a_guest_that_is_asked_to_switches_off(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("shutdown", domain)
    wait_for_state(libvirt, domain, "shut off (shutdown)")


def rich_xml(folder: Path) -> str:
    """Return a domain with a little of everything."""
    devices = f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='{folder}/disk.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='{folder}/cd.iso'/>
      <target dev='hdc' bus='ide'/><readonly/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <controller type='virtio-serial'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='pty'/><console type='pty'/>
    <graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'><stats period='5'/></memballoon>"""
    xml = domain_xml("rich", devices)
    xml = xml.replace(
        "<memory unit='MiB'>64</memory>",
        "<maxMemory slots='4' unit='MiB'>512</maxMemory><memory unit='MiB'>64</memory>",
    )
    return xml.replace(
        "<vcpu>1</vcpu>", "<vcpu current='1'>2</vcpu><iothreads>1</iothreads>"
    ).replace(
        "  <devices>",
        "<features><acpi/></features><cpu><numa><cell id='0' cpus='0-1' memory='64' "
        "unit='MiB'/></numa></cpu>\n<devices>",
    )


NIC = "<interface type='user'><model type='virtio'/><mac address='{}'/></interface>"
MAC = "52:54:00:11:22:33"
RNG = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
FILES = {
    "nic.xml": NIC.format(MAC),
    "dimm.xml": "<memory model='dimm'><target><size unit='MiB'>128</size>"
    "<node>0</node></target></memory>",
    "rng.xml": RNG,
    "tablet.xml": "<input type='tablet' bus='usb'/>",
    "channel.xml": "<channel type='unix'><target type='virtio' name='c2'/></channel>",
}


@pytest.fixture(scope="module")
def rich(libvirt: Libvirt) -> Iterator[str]:
    """Run a domain with a little of everything."""
    folder = libvirt.folder
    for words in (
        ("qcow2", "disk.qcow2", "64M"),
        ("raw", "cd.iso", "2M"),
        ("raw", "more.raw", "16M"),
    ):
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", *words], cwd=folder, check=True
        )
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "rich.xml").write_text(rich_xml(folder))
    libvirt.told("define", folder / "rich.xml")
    started = libvirt.virsh("start", "rich")
    assert started.returncode == 0, f"{started.stderr}\n{libvirt.log_of('rich')}"
    try:
        yield "rich"
    finally:
        libvirt.virsh("destroy", "rich")


# In these @ is the folder of the files; each row begins with the domain as it was.
OPERATIONS = [
    ("dominfo D",),
    ("dommemstat D", "setmem D 32M --live", "setmem D 64M --live"),
    ("vcpuinfo D", "vcpucount D"),
    ("iothreadinfo D", "iothreadadd D 5", "iothreadset D 5 --poll-max-ns 1000"),
    ("domblklist D", "domblkinfo D vda", "domblkstat D vda", "domblkerror D"),
    ("blkdeviotune D vda --total-bytes-sec 1000000", "blkdeviotune D vda"),
    ("domblkthreshold D vda 1M",),
    (
        "attach-disk D @/more.raw vdb --targetbus virtio --subdriver raw",
        "detach-disk D vdb",
    ),
    ("change-media D hdc --eject", "change-media D hdc @/cd.iso --insert"),
    (
        "attach-device D @/nic.xml",
        f"domif-setlink D {MAC} down",
        "detach-device D @/nic.xml",
    ),
    ("attach-device D @/dimm.xml", "detach-device D @/dimm.xml"),
    ("attach-device D @/rng.xml", "detach-device D @/rng.xml"),
    ("attach-device D @/tablet.xml",),
    ("attach-device D @/channel.xml",),
    ("send-key D KEY_A", "inject-nmi D"),
    ("screenshot D @/screen.png",),
    ("domdisplay D", "ttyconsole D"),
    ("set-lifecycle-action D reboot destroy", "set-lifecycle-action D reboot restart"),
    ("checkpoint-create-as D c1", "checkpoint-delete D c1"),
    ("setvcpus D 2 --live",),
    (
        (
            "snapshot-create-as D s2 --disk-only --diskspec vda,file=@/s2.qcow2 "
            "--diskspec hdc,snapshot=no"
        ),
        "blockcommit D vda --active --pivot --wait",
        "snapshot-delete D s2 --metadata",
    ),
    (
        (
            "snapshot-create-as D s3 --disk-only --diskspec vda,file=@/s3.qcow2 "
            "--diskspec hdc,snapshot=no"
        ),
        "blockpull D vda --wait",
        "snapshot-delete D s3 --metadata",
    ),
    ("blockcopy D vda @/copy.qcow2 --wait --pivot --transient-job",),
    ("save D @/saved", "restore @/saved", "suspend D", "resume D"),
    ("managedsave D", "start D"),
    ("dump D @/dumped",),
]


@pytest.mark.peer("qemu-img")
@pytest.mark.parametrize("commands", OPERATIONS, ids=lambda row: row[0].split()[0])
def test_an_operation_is_carried_out(
    libvirt: Libvirt, rich: str, commands: tuple[str, ...]
) -> None:
    for command in commands:
        words = [
            rich if word == "D" else word.replace("@", str(libvirt.folder))
            for word in command.split()
        ]
        ended = libvirt.virsh(*words)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
    assert libvirt.told("domstate", rich) == "running"
