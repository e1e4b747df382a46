"""avocado-vt's QMPMonitor."""

# ruff: noqa: SLF001 - what the client does within is looked at, too

import importlib
import os
import pathlib
import re
from typing import Any

from tests.peers.clients.avocado_machine import Machine
from tests.peers.clients.playing import Note, Place, Script, shape, tried, until

monitors: Any = importlib.import_module("virttest.qemu_monitor")

MEBIBYTE = 1 << 20
script = Script()


def connect(place: Place, *, has_blockdev: bool = True) -> Any:
    """Return a monitor; it is asked for all its commands, and those of the other."""
    vm = Machine(has_blockdev=has_blockdev)
    monitor = monitors.QMPMonitor(vm, "qmp", {"monitor_filename": place.qmp})
    place.opened.append(monitor)
    return monitor


def heard(monitor: Any, name: str) -> Any:
    """Return an event's data, once it has come."""
    return until(lambda: monitor.get_event(name)).get("data")


def add_drive(monitor: Any, place: Place, name: str) -> None:
    """Give the machine a drive without a device."""
    path = place.image(f"{name}.raw", MEBIBYTE)
    line = f"drive_add 0 if=none,id={name},format=raw,file={path}"
    monitor.human_monitor_cmd(line)


@script.scene
def greets(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.get_greeting()["QMP"]["version"]["qemu"])
    monitor.verify_responsive()
    note(monitor.is_responsive())
    note(monitor.get_status())
    note(monitor.verify_status("running"))
    note(monitor.query("name"))
    note(monitor.info("version")["qemu"])
    note(len(monitor._supported_cmds) > 200)
    for name in ("query-block", "device_add", "query-foo", "balloon"):
        note([name, monitor._has_command(name)])
    monitor._get_supported_hmp_cmds()
    # `info`, cpu registers and such are named on the lines of help.
    for name in ("info", "sendkey", "drive_add", "c", "cont", "sum", "nosuch"):
        note([name, monitor._has_hmp_command(name)])


