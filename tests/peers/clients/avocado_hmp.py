"""avocado-vt's HumanMonitor: it needs the prompt, the echo, and the lines of `help`."""

# ruff: noqa: SLF001 - what the client does within is looked at, too

import importlib
import os
import pathlib
import re
from typing import Any

from tests.peers.clients.avocado_machine import Machine
from tests.peers.clients.playing import Note, Place, Script, tried, until

monitors: Any = importlib.import_module("virttest.qemu_monitor")

MEBIBYTE = 1 << 20
script = Script()


def connect(place: Place) -> Any:
    """Return a monitor; it has read what commands there are."""
    vm = Machine(has_blockdev=False)
    monitor = monitors.HumanMonitor(vm, "hmp", {"monitor_filename": place.hmp})
    place.opened.append(monitor)
    return monitor


def steady(text: str) -> str:
    """Return a text without the names of nodes."""
    return re.sub("#(block|net)[0-9]+", r"#\1", text)


@script.scene
def states(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.is_responsive())
    note(monitor.get_status())
    note(monitor.verify_status("running"))
    note(monitor.cmd("stop"))
    note(monitor.verify_status("paused"))
    note(monitor.cmd("cont"))
    note(monitor.cmd("s"))
    note(monitor.cmd("c"))
    note(monitor.system_reset())
    note(monitor.system_powerdown())
    note(monitor.get_status())


@script.scene
def what_it_knows(place: Place, note: Note) -> None:
    monitor = connect(place)
    # Behind a tab there are second lines of the explanations, in QEMU's words.
    note(sorted({name for name in monitor._supported_cmds if name.strip() == name}))
    note(tried(monitor.cmd, "no_such_cmd"))
    note(tried(monitor.verify_supported_cmd, "no_such_cmd"))
    note(monitor.cmd("help stop").split(" -- ")[0])
    note(monitor.cmd("info no_such").split(" -- ")[0])
    note(sorted(line.split(" -- ")[0] for line in monitor.cmd("help info").split("\n")))


@script.scene
def names_and_numbers(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.info("version"))
    note(monitor.info("name"))
    note(monitor.query("status"))
    note(monitor.cmd("print 1+2*3"))
    note(monitor.cmd("p/x 255"))
    note(monitor.cmd("p/d 0x10"))
    note(monitor.cmd("sum 0 16").strip().isdigit())
    note(re.sub("0x[0-9a-f]+", "N", monitor.cmd("xp /2wx 0")))
    note(monitor.send_args_cmd("print /x 16"))


@script.scene
def hardware(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(re.sub("thread_id=[0-9]+", "thread_id=N", monitor.info("cpus")))
    note(monitor.info("numa"))
    note(monitor.info_numa())
    note(monitor.info("pci").splitlines()[:4])
    note(len(monitor.info("qtree").splitlines()) > 100)
    note(len(monitor.info("qom-tree").splitlines()) > 100)
    note(len(monitor.info("mtree").splitlines()) > 20)
    note("EAX" in monitor.info("registers").upper().replace("RAX", "EAX"))


@script.scene
def backends(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(sorted(monitor.info("chardev").splitlines()))
    note(steady(monitor.info("network")))
    note(tried(monitor.netdev_add, "user", "n0"))
    note(tried(monitor.netdev_add, "user", "n0"))
    note(steady(monitor.info("network")))
    note(tried(monitor.set_link, "n0", up=False))
    note(tried(monitor.set_link, "none", up=False))
    note(tried(monitor.netdev_del, "n0"))
    note(tried(monitor.netdev_del, "n0"))
    note(monitor.info("vnc"))
    note(tried(monitor.cmd, "device_del none"))


@script.scene
def drives(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(steady(monitor.info("block", debug=False)))
    note(sorted(monitor.info_block()))
    path = place.image("disk.raw", MEBIBYTE)
    note(tried(monitor.cmd, f"drive_add 0 if=none,id=d0,format=raw,file={path}"))
    note(steady(monitor.info("block")))
    found = monitor.info_block()["d0"]
    note(sorted(found.items()) if isinstance(found, dict) else found)
    note(tried(monitor.block_resize, "d0", 2 * MEBIBYTE))
    note(tried(monitor.block_resize, "none", MEBIBYTE))
    note(monitor.info("block-jobs"))
    note(tried(monitor.live_snapshot, "d0", place.file("overlay"), format="qcow2"))
    note(steady(monitor.info("block")))
    note(monitor.get_backingfile("d0"))
    note(tried(monitor.cmd, "drive_del d0"))
    note(tried(monitor.cmd, "drive_del d0"))
    note(tried(monitor.query_block_job, "d0"))


@script.scene
def media(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(tried(monitor.eject_cdrom, "ide1-cd0"))
    note(tried(monitor.eject_cdrom, "none"))
    note(tried(monitor.change_media, "ide1-cd0", place.image("cd.iso", MEBIBYTE)))
    note(steady(monitor.info("block")))
    note(tried(monitor.change_media, "ide1-cd0", "/none"))
    note(tried(monitor.eject_cdrom, "ide1-cd0", force=True))
    note(steady(monitor.info("block")))


@script.scene
def inputs(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.sendkey("ret"))
    note(monitor.sendkey("nosuch"))
    note(monitor.mouse_move(3, 4))
    note(monitor.mouse_button(1))
    note(monitor.mouse_button(0))
    path = pathlib.Path(place.file("screen"))
    note(monitor.screendump(str(path)))
    note(path.read_bytes()[:2].decode())
    note(monitor.screendump("/none/x"))


@script.scene
def migrations(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.info("migrate"))
    note(monitor.info("migrate_capabilities"))
    note(monitor.info("migrate_parameters"))
    note(monitor.set_migrate_capability("on", "xbzrle"))
    note(monitor.get_migrate_capability("xbzrle"))
    note(monitor.set_migrate_capability("off", "xbzrle"))
    note(tried(monitor.cmd, "migrate_set_capability nosuch on"))
    note(monitor.set_migrate_parameter("downtime-limit", 400))
    note(monitor.get_migrate_parameter("downtime-limit"))
    note(tried(monitor.cmd, "migrate_set_parameter nosuch 1"))
    note(monitor.migrate(f"exec:cat>{place.file('state')}"))
    until(lambda: "completed" in monitor.info("migrate"))
    until(lambda: "postmigrate" in monitor.get_status())
    told = monitor.info("migrate").splitlines()
    # What went while the machine stood still may be nothing, which is not told.
    told = [line for line in told if not line.startswith("downtime ram")]
    note([re.sub("[0-9.]+", "N", line) for line in told])
    note(monitor.cmd("cont"))


@script.scene
def descriptors(place: Place, note: Note) -> None:
    monitor = connect(place)
    fd = os.open(place.file("file"), os.O_RDWR | os.O_CREAT)
    note(tried(monitor.getfd, fd, "mine"))
    os.close(fd)
    note(tried(monitor.closefd, "mine"))
    note(tried(monitor.closefd, "mine"))


@script.scene
def quits(place: Place, note: Note) -> None:
    monitor = connect(place)
    tried(monitor.quit)  # it may hear of the end in several ways
    note(until(lambda: not place.is_served()))


script.play()
