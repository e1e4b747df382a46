"""What clients say that cannot be installed by name, on connections as theirs are."""

import os
import pathlib
import re
from typing import Any

from tests.peers.clients.playing import Note, Place, Script, shape, tried, until
from tests.peers.clients.wires import (
    Autotest,
    Ganeti,
    GoQmp,
    NodeQmp,
    OpenQa,
    Proxmox,
)

MEBIBYTE = 1 << 20
LONG_MAX = (1 << 63) - 1

script = Script()


def opened(place: Place, client: Any) -> Any:
    """Have a client closed when the scene ends."""
    place.opened.append(client)
    return client


def human(line: str) -> tuple[str, dict[str, str]]:
    """Return the command that says a line to the human monitor."""
    return "human-monitor-command", {"command-line": line}


def without_numbers(text: str) -> str:
    """Return a text without what counts what ran before."""
    return re.sub("#(block|net)[0-9]+", r"#\1", text)


@script.scene
def ganeti(place: Place, note: Note) -> None:
    def call(name: str, arguments: Any = None) -> Any:
        """A connection per call."""
        client = Ganeti(place.qmp)
        told = client.call(name, arguments)
        client.close()
        return told

    for name in ("query-status", "stop", "query-status", "cont", "nosuch"):
        note([name, call(name)])
    note(call("migrate-set-parameters", {"max-bandwidth": 104857600}))
    on = {"capability": "events", "state": True}
    note(call("migrate-set-capabilities", {"capabilities": [on]}))
    note(call("migrate-set-capabilities", {"capabilities": [{**on, "state": False}]}))
    note(call("set_password", {"protocol": "spice", "password": "x"}))
    note(call("query-migrate"))


@script.scene
def ganeti_plugs_a_disk(place: Place, note: Note) -> None:
    client = opened(place, Ganeti(place.qmp))
    fd = os.open(place.image("disk", MEBIBYTE), os.O_RDWR)
    note(client.call("getfd", {"fdname": "mine"}, fd))
    note(client.call("closefd", {"fdname": "mine"}))
    note(client.call("getfd", {"fdname": "mine"}))
    added = client.call("add-fd", None, fd)
    os.close(fd)
    note(added["fdset-id"])
    line = f"drive_add dummy file=/dev/fdset/{added['fdset-id']},if=none,id=d1"
    note(client.call(*human(f"{line},format=raw,cache=none,aio=native")))
    note(client.call(*human(f"{line},format=raw")))
    device = {"driver": "virtio-blk-pci", "id": "d1", "bus": "pci.0", "addr": "0x9"}
    note(client.call("device_add", {**device, "drive": "d1"}))
    note(client.call("device_add", {**device, "id": "d2"}))
    note(client.call("remove-fd", {"fdset-id": added["fdset-id"]}))
    buses = client.call("query-pci")
    note([(each["slot"], each["qdev_id"]) for each in buses[0]["devices"]])
    note(shape([x for x in client.call("query-block") if x["device"] == "d1"]))
    note(client.call("device_del", {"id": "d1"}))
    note(client.call(*human("drive_del d1")))


@script.scene
def proxmox(place: Place, note: Note) -> None:
    client = Proxmox(place.qmp)
    note(client.run(("query-status", {})))
    note(client.run(("stop", {}), ("query-status", {}), ("cont", {})))
    note(client.events)
    note(client.run(("query-proxmox-support", {})))
    note(client.run(("savevm-start", {"statefile": "/none"}), ("query-savevm", {})))
    note(client.run(("balloon", {"value": 64 * MEBIBYTE})))
    guest = {"path": "machine/peripheral/balloon0", "value": 2}
    note(client.run(("qom-set", {**guest, "property": "guest-stats-polling-interval"})))
    note(client.run(("query-block-jobs", {}), ("query-migrate", {})))
    note(client.run(("set_password", {"protocol": "vnc", "password": "x"})))
    note(client.run(("expire_password", {"protocol": "vnc", "time": "+30"})))
    note(client.run(("change-vnc-password", {"password": "x"})))
    note(client.run(human("info nosuch"), human("sendkey ret"), human("info status")))
    note(client.run(("system_wakeup", {}), ("query-version", {})))