@script.scene
def refusals(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(tried(monitor.cmd, "nosuch"))
    note(tried(monitor.cmd, "query-foo"))
    note(tried(monitor.verify_supported_cmd, "nosuch"))
    note(tried(monitor.cmd, "qom-get", {"path": "/none", "property": "type"}))
    note(monitor.cmd_raw('{"execute": "query-name", "id": "raw"}'))
    note(monitor.cmd_raw("{ 'execute': 'nosuch' }"))
    note(monitor.cmd_obj({"execute": "query-status", "id": 3}))
    note(monitor.cmd_obj({"execute": "stop", "arguments": {"x": 1}}))
    note(monitor.cmd_qmp("query-name", q_id="q"))
    note(tried(monitor.query_sev))
    note(tried(monitor.query_sgx))
    note(tried(monitor.balloon, 64 * MEBIBYTE))
    note(tried(monitor.query, "balloon"))
    note(tried(monitor.migrate_start_postcopy))
    note(tried(monitor.system_wakeup))
    note(tried(monitor.change_media, "ide1-cd0", "/none"))
    note(tried(monitor.exit_preconfig))


@script.scene
def people(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.human_monitor_cmd("info status"))
    note(monitor.human_monitor_cmd("info bogus"))
    note(monitor.human_monitor_cmd("sum 0 16").strip().isdigit())
    note("EIP" in monitor.human_monitor_cmd("info registers").upper())
    note(monitor.sendkey("ret"))
    note(monitor.sendkey("ctrl-alt-f1", 10))
    note(tried(monitor.sendkey, "nosuch"))
    note(monitor.human_monitor_cmd("nosuch"))
    note(monitor.send_args_cmd("info status"))
    note(monitor.info_numa())


@script.scene
def run_states(place: Place, note: Note) -> None:
    monitor = connect(place)
    monitor.clear_events()
    note(monitor.cmd("stop"))
    note(heard(monitor, "STOP"))
    note(monitor.verify_status("paused"))
    note(monitor.cmd("cont"))
    note(heard(monitor, "RESUME"))
    note([event["event"] for event in monitor.get_events()])
    monitor.clear_event("STOP")
    note(monitor.get_event("STOP"))
    note(monitor.system_reset())
    note(monitor.system_powerdown())
    note(monitor.nmi())
    note(monitor.get_status())


@script.scene
def inputs(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.press_release_key("a"))
    note(monitor.press_release_key("a", down=False))
    note(tried(monitor.press_release_key, "nosuch"))
    note(monitor.query_mice())
    move = {"type": "rel", "data": {"axis": "x", "value": 5}}
    note(monitor.input_send_event([move]))
    note(tried(monitor.input_send_event, [move], device="none"))
    path = pathlib.Path(place.file("screen"))
    note(monitor.screendump(str(path)))
    note(path.read_bytes()[:2].decode())


@script.scene
def block_info(place: Place, note: Note) -> None:
    monitor = connect(place)
    add_drive(monitor, place, "d0")
    note(tried(lambda: shape(monitor.info_block())))
    note(shape(monitor.query("block"))[-1])
    note(monitor.block_resize("d0", 2 * MEBIBYTE))
    note(tried(monitor.block_resize, "none", MEBIBYTE))
    note(tried(monitor.get_backingfile, "d0"))
    monitor.human_monitor_cmd("drive_del d0")
    note(sorted(monitor.info_block()))


@script.scene
def bitmaps(place: Place, note: Note) -> None:
    monitor = connect(place)
    path = place.image("bitmaps.raw", 16 * MEBIBYTE)
    file = {"driver": "file", "filename": path}
    monitor.blockdev_add({"driver": "raw", "node-name": "n", "file": file})
    note(monitor.block_dirty_bitmap_add("n", "b0"))
    note(monitor.block_dirty_bitmap_add("n", "b1", disabled=True, granularity=65536))
    note(tried(monitor.block_dirty_bitmap_add, "n", "b0"))
    note(tried(monitor.block_dirty_bitmap_add, "n", "b2", persistent=True))
    note(monitor.block_dirty_bitmap_disable("n", "b0"))
    note(monitor.block_dirty_bitmap_enable("n", "b0"))
    note(monitor.block_dirty_bitmap_clear("n", "b0"))
    note(monitor.block_dirty_bitmap_merge("n", ["b1"], "b0"))
    note(tried(monitor.block_dirty_bitmap_merge, "n", ["none"], "b0"))
    note(monitor.x_debug_block_dirty_bitmap_sha256("n", "b0"))
    note(tried(monitor.x_debug_block_dirty_bitmap_sha256, "n", "none"))
    note(tried(monitor.debug_block_dirty_bitmap_sha256, "n", "b0"))
    added = {"type": "block-dirty-bitmap-add", "data": {"node": "n", "name": "t"}}
    note(monitor.transaction([added]))
    note(tried(monitor.transaction, [added, {"type": "abort", "data": {}}]))
    (node,) = [x for x in monitor.query_named_block_nodes() if x["node-name"] == "n"]
    note(node["dirty-bitmaps"])
    for name in ("b0", "b1", "t"):
        note(monitor.block_dirty_bitmap_remove("n", name))
    note(monitor.blockdev_del("n"))
    note(tried(monitor.blockdev_del, "n"))


@script.scene
def jobs(place: Place, note: Note) -> None:
    monitor = connect(place)
    size = 64 * MEBIBYTE
    for name in ("src", "dst"):
        file = {"driver": "file", "filename": place.image(f"{name}.raw", size)}
        monitor.blockdev_add({"driver": "raw", "node-name": name, "file": file})
    plugged = {"driver": "virtio-blk-pci", "drive": "src", "id": "vb"}
    note(monitor.cmd("device_add", plugged))
    slow = {"device": "src", "target": "dst", "sync": "full", "speed": 65536}
    note(monitor.blockdev_backup({**slow, "job-id": "j0"}))
    note(monitor.pause_block_job("j0"))
    note(monitor.resume_block_job("j0"))
    note(monitor.set_block_job_speed("j0", 0))
    ended = heard(monitor, "BLOCK_JOB_COMPLETED")
    note(ended)
    note(monitor.query_block_job("j0"))
    note(monitor.query_jobs())
    note(monitor.blockdev_backup({**slow, "job-id": "j1"}))
    note(monitor.cancel_block_job("j1"))
    note(sorted(heard(monitor, "BLOCK_JOB_CANCELLED")))
    mirror = {"device": "src", "target": "dst", "sync": "full", "job-id": "m0"}
    note(monitor.cmd("blockdev-mirror", mirror))
    note(heard(monitor, "BLOCK_JOB_READY"))
    note(monitor.query_block_job("m0")["ready"])
    monitor.clear_event("BLOCK_JOB_COMPLETED")
    note(monitor.block_reopen("m0", "x", "raw"))
    note(heard(monitor, "BLOCK_JOB_COMPLETED"))
    note(tried(monitor.cancel_block_job, "none"))
    created = {"driver": "file", "filename": place.file("made"), "size": MEBIBYTE}
    note(monitor.blockdev_create("c0", created))
    note(until(lambda: [x for x in monitor.query_jobs() if x["status"] == "concluded"]))
    note(monitor.job_dismiss("c0"))
    note(monitor.query_jobs())


@script.scene
def drives_and_their_jobs(place: Place, note: Note) -> None:
    monitor = connect(place)
    add_drive(monitor, place, "d1")
    overlay = place.file("overlay.qcow2")
    note(monitor.live_snapshot("d1", overlay))
    note(monitor.get_backingfile("d1"))
    note(monitor.block_stream("d1"))
    note(heard(monitor, "BLOCK_JOB_COMPLETED"))
    note(monitor.get_backingfile("d1"))
    monitor.clear_events()
    note(monitor.drive_backup("d1", place.file("backup.qcow2"), "qcow2", "full"))
    note(heard(monitor, "BLOCK_JOB_COMPLETED"))
    monitor.clear_events()
    mirrored = place.file("mirror.qcow2")
    note(monitor.block_mirror("d1", mirrored, "full", format="qcow2"))
    note(heard(monitor, "BLOCK_JOB_READY"))
    note(monitor.cancel_block_job("d1"))
    note(heard(monitor, "BLOCK_JOB_COMPLETED"))
    monitor.human_monitor_cmd("drive_del d1")


@script.scene
def media(place: Place, note: Note) -> None:
    monitor = connect(place)
    (cd,) = [x for x in monitor.query("block") if x["device"] == "ide1-cd0"]
    note(monitor.eject_cdrom("ide1-cd0"))
    note(heard(monitor, "DEVICE_TRAY_MOVED"))
    note(tried(monitor.eject_cdrom, "none"))
    note(monitor.blockdev_close_tray(cd["qdev"]))
    note(monitor.blockdev_open_tray(cd["qdev"]))
    note(tried(monitor.blockdev_remove_medium, cd["qdev"]))
    path = place.image("cd.iso", MEBIBYTE)
    disc = {"driver": "file", "node-name": "disc", "filename": path, "read-only": True}
    note(monitor.blockdev_add(disc))
    note(monitor.blockdev_insert_medium(cd["qdev"], "disc"))
    note(tried(monitor.blockdev_insert_medium, cd["qdev"], "disc"))
    note(monitor.blockdev_close_tray(cd["qdev"]))
    note(monitor.blockdev_change_medium(cd["qdev"], path, "raw"))
    note(tried(monitor.blockdev_change_medium, cd["qdev"], "/none"))
    note(monitor.eject_cdrom("ide1-cd0", force=True))
    note(monitor.blockdev_close_tray(cd["qdev"]))
    note(tried(monitor.blockdev_del, "disc"))
    note([x for x in monitor.query("block") if x["device"] == "ide1-cd0"])


@script.scene
def exports(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.blockdev_add({"driver": "null-co", "node-name": "nul"}))
    path = place.file("nbd")
    note(monitor.nbd_server_start({"type": "unix", "path": path}))
    note(monitor.block_export_add("e", "nbd", "nul", writable=False, name="x"))
    note(monitor.query_block_exports())
    note(monitor.block_export_del("e", "hard"))
    note(heard(monitor, "BLOCK_EXPORT_DELETED"))
    note(tried(monitor.nbd_server_add, "nul", "y"))
    note(monitor.nbd_server_stop())
    note(tried(monitor.nbd_server_stop))
    note(monitor.blockdev_del("nul"))


@script.scene
def networks(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.netdev_add("user", "n0"))
    note(tried(monitor.netdev_add, "user", "n0"))
    note(monitor.set_link("n0", up=False))
    note(monitor.set_link("n0", up=True))
    note(tried(monitor.set_link, "none", up=True))
    note(re.sub("#net[0-9]+", "#net", monitor.human_monitor_cmd("info network")))
    note(monitor.netdev_del("n0"))
    note(tried(monitor.netdev_del, "n0"))


@script.scene
def migrations(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.set_migrate_capability(True, "xbzrle"))  # noqa: FBT003
    note(monitor.get_migrate_capability("xbzrle"))
    note(monitor.set_migrate_capability(False, "xbzrle"))  # noqa: FBT003
    note(tried(monitor.get_migrate_capability, "nosuch"))
    note(tried(monitor.migrate_set_speed, "100M"))
    note(tried(monitor.migrate_set_downtime, 0.3))
    note(monitor.get_migrate_parameter("max-bandwidth"))
    note(monitor.set_migrate_parameter("downtime-limit", 400))
    note(monitor.get_migrate_parameter("downtime-limit"))
    note(tried(monitor.set_migrate_cache_size, 128 * MEBIBYTE))
    note(tried(monitor.get_migrate_cache_size))
    note(monitor.query("migrate"))
    note(monitor.migrate(f"exec:cat > {place.file('state')}"))
    until(lambda: monitor.query("migrate").get("status") == "completed")
    until(lambda: monitor.get_status()["status"] == "postmigrate")
    note(tried(monitor.get_migrate_progress))
    note(monitor.cmd("cont"))
    note(tried(monitor.migrate_continue, "pre-switchover"))
    note(tried(monitor.migrate_incoming, "tcp:0:1"))


@script.scene
def objects(place: Place, note: Note) -> None:
    monitor = connect(place)
    note(monitor.cmd("qom-list-types", {"implements": "iothread"}))
    monitor.cmd("object-add", {"qom-type": "iothread", "id": "io"})
    note(monitor.qom_set("/objects/io", "poll-max-ns", 7))
    note(monitor.qom_get("/objects/io", "poll-max-ns"))
    note(tried(monitor.qom_get, "/objects/io", "none"))
    note(tried(monitor.qom_set, "/objects/io", "poll-max-ns", "x"))
    monitor.cmd("object-del", {"id": "io"})
    note(sorted(monitor.query_cpu_model_expansion("qemu64")))
    note(monitor.cmd("query-memory-size-summary"))


@script.scene
def descriptors(place: Place, note: Note) -> None:
    monitor = connect(place)
    fd = os.open(place.file("file"), os.O_RDWR | os.O_CREAT)
    note(monitor.getfd(fd, "mine"))
    os.close(fd)
    note(monitor.closefd("mine"))
    note(tried(monitor.closefd, "mine"))


@script.scene
def quits(place: Place, note: Note) -> None:
    monitor = connect(place)
    tried(monitor.quit)  # it may hear of the end in several ways
    note(until(lambda: not place.is_served()))


script.play()
