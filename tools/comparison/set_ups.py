"""The machines that are compared: their command lines, and the files they use.

Each is started in a folder of its own, and all files are named relative to it. So what
is said about them is the same on both sides, and nothing outside is written to.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

_EVERYWHERE: Final = ["-accel", "tcg", "-display", "none", "-nodefaults", "-S"]

_BACK_ENDS: Final = [
    "-object",
    "iothread,id=io0",
    "-object",
    "throttle-group,id=tg0,x-iops-total=1000",
    "-object",
    "secret,id=sec0,data=letmein",
    "-object",
    "memory-backend-ram,id=mem0,size=16M",
    "-blockdev",
    "driver=file,node-name=file0,filename=disk.raw",
    "-blockdev",
    "driver=raw,node-name=disk0,file=file0",
    "-blockdev",
    "driver=file,node-name=file1,filename=top.qcow2",
    "-blockdev",
    "driver=file,node-name=file2,filename=base.qcow2",
    "-blockdev",
    "driver=qcow2,node-name=base1,file=file2",
    "-blockdev",
    "driver=qcow2,node-name=disk1,file=file1,backing=base1",
    "-blockdev",
    "driver=null-co,node-name=null0,size=1048576",
    "-blockdev",
    "driver=null-co,node-name=null1,size=1048576,read-only=on",
    "-blockdev",
    "driver=throttle,node-name=slow0,throttle-group=tg0,file=null0",
    "-chardev",
    "ringbuf,id=ring0,size=256",
    "-chardev",
    "null,id=chr0",
    "-chardev",
    "socket,id=sock0,path=sock0,server=on,wait=off",
    "-netdev",
    "user,id=net0,restrict=on",
    "-netdev",
    "hubport,id=net1,hubid=0",
    "-vnc",
    "unix:vnc0",
]

_DEVICES: Final = [
    "-device",
    "virtio-blk-pci,id=vblk0,drive=disk0",
    "-device",
    "virtio-scsi-pci,id=scsi0",
    "-device",
    "scsi-hd,id=shd0,drive=disk1,bus=scsi0.0",
    "-device",
    "scsi-cd,id=scd0,drive=null1,bus=scsi0.0",
    "-device",
    "virtio-net-pci,id=nic0,netdev=net0",
    "-device",
    "virtio-balloon-pci,id=balloon0",
    "-device",
    "virtio-serial-pci,id=vser0",
    "-device",
    "virtserialport,id=port0,chardev=chr0,name=org.test.0,bus=vser0.0",
    "-device",
    "qemu-xhci,id=xhci0",
    "-device",
    "usb-tablet,id=tablet0,bus=xhci0.0",
]

SET_UPS: Final[dict[str, list[str]]] = {
    "none": ["-machine", "none", *_EVERYWHERE],
    "pc": [
        *("-machine", "pc", "-m", "64,slots=2,maxmem=256M", "-smp", "1,maxcpus=2"),
        *_EVERYWHERE,
        *_BACK_ENDS,
        *_DEVICES,
        *("-device", "ide-cd,id=icd0"),
    ],
    "q35": [
        *("-machine", "q35", "-m", "64", "-smp", "2"),
        *_EVERYWHERE,
        *_BACK_ENDS,
        *_DEVICES,
        *("-device", "pcie-root-port,id=rp0,chassis=1"),
        *("-device", "pcie-root-port,id=rp1,chassis=2"),
        *("-device", "i6300esb,id=dog0"),
    ],
    "small": [
        *("-machine", "q35", "-m", "64", *_EVERYWHERE),
        *("-device", "qemu-xhci,id=xhci0"),
        *("-netdev", "hubport,id=net0,hubid=0"),
        *("-device", "virtio-net-pci,netdev=net0,id=nic0"),
        *("-device", "virtio-balloon-pci,id=balloon0"),
        *("-blockdev", "null-co,node-name=null0,size=1048576"),
        *("-device", "virtio-blk-pci,drive=null0,id=vblk0"),
    ],
}
"""What each machine is started with, but for its monitor."""

_SIZE: Final = 1 << 20
"""Of all images: the least that has more than one cluster, so that jobs are over
soon."""


def make_files(folder: Path) -> None:
    """Make the files that the machines use."""

    def make(*words: str) -> None:
        command = ["qemu-img", "create", "-q", *words]
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - our own words

    for name in ("disk.raw", "spare.raw"):
        content = bytes(range(256)) * (_SIZE // 4 // 256)
        (folder / name).write_bytes(content.ljust(_SIZE, b"\0"))
    for name in ("base.qcow2", "spare.qcow2"):
        make("-f", "qcow2", name, str(_SIZE))
    make("-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    make("-f", "qcow2", "-b", "spare.qcow2", "-F", "qcow2", "over.qcow2")
    (folder / "secret.txt").write_text("letmein")
    (folder / "empty").touch()


def copy_files(source: Path, folder: Path) -> None:
    """Copy the files that `make_files` has made."""
    for path in source.iterdir():
        shutil.copyfile(path, folder / path.name)
