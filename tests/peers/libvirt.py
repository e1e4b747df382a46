"""A private libvirtd, which sees nothing of another one, and its virsh."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from tests.programs import BIN, ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 20.0  # a start takes one; the rest is for a machine under load
COMMAND_SECONDS = 40.0  # a start of a machine may probe its emulator first
EMULATOR = BIN / "qmpx-system-x86_64"
QEMU = Path("/usr/bin/qemu-system-x86_64")
URI = "qemu:///session"

# In namespaces of its own it may be a session's even if we are root, kills nothing of
# others, leaves nothing behind, and has a first process that buries orphans at once.
ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
AS_USER = [*ALONE, "--user", "--map-user=65534", "--map-group=65534", "--"]

# A system's is root's, and has bridges and taps; in a network of its own they harm
# nobody.
AS_SYSTEM = [*ALONE, "--mount", "--net", "--"]
FIRST = Path(__file__).with_name("first_process.py")
_FIRST_PORT = 10000  # of displays: those of each libvirtd are others
_PORTS = 20
_COUNT = itertools.count()
_LEARNT: dict[str, bytes] = {}  # of emulators; to find that out takes seconds
PLACES = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}
INSIDE = """\
for place in {places}; do mount --bind "${{place%%:*}}" "${{place#*:}}" || exit; done
ip link set lo up
ip link add lvbr0 type bridge && ip link set lvbr0 up || exit
exec libvirtd -p {folder}/libvirtd.pid
"""


def libvirt_version() -> str | None:
    """Return the version of the libvirtd that a test may start, if there is one."""
    if not all(map(shutil.which, ("libvirtd", "virsh", "unshare"))):
        return None
    told = subprocess.run(
        [*AS_USER, "libvirtd", "--version"],
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
        is_system: Whether it is one of a whole system, with a network of its own that
            has a bridge, ``lvbr0``; else it is that of a user's session.
    """

    def __init__(self, folder: Path, *, is_system: bool = False) -> None:
        self.folder = folder
        self._is_system = is_system
        self._environment = ENVIRONMENT | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self._first: subprocess.Popen[bytes] | None = None
        self._port = _FIRST_PORT + (os.getpid() * 7 + next(_COUNT)) % 1000 * _PORTS

    @property
    def socket(self) -> Path:
        """Where it is connected to."""
        place = "run" if self._is_system else "run/libvirt"
        return self.folder / place / "libvirt-sock"

    @property
    def uri(self) -> str:
        """How another libvirtd connects to it."""
        kind = "system" if self._is_system else "session"
        return f"qemu+unix:///{kind}?socket={self.socket}"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the end of the block."""
        for name in ("run", "cache", "config/libvirt", "etc", "lib", "log"):
            (self.folder / name).mkdir(parents=True, mode=0o700)
        settings = self.folder / ("etc" if self._is_system else "config/libvirt")
        (settings / "qemu.conf").write_text(
            'stdio_handler = "file"\nsecurity_driver = "none"\n'
            "cgroup_controllers = []\nnamespaces = []\nremember_owner = 0\n"
            # Others on this host have displays, too.
            f"remote_display_port_min = {self._port}\n"
            f"remote_display_port_max = {self._port + _PORTS - 1}\n"
            + ('user = "+0"\ngroup = "+0"\n' if self._is_system else "")
        )
        # A machine that came from where it goes would be refused.
        (settings / "libvirtd.conf").write_text(
            f'host_uuid = "{uuid.uuid4()}"\nauth_unix_rw = "none"\n'
            + (f'unix_sock_dir = "{self.folder}/run"\n' if self._is_system else "")
        )
        learnt = self.folder / "cache/libvirt/qemu/capabilities"
        learnt.mkdir(parents=True)
        for name, data in _LEARNT.items():
            (learnt / name).write_bytes(data)
        with (
            (self.folder / "log.txt").open("ab") as log,
            subprocess.Popen(
                self._command_of_daemon(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                bufsize=0,
            ) as self._first,
        ):
            try:
                self.start()
                yield
            finally:
                self._first.communicate()
                for file in learnt.glob("*.xml"):
                    _LEARNT[file.name] = file.read_bytes()

    def _command_of_daemon(self) -> list[str | Path]:
        first: list[str | Path] = [sys.executable, "-IS", FIRST]
        if not self._is_system:
            return [*AS_USER, *first, "libvirtd", "-p", self.folder / "libvirtd.pid"]
        places = " ".join(f"{self.folder}/{n}:{p}" for n, p in PLACES.items())
        inside = INSIDE.format(places=places, folder=self.folder)
        return [*AS_SYSTEM, *first, "sh", "-c", inside]

    def _tell(self, order: bytes) -> None:
        assert self._first is not None
        assert self._first.stdin is not None
        self._first.stdin.write(order)

    def start(self) -> None:
        """Start it."""
        self._tell(b"s")
        self._wait(is_there=True)

    def stop(self, *, is_sudden: bool = False) -> None:
        """End it; its domains live on."""
        self._tell(b"k" if is_sudden else b"t")
        self._wait(is_there=False)

    def _wait(self, *, is_there: bool) -> None:
        deadline = time.monotonic() + START_SECONDS
        while (self.virsh("version").returncode == 0) is not is_there:
            told = (self.folder / "log.txt").read_text()
            assert self._first is not None
            assert self._first.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.01)

    def virsh(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run virsh to its end."""
        return subprocess.run(
            self._command(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        """Let virsh run."""
        return subprocess.Popen(
            self._command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            text=True,
        )

    def _command(self, words: tuple[str | Path, ...]) -> list[str | Path]:
        return ["virsh", "-q", "-c", self.uri, *words]

    def told(self, *words: str | Path) -> str:
        """Return what virsh prints for a command that succeeds."""
        ended = self.virsh(*words)
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        return ended.stdout.strip()

    def refused(self, *words: str | Path) -> str:
        """Return what virsh complains of for a command that fails."""
        ended = self.virsh(*words)
        assert ended.returncode == 1, f"{words}: {ended.stdout}"
        return ended.stderr.strip()

    def line(self, text: str) -> str:
        """Run a command: a line of text, in which ``@`` is the folder of the files."""
        return self.told(*self.words(text))

    def words(self, text: str) -> list[str]:
        """Return the words of a line as of `line`."""
        return [word.replace("@", str(self.folder)) for word in text.split()]

    def state(self, domain: str) -> str:
        """Return a domain's state and the reason."""
        return self.told("domstate", domain, "--reason")

    def wait_for(self, domain: str, expected: str) -> None:
        """Wait until a domain is in a state, for a reason."""
        self.wait_until(lambda: self.state(domain) == expected, expected)

    @staticmethod
    def wait_until(is_so: Callable[[], bool], what: str = "") -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + START_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    def log_of(self, domain: str) -> str:
        """Return what a domain's emulator said."""
        place = "log" if self._is_system else "cache/libvirt/qemu/log"
        name = f"qemu/{domain}.log" if self._is_system else f"{domain}.log"
        return (self.folder / place / name).read_text()

    def kill(self, domain: str) -> None:
        """Kill a domain's emulator, which runs."""
        killed = 0
        for found in Path("/proc").glob("[0-9]*"):
            try:
                words = (found / "cmdline").read_bytes().split(b"\0")
                names = (found / "environ").read_bytes()
            except OSError:  # it has ended, or is somebody else's
                continue
            is_ours = os.fsencode(self.folder) in names
            if is_ours and f"guest={domain},debug-threads=on".encode() in words:
                os.kill(int(found.name), signal.SIGKILL)
                killed += 1
        assert killed == 1, f"{killed} processes run {domain}"


@contextlib.contextmanager
def private_libvirt(*, is_system: bool = False) -> Iterator[Libvirt]:
    """Run a libvirtd of our own until the end of the block."""
    with tempfile.TemporaryDirectory(
        prefix="qmpx-", ignore_cleanup_errors=True
    ) as folder:
        libvirt = Libvirt(Path(folder), is_system=is_system)
        with libvirt.running():
            yield libvirt
