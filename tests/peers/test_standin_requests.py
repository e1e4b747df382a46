"""The same requests to a real QEMU 7.2 and to the stand-in, which says the same.

Each row was once answered otherwise. What is compared are whole messages, but for names
of pseudo terminals and long numbers.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.programs import BIN, SECONDS
from tools.comparison.program import Program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow, pytest.mark.timeout(120)]

QEMU = "qemu-system-x86_64"
STANDIN = str(BIN / "qmpx-system-x86_64")
Message = dict[str, Any]

NONE = ["-machine", "none"]
PC = [
    *("-machine", "pc", "-S", "-nodefaults", "-m", "128,slots=2,maxmem=1G"),
    *("-smp", "1,maxcpus=2", "-device", "virtio-serial-pci,id=vser0"),
    *("-device", "virtio-scsi-pci,id=scsi0", "-device", "qemu-xhci,id=xhci0"),
]
LARGE = 2**63

LACKING = [
    *("ctucan_pci", "cxl-type3", "ivshmem-doorbell", "ivshmem-plain", "kvaser_pci"),
    *("nvme", "pci-bridge", "pci-bridge-seat", "pci-ipmi-bt", "scsi-generic"),
    *("u2f-passthru", "usb-braille", "usb-mtp", "usb-redir", "usb-serial"),
    *("vfio-pci", "vhost-scsi-pci", "vhost-user-blk-pci", "vhost-user-fs-pci"),
    *("vhost-user-gpio-pci", "vhost-user-i2c-pci", "vhost-user-input-pci"),
    *("vhost-user-rng-pci", "vhost-user-scsi-pci", "vhost-user-vsock-pci"),
    *("vhost-vsock-pci", "virtio-9p-pci", "virtio-crypto-pci", "virtio-mem-pci"),
    *("virtio-input-host-pci", "x-pci-proxy-dev"),
]
FIXED = [
    *("acpi-erst", "amd-iommu", "intel-iommu", "ipmi-bmc-extern", "pxb", "pxb-cxl"),
    *("pxb-pcie", "vfio-pci-igd-lpc-bridge", "vfio-pci-nohotplug", "vhost-user-gpu"),
    *("vhost-user-gpu-pci", "vhost-user-vga", "virtio-gpu-device", "virtio-vga-gl"),
    *("guest-loader", "hv-syndbg"),
]
LINES = [
    *(" help foo bar", "help info foo bar", 'help "a', 'help "" x', " mce", "\tfoo x"),
    *("y" * 300, " info  foo", "\tsendkey ", "? vnc x", "help" + " x" * 20),
    *("netdev_add user,id=", "netdev_add user,id=1", "netdev_add user,id=w,foo=1"),
    *("netdev_add user,id=z,ipv6-prefixlen=x", "netdev_add hubport,id=h,hubid=x"),
    *("netdev_add stream,id=s1", "device_add usb-mouse,id=", "device_add usb-kbd,id=1"),
    *("chardev-add null,id=n1", "chardev-add null,id=n1", "chardev-add null,id=1"),
    *("chardev-add null,id=n2,foo=1", "chardev-add socket,id=s2,path=/nowhere/x"),
    *(
        "chardev-add socket,id=s7,fd=foo",
        "chardev-add socket,id=s9,path=x,host=y,port=1",
    ),
    *("chardev-add socket,id=sa", "chardev-add socket,id=sb,host=127.0.0.1"),
    *("chardev-add socket,id=sc,path=/nowhere/x,wait=on", "chardev-add udp,id=u"),
    *("chardev-add udp,id=u1,port=x", "chardev-add ringbuf,id=r,size=3"),
    *("chardev-add ringbuf,id=r2,size=4k", "chardev-add ringbuf,id=r3,size=x"),
    *("chardev-add pipe,id=p1,path=/nowhere", "chardev-add file,id=f"),
    *(
        "chardev-add pty,id=pt",
        "chardev-add mux,id=m",
        "chardev-add mux,id=m,chardev=z",
    ),
    *("chardev-add vc,id=v1,cols=x", "chardev-add serial,id=se"),
    *("chardev-add null,id=n5,logappend=maybe", "chardev-change n1 null,id=x"),
    *("chardev-change n1 socket", "chardev-add null,id=n4,logfile=/nowhere/x"),
    *("trace-event guest_cpu* on", "info trace-events guest_cpu*", "info trace-events"),
]


LONG = "h" * 300
NETDEVS: list[Message] = [
    *({"type": "user", "net": text} for text in ("10.0.0.0/40", "x", "10.0.0.0/8")),
    {"type": "user", "dns": "1.2.3.4"},
    {"type": "user", "dns": "1.2.3.4", "restrict": True},
    {"type": "user", "dns": "x"},
    *(
        {"type": "user", "hostfwd": [{"str": rule}]}
        for rule in ("tcp:x:0-:22", "tcp::0-x:22", "x", "tcp::0-:0")
    ),
    *(
        {"type": "user", "guestfwd": [{"str": rule}]}
        for rule in (
            *("x", "tcp:10.0.2.100:80-cmd:cat", "tcp:10.0.2.100:80-chardev:x"),
            *("udp:10.0.2.100:80-cmd:cat", "tcp:1.2.3.4:80-cmd:cat"),
        )
    ),
    {"type": "user", "smbserver": "x"},
    *({"type": "user", f"ipv6-{name}": "x"} for name in ("prefix", "host", "dns")),
    {"type": "user", "ipv6-prefixlen": 200},
    {"type": "user", "ipv6-prefixlen": -1},
    *({"type": "user", name: LONG} for name in ("hostname", "tftp-server-name")),
    *({"type": "socket", "mcast": text} for text in ("1.2.3.4:1234", "x")),
    {"type": "socket", "mcast": "230.0.0.1:1234", "localaddr": "x"},
    {"type": "socket", "udp": "127.0.0.1:1", "localaddr": "127.0.0.1:0"},
    {"type": "socket", "udp": "x", "localaddr": "127.0.0.1:0"},
    {"type": "socket", "fd": "99"},
    *(
        {"type": "socket", "connect": where}
        for where in ("nohost.invalid:1", "127.0.0.1:x", "127.0.0.x:1", "x")
    ),
    {"type": "vhost-vdpa", "vhostdev": "/nowhere"},
    {"type": "vhost-vdpa", "vhostfd": "x"},
    {"type": "vhost-vdpa", "vhostfd": "99"},
    {"type": "vhost-vdpa", "vhostdev": "/x", "vhostfd": "1"},
    {"type": "l2tpv3", "src": "x", "dst": "y", "txsession": 1},
    {"type": "l2tpv3", "src": "127.0.0.1", "dst": "::1", "txsession": 1, "udp": True},
    {"type": "tap", "fds": "1:2", "vhostfds": "1"},
    {"type": "tap", "helper": "/nowhere"},
    {"type": "dgram", "local": {"type": "inet", "host": "127.0.0.1", "port": "0"}},
    {"type": "dgram", "local": {"type": "unix", "path": "x"}},
    {"type": "dgram", "local": {"type": "fd", "str": "nope"}},
    {"type": "dgram", "remote": {"type": "inet", "host": "127.0.0.1", "port": "1"}},
]


def socket_of(kind: str, more: Message, **options: Any) -> Message:
    data = {"addr": {"type": kind, "data": more}, **options}
    return {"type": "socket", "data": data}


def udp_to(host: str, port: str) -> Message:
    data = {"type": "inet", "data": {"host": host, "port": port}}
    return {"type": "udp", "data": {"remote": data}}


CHARDEVS: list[Message] = [
    {"type": "parallel", "data": {"device": "/dev/null"}},
    {"type": "serial", "data": {"device": "/dev/null"}},
    {"type": "console", "data": {}},
    socket_of("unix", {"path": ""}, server=False),
    socket_of("unix", {"path": "x" * 200}, wait=False),
    socket_of("inet", {"host": "nohost.invalid", "port": "1"}, wait=False),
    socket_of("inet", {"host": "127.0.0.1", "port": "0", "ipv4": False, "ipv6": False}),
    socket_of("inet", {"host": "127.0.0.1", "port": "0", "ipv4": False, "ipv6": True}),
    udp_to("127.0.0.1", "99999"),
    udp_to("nohost.invalid", "1"),
]


def command(execute: str, **arguments: Any) -> Message:
    named = {name.replace("_", "-"): value for name, value in arguments.items()}
    return {"execute": execute, "arguments": named}


def events_of(name: str, **more: Any) -> Message:
    return command("trace-event-get-state", name=name, **more)


def tracing(name: str, **more: Any) -> Message:
    return command("trace-event-set-state", name=name, **more)


BOARDS = {
    "none": "none",
    "remote": "x-remote",
    "microvm": "microvm",
    "isapc": "isapc",
    "no-acpi": "pc,acpi=off",
    "q35-no-acpi": "q35,acpi=off",
    "no-i8042": "pc,i8042=off",
}
OF_BOARDS: list[Message] = [
    *map(command, ("query-mice", "query-acpi-ospm-status", "query-current-machine")),
    *map(command, ("system_wakeup", "query-sgx", "query-hotpluggable-cpus")),
    *map(command, ("query-memory-devices", "system_powerdown", "query-memdev")),
    command("memsave", val=0, size=1, filename="x"),
    events_of("nope", vcpu=0),
    command("device_add", driver="virtio-net-pci", bus="pci.0"),
    command("device_add", driver="pc-dimm"),
    command("device_add", driver="usb-tablet"),
    command("human-monitor-command", command_line="info status", cpu_index=0),
    command("human-monitor-command", command_line="info status", cpu_index=1),
    *(
        command("human-monitor-command", command_line=line)
        for line in (
            *("info mice", "mouse_set 1", "mouse_set 2", "boot_set c", "boot_set zz"),
            *("info memdev", "cpu 0", "cpu 1", "mce 0 0 0 0 0 0", "nmi"),
        )
    ),
]
WITHOUT_PROCESSORS = [
    *("info registers", "info registers -a", "info registers 0", "info lapic"),
    *("info lapic 0", "info mem", "info tlb", "info cpus", "x /2x 0", "xp /2x 0"),
    *(
        "xp /2i 0",
        "x 1",
        "p $pc",
        "p $eax+1",
        "gva2gpa 0",
        "gpa2hva 0",
        "memsave 0 1 f",
    ),
    *("mce 0 0 0 0 0 0", "cpu 0", "info memdev", "info numa", "sum 0 16"),
]
PRINTED = [
    *("p 18446744073709551615", "p 18446744073709551616", "p 0x10000000000000000"),
    *(
        "p 1+99999999999999999999",
        "balloon 99999999999999999999",
        "sum 0 0x1" + "0" * 16,
    ),
    *("set_password x y z", "set_password vnc y z", "set_password vnc y keep"),
]
HUBS = [
    *("-netdev", "hubport,id=h0,hubid=0", "-netdev", "hubport,id=h1,hubid=1"),
    *("-netdev", "user,id=u0", "-netdev", "hubport,id=h2,hubid=0"),
    *("-netdev", "user,id=u1", "-netdev", "hubport,id=h3,hubid=1,netdev=u1"),
    *("-device", "virtio-net-pci,netdev=h0,id=nic0", "-device", "e1000,netdev=u0"),
]


def lines(*typed: str) -> list[Message]:
    return [command("human-monitor-command", command_line=line) for line in typed]


GROUPS: dict[str, tuple[list[str], list[Message]]] = {
    **{
        f"board-{name}": (["-machine", board, "-S", "-nodefaults"], OF_BOARDS)
        for name, board in BOARDS.items()
    },
    "processors": ([*NONE, "-S"], lines(*WITHOUT_PROCESSORS)),
    "numbers": (PC, lines(*PRINTED)),
    "hubs": (
        [*PC, *HUBS],
        [
            *lines("info network", "info usernet"),
            command("netdev_del", id="h2"),
            command("netdev_add", type="hubport", id="h9", hubid=7),
            command("netdev_add", type="user", id="u9"),
            *lines("info network", "info usernet"),
        ],
    ),
    "blocks": (
        [
            *("-machine", "q35", "-S", "-nodefaults", "-m", "64,slots=1,maxmem=1G"),
            *("-object", "memory-backend-ram,id=used,size=16M"),
            *("-object", "memory-backend-ram,id=unused,size=32M"),
            *("-device", "pc-dimm,memdev=used,id=d"),
            *("-blockdev", "null-co,node-name=n0", "-device", "virtio-blk,drive=n0"),
        ],
        lines("info ramblock", "info memdev", "info blockstats"),
    ),
    "arguments": (
        PC,
        [
            command("netdev_add"),
            command("migrate-set-parameters", announce_initial=LARGE),
            command("migrate-set-parameters", max_bandwidth=LARGE),
            command("migrate-set-parameters", downtime_limit=LARGE),
            command("set-vcpu-dirty-limit", dirty_rate=LARGE),
            command("memsave", val=-1, size=1, filename="x"),
            command("memsave", val=-4096, size=4096, filename="x"),
            command("memsave", val=-4097, size=1, filename="x"),
            command("device_add", driver="qemu64-x86_64-cpu", bus="pci.0"),
        ],
    ),
    "running": (
        NONE,
        [
            command("calc-dirty-rate", calc_time=1),
            command("calc-dirty-rate", calc_time=-1),
            command("xen-load-devices-state", filename="x"),
            command("device_add", driver="guest-loader"),
        ],
    ),
    "devices": (
        PC,
        [
            *(command("device_add", driver=name) for name in (*LACKING, *FIXED)),
            *(command("device_add", driver=name, bus="nope") for name in FIXED),
            command("device_add", driver="x-pci-proxy-dev", id="d0"),
            command("device_add", driver="pc-dimm", foo=1),
        ],
    ),
    "tracing": (
        PC,
        [
            *(events_of(name) for name in ("*", "uffd*", "?", "uffd?*", "uffd_[a-z]*")),
            events_of("*", vcpu=0),
            events_of("qxl_io_write_vga"),
            tracing("qxl_io_write_vga", enable=True),
            tracing("*", enable=True),
            tracing("*", enable=True, ignore_unavailable=True),
            events_of("q*"),
            tracing("nope", enable=True, ignore_unavailable=True),
        ],
    ),
    "lines": (
        PC,
        [command("human-monitor-command", command_line=line) for line in LINES],
    ),
    "netdevs": (
        PC,
        [
            command("netdev_add", id=f"n{number}", **netdev)
            for number, netdev in enumerate(NETDEVS)
        ],
    ),
    "chardevs": (
        PC,
        [
            *(
                command("chardev-add", id=f"c{number}", backend=backend)
                for number, backend in enumerate(CHARDEVS)
            ),
            command("query-chardev"),
        ],
    ),
    "memory": (
        PC,
        [
            *(
                command("memsave", val=at, size=1, filename="x")
                for at in (0x7FFFFFF, 0x8000000, 0xFEC00000, 0xFFFC0000, -1, -(2**52))
            ),
            *(
                command("human-monitor-command", command_line=line)
                for line in ("x/2x 0x80000000", "xp/2x 0x80000000", "x/1x 0x7fffffe")
            ),
        ],
    ),
    "postcopy": (
        PC,
        [
            command("migrate-start-postcopy"),
            command(
                "migrate-set-capabilities",
                capabilities=[{"capability": "postcopy-ram", "state": True}],
            ),
            command("migrate-start-postcopy"),
            command("query-migrate"),
        ],
    ),
}


def heard(
    program: str, group: str, folder: Path
) -> list[tuple[list[Message], Message]]:
    """Send a group's requests to a program; return events and replies."""
    arguments, requests = GROUPS[group]
    options = [*arguments, "-display", "none"]
    if program == STANDIN:
        options += ["--guest", "none"]
    folder.mkdir()
    with closing(Program(program, options, folder)) as running:
        return [running.run(request) for request in requests]


