"""libvirt, unmodified, with the stand-in as its emulator: the life of a domain."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

import pytest

import qmpx
from tests.peers.libvirt import EMULATOR, QEMU, START_SECONDS, Libvirt
from tests.peers.libvirt_domains import (
    define,
    disk_xml,
    domain_xml,
    make_images,
    rich_xml,
    running_domain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("libvirt"), pytest.mark.slow]


@pytest.fixture
def domain(libvirt: Libvirt, request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a small domain; it is gone at the end."""
    name = re.sub(r"\W", "-", request.node.name)[:40]
    with running_domain(libvirt, name, bootable_xml(libvirt, name)):
        yield name


def bootable_xml(libvirt: Libvirt, name: str, devices: str = "") -> str:
    """Return a small domain with a disk, so that there is a guest in it."""
    disk = libvirt.folder / f"{name}.raw"
    disk.write_bytes(bytes(1 << 20))
    return domain_xml(name, disk_xml(disk, "vda", "virtio", "raw") + devices)


@pytest.mark.peer("qemu")
def test_libvirt_takes_the_stand_in_for_a_qemu_7_2(libvirt: Libvirt) -> None:
    asked = "domcapabilities", "--virttype", "qemu", "--emulatorbin"
    ours = libvirt.told(*asked, EMULATOR)
    theirs = libvirt.told(*asked, QEMU)
    assert ours.replace(str(EMULATOR), "") == theirs.replace(str(QEMU), "")


@pytest.mark.peer("qemu", "qemu-img", "qemu-io")
def test_a_rich_domain_looks_like_one_of_qemu_itself(
    libvirt: Libvirt, tmp_path: Path
) -> None:
    told = {}
    for emulator in (EMULATOR, QEMU):
        make_images(tmp_path)
        xml = rich_xml("rich", tmp_path, emulator)
        with running_domain(libvirt, "rich", xml):
            stats = libvirt.told("domstats", "rich")
            shown = libvirt.told("dumpxml", "rich")
        for changing in (r"id='\d+'", r"/dev/pts/\d+", r"/qemu/\S*", r"uuid>.*?<"):
            shown = re.sub(changing, "", shown)
        names = {line.partition("=")[0].strip() for line in stats.splitlines()}
        told[emulator] = (
            shown.replace(str(emulator), ""),
            # A processor that runs nothing takes no time, and a machine no heap.
            {name for name in names if not re.search(r"time|haltpoll", name)},
        )
    ours, theirs = told[EMULATOR], told[QEMU]
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]


def with_arguments(xml: str, words: str) -> str:
    """Return a domain whose emulator is told something more."""
    return xml.replace(
        "<domain type='qemu'>",
        "<domain type='qemu' "
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        f"<qemu:commandline>{words}</qemu:commandline>",
    )


NOT_A_DEVICE = (
    "-device no-such-device: 'no-such-device' is not a valid device model name"
)
LOCKED = 'Failed to get "write" lock'


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-device", "no-such-device"], NOT_A_DEVICE),
        (["-no-such-option"], "-no-such-option: invalid option"),
        (["-loadvm", "none"], "No block device supports snapshots"),
    ],
    ids=["device", "option", "snapshot"],
)
def test_a_domain_that_cannot_start_says_why(
    libvirt: Libvirt, arguments: list[str], told: str
) -> None:
    words = "".join(f"<qemu:arg value='{each}'/>" for each in arguments)
    file = libvirt.folder / "wrong.xml"
    file.write_text(with_arguments(domain_xml("wrong"), words))
    assert told in libvirt.refused("create", file)


@pytest.mark.peer("qemu-img")
def test_a_disk_of_another_domain_is_refused(libvirt: Libvirt) -> None:
    disk = libvirt.folder / "one.raw"
    disk.write_bytes(bytes(1 << 20))
    devices = disk_xml(disk, "vda", "virtio", "raw")
    with running_domain(libvirt, "first", domain_xml("first", devices)):
        define(libvirt, "second", domain_xml("second", devices))
        told = libvirt.refused("start", "second")
        assert f"{LOCKED}\nIs another process using the image [{disk}]?" in told
    libvirt.told("start", "second")
    libvirt.told("destroy", "second")


def test_a_domain_starts_and_is_destroyed(libvirt: Libvirt, domain: str) -> None:
    assert libvirt.state(domain) == "running (booted)"
    libvirt.told("destroy", domain)
    assert libvirt.state(domain) == "shut off (destroyed)"


