"""The human monitor beside that of a real QEMU 7.2: the same lines typed into both.

What may differ is normalised: numbers of threads and processes, addresses of the host,
names that are drawn, and the words of the help, which are our own.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers.conftest import wait_for
from tests.programs import BIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow, pytest.mark.timeout(120)]

QEMU = Path("qemu-system-x86_64")
STANDIN = BIN / "qmpx-system-x86_64"
SECONDS = 20.0
PC = [
    *("-accel", "tcg", "-M", "pc", "-m", "128", "-smp", "2,maxcpus=4"),
    *("-display", "none", "-name", "testvm"),
]


class Program:
    """A program with both monitors."""

    def __init__(self, qmp: Path, hmp: Path) -> None:
        self.hmp = hmp
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(str(qmp))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, name: str, **arguments: Any) -> Any:
        """Run a command of QMP; return the reply."""
        request = {"execute": name, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode())
        while True:
            message = json.loads(self._lines.readline())
            if "event" not in message:
                return message

    def type(self, line: str) -> str:
        """Run a line of the human monitor; return what it prints."""
        reply = self.ask("human-monitor-command", **{"command-line": line})
        text = reply["return"]
        assert isinstance(text, str)
        assert text.count("\n") == text.count("\r\n")
        return text.replace("\r\n", "\n")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()


@dataclass
class Places:
    """Where the monitors of a program are."""

    hmp: Path
    qmp: Path


@contextlib.contextmanager
def running(program: Path, arguments: Sequence[str]) -> Iterator[Program]:
    """Run a program until the end of the block, and talk to it."""
    with started(program, arguments) as places:
        talk = Program(places.qmp, places.hmp)
        try:
            yield talk
        finally:
            talk.close()


@contextlib.contextmanager
def started(program: Path, arguments: Sequence[str]) -> Iterator[Places]:
    """Run a program until the end of the block, and kill it then."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as name:
        folder = Path(name)
        qmp, hmp, log = folder / "Q", folder / "H", folder / "stderr"
        command = [str(program), *arguments]
        command += ["-monitor", f"unix:{hmp},server=on,wait=off"]
        command += ["-qmp", f"unix:{qmp},server=on,wait=off"]
        with (
            log.open("wb") as stderr,
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            ) as process,
        ):
            try:
                wait_for((hmp, qmp), process, log)
                yield Places(hmp, qmp)
            finally:
                process.kill()


@dataclass
class Pair:
    """A real QEMU and the stand-in, with the same command line."""

    theirs: Program
    ours: Program

    def type(self, line: str) -> tuple[str, str]:
        """Type a line into both."""
        return self.theirs.type(line), self.ours.type(line)


