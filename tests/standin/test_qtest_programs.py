"""What QEMU's own test programs do to a QEMU, done to the stand-in: case by case.

The programs are qmp-test, machine-none-test, qmp-cmd-test, readconfig-test, test-hmp,
qom-test, device-introspect-test, numa-test, cpu-plug-test, drive_del-test and
device-plug-test of QEMU 7.2; a test is called as their case is.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.standin.profile.file import shipped_profile
from tests.standin.qtest_client import Driven, starting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NONE = "-nodefaults -machine none"


# qmp-test

MALFORMED: list[bytes] = [
    b"{]\n",
    b"{\xff",
    b"{\x01",
    b"{'bad \xff",
    b"{'execute': 'nonexistent', 'id':'\n",
    b"%p",
]
NO_COMMANDS: list[str] = [
    "null",
    "{}",
    "{ 'execute': true }",
    "{ 'execute': 'no-such-cmd', 'arguments': [] }",
    "{ 'execute': 'no-such-cmd', 'extra': true }",
]


def check_malformed(vm: Driven) -> None:
    for text in MALFORMED:
        vm.send(text)
        assert vm.reply()["error"]["class"] == "GenericError", text
        vm.send("{ 'execute': 'no-such-cmd' }")
        assert vm.reply()["error"]["class"] == "CommandNotFound", text
    for line in NO_COMMANDS:
        vm.send(line)
        assert vm.reply()["error"]["class"] == "GenericError", line


def test_protocol() -> None:
    with starting(NONE, negotiates=False) as vm:
        greeting = vm.receive()["QMP"]
        assert set(greeting) == {"version", "capabilities"}
        assert vm.error("query-version") == "CommandNotFound"
        check_malformed(vm)
        assert vm.value("qmp_capabilities") == {}
        assert vm.error("qmp_capabilities") == "CommandNotFound"
        assert vm.value("query-version") == greeting["version"]
        check_malformed(vm)
        vm.send("{ 'execute': 'query-name', 'id': 'cookie#1' }")
        assert vm.reply() == {"return": {}, "id": "cookie#1"}
        vm.send("{ 'execute': 'human-monitor-command', 'id': 2 }")
        reply = vm.reply()
        assert (reply["id"], reply["error"]["class"]) == (2, "GenericError")


def block_on(vm: Driven, fifo: Path, id_: str) -> None:
    """Send a command that opens a pipe, which nobody writes to yet."""
    image = {"driver": "null-co", "read-zeroes": True}
    arguments = {"driver": "blkdebug", "node-name": id_, "config": str(fifo)}
    vm.send(
        {
            "execute": "blockdev-add",
            "id": id_,
            "arguments": arguments | {"image": image},
        }
    )


def unblock(fifo: Path) -> None:
    os.close(os.open(fifo, os.O_WRONLY))


def test_oob(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with starting(NONE, negotiates=False) as vm:
        assert vm.receive()["QMP"]["capabilities"][0] == "oob"
        vm.error("qmp_capabilities", {"enable": ["cap-does-not-exist"]})
        assert vm.value("qmp_capabilities", {"enable": ["oob"]}) == {}
        vm.send({"exec-oob": "query-cpus-fast"})
        assert "error" in vm.reply()

        block_on(vm, fifo, "ib-blocks-1")
        vm.send({"execute": "query-name", "id": "ib-quick-1"})
        vm.send({"exec-oob": "migrate-pause", "id": "oob-1"})
        assert vm.receive()["id"] == "oob-1"
        unblock(fifo)
        assert vm.receive() == {"return": {}, "id": "ib-blocks-1"}
        assert vm.receive()["id"] == "ib-quick-1"

        block_on(vm, fifo, "blocks-2")
        vm.send({"id": "err-2"})
        unblock(fifo)
        assert vm.receive()["id"] == "blocks-2"
        assert vm.receive()["id"] == "err-2"


def test_preconfig() -> None:
    with starting(f"{NONE} --preconfig") as vm:
        assert vm.value("query-commands")
        vm.error("query-cpus-fast")
        assert vm.value("query-status")["status"] == "prelaunch"
        assert vm.value("x-exit-preconfig") == {}
        vm.wait("RESUME")
        assert vm.value("query-status")["status"] == "running"
        vm.error("x-exit-preconfig")
        assert vm.value("query-cpus-fast") == []


def test_missing_any_arg() -> None:
    with starting(NONE) as vm:
        arguments = {"path": "/machine", "property": "rtc-time"}
        assert vm.error("qom-set", arguments) == "GenericError"


# machine-none-test


def test_machine_none_cpu_option() -> None:
    with starting("-machine none -cpu 'qemu64,apic-id=0'") as vm:
        assert vm.value("quit") == {}


# qmp-cmd-test


def told(command: str, arguments: str = "{}") -> Any:
    text = shipped_profile().find(command, arguments)
    assert text is not None
    return json.loads(text)


IGNORED = {
    "add-fd",
    "query-cpu-definitions",
    "query-gic-capabilities",
    "query-pci",
    "query-sev-launch-measure",
    "query-sev",
    "query-sev-capabilities",
    "query-sgx",
    "query-sgx-capabilities",
}
FAILING = {
    **dict.fromkeys(
        ("query-acpi-ospm-status", "query-hotpluggable-cpus", "query-vm-generation-id"),
        "GenericError",
    ),
    **dict.fromkeys(
        ("x-query-profile", "x-query-usb", "x-query-jit", "x-query-opcount"),
        "GenericError",
    ),
    "query-balloon": "DeviceNotActive",
}


def queries() -> list[str]:
    """Return the commands that need no arguments and return something."""
    entities = {entity["name"]: entity for entity in told("query-qmp-schema")}
    found = []
    for entity in entities.values():
        if entity["meta-type"] != "command" or entity["name"] in IGNORED:
            continue
        takes = entities[entity["arg-type"]].get("members", [])
        returns = entities[entity["ret-type"]]
        is_nothing = returns["meta-type"] == "object" and not returns["members"]
        if not is_nothing and all("default" in member for member in takes):
            found.append(entity["name"])
    return found


@pytest.mark.parametrize("command", queries())
def test_query(command: str) -> None:
    with starting(NONE) as vm:
        if command in FAILING:
            assert vm.error(command) == FAILING[command]
        else:
            vm.value(command)


def test_object_add_failure_modes() -> None:
    right = {"qom-type": "memory-backend-ram", "id": "ram1", "size": 1048576}
    with starting(NONE) as vm:

        def fails(command: str, **arguments: Any) -> None:
            assert vm.error(command, arguments) == "GenericError"

        def succeeds(command: str, **arguments: Any) -> None:
            assert vm.value(command, arguments) == {}

        def without(name: str) -> dict[str, Any]:
            return {key: value for key, value in right.items() if key != name}

        fails("object-add", **without("size"))
        fails("object-add", id="ram1")
        fails("object-del", id="ram1")
        succeeds("object-add", **right)
        fails("object-add", **right)
        succeeds("object-del", id="ram1")
        fails("object-add", **right | {"size": "1048576"})
        succeeds("object-add", **right)
        succeeds("object-del", id="ram1")
        fails("object-add", **without("id"))
        succeeds("object-add", **right)
        succeeds("object-del", id="ram1")
        fails("object-add", **without("size"), sized=1048576)
        succeeds("object-add", **right)
        fails("object-del", ida="ram1")
        succeeds("object-del", id="ram1")
        fails("object-del", id="ram1")


# readconfig-test


def test_readconfig_memdev(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('[memory]\nsize = "200"')
    with starting(f"{NONE} -readconfig {path}") as vm:
        (memdev,) = vm.value("query-memdev")
        assert (memdev["id"], memdev["size"]) == ("ram", 200 * 2**20)


def test_readconfig_spice(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('[spice]\nunix = "on"\ndisable-ticketing = "on"\n')
    with starting(f"{NONE} -readconfig {path}") as vm:
        assert vm.value("query-spice")["enabled"] is True


def test_readconfig_object_rng(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text('[object]\nqom-type = "rng-builtin"\nid = "rng0"\n')
    with starting(f"{NONE} -readconfig {path}") as vm:
        listed = vm.value("qom-list", {"path": "/objects"})
        assert {"name": "rng0", "type": "child<rng-builtin>"} in listed


EHCI = """
[device "ehci"]
  driver = "ich9-usb-ehci1"
  addr = "1d.7"
  multifunction = "on"