def test_a_domain_is_destroyed_gracefully(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("destroy", domain, "--graceful")
    assert libvirt.state(domain) == "shut off (destroyed)"


def test_a_domain_starts_paused(libvirt: Libvirt) -> None:
    define(libvirt, "later", domain_xml("later"))
    libvirt.told("start", "--paused", "later")
    assert libvirt.state("later") == "paused (user)"
    libvirt.told("resume", "later")
    assert libvirt.state("later") == "running (unpaused)"
    libvirt.told("destroy", "later")


def test_a_domain_is_suspended_and_goes_on(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("suspend", domain)
    assert libvirt.state(domain) == "paused (user)"
    libvirt.told("resume", domain)
    assert libvirt.state(domain) == "running (unpaused)"


def test_a_stop_behind_its_back_is_noticed(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("qemu-monitor-command", domain, '{"execute": "stop"}')
    libvirt.wait_for(domain, "paused (unknown)")
    libvirt.told("resume", domain)
    assert libvirt.state(domain) == "running (unpaused)"


def test_a_reset_leaves_it_running(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("reset", domain)
    assert libvirt.state(domain) == "running (booted)"


@contextlib.contextmanager
def played(libvirt: Libvirt, name: str, xml: str) -> Iterator[qmpx.blocking.Client]:
    """Run a domain, and have a hand in what its guest does."""
    control = libvirt.folder / f"{name}.control"
    words = f"<qemu:arg value='--control'/><qemu:arg value='unix:{control}'/>"
    with (
        running_domain(libvirt, name, with_arguments(xml, words)),
        qmpx.connect(control) as hand,
    ):
        yield hand


def seen_by(hand: qmpx.blocking.Client, *wanted: str) -> None:
    """Wait until libvirt has been told of these events, in that order."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        entries = hand.execute("x-qmpx-conversation-query")["entries"]
        texts = "".join(map(str, entries))
        places = [texts.rfind(f"'event': '{name}'") for name in wanted]
        if -1 not in places and places == sorted(places):
            return
        assert time.monotonic() < deadline, texts[-2000:]
        time.sleep(0.05)


@pytest.mark.parametrize("mode", [[], ["--mode", "acpi"]], ids=["any", "acpi"])
def test_a_reboot_leaves_it_running(libvirt: Libvirt, mode: list[str]) -> None:
    with played(libvirt, "again", bootable_xml(libvirt, "again")) as hand:
        libvirt.told("reboot", "again", *mode)
        seen_by(hand, "POWERDOWN", "SHUTDOWN", "STOP", "RESET", "RESUME")
        libvirt.wait_for("again", "running (booted)")


def test_a_guest_that_is_asked_to_switches_off(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("shutdown", domain)
    libvirt.wait_for(domain, "shut off (shutdown)")


def test_what_follows_a_reboot_can_be_changed(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("set-lifecycle-action", domain, "reboot", "destroy", "--live")
    libvirt.told("qemu-monitor-command", domain, '{"execute": "system_reset"}')
    libvirt.wait_for(domain, "shut off (shutdown)")


def test_a_monitor_command_goes_through(libvirt: Libvirt, domain: str) -> None:
    told = libvirt.told("qemu-monitor-command", domain, '{"execute": "query-name"}')
    assert f'"name":"{domain}"' in told
    told = libvirt.told("qemu-monitor-command", domain, "--hmp", "info status")
    assert told == "VM status: running"
    told = libvirt.told("qemu-monitor-command", domain, '{"execute": "nope"}')
    assert "CommandNotFound" in told


def test_a_descriptor_goes_through(libvirt: Libvirt, domain: str) -> None:
    command = '{"execute": "add-fd", "arguments": {"fdset-id": 7}}'
    passing = ("qemu-monitor-command", "--pass-fds", "0", domain, command)
    assert '"fdset-id":7' in libvirt.told(*passing)


def test_an_emulator_that_quits_is_shut_off(libvirt: Libvirt, domain: str) -> None:
    libvirt.virsh("qemu-monitor-command", domain, '{"execute": "quit"}')
    libvirt.wait_for(domain, "shut off (shutdown)")


def test_an_emulator_that_is_killed_has_crashed(libvirt: Libvirt, domain: str) -> None:
    libvirt.kill(domain)
    libvirt.wait_for(domain, "shut off (crashed)")
    libvirt.told("start", domain)
    assert libvirt.state(domain) == "running (booted)"


WATCHDOG = "<watchdog model='i6300esb' action='{}'/>"
PANIC = "<panic model='isa'/>"


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("pause", "paused (watchdog)"),
        ("poweroff", "shut off (crashed)"),
        ("shutdown", "shut off (shutdown)"),
        ("reset", "running (booted)"),
        ("none", "running (booted)"),
    ],
)
def test_a_watchdog_does_what_it_is_for(
    libvirt: Libvirt, action: str, state: str
) -> None:
    xml = bootable_xml(libvirt, "watched", WATCHDOG.format(action))
    with played(libvirt, "watched", xml) as hand:
        hand.execute("x-qmpx-guest-watchdog")
        libvirt.wait_for("watched", state)


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("destroy", "shut off (crashed)"),
        ("preserve", "crashed (panicked)"),
        ("restart", "running (crashed)"),
    ],
)
def test_a_guest_that_panics_has_crashed(
    libvirt: Libvirt, action: str, state: str
) -> None:
    crash = f"<on_crash>{action}</on_crash>\n  <devices>"
    xml = domain_xml("panicked", PANIC).replace("<devices>", crash)
    with played(libvirt, "panicked", xml) as hand:
        hand.execute("x-qmpx-guest-panic")
        libvirt.wait_for("panicked", state)


def test_a_machine_of_today_starts(libvirt: Libvirt) -> None:
    xml = domain_xml("modern", WATCHDOG.format("reset") + PANIC)
    with running_domain(libvirt, "modern", xml.replace("'pc'", "'q35'")):
        assert libvirt.state("modern") == "running (booted)"
        assert "pcie-root-port" in libvirt.told("dumpxml", "modern")


def many_xml(folder: Path) -> str:
    """Return a domain with many devices of many kinds."""
    devices = f"""
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw' cache='none' io='threads' copy_on_read='on'
        discard='unmap'/>
      <source file='{folder}/m1.raw'/><target dev='vda' bus='virtio'/>
      <serial>ACC-1</serial>
    </disk>
    <disk type='file' device='floppy'><driver name='qemu' type='raw'/>
      <source file='{folder}/m2.raw'/><target dev='fda' bus='fdc'/></disk>
    <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
    <controller type='pci' index='0' model='pci-root'/>
    <controller type='pci' index='1' model='pci-bridge'/>
    <controller type='usb' index='0' model='ich9-ehci1'/>
    <controller type='usb' index='0' model='ich9-uhci1'><master startport='0'/>
    </controller>
    <interface type='user'><model type='e1000'/></interface>
    <interface type='user'><model type='rtl8139'/></interface>
    <serial type='unix'><source mode='bind' path='{folder}/many.sock'/></serial>
    <parallel type='file'><source path='{folder}/many.par'/></parallel>
    <channel type='pty'><target type='virtio' name='acc.1'/></channel>
    <console type='pty'><target type='serial'/></console>
    <console type='pty'><target type='virtio'/></console>
    <hub type='usb'/><input type='tablet' bus='usb'/>
    <input type='keyboard' bus='virtio'/>
    <graphics type='vnc' passwd='secret' autoport='yes'/>
    <sound model='ich6'><codec type='duplex'/></sound><sound model='ac97'/>
    <video><model type='cirrus'/></video>
    <watchdog model='i6300esb' action='poweroff'/>
    <memballoon model='virtio' autodeflate='on'/>
    <rng model='virtio'><rate bytes='1234' period='2000'/>
      <backend model='random'>/dev/urandom</backend></rng>
    <memory model='dimm'><target><size unit='MiB'>32</size><node>1</node></target>
    </memory>"""
    before = """
    <maxMemory slots='4' unit='MiB'>512</maxMemory><memory unit='MiB'>96</memory>
    <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
    <sysinfo type='smbios'><system><entry name='manufacturer'>acc, inc</entry>
    </system></sysinfo>
    <cpu><topology sockets='2' dies='1' cores='2' threads='1'/><numa>
      <cell id='0' cpus='0-1' memory='32' unit='MiB'/>
      <cell id='1' cpus='2-3' memory='32' unit='MiB'/></numa></cpu>
    <clock offset='localtime'><timer name='rtc' tickpolicy='catchup'/>
      <timer name='pit' tickpolicy='delay'/><timer name='hpet' present='no'/></clock>
    <pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>"""
    xml = domain_xml("many", devices)
    xml = xml.replace("<memory unit='MiB'>64</memory>", before, 1)
    return xml.replace("<vcpu>1</vcpu>", "<vcpu>4</vcpu>")


def test_a_machine_with_many_devices_starts(libvirt: Libvirt) -> None:
    for name in ("m1.raw", "m2.raw"):
        (libvirt.folder / name).write_bytes(bytes(1440 << 10))
    with running_domain(libvirt, "many", many_xml(libvirt.folder)):
        assert libvirt.state("many") == "running (booted)"
        assert libvirt.told("vcpucount", "many", "--live") == "4"
        assert (libvirt.folder / "many.sock").is_socket()
        assert (libvirt.folder / "many.par").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("domtime",),
        ("guestinfo",),
        ("domfsinfo",),
        ("set-user-password", "u", "p"),
        ("dompmsuspend", "mem"),
        ("qemu-agent-command", '{"execute": "guest-ping"}'),
    ],
    ids=lambda command: command[0],
)
def test_a_guest_without_an_agent_is_not_asked(
    libvirt: Libvirt, agentless: str, command: tuple[str, ...]
) -> None:
    told = libvirt.refused(command[0], agentless, *command[1:])
    assert "QEMU guest agent is not connected" in told


AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/>"


@pytest.fixture(scope="module")
def agentless(libvirt: Libvirt) -> Iterator[str]:
    """Run a domain whose guest could have an agent, and has none."""
    xml = domain_xml("agentless", AGENT + "</channel>")
    with running_domain(libvirt, "agentless", xml):
        yield "agentless"
