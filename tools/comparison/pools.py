"""What values are tried, by the name of the member that takes them.

Everything here is harmless: names of files are relative to the folder in which the
programs run, addresses are this host's, sizes are small or impossible.
"""

from typing import Any, Final

NODES: Final = [
    *("disk0", "file0", "disk1", "base1", "file1", "file2", "null0", "null1"),
    *("slow0", "new0", "new1", "new2", "nope"),
]

DEVICES: Final = [
    *("vblk0", "shd0", "scd0", "icd0", "nic0", "balloon0", "vser0", "port0"),
    *("tablet0", "xhci0", "scsi0", "rp0", "dog0", "dev0", "dev1", "nope"),
]

DISKS: Final = ["vblk0", "shd0", "scd0", "icd0", "nic0", "dev0", "nope"]

_NEW_IDS: Final = ["new0", "new1", "new2", "io0", "chr0", "1x", "mem0"]

PATHS: Final = [
    *("/machine", "/machine/peripheral", "/objects", "/objects/io0", "/objects/mem0"),
    *("/machine/peripheral/vblk0", "/machine/peripheral/nic0", "vblk0", "shd0"),
    *("/machine/peripheral/scd0", "/machine/peripheral/vblk0/virtio-backend"),
    *("/machine/unattached", "/", "", "/nope", "balloon0", "/chardevs/ring0"),
    *("/machine/peripheral/balloon0", "/objects/tg0", "/backend"),
]

PROPERTIES: Final = [
    *("type", "realized", "hotplugged", "serial", "drive", "bus", "size", "limits"),
    *("guest-stats", "guest-stats-polling-interval", "poll-max-ns", "nope", "host"),
    *("host-nodes", "policy", "mac", "netdev", "x-iops-total", "data", "format"),
    *("parent_bus", "legacy-addr", "addr", "rombar"),
]

FILES: Final = ["spare.raw", "spare.qcow2", "over.qcow2", "empty", "out0", "nope/x"]

SIZES: Final = [0, 1, 511, 512, 4096, 65536, 1 << 20, 2 << 20, 16 << 20, -1, 1 << 62]

NUMBERS: Final = [0, 1, 2, 3, 7, 64, 100, 1000, 65535, 65536, -1, 1 << 31, 1 << 40]

WORDS: Final = ["x", "new0", "disk0", "", "nope", "a b", "ä", "1", "on"]

ADDRESSES: Final = [
    *("tcp:127.0.0.1:1", "unix:nope/x", "unix:", "tcp:", "foo:bar", "fd:nope", ""),
    *("exec:cat >mig0", "tcp:127.0.0.1:x", "file:x", "tcp:0", "defer"),
]

_TRACES: Final = ["*", "virtio_set_status", "nope", "qmp_*", "nope*", ""]