@contextlib.contextmanager
def pair_of(*arguments: str) -> Iterator[Pair]:
    """Run both until the end of the block."""
    with running(QEMU, arguments) as theirs, running(STANDIN, arguments) as ours:
        yield Pair(theirs, ours)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Keep one pair, which does not run, for all rows in their order."""
    with pair_of(*PC, "-S") as both:
        yield both


def plain(text: str) -> str:
    """Return a text without what differs from run to run."""
    text = re.sub(r"thread_id=\d+", "thread_id=N", text)
    text = re.sub(r"#(net|block)\d+", r"#\1N", text)
    text = re.sub(r"/\S+/([QH]),server", r"/\1,server", text)
    text = re.sub(r"(HOST_FORWARD\] +)-?\d+", r"\1N", text)
    return re.sub(r"(Host \w+ address .* is )0x[0-9a-f]+", r"\1N", text)


def spellings(help_text: str) -> list[str]:
    """Return the names and arguments of a help text, without what they are for."""
    lines = [x for x in help_text.splitlines() if x.strip() and not x.startswith("\t")]
    return re.findall(r"(?:^|\n)((?:(?! -- ).|\n(?!\S* ?-- ))+?) -- ", "\n".join(lines))


@pytest.mark.parametrize("line", ["help", "help info"])
def test_names_and_arguments_are_spelled_the_same(pair: Pair, line: str) -> None:
    theirs, ours = map(spellings, pair.type(line))
    assert len(theirs) > 60
    assert ours == theirs


ITEMS = [
    *("balloon", "block", "block -v", "block -n", "block ide1-cd0", "block x"),
    *("block-jobs", "blockstats", "capture", "cpus", "dirty_rate", "dump"),
    *("history", "hotpluggable-cpus", "iothreads", "kvm", "lapic", "lapic 9", "mem"),
    *("memdev", "memory-devices", "memory_size_summary", "mice", "migrate"),
    *("migrate_capabilities", "migrate_parameters", "name", "network", "numa"),
    *("opcount", "pci", "profile", "ramblock", "rdma", "registers 9", "replay"),
    *("rocker", "rocker x", "rocker-ports x", "rocker-of-dpa-flows x"),
    *("rocker-of-dpa-groups x 1", "sev", "sgx", "snapshots", "spice", "stats"),
    *("stats vm", "stats vcpu", "stats zz", "status", "status x", "sync-profile"),
    *("sync-profile -m -n 5", "tlb", "tpm", "usb", "usernet", "uuid"),
    *("vcpu_dirty_limit", "version", "virtio", "virtio-status /x", "foo", "foo bar"),
    *("virtio-queue-status /x 0", "virtio-queue-element /x 0", "vm-generation-id"),
    *("vnc", "qom-tree /zz", "qom-tree /objects", "trace-events zz"),
]


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_shows_the_same(pair: Pair, item: str) -> None:
    theirs, ours = map(plain, pair.type(f"info {item}"))
    assert ours == theirs


def labels(text: str) -> list[str]:
    """Return the lines of a text without numbers and what stands for them."""
    text = re.sub(r"Histogram: .*", "Histogram", text)
    text = re.sub(r"\[[-A-Z]{7}\]", "[flags]", text)
    text = re.sub(r"=[0-9a-f]{4,}\b|\b[0-9a-f]{8,}\b", "N", text)
    return re.sub(r"0x[0-9a-f]+|\d+(?:\.\d+)?", "N", text).splitlines()


@pytest.mark.parametrize("item", ["jit", "registers", "registers -a", "pic", "irq"])
def test_an_item_has_the_same_form(pair: Pair, item: str) -> None:
    theirs, ours = map(labels, pair.type(f"info {item}"))
    assert ours == theirs


@pytest.mark.parametrize("item", ["chardev", "roms"])
def test_an_item_has_the_same_lines(pair: Pair, item: str) -> None:
    theirs, ours = (
        sorted(re.sub(r"addr=\S+ size=\S+", "", x) for x in plain(text).splitlines())
        for text in pair.type(f"info {item}")
    )
    assert ours == theirs


def tree(text: str) -> list[tuple[str, ...]]:
    """Return each device of a tree, with its properties, in an order of their own."""
    devices = re.split(r"\n(?= *(?:dev|bus): )", text)
    return sorted(tuple(sorted(x.strip().splitlines())) for x in devices)


OF_DRIVES = ("block_size", "discard_granularity", "serial =", "ver =", "drive-type")


def test_the_tree_of_devices_is_the_same(pair: Pair) -> None:
    theirs, ours = (
        [
            tuple(x.strip() for x in lines if not x.strip().startswith(UNSETTLED))
            for lines in tree(text)
        ]
        for text in pair.type("info qtree")
    )
    assert sorted(ours) == sorted(theirs)


UNSETTLED = (
    *("logical_block_size", "physical_block_size", "discard_granularity", "serial ="),
    *("ver =", "drive-type", "netdev =", "iobase = 888", "iobase = 4294967295"),
    *("hpet-intcap", "address = ", "MCFG", "bar "),
)


LINES = [
    # What is wrong with a line.
    *("zz", "foo bar", "help zz", "info nope x", "info cpus x", "eject", "eject -x"),
    *("eject -f", "cpu 7", "cpu x", "cpu 0x", "cpu 0x100000000", "cpu"),
    *("p 1+", "p $foo", "p /q 10", "p 1)", "p 'a", "p (1", "x /2s 0", "x"),
    *("block_resize ide1-cd0 x", "block_resize ide1-cd0", "block_resize ide1-cd0 1Q"),
    *("screendump", "set_password vnc abc -d", "migrate_set_speed", "loadvm"),
    *("memsave 0 16", "migrate_set_capability xbzrle zz", "balloon -1", "balloon"),
    *("singlestep x", "", "   ", "info rocker", 'eject "ide', "trace-event a b"),
    # Values.
    *("p /x 10", "p 0", "p -1", "p /d -1", "p /o 8", "p /c 65", "p /u -1", "p /x 0"),
    *("p /x -1", "p 'a'", "p 1+2*3", "p /x 1+2*3", "p $eflags"),
    # Drives.
    *("eject zz", "eject ide1-cd0", "block_resize ide1-cd0 10", "drive_del zz"),
    *("drive_add 0 if=none,file=/nowhere/x,id=d1", "drive_add 0 if=foo,file=/x"),
    *("drive_add 0 if=none,file=json:{bad", "drive_add 0 if=none,file=json:[1]"),
    *("drive_add -n 0 driver=null-co", "drive_add -n 0 driver=null-co,node-name=nn"),
    *("drive_del nn", "change ide1-cd0 /nowhere/x", "change vnc password"),
    *("change vnc foo", "commit zz", "commit all", "commit ide1-cd0", "savevm a"),
    *("loadvm a", "delvm a", "block_stream zz", "block_job_cancel zz"),
    *("block_job_pause zz", "block_job_set_speed zz 1", "snapshot_blkdev ide1-cd0"),
    *("block_set_io_throttle zz 1 2 3 4 5 6", "qemu-io zz flush", "nbd_server_stop"),
    *("nbd_server_add ide1-cd0", "nbd_server_start -w 127.0.0.1:0"),
    # Devices and objects.
    *("device_add", "device_add ,help", "device_add help=on", "device_add nope"),
    *("device_add e1000,help", "device_add nope,help", "device_add e1000,foo=1"),
    *("device_add e1000,id=a", "device_add e1000,id=a", "device_del a"),
    *("device_add qemu-xhci,id=xhci", "device_add usb-tablet,id=tab", "info usb"),
    *("device_add virtio-balloon-pci,id=bal", "info balloon", "balloon 100"),
    *("info virtio", "device_del nope", "info pci", "info network"),
    *("object_add nope", "object_add iothread,id=io1", "info iothreads"),
    *("object_del io1", "object_del io1", "object_add help", "object_add iothread"),
    *("chardev-add null,id=c1", "chardev-add nope,id=c2", "chardev-remove zz"),
    *("chardev-add help", "chardev-add ringbuf,id=rb", "ringbuf_write rb abc"),
    *("ringbuf_read rb 2", "ringbuf_read zz 2", "chardev-remove rb"),
    *("chardev-send-break c1", "chardev-remove c1"),
    *("netdev_add nope", "netdev_add help", "netdev_add user,id=u1"),
    *("netdev_add user,id=u1", "netdev_del u1", "netdev_del zz"),
    *("qom-list", "qom-list /machine/peripheral", "qom-get /machine type"),
    *("qom-get /machine zz", "qom-set /machine zz 1", "qom-get / type"),
    *("qom-list /zz", "getfd a", "closefd a", "set_link zz on"),
    *("hostfwd_add zz", "hostfwd_add foo tcp::1-:2", "hostfwd_remove tcp::5555"),
    *("hostfwd_add tcp::57575-:22", "info usernet", "hostfwd_remove tcp::57575"),
    *("pcie_aer_inject_error zz b", "announce_self"),
    # Migration.
    *("migrate_set_capability zz on", "migrate_set_capability xbzrle on"),
    *("migrate_set_parameter zz 1", "migrate_set_parameter max-bandwidth zz"),
    *("migrate_set_parameter max-bandwidth 1k", "info migrate_parameters"),
    *("migrate_set_parameter downtime-limit 10", "migrate_start_postcopy"),
    *("migrate_set_parameter cpu-throttle-initial 200", "migrate_incoming x"),
    *("migrate_set_parameter block-incremental zz", "migrate_pause", "migrate nope"),
    *("migrate_recover x", "migrate_continue x", "migrate_cancel"),
    *("calc_dirty_rate 0", "calc_dirty_rate -r -b 1", "set_vcpu_dirty_limit 1"),
    *("cancel_vcpu_dirty_limit", "client_migrate_info a b"),
    # The rest.
    *("boot_set c", "boot_set zz", "boot_set cdna", "boot_set q", "watchdog_action zz"),
    *("watchdog_action none", "sendkey a", "sendkey zz", "sendkey ctrl-zz"),
    *("sendkey altgr", "sendkey 0x1e", "sendkey <", "mouse_set 1", "mouse_set 0"),
    *("mouse_set 2", "mouse_move 1 2", "mouse_button 1", "mouse_button 0"),
    *("wavcapture /nowhere none", "stopcapture 0", "set_password vnc abc"),
    *("set_password foo abc", "set_password spice abc", "expire_password vnc +10"),
    *("screendump /dev/null -f foo", "screendump /dev/null"),
    *("screendump /dev/null -f png nodev", "dump-guest-memory -z -l /dev/null"),
    *("dump-guest-memory /dev/null 0", "dumpdtb /dev/null", "exit_preconfig"),
    *("system_wakeup", "x_colo_lost_heartbeat", "replay_break 1", "replay_seek 1"),
    *("replay_delete_break", "sync-profile", "sync-profile on", "sync-profile"),
    *("sync-profile zz", "sync-profile off", "trace-event zz on", "gdbserver none"),
    *("mce 0 1 2 3 4 5", "mce 9 1 2 3 4 5", "gva2gpa 0", "gva2gpa 0x1000"),
    *("gpa2hva 0", "gpa2hpa 0", "gpa2hva 0xffffffffff", "sum 0 16", "nmi"),
    *("singlestep on", "info status", "singlestep off", "info status", "stop"),
    *("xp /4xb 0", "x /4xg 0x7c00", "x /2xw 0xffffffffff", "x /2dw 0x7c00"),
    *('memsave 0 16 "/dev/null"', 'pmemsave 0 16 "/nowhere/x"', "o /b 0x80 1"),
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_answered_the_same(pair: Pair, line: str) -> None:
    theirs, ours = map(plain, pair.type(line))
    assert ours == theirs


# A terminal.


def typed(path: Path, keys: Sequence[bytes]) -> list[bytes]:
    """Type into a human monitor; return what comes back, up to each next prompt."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as person:
        person.settimeout(SECONDS)
        person.connect(str(path))
        for key in (b"", *keys):
            if key:
                person.sendall(key)
            answer = b""
            end = b"ab \x1b[K" if key.endswith(b"\t") else b"\r\n(qemu) "
            if not key:
                end = b"(qemu) "
            while not answer.endswith(end):
                answer += person.recv(1 << 16)
            heard.append(re.sub(rb"thread_id=\d+", b"thread_id=N", answer))
    return heard