@script.scene
def proxmox_plugs(place: Place, note: Note) -> None:
    client = Proxmox(place.qmp)
    path = place.image("drive.raw", MEBIBYTE)
    line = f'drive_add auto "file={path},if=none,id=drive-virtio1,format=raw,cache=none'
    note(client.run(human(f'{line},aio=io_uring,detect-zeroes=on"')))
    throttled = {"qom-type": "iothread", "id": "iothread-virtio1"}
    note(len(client.run(("object-add", throttled), ("query-iothreads", {}))))
    device = {"driver": "virtio-blk-pci", "drive": "drive-virtio1", "id": "virtio1"}
    place_there = {"bus": "pci.0", "addr": "0xb", "iothread": "iothread-virtio1"}
    note(client.run(("device_add", {**device, **place_there})))
    note(client.run(("block_resize", {"device": "drive-virtio1", "size": 2097152})))
    limits = dict.fromkeys(("bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"), 0)
    throttle = {"device": "drive-virtio1", **limits, "iops": 100, "iops_max": 200}
    note(client.run(("block_set_io_throttle", throttle)))
    snapshot = {"device": "drive-virtio1", "name": "s1"}
    for name in (
        "blockdev-snapshot-internal-sync",
        "blockdev-snapshot-delete-internal-sync",
    ):
        note(client.run((name, snapshot)))
    mirror = {"device": "drive-virtio1", "target": place.file("target.raw")}
    mirror |= {"mode": "absolute-paths", "sync": "full", "format": "raw"}
    started = ("drive-mirror", {**mirror, "job-id": "drive-virtio1"})
    note(client.run(started))

    def ready() -> Any:
        ((job,),) = client.run(("query-block-jobs", {}))
        return job["ready"]

    note(until(ready))
    note(shape(client.run(("query-block-jobs", {}))))
    note(client.run(("block-job-cancel", {"device": "drive-virtio1", "force": False})))
    note(until(lambda: client.run(("query-block-jobs", {})) == [[]]))
    nbd = {"addr": {"type": "unix", "data": {"path": place.file("nbd")}}}
    note(client.run(("nbd-server-start", nbd)))
    export = {"device": "drive-virtio1", "writable": True}
    told = client.run(("nbd-server-add", export), ("nbd-server-stop", {}))
    note([without_numbers(str(each)) for each in told])
    note(client.run(("device_del", {"id": "virtio1"})))
    note(client.run(("object-del", {"id": "iothread-virtio1"})))
    net = {"type": "user", "id": "net1"}
    note(client.run(("netdev_add", net), ("netdev_add", net)))
    card = {"driver": "virtio-net-pci", "netdev": "net1", "id": "net1"}
    card |= {"mac": "BC:24:11:00:00:01", "bus": "pci.0", "addr": "0x13"}
    note(client.run(("device_add", card), ("set_link", {"name": "net1", "up": False})))
    note(client.run(("device_del", {"id": "net1"}), ("netdev_del", {"id": "net1"})))
    fd = os.open(path, os.O_RDWR)
    note(client.run(("getfd", {"fdname": "fd-virtio1"}, fd)))
    (added,) = client.run(("add-fd", {"fdset-id": 7, "opaque": "x"}, fd))
    note(added["fdset-id"])
    os.close(fd)


@script.scene
def go_qmp(place: Place, note: Note) -> None:
    client = opened(place, GoQmp(place.qmp))
    note(client.run("query-version"))
    note(client.run("nosuch"))
    note(client.run("stop"))
    note(client.run("cont"))
    note([event["event"] for event in client.events])
    note(client.run("human-monitor-command", command_line="info vnc"))
    path = place.image("blk.raw", MEBIBYTE)
    file = {"driver": "file", "filename": path}
    note(client.run("blockdev-add", driver="raw", node_name="blk", file=file))
    driver = {"driver": "virtio-blk-pci", "drive": "blk"}
    note(client.run("device_add", id="blk_alice", **driver))
    note(client.run("device_add", id="blk_alice", **driver))
    added = {"type": "block-dirty-bitmap-add", "data": {"node": "blk", "name": "b"}}
    properties = {"completion-mode": "individual"}
    note(client.run("transaction", actions=[added], properties=properties))
    note(client.run("transaction", actions=[added]))
    note(client.run("transaction", actions=[]))
    note(client.run("transaction", actions=[{"type": "nosuch", "data": {}}]))
    note(client.run("block-dirty-bitmap-remove", node="blk", name="b"))
    target = {"driver": "null-co", "node-name": "nul", "size": MEBIBYTE}
    note(client.run("blockdev-add", **target))
    job = {"device": "blk", "target": "nul", "sync": "full", "job-id": "j"}
    note(client.run("blockdev-backup", **job, **{"auto-dismiss": False}))
    note(client.wait_for("JOB_STATUS_CHANGE", id="j", status="concluded"))
    note(client.wait_for("BLOCK_JOB_COMPLETED", device="j"))
    note(client.run("query-jobs"))
    note(client.run("job-dismiss", id="j"))
    note(client.run("blockdev-backup", **{**job, "target": "none"}))
    note(client.run("device_del", id="none"))
    note(client.run("system_powerdown"))
    note(client.wait_for("POWERDOWN"))


@script.scene
def go_qmp_comes_again(place: Place, note: Note) -> None:
    for _ in range(5):
        client = GoQmp(place.qmp)
        note(client.run("query-name"))
        client.close()


@script.scene
def node_qmp(place: Place, note: Note) -> None:
    client = opened(place, NodeQmp(place.qmp))
    note(client.greeting["version"]["qemu"])
    note(
        client.run(
            ("query-status",),
            ("stop",),
            ("query-status",),
            ("nosuch",),
            ("qom-list", {"path": "/machine/peripheral"}),
            ("qom-list-types", {"implements": "iothread"}),
            ("cont",),
            ("query-status", {}),
            ("query-status", {"x": 1}),
        )
    )
    note(client.events)
    note([x["status"] for x in client.run(*[("query-status",)] * 200)].count("running"))