BY_MEMBER: Final[dict[str, list[Any]]] = {
    "node-name": [*NODES, *NODES, "", "a b", "1x"],
    "node": NODES,
    "overlay": NODES,
    "base-node": NODES,
    "top-node": NODES,
    "image-node-name": NODES,
    "filter-node-name": ["new1", "filter0", "disk0", "1x", ""],
    "snapshot-node-name": ["new0", "new1", "disk0", "1x"],
    "bottom": NODES,
    "replaces": NODES,
    "parent": NODES,
    "child": ["file", "children.0", "nope"],
    "base": [*FILES, "base.qcow2"],
    "top": [*FILES, "top.qcow2"],
    "backing-file": [*FILES, "base.qcow2"],
    "backing": NODES,
    "snapshot-file": FILES,
    "filename": FILES,
    "file": [*NODES, "secret.txt"],
    "path": ["sock1", "nope/x", "empty"],  # of sockets; objects' are below
    "property": PROPERTIES,
    "device": [*DISKS, *NODES],
    "driver": [
        *("virtio-blk-pci", "virtio-net-pci", "scsi-hd", "usb-mouse", "e1000", "nope"),
        *("pc-dimm", "virtio-rng-pci", "ide-hd", "isa-serial", "qemu64-x86_64-cpu"),
        *("virtserialport", "usb-storage", "virtio-serial-pci", "pcie-root-port"),
        *("virtio-balloon-pci", "usb-kbd", "pci-bridge", "i6300esb", "scsi-cd"),
        *("intel-hda", "device", "virtio-scsi-pci", "virtio-gpu-pci"),
    ],
    "bus": ["pci.0", "pcie.0", "scsi0.0", "xhci0.0", "rp0", "rp1", "vser0.0", "nope"],
    "drive": ["null0", "new0", "disk0", "nope", "slow0"],
    "netdev": ["net0", "net1", "new0", "nope"],
    "chardev": ["chr0", "ring0", "new0", "nope", "sock0"],
    "memdev": ["mem0", "new0", "nope"],
    "addr": ["0x10", "5", "1f.7", "x", "99", "0"],
    "iothread": ["io0", "new0", "nope"],
    "throttle-group": ["tg0", "new0", "nope"],
    "group": ["tg0", "new0", ""],
    "key-secret": ["sec0", "nope", "new0"],
    "password-secret": ["sec0", "nope"],
    "keyid": ["sec0", "nope"],
    "secret": ["sec0", "eA=="],
    "tls-creds": ["sec0", "nope"],
    "tls-authz": ["sec0", "nope"],
    "job-id": ["job0", "job1", "1x", "disk0", "vblk0"],
    "id": [*_NEW_IDS, *DEVICES, "job0", "job1"],
    "name": ["new0", "net0", "nic0", "bm0", "bm1", "disk0", ""],
    "bitmap": ["bm0", "bm1", "nope"],
    "target": [*NODES, "out0", "bm0"],
    "size": SIZES,
    "length": SIZES,
    "speed": [0, 1, 65536, 1 << 20, 1 << 40, -1],
    "granularity": [512, 4096, 65536, 1, 0, 1 << 31],
    "value": SIZES,
    "val": SIZES,
    "uri": ADDRESSES,
    "host": ["127.0.0.1"],
    "port": ["0", "x", "99999"],
    "to": [0, 1],
    "server": [],
    "fdname": ["nope", "1x", "7", ""],
    "command-line": ["help"],
    "typename": [
        *("virtio-blk-pci", "virtio-net-pci", "iothread", "device", "nope", "pc-dimm"),
        *("pc-i440fx-7.2-machine", "memory-backend-ram", "qemu64-x86_64-cpu", ""),
    ],
    "implements": ["device", "user-creatable", "nope", "machine", "pci-device"],
    "mem-path": ["mem0"],
    "script": ["no"],
    "downscript": ["no"],
    "interfaces": [["nic0"], ["nope"], []],
    "instances": [],
    "password": ["letmein", ""],
    "time": ["now", "never", "+10", "10", "x", ""],
    "data": ["hello", "aGVsbG8=", "", "ä"],
    "vmstate": NODES,
    "tag": ["snap0", "snap1", ""],
    "filter-node": NODES,
    "option": ["drive", "nope", "chardev", "machine"],
    "head": [0, 1, -1],
    "queue": [0, 1, 99],
    "cpu-index": [0, 1, -1, 99],
    "mnonce": ["eA=="],
    "fdset-id": [0, 1, -1],
    "reset": [],
    "local": [],
    "remote": [],
    "qom-path": PATHS,
    "monitor-id": ["mon0", "nope"],
    "rules": [],
    "max-connections": [0, 1, 100],
    "prealloc-threads": [0, 1, 2],
    "cluster-size": [512, 4096, 65536, 1, 1 << 31],
    "initial": [50, 1, 0, 100001],
    "rounds": [1, 5, 0, 1001],
    "step": [1, 100, 0, 10001],
    "calc-time": [1, 0, 61],
    "sample-pages": [128, 512, 1, 5000],
}
"""For members of this name, wherever they are; an empty list means any value."""

