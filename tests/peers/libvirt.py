"""A private libvirtd, which sees nothing of another one, and its virsh."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs import BIN, ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 20.0  # a start takes one; the rest is for a machine under load
COMMAND_SECONDS = 40.0  # a start of a machine may probe its emulator first
EMULATOR = BIN / "qmpx-system-x86_64"
URI = "qemu:///session"

# root would be asked for the system's own libvirtd; as an unknown user of a namespace
# of its own it may have one, and still read what is root's.
AS_USER = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]


def libvirt_version() -> str | None:
    """Return the version of the libvirtd that a test may start, if there is one."""
    if not all(map(shutil.which, ("libvirtd", "virsh", "unshare"))):
        return None
    prefix = AS_USER if os.geteuid() == 0 else []
    told = subprocess.run(
        [*prefix, "libvirtd", "--version"],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return told.stdout.strip() or None


class Libvirt:
    """A libvirtd of our own.

    Args:
        folder: Where all its files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = ENVIRONMENT | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self._prefix = AS_USER if os.geteuid() == 0 else []

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the end of the block."""
        for name in ("run", "cache", "config/libvirt"):
            (self.folder / name).mkdir(parents=True, mode=0o700)
        (self.folder / "config/libvirt/qemu.conf").write_text(
            'stdio_handler = "file"\nsecurity_driver = "none"\n'
        )
        with (
            (self.folder / "log").open("wb") as log,
            subprocess.Popen(
                [*self._prefix, "libvirtd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            ) as daemon,
        ):
            try:
                socket = self.folder / "run/libvirt/libvirt-sock"
                deadline = time.monotonic() + START_SECONDS
                while not socket.exists():
                    assert daemon.poll() is None, (self.folder / "log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                yield
            finally:
                daemon.terminate()

    def virsh(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run virsh to its end."""
        return subprocess.run(
            [*self._prefix, "virsh", "-q", "-c", URI, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def told(self, *words: str | Path) -> str:
        """Return what virsh prints for a command that succeeds."""
        ended = self.virsh(*words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    def log_of(self, domain: str) -> str:
        """Return what a domain's emulator said."""
        return (self.folder / f"cache/libvirt/qemu/log/{domain}.log").read_text()


@contextlib.contextmanager
def private_libvirt() -> Iterator[Libvirt]:
    """Run a libvirtd of our own until the end of the block."""
    with tempfile.TemporaryDirectory(
        prefix="qmpx-", ignore_cleanup_errors=True
    ) as folder:
        libvirt = Libvirt(Path(folder))
        with libvirt.running():
            yield libvirt


def domain_xml(name: str, devices: str = "", emulator: Path = EMULATOR) -> str:
    """Return a small domain."""
    return f"""\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>{emulator}</emulator>
    {devices}
  </devices>
</domain>
"""
