"""What a machine has without being asked, beside a real QEMU."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import qmpx
from qmpx.errors import CommandError
from tests.programs import BIN

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

STANDIN = str(BIN / "qmpx-system-x86_64")
MACHINES = [
    "-nodefaults",
    "-vga std",
    "-M pc",
    "-M q35",
    "-M isapc",
    "-M none",
    "-M pc-i440fx-6.2 -smp 3",
    "-M pc -nodefaults",
    "-M pc -serial none -parallel none -vga none -net none",
    "-M pc -serial null -serial null -parallel null -nic none",
    "-M pc -vga cirrus -device isa-fdc -device ide-cd",
    "-M q35 -vga virtio -netdev user,id=net -device e1000,netdev=net",
    "-M pc -device VGA -device isa-serial,chardev=c -chardev null,id=c",
    "-M pc -drive file=@,format=raw,if=virtio,node-name=disk",
    "-M pc -drive file=@,format=raw,index=1,node-name=disk -smp 2",
    "-M q35 -drive file=@,format=raw,index=1,node-name=disk",
    "-M pc -drive file=@,format=raw,if=none,id=d -device virtio-blk-pci,drive=d,id=v",
    "-M pc -drive if=none,id=empty",
    *("-M pc -nographic", "-M q35 -serial mon:null", "-M pc -nographic -serial null"),
    """-M pc -drive file=json:{'driver':'null-co',,'size':4096},if=none,id=n""",
    """-M pc -drive file=json:{'driver':'raw',,'file.filename':'@'},if=none,id=n""",
    "-M pc -cdrom @ -nodefaults",
    "-M pc -nic user,model=virtio-net-pci",
    "-M pc -net nic,model=rtl8139,macaddr=52:54:00:00:00:09 -net user",
    # What is said of a type makes QEMU leave out its default device.
    "-M pc -global isa-fdc.fdtypeA=none",
    "-M pc -global VGA.vgamem_mb=8 -global isa-parallel.index=0",
    "-M pc -global isa-serial.wakeup=1 -global ide-hd.serial=x",
    "-M pc -usb",
    "-M q35,usb=on -nodefaults -device usb-tablet",
    "-M pc -drive if=pflash,file=@,format=raw,node-name=disk",
    "-M q35 -drive if=pflash,unit=0,file=@,format=raw,node-name=disk,readonly=on",
]


def devices(vm: qmpx.Client, path: str) -> dict[str, str]:
    """Return the devices in a container, by name."""
    try:
        items = vm.execute("qom-list", path=path)
    except CommandError as error:
        return {"error": error.desc}
    return {
        item["name"]: item["type"] for item in items if item["name"].startswith("dev")
    }


def furnishing(program: str, options: list[str]) -> dict[str, Any]:
    """Return what a machine has."""
    with qmpx.launch([program, "-accel", "tcg", *options, "-display", "none"]) as run:
        vm = run.vm
        drives = [
            {
                **{k: v for k, v in drive.items() if k not in ("inserted", "locked")},
                "node": re.sub(r"#block\d+", "#block", str(medium.get("node-name"))),
            }
            for drive in vm.execute("query-block")
            for medium in [drive.get("inserted", {})]
        ]
        adapters = [
            vm.execute("qom-get", path=f"{path}/{name}", property="mac")
            for path in ("/machine/unattached", "/machine/peripheral-anon")
            for name, kind in devices(vm, path).items()
            if "net" in kind or "e1000" in kind or "rtl" in kind
        ]
        return {
            "drives": drives,
            "board": vm.execute("qom-get", path="/machine", property="type"),
            "own": devices(vm, "/machine/unattached"),
            "plugged": devices(vm, "/machine/peripheral-anon"),
            "characters": sorted(
                (each["label"], each["filename"])
                for each in vm.execute("query-chardev")
            ),
            "adapters": sorted(adapters),
        }


@pytest.mark.parametrize("options", MACHINES)
def test_a_machine_has_what_qemu_gives_it(options: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(2**20))
    words = options.replace("@", str(disk)).split()
    assert furnishing(STANDIN, words) == furnishing("qemu-system-x86_64", words)
