"""Objects and devices: the same requests to a real QEMU and to our machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.dialects.modern.profile.types import use_types
from qmpx.machine import Machine
from qmpx.standin.profile.file import shipped_profile
from tests.peers.twins import Twins, twins

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

GIB = 2**30

DEVICES: list[dict[str, Any]] = [
    {"driver": "qemu-xhci", "id": "xhci"},
    {"driver": "virtio-scsi-pci", "id": "scsi0"},
    {"driver": "virtio-serial-pci", "id": "vs0"},
]
Q35_DEVICES: list[dict[str, Any]] = [
    {"driver": "pcie-root-port", "id": "rp0"},
    {"driver": "pcie-root-port", "id": "rp1", "chassis": 2},
    *DEVICES,
]


def command_line(devices: list[dict[str, Any]]) -> list[str]:
    """Return devices as options."""
    return [part for device in devices for part in ("-device", json.dumps(device))]


def machine_of(board: str, devices: list[dict[str, Any]]) -> Machine:
    """Return a machine with such a board."""
    machine = Machine(memory_size=GIB, processor_count=3)
    use_types(machine, shipped_profile())
    tree = machine.qom
    tree.become(board)
    tree.memory_slots, tree.maximum_memory = 2, 4 * GIB
    tree.processors.topology |= {
        "maxcpus": 8,
        "sockets": 2,
        "cores": 2,
        "threads": 2,
    }
    for device in devices:
        tree.devices.add(device, hotplug=False)
    return machine


def both(board: str, alias: str, devices: list[dict[str, Any]]) -> Iterator[Twins]:
    """Run a QEMU and our machine with such a board."""
    options = ["-machine", alias, "-m", "1G,slots=2,maxmem=4G"]
    options += ["-smp", "3,maxcpus=8,sockets=2,cores=2,threads=2"]
    machine = machine_of(board, devices)
    with twins(*options, *command_line(devices), machine=machine) as pair:
        yield pair


@pytest.fixture(scope="module")
def pc() -> Iterator[Twins]:
    """Return two machines with an i440FX."""
    yield from both("pc-i440fx-7.2", "pc", DEVICES)


@pytest.fixture(scope="module")
def q35() -> Iterator[Twins]:
    """Return two machines with a Q35."""
    yield from both("pc-q35-7.2", "q35", Q35_DEVICES)


def told(pair: Twins, name: str, arguments: dict[str, Any]) -> tuple[Any, Any]:
    """Return what both reply, without events; lists by their contents."""
    replies = []
    for talk in (pair.theirs, pair.ours):
        reply = talk.run(name, arguments)[-1]
        if isinstance(listed := reply.get("return"), list):
            reply = {"return": sorted(json.dumps(x, sort_keys=True) for x in listed)}
        replies.append(reply)
    return replies[0], replies[1]


RNG = {"driver": "virtio-rng-pci"}
CPU = {"driver": "qemu64-x86_64-cpu"}
DIMM = {"driver": "pc-dimm"}

PLUGGED: list[dict[str, Any]] = [
    {},
    {"driver": 1},
    {"driver": "nope"},
    {"driver": "pci-device"},
    {"driver": "iothread"},
    {"driver": "VGA"},
    {"driver": "ib700"},
    {"driver": "virtio-rng-device"},
    {"driver": "nope", "id": "0x"},
    RNG | {"id": "0x", "bus": "nobus"},
    RNG | {"bus": "nobus"},
    RNG | {"bus": "/"},
    RNG | {"bus": "xhci.0"},
    RNG | {"bus": "/machine/peripheral/xhci"},
    RNG | {"foo": 1},
    RNG | {"addr": "zz"},
    RNG | {"addr": "33"},
    RNG | {"addr": "-1"},
    RNG | {"max-bytes": "x"},
    RNG | {"max-bytes": True},
    RNG | {"multifunction": "maybe"},
    RNG | {"multifunction": 1},
    RNG | {"period": "99999999999"},
    RNG | {"rombar": "-3"},
    RNG | {"rng": "none"},
    RNG | {"rng": "/objects"},
    RNG | {"disable-legacy": "x"},
    {"driver": "virtio-blk-pci", "drive": "no"},
    {"driver": "virtio-net-pci", "netdev": "no"},
    {"driver": "virtio-net-pci", "mac": "52:54:00:12:34:5x"},
    {"driver": "virtserialport", "chardev": "no"},
    {"driver": "usb-mouse", "id": "m0"},
    {"driver": "usb-mouse", "id": "m0"},
    {"driver": "usb-mouse", "id": "m1", "port": "3"},
    {"driver": "usb-kbd", "port": "3"},
    {"driver": "usb-kbd", "port": True},
    {"driver": "usb-kbd", "usb_version": "x"},
    {"driver": "virtserialport", "id": "p1"},
    {"driver": "virtserialport", "nr": "1"},
    {"driver": "virtserialport", "nr": "99"},
    {"driver": "scsi-hd"},
    {"driver": "scsi-cd", "id": "cd0"},
    {"driver": "scsi-cd", "scsi-id": 0, "lun": 0},
    {"driver": "scsi-cd", "scsi-id": 300},
    CPU | {"core-id": 0, "thread-id": 0},
    CPU | {"socket-id": 9, "core-id": 0, "thread-id": 0},
    CPU | {"socket-id": 1, "core-id": 5, "thread-id": 0},
    CPU | {"socket-id": 1, "core-id": "x", "thread-id": 0},
    CPU | {"socket-id": 1, "core-id": 0, "thread-id": 0, "id": "c1"},
    CPU | {"socket-id": 1, "core-id": 0, "thread-id": 0},
    {"driver": "max-x86_64-cpu"},
    DIMM,
    DIMM | {"memdev": "nope"},
    DIMM | {"memdev": "m0", "id": "d0"},
    DIMM | {"memdev": "m0"},
    DIMM | {"memdev": "m1", "slot": 7},
    DIMM | {"memdev": "m1", "slot": 0},
    DIMM | {"memdev": "m1", "addr": 4},
    DIMM | {"memdev": "m2"},
]

BACKENDS = [
    {"id": "m0", "size": 2**28},
    {"id": "m1", "size": 2**28},
    {"id": "m2", "size": 2**33},
]

LOOKED_AT = (
    "/",
    "/objects",
    "/objects/m0",
    "/machine",
    "/machine/peripheral",
    "/machine/unattached",
    "/machine/unattached/sysbus",
    "/machine/unattached/device[0]",
    "/machine/unattached/device[4]",
    "/machine/peripheral/xhci",
    "/machine/peripheral/scsi0/virtio-backend",
    "/machine/peripheral/m0",
    "/machine/peripheral/d0",
    "rtc_state",
    "m0",
    "device[0]",
    "/nope",
    "",
)

VOLATILE = frozenset({"rtc-time", "date"})


@pytest.mark.parametrize("board", ["pc", "q35"])
def test_devices_are_plugged_in_and_refused_alike(
    board: str, request: pytest.FixtureRequest
) -> None:
    pair: Twins = request.getfixturevalue(board)
    for backend in BACKENDS:
        theirs, ours = told(
            pair, "object-add", {"qom-type": "memory-backend-ram", **backend}
        )
        assert ours == theirs
    for options in PLUGGED:
        theirs, ours = told(pair, "device_add", options)
        assert ours == theirs, options
    for query in (
        "query-hotpluggable-cpus",
        "query-memory-devices",
        "query-memdev",
        "query-memory-size-summary",
    ):
        theirs, ours = told(pair, query, {})
        assert ours == theirs
    for path in LOOKED_AT:
        theirs, ours = told(pair, "qom-list", {"path": path})
        assert ours == theirs, path
        for text in theirs.get("return", ()):
            name = json.loads(text)["name"]
            if name not in VOLATILE:
                arguments = {"path": path, "property": name}
                theirs, ours = told(pair, "qom-get", arguments)
                assert ours == theirs, arguments


UNPLUGGED = (
    ("nope", None),
    ("", None),
    ("/machine/peripheral", None),
    ("/machine/unattached/device[0]", None),
    ("/machine/unattached/device[1]", None),
    ("hub", {"device": "hub", "path": "/machine/peripheral/hub"}),
    ("port", {"device": "port", "path": "/machine/peripheral/port"}),
    ("card", None),
    ("card", None),
)


def test_devices_are_taken_out_alike() -> None:
    for pair in both("pc-i440fx-7.2", "pc", DEVICES):
        for options in (
            {"driver": "usb-hub", "id": "hub", "port": "1"},
            {"driver": "usb-mouse", "id": "mouse", "port": "1.2"},
            {"driver": "virtserialport", "id": "port"},
            {"driver": "virtio-rng-pci", "id": "card"},
        ):
            theirs, ours = told(pair, "device_add", options)
            assert ours == theirs == {"return": {}}
        for name, gone in UNPLUGGED:
            heard = [
                talk.run("device_del", {"id": name})
                for talk in (pair.theirs, pair.ours)
            ]
            for messages, talk in zip(heard, (pair.theirs, pair.ours), strict=True):
                if (
                    gone is not None
                    and {"event": "DEVICE_DELETED", "data": gone} not in messages
                ):
                    messages += talk.until("DEVICE_DELETED", **gone)
            events = [
                [message for message in messages if "event" in message]
                for messages in heard
            ]
            replies = [
                [message for message in messages if "event" not in message]
                for messages in heard
            ]
            assert events[1] == events[0], name
            assert replies[1] == replies[0], name


SET: list[tuple[str, str, Any]] = [
    ("/machine", "type", "x"),
    ("/machine", "foo", "x"),
    ("/machine", "graphics", 3),
    ("/machine", "peripheral", "x"),
    ("/no", "x", 1),
    ("/machine/peripheral/scsi0", "addr", "3"),
    ("/machine/peripheral/scsi0", "hotplugged", True),
    ("/machine/unattached/device[0]", "avx", True),
    ("/objects/pc.ram", "size", 5),
    ("/objects/pc.ram", "share", True),
    ("/objects/io0", "poll-max-ns", -5),
    ("/objects/io0", "poll-max-ns", "5"),
    ("/objects/io0", "poll-max-ns", 5),
    ("/objects/io0", "nope", 1),
]


def test_properties_are_set_and_refused_alike(pc: Twins) -> None:
    theirs, ours = told(pc, "object-add", {"qom-type": "iothread", "id": "io0"})
    assert ours == theirs
    for path, name, value in SET:
        arguments = {"path": path, "property": name, "value": value}
        theirs, ours = told(pc, "qom-set", arguments)
        assert ours == theirs, arguments


def create(kind: str, **options: Any) -> dict[str, Any]:
    """Return arguments of object-add."""
    named = {name.replace("_", "-"): value for name, value in options.items()}
    return {"qom-type": kind, "id": "o1", **named}


CREATED = [
    create("iothread", id="0 0"),
    create("iothread", poll_max_ns=-1),
    create("nope"),
    create("rng-random", filename="/nope"),
    create("rng-egd", chardev="none"),
    create("rng-egd"),
    create("memory-backend-ram", size=0),
    create("memory-backend-ram", size=2**60),
    create("memory-backend-ram", size="1M"),
    create("memory-backend-ram", size=2**20, host_nodes=[0]),
    create("memory-backend-ram", size=2**20, policy="bind"),
    create("memory-backend-ram", size=2**20, prealloc_threads=0),
    create("memory-backend-file", size=2**20),
    create("memory-backend-file", size=2**20, mem_path="/nope/x"),
    create("memory-backend-file", size=1000, mem_path="/dev/null", align=3000),
    create("throttle-group", limits={"iops-total": 5, "iops-read": 4}),
    create("throttle-group", limits={"iops-total-max": 5}),
    create("tls-creds-x509", dir="/nope", endpoint="server"),
    create("tls-creds-x509"),
    create("tls-creds-psk", dir="/nope"),
    create("authz-simple"),
    create("authz-pam", service="x"),
    create("cryptodev-vhost-user", chardev="none"),
    create("filter-dump", netdev="none", file="/nope/x"),
    create("filter-dump", netdev="none"),
    create("filter-buffer", netdev="none", interval=0),
    create("input-linux", evdev="/nope"),
    create("secret"),
    create("secret", data="x", file="y"),
    create("secret", data="x", keyid="nope"),
    create("pr-manager-helper", path="/nope"),
    create("rng-builtin"),
    create("rng-builtin"),
]


def test_objects_are_created_and_refused_alike(q35: Twins) -> None:
    for options in CREATED:
        theirs, ours = told(q35, "object-add", options)
        assert ours == theirs, options
    for name in ("o1", "o1", "pc.ram"):
        theirs, ours = told(q35, "object-del", {"id": name})
        assert ours == theirs, name