[device "uhci-1"]
  driver = "ich9-usb-uhci1"
  addr = "1d.0"
  multifunction = "on"
  masterbus = "ehci.0"
  firstport = "0"

[device "uhci-2"]
  driver = "ich9-usb-uhci2"
  addr = "1d.1"
  multifunction = "on"
  masterbus = "ehci.0"
  firstport = "2"

[device "uhci-3"]
  driver = "ich9-usb-uhci3"
  addr = "1d.2"
  multifunction = "on"
  masterbus = "ehci.0"
  firstport = "4"
"""


def test_readconfig_ich9_ehci_uhci(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(EHCI)
    with starting(f"-nodefaults -readconfig {path}") as vm:
        listed = vm.value("qom-list", {"path": "/machine/peripheral"})
        assert {(item["name"], item["type"]) for item in listed} >= {
            ("ehci", "child<ich9-usb-ehci1>"),
            ("uhci-1", "child<ich9-usb-uhci1>"),
            ("uhci-2", "child<ich9-usb-uhci2>"),
            ("uhci-3", "child<ich9-usb-uhci3>"),
        }


# test-hmp

LINES = """
announce_self
boot_set ndc
chardev-add null,id=testchardev1
chardev-send-break testchardev1
chardev-change testchardev1 ringbuf
chardev-remove testchardev1
commit all
cpu 0
device_add ?
device_add usb-mouse,id=mouse1
drive_add ignored format=help
mouse_button 7
mouse_move 10 10
mouse_button 0
device_del mouse1
dump-guest-memory /dev/null 0 4096
dump-guest-memory /dev/null
gdbserver
gva2gpa 0
hostfwd_add tcp::43210-:43210
hostfwd_remove tcp::43210-:43210
i /w 0
log all
log none
memsave 0 4096 "/dev/null"
migrate_set_parameter xbzrle-cache-size 64k
migrate_set_parameter downtime-limit 1
migrate_set_parameter max-bandwidth 1
netdev_add user,id=net1
set_link net1 off
set_link net1 on
netdev_del net1
nmi
o /w 0 0x1234
object_add memory-backend-ram,id=mem1,size=256M
object_del mem1
one-insn-per-tb on
pmemsave 0 4096 "/dev/null"
p $pc + 8
qom-list /
qom-set /machine initrd test
qom-get /machine initrd
screendump /dev/null
sendkey x
singlestep on
wavcapture /dev/null
stopcapture 0
sum 0 512
x /8i 0x100
xp /16x 0
""".strip().splitlines()

BOARDS = ["microvm", "pc", "isapc", "q35", "none"]


@pytest.mark.parametrize("machine", [*BOARDS, "x-remote", "none -m 2"])
def test_hmp(machine: str) -> None:
    with starting(f"-S -M {machine}") as vm:
        listed = vm.type("help info").splitlines()
        assert len(listed) > 40
        for line in listed:
            word, topic, _ = line.split(" ", 2)
            assert word == "info"
            vm.type(f"info {topic}")
        for line in LINES:
            vm.type(line)


# qom-test


def walk(vm: Driven, path: str) -> Iterator[tuple[str, str]]:
    """Yield all properties below a path, and read them."""
    for item in vm.value("qom-list", {"path": path}):
        name, type_ = item["name"], item["type"]
        if type_.startswith("child<"):
            yield from walk(vm, f"{path}/{name}")
        elif type_.startswith("link<"):
            vm.run("qom-list", {"path": f"{path}/{name}"})
        else:
            vm.run("qom-get", {"path": path, "property": name})
            yield path, name


@pytest.mark.parametrize("machine", [*BOARDS, "x-remote"])
def test_qom(machine: str) -> None:
    with starting(f"-machine {machine}") as vm:
        assert list(walk(vm, "/machine"))
        assert vm.value("quit") == {}


# device-introspect-test


def types(
    vm: Driven, implements: str | None, *, abstract: bool
) -> list[dict[str, Any]]:
    arguments: dict[str, Any] = {"abstract": abstract}
    if implements is not None:
        arguments["implements"] = implements
    listed = vm.value("qom-list-types", arguments)
    assert isinstance(listed, list)
    return listed


def look_at(vm: Driven, type_: str) -> None:
    vm.run("device-list-properties", {"typename": type_})
    escaped = type_.replace(",", ",,")
    vm.type(f'device_add "{escaped},help"')


def trees(vm: Driven) -> tuple[str, str]:
    return vm.type("info qom-tree"), vm.type("info qtree")


def test_introspect_list() -> None:
    with starting(NONE) as vm:
        assert types(vm, "device", abstract=True)
        assert vm.type("device_add help")


def lineage(parents: dict[str, str | None], name: str | None) -> list[str]:
    found = []
    while name is not None:
        found.append(name)
        name = parents.get(name)
    return found


def test_introspect_list_fields() -> None:
    with starting(NONE) as vm:
        every = types(vm, None, abstract=True)
        concrete = {x["name"] for x in types(vm, None, abstract=False)}
        assert len(concrete) > 400
        for item in every:
            assert item.get("abstract", False) == (item["name"] not in concrete)
        for parent in ("object", "device", "sys-bus-device"):
            found = types(vm, parent, abstract=True)
            parents = {item["name"]: item.get("parent") for item in found}
            assert found
            for name in parents:
                assert parent in lineage(parents, name)


@pytest.mark.parametrize("type_", ["nonexistent", "device"])
def test_introspect_none_and_abstract(type_: str) -> None:
    with starting(NONE) as vm:
        before = trees(vm)
        look_at(vm, type_)
        assert trees(vm) == before


def test_introspect_abstract_interfaces() -> None:
    with starting(NONE) as vm:
        found = types(vm, "interface", abstract=True)
        parents = {item["name"]: item.get("parent") for item in found}
        interfaces = [x for x in found if "interface" in lineage(parents, x["name"])]
        assert len(interfaces) > 10
        assert all(item.get("abstract") for item in interfaces)


def test_introspect_concrete_defaults_none() -> None:
    with starting(NONE) as vm:
        before = trees(vm)
        for item in types(vm, "device", abstract=False):
            look_at(vm, item["name"])
        assert trees(vm) == before


# numa-test

RAM = "-object memory-backend-ram,id=ram,size=128M"


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        (
            "-machine smp.cpus=8,smp.sockets=8 -numa node,memdev=ram -numa node",
            ("0 2 4 6", "1 3 5 7"),
        ),
        (
            (
                "-machine smp.cpus=8 -numa node,nodeid=0,memdev=ram,cpus=0-3 "
                "-numa node,nodeid=1,cpus=4-7"
            ),
            ("0 1 2 3", "4 5 6 7"),
        ),
        (
            (
                "-machine smp.cpus=8 -numa node,nodeid=0,memdev=ram,cpus=0-1 "
                "-numa node,nodeid=1,cpus=4-5 "
            ),
            ("0 1 2 3 6 7", "4 5"),
        ),
    ],
    ids=["default", "explicit", "partial"],
)
def test_numa_mon_cpus(words: str, nodes: tuple[str, str]) -> None:
    with starting(f"{RAM} {words}") as vm:
        told = vm.type("info numa")
        for number, cpus in enumerate(nodes):
            assert f"node {number} cpus: {cpus}" in told


def test_numa_query_cpus() -> None:
    nodes = "-numa node,memdev=ram,cpus=0-3 -numa node,cpus=4-7"
    with starting(f"{RAM} -machine smp.cpus=8 {nodes}") as vm:
        nodes_of = {
            cpu["cpu-index"]: cpu["props"]["node-id"]
            for cpu in vm.value("query-cpus-fast")
        }
        assert nodes_of == {
            **dict.fromkeys(range(4), 0),
            **dict.fromkeys(range(4, 8), 1),
        }


def test_numa_pc_cpu_explicit() -> None:
    words = (
        "-cpu max -machine smp.cpus=8,smp.sockets=2,smp.cores=2,smp.threads=2 "
        "-numa node,nodeid=0,memdev=ram -numa node,nodeid=1 "
        "-numa cpu,node-id=1,socket-id=0 "
        "-numa cpu,node-id=0,socket-id=1,core-id=0 "
        "-numa cpu,node-id=0,socket-id=1,core-id=1,thread-id=0 "
        "-numa cpu,node-id=1,socket-id=1,core-id=1,thread-id=1"
    )
    with starting(f"{RAM} {words}") as vm:
        cpus = vm.value("query-cpus-fast")
        assert len(cpus) == 8
        for cpu in cpus:
            props = cpu["props"]
            place = props["socket-id"], props["core-id"], props["thread-id"]
            assert props["node-id"] == (place[0] == 0 or place == (1, 1, 1))


def test_numa_pc_dynamic_cpu() -> None:
    words = "-nodefaults --preconfig -machine smp.cpus=2,smp.sockets=2"
    with starting(f"{RAM} {words}") as vm:
        for options in (
            {"type": "node", "nodeid": 0, "memdev": "ram"},
            {"type": "node", "nodeid": 1},
            {"type": "cpu", "node-id": 0, "socket-id": 1},
            {"type": "cpu", "node-id": 1, "socket-id": 0},
        ):
            assert vm.value("set-numa-node", options) == {}
        assert vm.value("x-exit-preconfig") == {}
        vm.wait("RESUME")
        nodes_of = {
            cpu["props"]["socket-id"]: cpu["props"]["node-id"]
            for cpu in vm.value("query-hotpluggable-cpus")
        }
        assert nodes_of == {0: 1, 1: 0}


TWO = (
    "-machine smp.cpus=2,smp.sockets=2 -m 128M,slots=2,maxmem=1G "
    "-object memory-backend-ram,size=64M,id=m0 "
    "-object memory-backend-ram,size=64M,id=m1 "
)
WITH_HMAT = (
    f"{RAM} -nodefaults --preconfig -machine hmat=on {TWO}"
    "-numa node,nodeid=0,memdev=m0 "
    "-numa node,nodeid=1,memdev=m1,initiator=0 "
    "-numa cpu,node-id=0,socket-id=0 "
    "-numa cpu,node-id=0,socket-id=1"
)


def lb(what: str, initiator: int, target: int, **more: Any) -> dict[str, Any]:
    """Return how quick a node's memory is."""
    options = {"type": "hmat-lb", "initiator": initiator, "target": target}
    options |= {"hierarchy": "memory", "data-type": f"access-{what}"}
    return options | {name.replace("_", "-"): value for name, value in more.items()}