def test_a_terminal_gets_the_same_bytes() -> None:
    keys = [
        *(b"info status\r", b"info version\n", b"zz\r", b"info foo\r", b"p 1+2\r"),
        *(b"\x1b[A\r", b"info sta\x7f\x7fta\r", b"devicex\x08_add e1000,id=ab\r"),
        *(b"device_del a\t", b"\r", b"cpu 1\r", b"info cpus\r", b"cpu 9\r", b"p $pc\r"),
        *(
            b"stop\r",
            b"cont\r",
            b"info history\r",
            b'eject "ide1-cd0"\r',
            b"eject zz\r",
        ),
    ]
    with pair_of(*PC, "-S") as both:
        theirs, ours = (typed(each.hmp, keys) for each in (both.theirs, both.ours))
    for key, one, other in zip((b"", *keys), theirs, ours, strict=True):
        assert (key, other) == (key, one)


# PCI.

BRIDGED = [
    *("-accel", "tcg", "-M", "q35", "-m", "128", "-display", "none", "-nodefaults"),
    *("-device", "pcie-root-port,id=rp0,chassis=1"),
    *("-device", "pcie-root-port,id=rp1,chassis=2,addr=5"),
    *("-blockdev", "null-co,node-name=n0"),
    *("-device", "virtio-blk-pci,bus=rp0,drive=n0,id=vb"),
    *("-device", "virtio-serial-pci,id=vs"),
    *("-device", "pcie-pci-bridge,id=pb,addr=7"),
    *("-device", "e1000,bus=pb,addr=1,id=e"),
]
CROWDED = [
    *("-accel", "tcg", "-M", "pc", "-m", "128", "-display", "none", "-nodefaults"),
    *("-device", "pci-bridge,id=b,chassis_nr=1", "-device", "e1000,bus=b,addr=1,id=e"),
    *("-blockdev", "null-co,node-name=n0", "-device", "virtio-blk-pci,drive=n0,id=vb"),
    *("-device", "qemu-xhci,id=x", "-device", "virtio-serial-pci,id=vs"),
    *("-device", "VGA", "-device", "usb-ehci", "-device", "piix3-usb-uhci"),
]
DEFAULTS = ["-accel", "tcg", "-M", "q35", "-m", "128", "-display", "none"]