BY_ARGUMENT: Final[dict[tuple[str, str], list[Any]]] = {
    ("object-del", "id"): ["new0", "new1", "io0", "mem0", "sec0", "tg0", "nope"],
    ("netdev_del", "id"): ["new0", "new1", "net0", "net1", "nope"],
    ("netdev_add", "id"): ["new0", "new1", "net0", "1x"],
    ("chardev-add", "id"): ["new0", "new1", "chr0", "1x", ""],
    ("chardev-change", "id"): ["new0", "chr0", "ring0", "mon0", "nope"],
    ("chardev-remove", "id"): ["new0", "new1", "chr0", "ring0", "mon0", "nope"],
    ("chardev-send-break", "id"): ["chr0", "ring0", "new0", "nope"],
    ("ringbuf-read", "device"): ["ring0", "ring0", "chr0", "nope"],
    ("ringbuf-write", "device"): ["ring0", "ring0", "chr0", "nope"],
    ("device_del", "id"): [*DEVICES, "/machine/peripheral/dev0", "/machine"],
    ("device_add", "id"): ["dev0", "dev1", "vblk0", "1x"],
    ("device_add", "size"): SIZES,
    ("set_link", "name"): ["net0", "net1", "nic0", "nope"],
    ("query-rx-filter", "name"): ["net0", "nic0", "net1", "nope"],
    ("trace-event-get-state", "name"): _TRACES,
    ("trace-event-set-state", "name"): ["virtio_set_status", "nope", "nope*"],
    ("screendump", "device"): ["nope", "vblk0"],
    ("screendump", "filename"): ["out0", "nope/x"],
    ("input-send-event", "device"): ["nope", "tablet0", "vblk0"],
    ("nbd-server-remove", "name"): ["new0", "disk0", "null0", "nope"],
    ("nbd-server-add", "device"): NODES,
    ("block-export-del", "id"): ["new0", "new1", "nope"],
    ("block-export-add", "id"): ["new0", "new1", "1x"],
    ("remove-fd", "fdset-id"): [0, 1, 99, -1],
    ("migrate-continue", "state"): ["pre-switchover", "device", "setup", "none"],
    ("query-rocker", "name"): ["nope"],
    ("qom-set", "value"): [True, 0, 1000, "x", None, [], {}],
    ("dump-guest-memory", "protocol"): ["file:out0", "fd:nope", "x", "file:nope/x"],
    ("object-add", "id"): ["new0", "new1", "new2", "io0", "1x", "vblk0"],
    ("object-add", "filename"): ["/dev/urandom", "nope"],
    ("blockdev-change-medium", "filename"): ["spare.raw", "spare.qcow2", "nope"],
    ("blockdev-insert-medium", "node-name"): NODES,
    ("set_password", "connected"): ["keep", "fail", "disconnect"],
    ("query-sev-attestation-report", "mnonce"): [
        "eA==",
        "",
        "AAAAAAAAAAAAAAAAAAAAAA==",
    ],
}
"""For this argument, or member anywhere in the arguments, of this command."""

for _command in (
    *("qom-list", "qom-get", "qom-set", "x-query-virtio-status"),
    *("x-query-virtio-queue-status", "x-query-virtio-vhost-queue-status"),
    "x-query-virtio-queue-element",
):
    BY_ARGUMENT[_command, "path"] = PATHS
for _command in ("job-", "block-job-"):
    for _verb in ("pause", "resume", "cancel", "complete", "dismiss", "finalize"):
        for _member in ("id", "device"):
            BY_ARGUMENT[_command + _verb, _member] = ["job0", "job0", "job1", "nope"]
BY_ARGUMENT["block-job-set-speed", "device"] = ["job0", "job0", "job1", "nope"]
for _name in (
    *("eject", "blockdev-open-tray", "blockdev-close-tray", "blockdev-remove-medium"),
    *("blockdev-insert-medium", "blockdev-change-medium", "block_set_io_throttle"),
    "block-latency-histogram-set",
):
    for _member in ("id", "device"):
        BY_ARGUMENT[_name, _member] = DISKS

DEVICE_PROPERTIES: Final = (
    *("drive", "netdev", "chardev", "memdev", "addr", "bus", "id", "serial", "size"),
    *("mac", "bootindex", "share-rw", "lun", "multifunction", "nope", "name", "nr"),
    *("node", "socket-id", "core-id", "thread-id", "iothread", "port", "slot"),
)
"""What is tried as a property of a device that is added."""