@script.scene
def openqa(place: Place, note: Note) -> None:
    client = opened(place, OpenQa(place.qmp))
    note(client.greeting)
    note(client.run("query-status"))
    note(client.run("balloon", {"value": 64 * MEBIBYTE}))
    note(client.run("stop"))
    path = place.file("hd0.qcow2")
    options = {"driver": "file", "filename": path, "size": 0}
    for job in (
        options,
        {"driver": "qcow2", "file": options | {"node-name": "x"}, "size": MEBIBYTE},
    ):
        wanted = job if job is options else {**job, "file": "hd0-file"}
        note(client.run("blockdev-create", {"job-id": "c", "options": wanted}))
        note(until(lambda: client.run("query-jobs")[0]["status"] == "concluded"))
        note(client.run("query-jobs"))
        note(client.run("job-dismiss", {"id": "c"}))
        file = {"driver": "file", "node-name": "hd0-file", "filename": path}
        if job is options:
            note(client.run("blockdev-add", {**file, "cache": {"no-flush": True}}))
    node = {"driver": "qcow2", "node-name": "hd0", "file": "hd0-file"}
    note(client.run("blockdev-add", {**node, "cache": {"no-flush": True}}))
    plugged = {"driver": "virtio-blk-pci", "drive": "hd0", "serial": "hd0"}
    note(client.run("device_add", {**plugged, "id": "hd0-device"}))
    snapshot = {
        "node-name": "hd0",
        "snapshot-node-name": "hd0-overlay1",
        "snapshot-file": place.file("hd0-overlay1"),
        "format": "qcow2",
    }
    note(client.run("blockdev-snapshot-sync", snapshot))
    note(client.run("blockdev-snapshot-sync", snapshot))
    del snapshot["node-name"]
    note(client.run("blockdev-snapshot-sync", {**snapshot, "device": "hd0"}))
    note(client.run(*human("info block"))[:60])
    for name in ("compress", "events"):
        on = {"capability": name, "state": True}
        note(client.run("migrate-set-capabilities", {"capabilities": [on]}))
    settings = {"compress-level": 6, "compress-threads": 2, "max-bandwidth": LONG_MAX}
    note(client.run("migrate-set-parameters", settings))
    fd = os.open(place.file("dump"), os.O_RDWR | os.O_CREAT)
    note(client.run("getfd", {"fdname": "dumpfd"}, fd))
    os.close(fd)
    note(client.run("migrate", {"uri": "fd:dumpfd"}))
    note(until(lambda: client.run("query-migrate")["status"] == "completed"))
    ram = client.run("query-migrate")["ram"]
    note([ram["remaining"], ram["total"] > 128 * MEBIBYTE])
    note(pathlib.Path(place.file("dump")).stat().st_size > 0)
    note(until(lambda: client.run("query-status")["status"] == "postmigrate"))
    note(client.run("cont"))
    note(client.run("query-status"))
    note(client.run("set_link", {"name": "none", "up": False}))
    note(client.run("eject", {"id": "cd0-device", "force": True}))
    note(client.run("blockdev-remove-medium", {"id": "cd0-device"}))
    note(tried(client.run, *human(f"wavcapture {place.file('a.wav')} snd0 44100 16 1")))
    note(client.run(*human("stopcapture 0")))
    note(client.run("migrate_cancel"))
    note(sorted(set(client.events) - {"RESET"}))


@script.scene
def autotest(place: Place, note: Note) -> None:
    client = opened(place, Autotest(place.qmp))
    note(sorted(client.greeting))
    note(client.cmd("query-status"))
    note(client.cmd("stop"))
    note(client.cmd("cont"))
    note(client.get_events()[:])
    note(client.cmd("nosuch"))
    note(client.cmd("migrate_set_speed", {"value": "4g"}))
    note(client.cmd("screendump", {"filename": place.file("screen.ppm")}))
    note(pathlib.Path(place.file("screen.ppm")).read_bytes()[:2].decode())
    note(client.cmd("migrate", {"uri": "unix:/none/x", "blk": False, "inc": False}))
    note(until(lambda: client.cmd("query-migrate").get("status") == "failed"))
    note(client.cmd("query-migrate"))
    migration = {"blk": False, "inc": False}
    note(client.cmd("migrate", {"uri": "exec:cat >/dev/null", **migration}))
    note(until(lambda: client.cmd("query-migrate").get("status") == "completed"))


@script.scene
def autotest_of_2011(place: Place, note: Note) -> None:
    client = opened(place, Autotest(place.qmp, end=""))
    note(client.cmd("query-version")["qemu"])
    note(len(client.cmd("query-commands")) > 200)
    (hub, _) = client.cmd(*human("info network")).split("net1: ", 1)
    note(without_numbers(hub))
    note(tried(client.cmd, "quit"))
    note(until(lambda: "SHUTDOWN" in client.get_events()))
    note(until(lambda: not place.is_served()))


script.play()
