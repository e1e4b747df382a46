"""The same command lines to a real QEMU and to the stand-in: what becomes of them."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest

from tests.programs import BIN, ENVIRONMENT, SECONDS

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
]


def outcome(program: str, words: str) -> tuple[int, str]:
    """Return the exit status and standard error; a start that succeeds is ended."""
    ended = subprocess.run(
        [program, *COMMON, *shlex.split(words)],
        input='{"execute":"qmp_capabilities"}{"execute":"quit"}',
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    name = program.rpartition("/")[2]
    return ended.returncode, ended.stderr.replace(program, "P").replace(name, "P")


@pytest.mark.parametrize("words", LINES)
def test_a_start_ends_as_that_of_qemu(words: str) -> None:
    assert outcome(PROGRAM, words) == outcome(QEMU, words)


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