class Answers:
    """What both said to each group that was asked for so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Any] = {}

    def of(self, group: str, number: int) -> tuple[Any, Any]:
        """Return what QEMU said to a request, and what the stand-in did."""
        if group not in self._known:
            self._known[group] = [
                heard(QEMU, group, self._folder / f"qemu-{group}"),
                heard(STANDIN, group, self._folder / f"standin-{group}"),
            ]
        theirs, ours = self._known[group]
        return theirs[number], ours[number]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return Answers(tmp_path_factory.mktemp("requests"))


def normal(said: Any) -> Any:
    """Return it without what is another one each time."""
    text = json.dumps(said, sort_keys=True)
    return json.loads(re.sub(r"/dev/pts/[0-9]+", "/dev/pts/N", text))


ROWS = [
    pytest.param(group, number, id=f"{group}-{number}")
    for group, (_, requests) in GROUPS.items()
    for number in range(len(requests))
]


@pytest.mark.parametrize(("group", "number"), ROWS)
def test_both_say_the_same(answers: Answers, group: str, number: int) -> None:
    theirs, ours = answers.of(group, number)
    assert normal(ours) == normal(theirs), GROUPS[group][1][number]


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_the_firmware_resets_once_more(machine: str, tmp_path: Path) -> None:
    seen = []
    for name, program in (("qemu", QEMU), ("standin", STANDIN)):
        (tmp_path / name).mkdir()
        options = ["-machine", machine, "-display", "none", "-nodefaults"]
        with closing(Program(program, options, tmp_path / name)) as running:
            seen.append(resets_of(running))
    assert seen[1] == seen[0]


def resets_of(running: Program) -> list[Any]:
    """Return the first resets that follow one from outside."""
    events: list[Message] = []
    for _ in range(5):  # the firmware has to have run before, which may take its time
        running.listen(2.0)
        before, _ = running.run(command("system_reset"))
        events = [*before, *running.listen(2.0)]
        if len(events) > 2:
            break
    return [each["data"] for each in events[:3]]


@pytest.mark.parametrize("program", [QEMU, STANDIN], ids=["qemu", "standin"])
def test_postcopy_gives_the_machine_away_at_once(program: str, tmp_path: Path) -> None:
    on = [{"capability": name, "state": True} for name in ("events", "postcopy-ram")]
    options = ["-machine", "pc", "-display", "none", "-nodefaults"]
    place = f"unix:{tmp_path}/mig"
    folders = [tmp_path / "source", tmp_path / "target"]
    for folder in folders:
        folder.mkdir()
    with (
        closing(Program(program, options, folders[0])) as source,
        closing(Program(program, [*options, "-incoming", place], folders[1])) as target,
    ):
        for each in (source, target):
            each.run(command("migrate-set-capabilities", capabilities=on))
        source.run(command("migrate-set-parameters", max_bandwidth=100_000))
        source.run(command("migrate", uri=place))
        told_until("active", source)
        source.run(command("migrate-start-postcopy"))
        told = told_until("completed", source)
        came = told_until("completed", target)
        states = [each.run(command("query-status"))[1] for each in (source, target)]
    told = [each for each in told if each != "MIGRATION_PASS"]
    assert told == ["postcopy-active", "STOP", "completed"]
    assert came == ["active", "postcopy-active", "RESUME", "completed"]
    assert [state["return"]["status"] for state in states] == ["postmigrate", "running"]


def told_until(last: str, program: Program) -> list[str]:
    """Return what events tell, up to one, and what comes soon after it."""
    told: list[str] = []
    deadline = time.monotonic() + SECONDS
    while last not in told:
        assert time.monotonic() < deadline, told
        told += map(told_of, program.listen(0.2))
    return told


def told_of(event: Message) -> str:
    """Return the status that an event tells, or its name."""
    status = event.get("data", {}).get("status", event["event"])
    assert isinstance(status, str)
    return status