def cache(node: int, level: int, **more: Any) -> dict[str, Any]:
    """Return what lies before a node's memory."""
    options: dict[str, Any] = {"type": "hmat-cache", "node-id": node}
    options |= {"size": 10240, "level": level, "associativity": "direct"}
    return options | {"policy": "write-back", "line": 8} | more


LATENCY, BANDWIDTH = "latency", "bandwidth"


def describe(vm: Driven, told: list[tuple[str, dict[str, Any]]]) -> None:
    """Describe details of memory, and see what is taken and what is refused."""
    for outcome, options in told:
        reply = vm.run("set-numa-node", options)
        assert outcome in reply, (options, reply)
    assert vm.value("x-exit-preconfig") == {}
    vm.wait("RESUME")


def test_numa_pc_hmat_build() -> None:
    with starting(WITH_HMAT) as vm:
        told = [
            ("error", lb(LATENCY, 2, 0)),
            ("error", lb(LATENCY, 0, 2)),
            ("error", lb(LATENCY, 1, 0)),
            (
                "error",
                lb(LATENCY, 0, 0, data_type="write-latency", bandwidth=524288000),
            ),
            ("error", lb(LATENCY, 0, 0, data_type="read-bandwidth", latency=5)),
            ("error", lb(BANDWIDTH, 0, 0, bandwidth=1048575)),
            ("return", lb(LATENCY, 0, 0, latency=1)),
            ("error", lb(LATENCY, 0, 0, latency=5)),
            ("return", lb(BANDWIDTH, 0, 0, bandwidth=68717379584)),
            ("return", lb(LATENCY, 0, 1, latency=65534)),
            ("return", lb(BANDWIDTH, 0, 1, bandwidth=34358689792)),
            ("error", cache(2, 1)),
            ("error", cache(0, 4)),
            ("error", cache(0, 0, policy="none", line=0)),
            ("error", cache(0, 0, associativity="none", line=0)),
            ("error", cache(0, 0, associativity="none", policy="none")),
            ("return", cache(0, 1)),
            ("error", cache(0, 1)),
            ("error", cache(0, 2)),
            ("error", cache(0, 0)),
            ("return", cache(1, 1)),
        ]
        describe(vm, told)


