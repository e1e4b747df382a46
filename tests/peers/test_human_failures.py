"""Lines that fail, and lines that do not, on the human monitor of a real QEMU 7.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import qmpx

if TYPE_CHECKING:
    from pathlib import Path

FAILING = """\
frobnicate | info frobnicate | help frobnicate | eject | eject nosuch
change nosuch foo | change vnc password | change cd0 /nonexistent
drive_del nosuch | drive_add 0 file=/nonexistent,if=none,id=x
drive_add 0 if=none,id=hd0,file={image} | drive_add 0 if=none,frob=1
device_add nosuch | device_add e1000,frob=1 | device_add ide-hd,drive=nosuch
device_del nosuch | object_add nosuch,id=x | object_add secret,id=s | object_del nosuch
netdev_add nosuch,id=x | netdev_del nosuch | chardev-add file,id=c,path=/nonexistent/x
chardev-add null,id=c2,frob=1 | chardev-remove nosuch | savevm x | loadvm nosuch
delvm nosuch | migrate frob:1 | migrate_set_capability nosuch on
migrate_set_parameter nosuch 1 | migrate_set_parameter max-bandwidth zz
x | x/zz 0 | x/4i nosuch | x/4x (1+ | x/4x 0xffffffffffff0000 | print $nosuch
print 1/0 | cpu 99 | cpu x | stop now please | info registers -z | info lapic 99
info qom-tree /nosuch | balloon 64 | block_resize nosuch 1M | block_resize hd0 zz
block_job_cancel nosuch | block_stream nosuch | commit nosuch
drive_mirror nosuch /tmp/x | drive_backup hd0 /nonexistent/x | snapshot_blkdev hd0
snapshot_blkdev_internal nosuch a | snapshot_delete_blkdev_internal hd0 nosuch
qemu-io nosuch "read 0 512" | qom-get /nosuch x | qom-set /machine nosuch 1
qom-list /nosuch | sendkey nosuch | mouse_set 99 | hostfwd_add n0 frob
hostfwd_add nosuch tcp::2-:22 | hostfwd_remove n0 tcp::9 | hostfwd_remove n0 frob
set_link nosuch on | set_link n0 maybe | screendump /nonexistent/x.ppm
dump-guest-memory /nonexistent/x | memsave 0 100 "/nonexistent/x"
gpa2hva 0xffffffffff | gdbserver frob | log frob | logfile /nonexistent/x
trace-event nosuch on | watchdog_action frob | boot_set z | wavcapture /x nosuch
ringbuf_read nosuch 1 | nbd_server_add nosuch | nbd_server_start frob
pcie_aer_inject_error nosuch 1 | mce 0 99 0 0 0 0 | closefd nosuch
calc_dirty_rate 0 | replay_seek 1 | replay_break 1 | singlestep maybe
info stats nosuch
"""

WORKING = """\
info status | info version | info block | info block -v | info blockstats | info cpus
info registers | info mtree | info qtree | info qom-tree | info network | info chardev
info pci | info usernet | info irq | info pic | info lapic | info name | info uuid
info kvm | info roms | info snapshots | info migrate | info migrate_capabilities
info migrate_parameters | info mice | info jit | info tpm | info memdev
info ramblock | info dirty_rate | info sync-profile | info block-jobs | help | help info
help eject | ?
x/4x 0 | x/2i 0xffff0 | xp/4x 0xf0000 | print 1+1 | sum 0 1024 | i /b 0x60
qom-list / | qom-list /machine | qom-get /machine type | gva2gpa 0x100 | gpa2hva 0
stop | cont | cpu 0 | log none | log help | sendkey a | device_add help
device_add e1000,help | object_add help | object_add secret,help | netdev_add help
netdev_add user,id=nn | netdev_del nn | chardev-add null,id=cc | chardev-remove cc
object_add secret,id=ss,data=a | object_del ss | boot_set c | gdbserver none
hostfwd_add n0 tcp:127.0.0.1:0-:22 | announce_self | eject cd0 | block_resize hd0 2M
drive_add 0 if=none,id=g1,file={image},file.locking=off,read-only=on | drive_del g1
migrate_set_parameter max-bandwidth 1M | calc_dirty_rate 1 | watchdog_action none
ringbuf_write rb Error: | ringbuf_read rb 6 | set_link n0 off | qemu-io hd0 "read 0 512"
"""


def lines(text: str, image: Path) -> list[str]:
    """Return the lines that stand between bars."""
    whole = text.format(image=image).replace("\n", "|")
    return [line.strip() for line in whole.split("|") if line.strip()]


@pytest.mark.slow
@pytest.mark.usefixtures("qemu")
def test_failures_are_recognised_and_answers_are_answers(tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    image.write_bytes(bytes(2**20))
    words = ["qemu-system-x86_64", "-display", "none", "-nodefaults", "-m", "32"]
    words += ["-drive", f"if=ide,id=hd0,file={image},format=raw"]
    words += ["-drive", "if=ide,id=cd0,media=cdrom", "-chardev", "ringbuf,id=rb"]
    words += ["-netdev", "user,id=n0", "-device", "e1000,netdev=n0", "-device", "VGA"]
    unseen, mistaken = [], []
    with qmpx.launch(words) as running:
        for line in lines(WORKING, image):
            try:
                running.vm.hmp(line)
            except qmpx.OperationFailed as error:
                mistaken.append((line, str(error)))
        for line in lines(FAILING, image):
            try:
                text = running.vm.hmp(line)
            except qmpx.OperationFailed:
                continue
            unseen.append((line, text))
    assert (mistaken, unseen) == ([], [])
