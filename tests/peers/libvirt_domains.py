"""Domains for tests with libvirt, and the images of their disks."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from tests.peers.libvirt import EMULATOR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.libvirt import Libvirt

MAC = "52:54:00:11:22:33"


def domain_xml(name: str, devices: str = "", emulator: Path = EMULATOR) -> str:
    """Return a small domain."""
    return f"""\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
  </devices>
</domain>
"""


def disk_xml(path: Path, target: str, bus: str, kind: str = "qcow2") -> str:
    """Return a disk."""
    return f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='{kind}'/><source file='{path}'/>
      <target dev='{target}' bus='{bus}'/>
    </disk>"""


def rich_xml(name: str, folder: Path, emulator: Path = EMULATOR) -> str:
    """Return a domain with a little of everything; `make_images` makes its disks."""
    disks = disk_xml(folder / "root.qcow2", "vda", "virtio")
    disks += disk_xml(folder / "data.qcow2", "sda", "scsi")
    devices = f"""{disks}
    <disk type='file' device='cdrom'>
      <driver name='qemu' type='raw'/><source file='{folder}/cd.iso'/>
      <target dev='hdc' bus='ide'/><readonly/>
    </disk>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    <interface type='user'><mac address='{MAC}'/><model type='virtio'/></interface>
    <controller type='virtio-serial'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <serial type='pty'/><console type='pty'/>
    <graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'><stats period='5'/></memballoon>"""
    xml = domain_xml(name, devices, emulator)
    xml = xml.replace(
        "<memory unit='MiB'>64</memory>",
        "<maxMemory slots='4' unit='MiB'>512</maxMemory><memory unit='MiB'>64</memory>",
    )
    return xml.replace(
        "<vcpu>1</vcpu>", "<vcpu current='1'>2</vcpu><iothreads>1</iothreads>"
    ).replace(
        "  <devices>",
        "<cpu><numa><cell id='0' cpus='0-1' memory='64' "
        "unit='MiB'/></numa></cpu>\n<devices>",
    )


def run(*words: str | Path, folder: Path) -> str:
    """Return what a program prints, which succeeds."""
    ended = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 0, f"{words}: {ended.stdout}{ended.stderr}"
    return ended.stdout


def make_images(folder: Path) -> None:
    """Make the images of `rich_xml` anew; there are patterns in ``data.qcow2``."""
    for kind, name, size in (
        ("raw", "base.img", "1M"),
        ("qcow2", "data.qcow2", "16M"),
        ("raw", "cd.iso", "2M"),
        ("raw", "more.raw", "16M"),
    ):
        run("qemu-img", "create", "-q", "-f", kind, name, size, folder=folder)
    overlay = ("-b", "base.img", "-F", "raw", "root.qcow2")
    run("qemu-img", "create", "-q", "-f", "qcow2", *overlay, folder=folder)
    for pattern in ("write -P 17 0 1M", "write -P 34 8M 2M"):
        run("qemu-io", "-f", "qcow2", "-c", pattern, "data.qcow2", folder=folder)


def are_alike(folder: Path, one: str, other: str) -> bool:
    """Whether two images hold the same data; they may be in use."""
    told = run("qemu-img", "compare", "-U", one, other, folder=folder)
    return told == "Images are identical.\n"


def define(libvirt: Libvirt, name: str, xml: str) -> None:
    """Define a domain."""
    file = libvirt.folder / f"{name}.xml"
    file.write_text(xml)
    libvirt.told("define", file)


@contextlib.contextmanager
def running_domain(libvirt: Libvirt, name: str, xml: str) -> Iterator[str]:
    """Run a domain until the end of the block; it is forgotten then."""
    define(libvirt, name, xml)
    started = libvirt.virsh("start", name)
    assert started.returncode == 0, f"{started.stderr}\n{libvirt.log_of(name)}"
    try:
        yield name
    finally:
        libvirt.virsh("destroy", name)
        metadata = ("--snapshots-metadata", "--checkpoints-metadata", "--managed-save")
        libvirt.virsh("undefine", name, *metadata)
