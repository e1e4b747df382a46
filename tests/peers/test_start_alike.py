"""The same command lines to a real QEMU and to the stand-in: what becomes of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import BIN, ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

PROGRAM = str(BIN / "qmpx-system-x86_64")
QEMU = "qemu-system-x86_64"
COMMON = [
    *("-display", "none", "-S", "-accel", "tcg", "-qmp", "stdio"),
    *("-monitor", "none", "-serial", "none", "-parallel", "none"),
]

RAM = "-object memory-backend-ram,id=ram,size=128M "
TWO = (
    "-object memory-backend-ram,size=64M,id=m0 "
    "-object memory-backend-ram,size=64M,id=m1 "
)

LINES = [
    *("-numa node", "-numa node,mem=128M", "-numa node,memdev=nix", "-numa foo"),
    *("-numa node,foo=1", "-numa cpu,node-id=0", "-machine isapc -m 128,slots=2"),
    RAM + "-numa node,memdev=ram -numa node,nodeid=0",
    RAM + "-numa node,memdev=ram,nodeid=1",
    RAM + "-numa node,memdev=ram,nodeid=300000",
    RAM + "-smp 4 -numa node,memdev=ram,cpus=0-1",
    RAM + "-numa node,memdev=ram,mem=64M",
    RAM + "-machine none -numa node,memdev=ram",
    RAM + "-machine microvm -numa node,memdev=ram",
    RAM + "-machine memory-backend=ram -numa node,memdev=ram",
    RAM + "-numa node,memdev=ram,initiator=0",
    RAM + "-machine hmat=on -numa node,memdev=ram,initiator=200",
    RAM + "-machine hmat=on -numa node,memdev=ram,initiator=1",
    RAM + "-machine memory-backend=ram -m 64",
    TWO + "-numa node,memdev=m0",
    TWO + "-numa node,memdev=m0 -numa node,memdev=m1 -numa dist,src=0,dst=1,val=5",
    "-machine pc-i440fx-5.0 -numa node,mem=12M",
    *("-machine foo=1", "-machine smp=3", "-machine smp.cpus=4,smp.sockets=3"),
    *("-machine smp.cpus=2 -machine smp.cores=2 -smp maxcpus=4", "-smp 300"),
    *("-machine none -smp 2", "-machine memory.slots=1", "-machine boot.order=q"),
    *("-machine mem-merge=of", "-machine vmport=maybe", "-machine hmat=maybe"),
    *("-machine max-ram-below-4g=x", "-machine memory-backend=nix"),
    *("-machine none,graphics=on", "-machine nvdimm-persistence=foo"),
    *("-machine pc-i440fx-1.4", "-machine pc-q35-6.1 -smp 4", "-machine none -m 4"),
    *("-global a.b=c", "-global foo", "-global driver=VGA", "-global fw_cfg_io.x=1"),
    *("-global PIIX4_PM.disable_s3=1", "-global PIIX4_PM.disable_s3=x"),
    *("-global qemu64-x86_64-cpu.foo=on", "-vga none -global VGA.vgamem_mb=8"),
    "-vga none -device VGA -global VGA.vgamem_mb=x",
    "-vga none -device VGA -global VGA.foo=8",
    *("-smbios type=0,vendor=x", "-smbios type=99", "-smbios foo=1"),
    *("-smbios file=/nowhere", "-smbios type=1,foo=2", "-smbios type=1,uuid=zz"),
    *("-smbios type=0,release=x", "-smbios type=17,speed=x"),
    *("-smbios type=4,max-speed=70000", "-acpitable sig=ABCD", "-acpitable foo=1"),
    *("-acpitable data=/dev/null", "-acpitable sig=ABCD,file=/dev/null"),
    *("-acpitable file=/nowhere", "-fw_cfg foo", "-fw_cfg name=x,string=y"),
    *("-fw_cfg name=opt/x", "-fw_cfg name=opt/x,file=/nowhere", "-writeconfig -"),
    *("-spice foo=1", "-spice disable-ticketing=maybe", "-spice unix=on"),
    *("-spice image-compression=foo,port=1", "-spice port=70000"),
    *("-cpu qemu64,foo=on", "-cpu qemu64,+foo", "-cpu qemu64,-foo,svm=x"),
    *("-cpu qemu64,level=x", "-cpu qemu64,family=x", "-cpu host"),
    "-cpu qemu64,family=6,+sse4_1,sse4.2,check=off,tsc-freq=1000000",
    *("-m 128,slots=257,maxmem=1G", "-m 128,slots=256,maxmem=1G"),
    *("-boot splash-time=99999", "-boot reboot-timeout=-2"),
    *("-boot reboot-timeout=-1,splash-time=5", "-rtc driftfix=x"),
    " ".join(["-parallel null"] * 5),
    *("-serial tcp:x", "-serial chardev:nix", "-qmp chardev:nix"),
    "-monitor unix:m,server=on,wait=off,foo=1",
    *("-netdev user,id=", "-netdev user,id=1", "-object iothread,id=1"),
    *("-netdev user,id=a -netdev user,id=a", "-netdev user,id=a,hostfwd=x"),
    "-device virtio-net-pci,id=a -device virtio-net-pci,id=a",
    "-object iothread,id=a -object iothread,id=a",
    """-object '{"qom-type":"iothread","id":"a"}' """ * 2,
    *("-object secret,id=s", "-object iothread,id=a,poll-max-ns=-1"),
    *("-object memory-backend-ram,id=m,size=0", "-object tls-creds-anon,id=t,dir=x"),
    *("-netdev user,id=a,hostfwd=tcp:127.0.0.1:0-:22,hostfwd=udp:127.0.0.1:0-:53",),
    "-netdev user,id=a,dnssearch=x,dnssearch=y,guestfwd=tcp:10.0.2.100:1-cmd:cat",
    *("-nodefaults -device virtio-net-pci", "-nodefaults -device e1000,id=n"),
    "-netdev user,id=u -netdev hubport,id=h,hubid=3 -device e1000,netdev=u",
    "-netdev hubport,id=a,hubid=1 -netdev hubport,id=b,hubid=1 -device e1000,netdev=b",
    "-netdev user,id=u -netdev hubport,id=a,hubid=1,netdev=u",
    *("-net nic", "-net user", "-usb -device usb-tablet", "-usbdevice foo"),
    "-machine q35,usb=on -device usb-tablet -device usb-kbd",
    *("-usbdevice mouse -usbdevice keyboard", "-no-acpi", "-machine none -no-acpi"),
    "-drive if=pflash,unit=0,file=@,format=raw,readonly=on",
    "-machine microvm -drive if=pflash,file=@,format=raw",
    "-drive if=pflash,unit=2,file=@,format=raw",
    "-drive if=pflash,unit=1,file=@,format=raw",
    "-drive if=sd,file=@,format=raw",
    "-drive if=mtd,file=@,format=raw",
    "-drive if=scsi,file=@,format=raw",
    "-drive bus=9,file=@,format=raw",
    """-drive 'file=json:{"driver":"raw"}'""",
    *("-drive file=json:{bad", "-drive file=json:[1]", "-drive file=json:"),
    "-machine q35 -drive index=5,file=@,format=raw",
    "-machine q35 -drive index=6,file=@,format=raw",
    "-machine none -drive file=@,format=raw",
    "-drive if=none,file=@,format=raw,index=0 -drive if=none,index=0",
    "-drive if=virtio,index=0 -drive if=virtio,index=0",
    *("-icount x", "-icount shift=11", "-icount shift=7,align=x", "-icount auto"),
    *("-tpmdev x", "-tpmdev emulator,id=t", "-tpmdev emulator,id=t,chardev=nix"),
    *("-fsdev x", "-fsdev local,id=f", "-virtfs local", "-audiodev none"),
    *("-semihosting", "-prom-env x", "-xen-domid 1", "-runas nobody-at-all"),
    *("-set foo", "-set a.b=c", "-set device.a.b=c", "-set drive.a.b=c"),
    "-device virtio-net-pci,id=n -set device.n.vectors=5",
    "-device virtio-net-pci,id=n -set device.n.vectors=x",
    "-netdev user,id=a -set netdev.a.restrict=x",
    *("-vnc unix:v,foo=1", "-vnc unix:v,share=x", "-vnc unix:v,tls-creds=nix"),
    *("-net foo", "-nic foo", "-net nic,netdev=x", "-net nic,macaddr=x"),
    *("-nic user,mac=x", "-net nic,model=foo"),
    *("-serial stdio", "-serial mon:stdio", "-serial null -serial mon:stdio"),
    *("-compat x", "-compat deprecated-input=x", "-compat foo=hide"),
]


def outcome(program: str, words: str, image: Path) -> tuple[int, str]:
    """Return the exit status and standard error; a start that succeeds is ended."""
    image.write_bytes(bytes(1 << 20))
    ended = subprocess.run(
        [program, *COMMON, *shlex.split(words.replace("@", str(image)))],
        input='{"execute":"qmp_capabilities"}{"execute":"quit"}',
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    name = program.rpartition("/")[2]
    return ended.returncode, ended.stderr.replace(program, "P").replace(name, "P")


@pytest.mark.parametrize("words", LINES)
def test_a_start_ends_as_that_of_qemu(words: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    assert outcome(PROGRAM, words, image) == outcome(QEMU, words, image)


class Asked:
    """A program that is asked over its standard streams."""

    def __init__(self, program: str, words: str) -> None:
        self.process = subprocess.Popen(
            [program, *COMMON, *shlex.split(words)],
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._read()
        self.ask("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        message = json.loads(self.process.stdout.readline())
        return message if "event" not in message else self._read()

    def ask(self, name: str, **arguments: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        text = json.dumps({"execute": name, "arguments": arguments})
        self.process.stdin.write(text)
        self.process.stdin.flush()
        return self._read()

    def tree(self, path: str) -> dict[str, tuple[str, Any]]:
        """Return type and value of all properties from a path on."""
        found: dict[str, tuple[str, Any]] = {}
        for item in self.ask("qom-list", path=path)["return"]:
            name, type_ = item["name"], item["type"]
            if type_.startswith("child<"):
                found[f"{path}/{name}"] = type_, None
                found |= self.tree(f"{path}/{name}")
            elif name not in ("rtc-time", "date", "host-phys-bits"):
                told = self.ask("qom-get", path=path, property=name)
                found[f"{path}/{name}"] = type_, told.get("return", told.get("error"))
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize(
    "machine",
    [
        *("none", "x-remote", "isapc", "microvm", "pc", "q35"),
        *("pc-i440fx-3.0", "pc-q35-6.2"),
        "none -cpu qemu64,apic-id=0",
    ],
)
def test_the_objects_of_a_machine_are_those_of_qemu(machine: str) -> None:
    trees = []
    for program in (PROGRAM, QEMU):
        asked = Asked(program, f"-nodefaults -machine {machine}")
        try:
            trees.append(asked.tree("/machine"))
        finally:
            asked.close()
    assert trees[0] == trees[1]
