"""Back up every disk of a running machine, all at one moment, with progress.

What qmpbackup does with qemu.qmp for a full backup: attach a target for each disk,
begin all copies in one transaction, watch them, detach the targets. There (github.com/
abbbi/qmpbackup, libqmpbackup/qmpcommon.py) a listener counts BLOCK_JOB_COMPLETED by
device, polls query-block-jobs for the progress, and a copy that fails is told apart
from one that was cancelled by its events. Here each copy is a job, and its failure an
error.

It prints::

    disk0: 100%
    disk1: 100%
    the same: True
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import qmpx

STAND_IN = [sys.executable, "-m", "qmpx", "standin", "--"]  # or a QEMU
SIZE = 2 * 1024 * 1024


def back_up(vm: qmpx.Client, folder: Path) -> None:
    """Copy every disk of a machine into *folder*, as they are now."""
    nodes = [x["inserted"] for x in vm.execute("query-block") if "inserted" in x]
    sizes = {x["node-name"]: x["image"]["virtual-size"] for x in nodes}
    actions: list[dict[str, Any]] = []
    for node, size in sizes.items():
        file = {"driver": "file", "filename": str(folder / node)}
        with vm.job("blockdev-create", options={**file, "size": size}):
            pass
        vm.execute("blockdev-add", {**file, "node-name": f"to-{node}"})
        copy = {"device": node, "target": f"to-{node}", "job-id": node, "sync": "full"}
        data = {**copy, "auto-dismiss": False}  # so that its outcome waits for us
        actions.append({"type": "blockdev-backup", "data": data})
    vm.execute("transaction", actions=actions)
    for node in sizes:
        with vm.job(id=node) as job:
            print(f"{node}: {job.wait(timeout=60).fraction:.0%}")
        vm.execute("blockdev-del", {"node-name": f"to-{node}"})


def main() -> None:
    """Back up two disks of a machine, and compare."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copies").mkdir()
        machine = [*STAND_IN, "-display", "none"]
        for number in range(2):
            disk = folder / f"disk{number}"
            disk.write_bytes(bytes([number, 1, 2, 3]) * (SIZE // 4))
            options = f"file={disk},format=raw,if=virtio,node-name=disk{number}"
            machine += ["-drive", options]
        with qmpx.launch(machine) as qemu:
            back_up(qemu.vm, folder / "copies")
        copies = sorted((folder / "copies").iterdir())
        same = (x.read_bytes() == (folder / x.name).read_bytes() for x in copies)
        print("the same:", all(same))


if __name__ == "__main__":
    main()