def test_numa_pc_hmat_off() -> None:
    words = TWO.replace("id=m0", "id=m0,prealloc=y") + "-numa node,nodeid=0,memdev=m0"
    with starting(f"{RAM} -nodefaults --preconfig {words}") as vm:
        node = {"type": "node", "nodeid": 1, "memdev": "m1"}
        vm.error("set-numa-node", node | {"initiator": 0})
        assert vm.value("set-numa-node", node) == {}
        told = [
            ("error", lb(LATENCY, 0, 0, latency=1)),
            ("error", cache(0, 1)),
        ]
        describe(vm, told)


def test_numa_pc_hmat_erange() -> None:
    with starting(WITH_HMAT) as vm:
        told = [
            ("return", lb(LATENCY, 0, 0, latency=1)),
            ("error", lb(LATENCY, 0, 1, latency=65535)),
            ("return", lb(BANDWIDTH, 0, 0, bandwidth=0)),
            ("error", cache(0, 1)),
            ("error", lb(BANDWIDTH, 0, 1, bandwidth=68718428160)),
        ]
        describe(vm, told)


# cpu-plug-test

NEWEST = ["pc-i440fx-7.2", "pc-q35-7.2"]
OLDER = ["pc-i440fx-1.4", "pc-i440fx-2.6", "pc-q35-2.4", "pc-q35-6.0"]


