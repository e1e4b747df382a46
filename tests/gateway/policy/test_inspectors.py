"""What looks into arguments: every way out that is known is closed."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.gateway.policy.inspectors import ACTIONS, INSPECTORS, NEED_FILE
from qmpx.gateway.policy.reach import Reach
from qmpx.qapi.danger import HAZARDS, HUMAN_LINES
from qmpx.qapi.model import ObjectType
from qmpx.qapi.shipped import RELEASES, shipped_schema

REACH = Reach(directories=("/srv",), lines=frozenset(HUMAN_LINES), host_files="trusted")

Row = tuple[str, dict[str, Any]]


def unix(path: str) -> dict[str, Any]:
    return {"type": "unix", "data": {"path": path}}


def node(**options: Any) -> Row:
    return "blockdev-add", {name.replace("_", "-"): x for name, x in options.items()}


FILE = {"driver": "file", "filename": "/srv/a"}
ELSEWHERE = {"driver": "file", "filename": "/etc/shadow"}

ALLOWED: list[Row] = [
    ("human-monitor-command", {"command-line": "info status"}),
    ("human-monitor-command", {"command-line": "info block -v", "cpu-index": 0}),
    ("qom-get", {"path": "/machine", "property": "type"}),
    ("qom-set", {"path": "/machine/x", "property": "y", "value": 1}),
    ("qom-set", {"path": "/machine/x", "property": "y", "value": "on"}),
    ("object-add", {"qom-type": "iothread", "id": "t"}),
    ("object-add", {"qom-type": "secret", "id": "s", "file": "/srv/key"}),
    ("object-add", {"qom-type": "secret", "id": "s", "data": "/any/thing"}),
    ("object-add", {"qom-type": "rng-random", "id": "r", "filename": "/srv/r"}),
    ("device_add", {"driver": "virtio-blk-pci", "drive": "d", "id": "x"}),
    ("device_add", {"driver": "e1000", "romfile": ""}),
    ("device_add", {"driver": "usb-kbd", "pcap": "/srv/usb.pcap"}),
    ("device_add", {"driver": "usb-mtp", "rootdir": "/srv/share"}),
    ("chardev-add", {"id": "c", "backend": {"type": "null", "data": {}}}),
    (
        "chardev-add",
        {
            "id": "c",
            "backend": {"type": "socket", "data": {"addr": unix("/srv/s")}},
        },
    ),
    ("netdev_add", {"type": "user", "id": "n"}),
    ("netdev_add", {"type": "tap", "id": "n", "script": "no", "downscript": "no"}),
    node(**FILE),
    node(driver="raw", file=FILE),
    node(driver="raw", file="n0"),
    node(driver="qcow2", file=FILE, backing=None),
    node(driver="qcow2", file="n0", backing={"driver": "raw", "file": FILE}),
    node(driver="quorum", vote_threshold=1, children=["a", FILE]),
    ("blockdev-reopen", {"options": [FILE, {"driver": "raw", "file": "n0"}]}),
    (
        "blockdev-create",
        {"job-id": "j", "options": {"driver": "file", "filename": "/srv/n", "size": 1}},
    ),
    (
        "blockdev-create",
        {"job-id": "j", "options": {"driver": "qcow2", "file": "n", "size": 1}},
    ),
    ("drive-backup", {"device": "d", "target": "/srv/b", "format": "qcow2"}),
    ("blockdev-change-medium", {"filename": "/srv/c.iso", "format": "raw"}),
    ("blockdev-snapshot-sync", {"node-name": "n", "snapshot-file": "/srv/s"}),
    ("block-commit", {"device": "d"}),
    ("block-stream", {"device": "d", "backing-file": "/srv/b"}),
    ("nbd-server-start", {"addr": unix("/srv/nbd")}),
    (
        "nbd-server-start",
        {"addr": {"type": "inet", "data": {"host": "127.0.0.1", "port": "1"}}},
    ),
    ("block-export-add", {"type": "nbd", "id": "e", "node-name": "n"}),
    ("migrate", {"uri": "tcp:other:4444"}),
    ("migrate", {"uri": "unix:/srv/m"}),
    ("migrate", {"uri": "file:/srv/m,offset=0"}),
    (
        "display-update",
        {"type": "vnc", "addresses": [{"type": "unix", "path": "/srv/vnc"}]},
    ),
    (
        "block-export-add",
        {"type": "vhost-user-blk", "id": "e", "node-name": "n", "addr": unix("/srv/v")},
    ),
    (
        "migrate",
        {
            "channels": [
                {
                    "channel-type": "main",
                    "addr": {"transport": "socket", "type": "inet", "host": "x"},
                }
            ]
        },
    ),
    ("migrate-set-parameters", {"max-bandwidth": 1}),
    ("dump-guest-memory", {"paging": False, "protocol": "file:/srv/core"}),
    ("screendump", {"filename": "/srv/s.ppm"}),
]


@pytest.mark.parametrize(("name", "arguments"), ALLOWED)
def test_what_stays_in_reach_is_allowed(name: str, arguments: dict[str, Any]) -> None:
    assert INSPECTORS[name](arguments, REACH) == ""


def human(line: object, **more: Any) -> Row:
    return "human-monitor-command", {"command-line": line, **more}


def channel(**address: Any) -> Row:
    return "migrate", {"channels": [{"channel-type": "main", "addr": address}]}


def backend(kind: str, **data: Any) -> Row:
    return "chardev-add", {"id": "c", "backend": {"type": kind, "data": data}}


DENIED: list[Row] = [
    human("quit"),
    human("info status\nquit"),
    human("info status;quit"),
    human("info status "),
    human(" info status"),
    human("info  status"),
    human("INFO STATUS"),
    human("info stat"),
    human("i status"),
    human("info registers"),
    human("info status", more=1),
    human(None),
    human(["info status"]),
    ("human-monitor-command", {}),
    ("qom-get", {"path": "/objects/sec0", "property": "data"}),
    ("qom-get", {"path": "sec0", "property": "data"}),
    ("qom-get", {"path": "sec0", "property": "legacy-data"}),
    ("qom-get", {"path": "sec0"}),
    ("qom-set", {"path": "sec0", "property": "data", "value": "x"}),
    ("qom-set", {"path": "x", "property": "filename", "value": "/etc/shadow"}),
    ("qom-set", {"path": "x", "property": "filename", "value": "../etc/shadow"}),
    ("qom-set", {"path": "/machine", "property": "kernel", "value": "etc/shadow"}),
    ("qom-set", {"path": "x", "property": "pcap", "value": "etc/cron.d/x"}),
    ("object-add", {"qom-type": "secret", "id": "s", "file": "/etc/shadow"}),
    ("object-add", {"qom-type": "rng-random", "id": "s", "filename": "/dev/sda"}),
    ("object-add", {"qom-type": "memory-backend-file", "mem-path": "/etc/x"}),
    ("object-add", {"qom-type": "tls-creds-x509", "id": "t", "dir": "/root"}),
    ("object-add", {"qom-type": "input-linux", "id": "i", "evdev": "/dev/input/0"}),
    ("object-add", {"qom-type": "qtest", "id": "q"}),
    ("object-add", {"qom-type": "Iothread", "id": "q"}),
    ("object-add", {"qom-type": "iothread", "props": {}}),
    ("object-add", {}),
    ("device_add", {"driver": "vfio-pci", "host": "00:02.0"}),
    ("device_add", {"driver": "usb-host", "hostbus": 1}),
    ("device_add", {"driver": "loader", "file": "/srv/x"}),
    ("device_add", {"driver": "e1000", "romfile": "/etc/shadow"}),
    ("device_add", {"driver": "e1000", "romfile": "shadow"}),
    ("device_add", {"driver": ["e1000"]}),
    ("device_add", {"driver": "usb-kbd", "pcap": "etc/cron.d/x"}),
    ("device_add", {"driver": "usb-tablet", "pcap": "/etc/cron.d/x"}),
    ("device_add", {"driver": "virtio-input-host-pci", "evdev": "/srv/event0"}),
    ("device_add", {"driver": "virtio-input-host", "evdev": "dev/input/event0"}),
    ("device_add", {"driver": "cxl-type3", "cdat": "etc/shadow"}),
    ("device_add", {"driver": "ipmi-bmc-sim", "frudatafile": "etc/shadow"}),
    ("device_add", {"driver": "u2f-emulated", "dir": "/srv"}),
    ("device_add", {"driver": "ccid-card-emulated", "backend": "certificates"}),
    ("device_add", {"driver": "usb-mtp", "rootdir": ["/etc"]}),
    backend("file", out="/etc/passwd"),
    backend("file", **{"out": "/srv/a", "in": "/etc/shadow"}),
    backend("pipe", device="/tmp/p"),
    backend("serial", device="/dev/ttyS0"),
    backend("ringbuf", logfile="/etc/passwd"),
    backend("socket", addr=unix("/run/docker.sock")),
    backend("socket", addr={"type": "inet", "data": {"host": "0.0.0.0", "port": "1"}}),
    backend("socket", addr={"type": "fd", "data": {"str": "3"}}),
    backend("stdio"),
    backend("braille"),
    ("chardev-add", {"id": "c"}),
    ("netdev_add", {"type": "tap", "id": "n"}),
    ("netdev_add", {"type": "tap", "id": "n", "script": "/bin/sh"}),
    ("netdev_add", {"type": "tap", "id": "n", "script": "no", "downscript": "/x"}),
    (
        "netdev_add",
        {"type": "tap", "script": "no", "downscript": "no", "helper": "/srv/h"},
    ),
    ("netdev_add", {"type": "user", "guestfwd": [{"str": "tcp:1.2.3.4:5-cmd:id"}]}),
    ("netdev_add", {"type": "user", "smb": "/"}),
    ("netdev_add", {"type": "user", "tftp": "etc"}),
    ("netdev_add", {"type": "bridge", "id": "n"}),
    ("netdev_add", {"type": "vhost-user", "chardev": "c"}),
    ("netdev_add", {"type": "stream", "addr": unix("/etc/s")}),
    node(**ELSEWHERE),
    node(driver="raw", file=ELSEWHERE),
    node(driver="raw", file={"driver": "raw", "file": ELSEWHERE}),
    node(driver="raw", file=FILE, backing=ELSEWHERE),
    node(driver="qcow2", file=FILE),
    node(driver="qcow2", file=FILE, backing=ELSEWHERE),
    node(driver="qcow2", file=FILE, backing=None, data_file=ELSEWHERE),
    node(driver="qcow2", file=FILE, backing='json:{"driver": "file"}'),
    node(driver="nbd", server={"type": "unix", "path": "/srv/s"}),
    node(driver="ssh", host="x"),
    node(driver="vvfat", dir="/srv"),
    node(driver="vmdk", file=FILE),
    node(driver="file", filename='json:{"driver": "nbd"}'),
    node(driver="file", filename="nbd:unix:/srv/x"),
    node(driver="file", filename="/srv/../etc/shadow"),
    node(driver="file", filename="a"),
    node(driver="file"),
    node(driver="quorum", children=["a", ELSEWHERE]),
    node(driver="blkdebug", image="n", config="/etc/x"),
    node(driver="FILE", filename="/srv/a"),
    node(file=FILE),
    ("blockdev-reopen", {"options": [FILE, ELSEWHERE]}),
    ("blockdev-reopen", {"options": FILE}),
    ("blockdev-create", {"options": {"driver": "file", "filename": "/etc/x"}}),
    (
        "blockdev-create",
        {"options": {"driver": "qcow2", "file": "n", "backing-file": "/etc/x"}},
    ),
    ("blockdev-create", {"options": {"driver": "qcow2", "file": ELSEWHERE}}),
    (
        "blockdev-create",
        {"options": {"driver": "qcow2", "file": "n", "data-file": ELSEWHERE}},
    ),
    ("blockdev-create", {"options": {"driver": "ssh"}}),
    ("drive-backup", {"device": "d", "target": "/etc/b", "format": "raw"}),
    ("drive-backup", {"device": "d", "target": "/srv/b"}),
    ("drive-mirror", {"target": "nbd://x/y", "format": "raw"}),
    ("drive-mirror", {"target": "/srv/b", "format": "qcow2", "mode": "existing"}),
    ("blockdev-change-medium", {"filename": "/srv/c.iso"}),
    ("blockdev-change-medium", {"filename": "/srv/c", "format": "qcow2"}),
    ("blockdev-snapshot-sync", {"snapshot-file": "/etc/s"}),
    ("blockdev-snapshot-sync", {"snapshot-file": "/srv/s", "mode": "existing"}),
    ("change-backing-file", {"backing-file": "/etc/shadow"}),
    ("block-commit", {"device": "d", "backing-file": "/etc/shadow"}),
    (
        "nbd-server-start",
        {"addr": {"type": "inet", "data": {"host": "0.0.0.0", "port": "1"}}},
    ),
    ("nbd-server-start", {"addr": unix("/run/x")}),
    ("block-export-add", {"type": "fuse", "mountpoint": "/etc/passwd"}),
    ("block-export-add", {"type": "vduse-blk", "id": "e"}),
    ("block-export-add", {"type": "vhost-user-blk", "addr": unix("/run/x")}),
    (
        "block-export-add",
        {"type": "vhost-user-blk", "addr": {"type": "inet", "host": "0.0.0.0"}},
    ),
    (
        "block-export-add",
        {
            "type": "vhost-user-blk",
            "addr": {"type": "unix", "path": "/srv/x", "abstract": True},
        },
    ),
    (
        "display-update",
        {"type": "vnc", "addresses": [{"type": "inet", "host": "0.0.0.0"}]},
    ),
    ("display-update", {"type": "vnc", "addresses": "x"}),
    ("qom-list-get", {"paths": ["/objects/sec0"]}),
    ("migrate", {"uri": "unix:/srv/a,/../../run/x"}),
    ("migrate", {"uri": "exec:id"}),
    ("migrate", {"uri": "EXEC:id"}),
    ("migrate", {"uri": " exec:id"}),
    ("migrate", {"uri": "fd:3"}),
    ("migrate", {"uri": "file:/etc/x"}),
    ("migrate", {"uri": "unix:/run/x"}),
    ("migrate", {}),
    ("migrate", {"uri": ["tcp:x:1"]}),
    ("migrate", {"channels": "x"}),
    channel(transport="exec", args=["id"]),
    channel(transport="file", filename="/etc/x"),
    channel(transport="socket", type="fd", str="3"),
    ("migrate-incoming", {"uri": "exec:id"}),
    ("migrate-recover", {"uri": "exec:id"}),
    ("migrate-set-parameters", {"cpr-exec-command": ["id"]}),
    ("dump-guest-memory", {"paging": False, "protocol": "file:/etc/x"}),
    ("dump-guest-memory", {"paging": False, "protocol": "fd:x"}),
    ("screendump", {"filename": "/etc/x"}),
    ("screendump", {"filename": "x.ppm"}),
    ("pmemsave", {"val": 0, "size": 1, "filename": "/etc/x"}),
    ("memsave", {"val": 0, "size": 1}),
    ("getfd", {"fdname": "x"}),
    ("add-fd", {}),
]


@pytest.mark.parametrize(("name", "arguments"), DENIED)
def test_what_leads_out_is_refused(name: str, arguments: dict[str, Any]) -> None:
    assert INSPECTORS[name](arguments, REACH) != ""


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [{}], {"type": {}}])
@pytest.mark.parametrize("name", sorted(INSPECTORS))
def test_no_strange_argument_is_a_defect(name: str, value: Any) -> None:
    names = ["options", "uri", "channels", "backend", "addr", "protocol", "filename"]
    names += ["driver", "qom-type", "property", "command-line", "type", "target"]
    for each in names:
        INSPECTORS[name]({each: value}, REACH)


@pytest.mark.parametrize("name", sorted(NEED_FILE))
def test_what_names_a_file_always_does_not_run_without_one(name: str) -> None:
    assert INSPECTORS[name]({}, REACH) != ""


def test_what_is_looked_into_is_known() -> None:
    assert INSPECTORS.keys() - HAZARDS.keys() == set()
    assert NEED_FILE - INSPECTORS.keys() == set()


def test_the_actions_of_transactions_are_those_of_the_schemas() -> None:
    known: set[str] = set()
    for release in RELEASES:
        union = shipped_schema(release).types["TransactionAction"]
        assert isinstance(union, ObjectType)
        known |= {branch.name for branch in union.branches}
    assert known - {"abort"} == ACTIONS