def wait_for_firmware(program: Program) -> None:
    """Wait until the firmware has given interrupts to all that is on the bus."""
    deadline = time.monotonic() + SECONDS
    text = program.type("info pci")
    while " IRQ 0," in text or "BUS 0.\n      secondary bus 0." in text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        text = program.type("info pci")
    time.sleep(0.5)  # it has yet to switch the ROMs off


@pytest.mark.parametrize("arguments", [PC, DEFAULTS, BRIDGED, CROWDED])
def test_the_firmware_leaves_the_same_bus_behind(arguments: list[str]) -> None:
    with pair_of(*arguments) as both:
        wait_for_firmware(both.theirs)
        theirs, ours = both.type("info pci")
        assert ours == theirs
        one, other = both.theirs.ask("query-pci"), both.ours.ask("query-pci")
        assert other == one
        place = {"bus": "rp1"} if arguments is BRIDGED else {}
        for each in (both.theirs, both.ours):
            if arguments is not DEFAULTS:
                each.ask("device_add", driver="virtio-rng-pci", id="late", **place)
        if arguments is not BRIDGED:  # there the guest has to let it in first
            assert both.ours.type("info pci") == both.theirs.type("info pci")


@pytest.mark.parametrize("board", ["isapc", "none", "microvm"])
def test_a_board_without_the_bus_has_none(board: str) -> None:
    arguments = ["-accel", "tcg", "-M", board, "-display", "none", "-S"]
    with pair_of(*arguments) as both:
        for line in ("info pci", "info irq", "info roms", "info ramblock"):
            theirs, ours = both.type(line)
            assert ours.splitlines()[:1] == theirs.splitlines()[:1], line