@pytest.mark.parametrize("machine", NEWEST + OLDER)
def test_cpu_plug(machine: str) -> None:
    topology = "-smp 1,sockets=1,cores=3,threads=2,maxcpus=6"
    with starting(f"-machine {machine} -cpu Haswell {topology}") as vm:
        slots = vm.value("query-hotpluggable-cpus")
        free = [slot for slot in slots if "qom-path" not in slot]
        assert (len(slots), len(free)) == (6, 5)
        for slot in free:
            options = {"driver": "Haswell-x86_64-cpu", **slot["props"]}
            assert vm.value("device_add", options) == {}


# drive_del-test

DRIVE = "-drive if=none,id=drive0,file=null-co://,file.read-zeroes=on,format=raw"
BRIDGE = (
    "-machine q35 -device pcie-root-port,id=p1 -device pcie-pci-bridge,bus=p1,id=b1"
)
DEVICE = {"driver": "virtio-blk-pci", "drive": "drive0", "id": "dev0"}


def has_drive(vm: Driven) -> bool:
    return "drive0" in [entry["device"] for entry in vm.value("query-block")]


def has_node(vm: Driven) -> bool:
    nodes = vm.value("query-named-block-nodes")
    return "drive0" in [node["node-name"] for node in nodes]


def drive_del(vm: Driven) -> None:
    assert has_drive(vm)
    assert vm.type("drive_del drive0") == ""
    assert not has_drive(vm)


