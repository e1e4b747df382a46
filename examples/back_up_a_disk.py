"""Back up a disk of a running machine, and show how far it is.

Tools that do this by hand subscribe to BLOCK_JOB_COMPLETED, filter it by device, poll
query-block-jobs and guess what an empty answer means. Here the job is a block: it is
waited for, its error is an exception, and it is cancelled if this program is.
"""

import tempfile
from pathlib import Path

import qmpx
from qmpx.client import JobProgress

SIZE = 8 * 1024 * 1024


def show(progress: JobProgress) -> None:
    """Tell how far the backup is."""
    print(f"{progress.status}: {progress.fraction:.0%}")


def back_up(vm: qmpx.Client, node: str, copy: Path) -> None:
    """Copy a disk to a new file while its machine runs."""
    file = {"driver": "file", "filename": str(copy)}
    create = {"driver": "file", "filename": str(copy), "size": SIZE}
    with vm.job("blockdev-create", options=create):
        pass  # leaving the block waits for it
    vm.execute("blockdev-add", {"driver": "raw", "node-name": "copy", "file": file})
    with vm.job("blockdev-backup", device=node, target="copy", sync="full") as job:
        job.wait(timeout=60, on_progress=show)
    vm.execute("blockdev-del", {"node-name": "copy"})


def main() -> None:
    """Make a disk, run a machine with it, and back it up."""
    with tempfile.TemporaryDirectory() as folder:
        disk, copy = Path(folder, "disk"), Path(folder, "copy")
        disk.write_bytes(bytes(range(256)) * (SIZE // 256))
        machine = ["qemu-system-x86_64", "-accel", "tcg", "-display", "none"]
        drive = f"file={disk},format=raw,node-name=disk"
        try:
            with qmpx.launch([*machine, "-S", "-drive", drive]) as qemu:
                back_up(qemu.vm, "disk", copy)
        except qmpx.LaunchError as error:
            print("there is no QEMU here:", error.reason)
            return
        print("the same:", disk.read_bytes() == copy.read_bytes())


if __name__ == "__main__":
    main()