# The machines.

HARD = [
    *("sum 0 100", "x /4 0", "xp /4 0", "x /2i 0", "i /x 0x60", "o /w 0 0"),
    *("mouse_button 7", "p $pc + 8", "log none", "boot_set ndc", "gva2gpa 0"),
    *("singlestep on", "stop", "wavcapture /dev/null x", "drive_del x", "nmi"),
    *("log log:help", "eject -f ide1-cd0", "cpu 0", "system_reset"),
]


@pytest.mark.parametrize("board", ["none", "isapc", "microvm", "q35", "pc-i440fx-2.0"])
def test_every_line_is_answered_on_every_kind_of_board(board: str) -> None:
    with running(STANDIN, ["-S", "-M", board, "-display", "none"]) as program:
        items = re.findall(r"^info (\S+)", program.type("help info"), re.MULTILINE)
        assert len(items) > 60
        for line in (*HARD, *(f"info {item}" for item in items)):
            said = program.type(line)
            assert "undefined error" not in said, line
            assert "not carried out" not in said, line


def test_a_machine_that_is_being_built_takes_few_lines() -> None:
    keys = [
        *(b"info status\r", b"cont\r", b"info cpus\r", b"p 1\r", b"info block\r"),
        *(b"info version\r", b"zz\r", b"exit_preconfig\r", b"info status\r"),
    ]
    arguments = ["-accel", "tcg", "-M", "pc", "-display", "none", "--preconfig"]
    answers = []
    for program in (QEMU, STANDIN):
        with started(program, arguments) as places:
            answers.append(typed(places.hmp, keys))
    theirs, ours = answers
    assert ours == theirs