def drive_add(vm: Driven, more: str = "") -> None:
    assert vm.type(f"drive_add 0 if=none,id=drive0{more}") == "OK\r\n"
    assert has_drive(vm)


def device_del(vm: Driven, *, resets: bool) -> None:
    vm.value("device_del", {"id": "dev0"})
    if resets:
        assert vm.value("system_reset") == {}
    vm.wait("DEVICE_DELETED")


def test_drive_without_dev() -> None:
    with starting("-drive if=none,id=drive0") as vm:
        drive_del(vm)
        drive_add(vm)


def test_drive_after_failed_device_add() -> None:
    with starting("-drive if=none,id=drive0") as vm:
        arguments = {"driver": "virtio-blk-pci", "drive": "drive0"}
        assert vm.error("device_add", arguments) == "GenericError"
        drive_del(vm)
        drive_add(vm)


def test_drive_del_device_del() -> None:
    scsi = "-device virtio-scsi-pci -device scsi-hd,drive=drive0,id=dev0"
    with starting(f"{DRIVE} {scsi}") as vm:
        drive_del(vm)
        device_del(vm, resets=False)
        assert not has_drive(vm)


@pytest.mark.parametrize(
    "words",
    [
        f"-machine pc {DRIVE} -device virtio-blk-pci,drive=drive0,id=dev0",
        f"{DRIVE} {BRIDGE} -device virtio-blk-pci,drive=drive0,bus=b1,id=dev0",
    ],
    ids=["pc", "q35"],
)
def test_drive_cli_device(words: str) -> None:
    with starting(words) as vm:
        device_del(vm, resets=True)
        assert not has_drive(vm)


