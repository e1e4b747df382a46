"""libvirt with the stand-in: machines as files, and their memory for a debugger."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.peers.libvirt import Libvirt

pytestmark = [pytest.mark.peer("libvirt", "qemu-img", "qemu-io"), pytest.mark.slow]


def test_a_machine_is_saved_and_comes_back(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"save {rich} @/saved")
    assert libvirt.state(rich) == "shut off (saved)"
    assert f"<name>{rich}</name>" in libvirt.line("save-image-dumpxml @/saved")
    libvirt.line("restore @/saved")
    assert libvirt.state(rich) == "running (restored)"


def test_what_was_saved_can_be_edited(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"save {rich} @/edited")
    xml = libvirt.line("save-image-dumpxml @/edited")
    changed = xml.replace("<on_reboot>restart<", "<on_reboot>destroy<")
    (libvirt.folder / "edited.xml").write_text(changed)
    libvirt.line("save-image-define @/edited @/edited.xml --paused")
    libvirt.line("restore @/edited")
    assert libvirt.state(rich).startswith("paused")
    assert "<on_reboot>destroy<" in libvirt.told("dumpxml", rich)
    libvirt.told("resume", rich)


def test_a_saved_machine_starts_where_it_was(libvirt: Libvirt, rich: str) -> None:
    libvirt.told("managedsave", rich)
    assert libvirt.state(rich) == "shut off (saved)"
    assert "Managed save:   yes" in libvirt.told("dominfo", rich)
    libvirt.told("start", rich)
    assert libvirt.state(rich) == "running (restored)"


def test_a_paused_machine_is_saved_so(libvirt: Libvirt, rich: str) -> None:
    libvirt.told("managedsave", rich, "--paused")
    libvirt.told("start", rich)
    assert libvirt.state(rich).startswith("paused")
    libvirt.told("resume", rich)


def test_a_saved_machine_is_forgotten(libvirt: Libvirt, rich: str) -> None:
    libvirt.told("managedsave", rich)
    libvirt.told("managedsave-remove", rich)
    libvirt.told("start", rich)
    assert libvirt.state(rich) == "running (booted)"


def test_a_dump_is_the_machine_as_a_stream(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"dump {rich} @/state")
    assert (libvirt.folder / "state").read_bytes()[:13] == b"qmpx machine\n"
    assert libvirt.state(rich).startswith("running")


@pytest.mark.peer("gdb")
def test_memory_is_dumped_for_a_debugger(libvirt: Libvirt, rich: str) -> None:
    core = libvirt.folder / "core"
    libvirt.told("dump", rich, core, "--memory-only", "--live")
    assert core.stat().st_size > 64 << 20
    command = ("gdb", "-nx", "-batch", "-ex", "info registers eip", "-c", core)
    told = subprocess.run(
        command, capture_output=True, text=True, timeout=40, check=True
    )
    assert told.stdout.split()[-3] == "eip"
    assert libvirt.state(rich).startswith("running")


def test_a_machine_that_crashes_is_dumped_first(libvirt: Libvirt, rich: str) -> None:
    libvirt.line(f"dump {rich} @/crash --memory-only --crash")
    assert libvirt.state(rich) == "shut off (crashed)"
    assert (libvirt.folder / "crash").read_bytes()[:4] == b"\x7fELF"
    libvirt.told("start", rich)
