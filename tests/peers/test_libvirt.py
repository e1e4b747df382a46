"""libvirt, unmodified, with the stand-in as the emulator of its domains."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.peers.libvirt import EMULATOR, Libvirt, domain_xml, private_libvirt

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.peer("libvirt"), pytest.mark.slow]

SECONDS = 20.0
QEMU = Path("/usr/bin/qemu-system-x86_64")


@pytest.fixture(scope="module")
def libvirt() -> Iterator[Libvirt]:
    """Run a libvirtd for the tests of this module."""
    with private_libvirt() as libvirt:
        yield libvirt


def define(libvirt: Libvirt, name: str, devices: str = "") -> None:
    file = libvirt.folder / f"{name}.xml"
    file.write_text(domain_xml(name, devices))
    libvirt.told("define", file)


@pytest.fixture
def domain(libvirt: Libvirt, request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a domain; it is gone at the end."""
    name = re.sub(r"\W", "-", request.node.name)[:40]
    define(libvirt, name)
    started = libvirt.virsh("start", name)
    assert started.returncode == 0, f"{started.stderr}\n{libvirt.log_of(name)}"
    try:
        yield name
    finally:
        libvirt.virsh("destroy", name)
        libvirt.virsh("undefine", name)


def state(libvirt: Libvirt, domain: str) -> str:
    return libvirt.told("domstate", domain, "--reason")


def wait_for_state(libvirt: Libvirt, domain: str, expected: str) -> None:
    deadline = time.monotonic() + SECONDS
    while (now := state(libvirt, domain)) != expected:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


@pytest.mark.peer("qemu")
def test_libvirt_takes_the_stand_in_for_a_qemu_7_2(libvirt: Libvirt) -> None:
    asked = "domcapabilities", "--virttype", "qemu", "--emulatorbin"
    ours = libvirt.told(*asked, EMULATOR)
    theirs = libvirt.told(*asked, QEMU)
    assert ours.replace(str(EMULATOR), "") == theirs.replace(str(QEMU), "")


def test_a_domain_that_cannot_start_says_why(libvirt: Libvirt) -> None:
    file = libvirt.folder / "wrong.xml"
    xml = domain_xml("wrong").replace(
        "<domain type='qemu'>",
        "<domain type='qemu' "
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<qemu:commandline><qemu:arg value='-device'/>"
        "<qemu:arg value='no-such-device'/></qemu:commandline>",
    )
    file.write_text(xml)
    libvirt.told("define", file)
    ended = libvirt.virsh("start", "wrong")
    assert ended.returncode == 1
    assert (
        "-device no-such-device: 'no-such-device' is not a valid device model name"
        in ended.stderr
    )


def test_a_domain_starts_and_is_destroyed(libvirt: Libvirt, domain: str) -> None:
    assert state(libvirt, domain) == "running (booted)"
    libvirt.told("destroy", domain)
    assert state(libvirt, domain) == "shut off (destroyed)"


def test_a_domain_is_suspended_and_goes_on(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("suspend", domain)
    assert state(libvirt, domain) == "paused (user)"
    libvirt.told("resume", domain)
    assert state(libvirt, domain) == "running (unpaused)"


def test_a_reset_leaves_it_running(libvirt: Libvirt, domain: str) -> None:
    libvirt.told("reset", domain)
    assert state(libvirt, domain) == "running (booted)"


def test_a_monitor_command_goes_through(libvirt: Libvirt, domain: str) -> None:
    told = libvirt.told("qemu-monitor-command", domain, '{"execute": "query-name"}')
    assert f'"name":"{domain}"' in told
    told = libvirt.told("qemu-monitor-command", domain, "--hmp", "info status")
    assert told == "VM status: running"


def test_an_emulator_that_is_killed_has_crashed(libvirt: Libvirt, domain: str) -> None:
    libvirt.virsh("qemu-monitor-command", domain, '{"execute": "quit"}')
    wait_for_state(libvirt, domain, "shut off (shutdown)")