def test_device_del_empty() -> None:
    with starting("-device virtio-scsi-pci -device scsi-cd,id=dev0") as vm:
        device_del(vm, resets=False)


@pytest.mark.parametrize(
    ("words", "bus"),
    [("-machine pc", {}), (BRIDGE, {"bus": "b1"})],
    ids=["pc", "q35"],
)
@pytest.mark.parametrize("made", ["drive", "drive_add", "blockdev"])
def test_drive_device_add(words: str, bus: dict[str, str], made: str) -> None:
    with starting(f"{words} {DRIVE}" if made == "drive" else words) as vm:
        if made == "drive_add":
            drive_add(vm, ",file=null-co://,file.read-zeroes=on,format=raw")
        elif made == "blockdev":
            file = {"driver": "null-co", "read-zeroes": True}
            node = {"driver": "raw", "node-name": "drive0", "file": file}
            assert vm.value("blockdev-add", node) == {}
            assert has_node(vm)
        assert vm.value("device_add", DEVICE | bus) == {}
        device_del(vm, resets=True)
        if made == "blockdev":
            assert has_node(vm)
        else:
            assert not has_drive(vm)


# device-plug-test

JSON_MOUSE = '\'{"driver": "virtio-mouse-pci", "id": "dev0"}\''
JSON_AS_THEIRS = "\"{'driver': 'virtio-mouse-pci', 'id': 'dev0'}\""
JSON_BRIDGES = (
    '-machine q35 -device \'{"driver": "pcie-root-port", "id": "p1"}\' '
    '-device \'{"driver": "pcie-pci-bridge", "bus": "p1", "id": "b1"}\' '
    '-device \'{"driver": "virtio-mouse-pci", "bus": "b1", "id": "dev0"}\''
)


@pytest.mark.parametrize(
    "words",
    [
        "-machine pc -device virtio-mouse-pci,id=dev0",
        f"{BRIDGE} -device virtio-mouse-pci,bus=b1,id=dev0",
        f"-machine pc -device {JSON_MOUSE}",
        JSON_BRIDGES,
        f"-machine pc -device {JSON_AS_THEIRS}",
    ],
    ids=["pci", "q35-pci", "pci-json", "q35-pci-json", "pci-json-as-theirs"],
)
def test_device_plug(words: str) -> None:
    with starting(words) as vm:
        assert vm.value("device_del", {"id": "dev0"}) == {}
        assert vm.events == []  # the guest does not run, and cannot let it go
        assert vm.value("system_reset") == {}
        while vm.wait("DEVICE_DELETED")["data"].get("device") != "dev0":
            pass


# What libqos does over qtest.

CONFIG, DATA = 0xCF8, 0xCFC


def read_config(vm: Driven, place: int, register: int, size: str = "l") -> int:
    assert vm.ask(f"outl {CONFIG:#x} {1 << 31 | place << 8 | register & ~3:#x}") == "OK"
    answer = vm.ask(f"in{size} {DATA + (register & 3):#x}")
    word, value = answer.split()
    assert word == "OK"
    return int(value, 16)


def test_pci_devices_are_found_and_leave_by_acpi() -> None:
    words = "-machine pc -device virtio-mouse-pci,id=dev0,addr=9"
    with starting(words) as vm:
        assert read_config(vm, 0, 0) == 0x12378086
        assert read_config(vm, 9 << 3, 0) == 0x10521AF4
        assert read_config(vm, 10 << 3, 0) == 0xFFFFFFFF
        assert vm.value("device_del", {"id": "dev0"}) == {}
        assert vm.ask("inl 0xae04") == f"OK {1 << 9:#06x}"
        assert vm.ask(f"outl 0xae08 {1 << 9}") == "OK"
        while vm.wait("DEVICE_DELETED")["data"].get("device") != "dev0":
            pass  # what was in it goes first
        assert read_config(vm, 9 << 3, 0) == 0xFFFFFFFF
