"""Where monitors may be: what QEMUs that run here say, and the usual places.

Nothing is connected to: a monitor serves one client, and looking must not disturb it.
What cannot be read (other users' processes, folders of root) is passed over.
"""

import glob
import os
import re
import stat
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from qmpx.errors import AddressError
from qmpx.transport.address import UnixAddress, parse_address

MAX_FOUND: Final = 200
"""Monitors that are listed: a host with more is not looked through by eye."""

MAX_PROCESSES: Final = 65536
"""Processes that are looked at: each costs some 20 µs."""

PLACES: Final = (
    ("libvirt", "/var/lib/libvirt/qemu/domain-*/monitor.sock"),
    ("libvirt", "/run/libvirt/qemu/domain-*/monitor.sock"),
    ("libvirt", "~/.config/libvirt/qemu/lib/domain-*/monitor.sock"),
    ("libvirt", "~/.local/share/libvirt/qemu/domain-*/monitor.sock"),
    ("Proxmox", "/var/run/qemu-server/*.qmp"),
    ("kata", "/run/vc/vm/*/qmp.sock"),
    ("kata", "/run/vc/vm/*/extra-monitor.sock"),
    ("incus", "/run/incus/*/qemu.monitor"),
    ("incus", "/var/log/incus/*/qemu.monitor"),
    ("LXD", "/var/snap/lxd/common/lxd/logs/*/qemu.monitor"),
    ("LXD", "/var/log/lxd/*/qemu.monitor"),
    ("Ganeti", "/var/run/ganeti/kvm-hypervisor/ctrl/*.qmp"),
    ("quickemu", "~/*/*-monitor.socket"),
    ("quickemu", "~/VMs/*/*-monitor.socket"),
    ("lima", "~/.lima/*/qmp.sock"),
)
"""Where those who manage machines keep their monitors: who, and which paths."""

_NAMED: Final = ("Proxmox", "Ganeti", "quickemu")
"""Those whose sockets are named after the machine; others' folders are."""


class Found(NamedTuple):
    """A monitor that may be there.

    Attributes:
        address: Where it is.
        machine: The machine's name, or what is nearest to that.
        source: Who says so: ``pid 123``, ``libvirt``, ...
        is_human: Whether it is a human monitor, as far as is known.
    """

    address: str
    machine: str
    source: str
    is_human: bool = False


def discover(proc: str = "/proc", root: str = "") -> list[Found]:
    """Return the monitors that seem to be on this host, QMP first.

    Args:
        proc: The process file system.
        root: What is put before the usual places, for tests.
    """
    found: dict[str, Found] = {}
    for each in (*_running(proc), *_in_places(root)):
        found.setdefault(each.address, each)
        if len(found) >= MAX_FOUND:
            break
    return sorted(found.values(), key=lambda each: (each.is_human, each.machine))


def _running(proc: str) -> Iterator[Found]:
    try:
        pids = sorted(int(name) for name in os.listdir(proc) if name.isdecimal())
    except OSError:
        return
    for pid in pids[:MAX_PROCESSES]:
        try:
            with open(f"{proc}/{pid}/cmdline", "rb") as file:
                words = os.fsdecode(file.read()).split("\0")
        except OSError:
            continue  # it has ended, or is none of our business
        # Ours is a script: what runs is Python, and the second word says which.
        if not any(re.search("qemu|qmpx", os.path.basename(w)) for w in words[:2]):
            continue
        try:
            folder = os.readlink(f"{proc}/{pid}/cwd")
        except OSError:
            folder = ""
        programs = [os.path.basename(word) for word in words[:2]]
        program = programs[programs[0].startswith("python")]
        for each in monitors_in(words):
            address = _absolute(each.address, folder)
            if address is not None:
                yield each._replace(
                    address=address,
                    machine=each.machine or program,
                    source=f"pid {pid}",
                )


def monitors_in(words: list[str]) -> Iterator[Found]:
    """Yield the monitors that a command line of QEMU has, as it names them.

    Args:
        words: The command line, as it was given.
    """
    chardevs: dict[str, str] = {}
    machine = ""
    monitors: list[tuple[str, bool]] = []
    for word, value in pairwise(words):
        match word.replace("--", "-", 1):
            case "-name":
                parts = dict(part.partition("=")[::2] for part in value.split(","))
                machine = parts.get("guest") or value.split(",")[0]
            case "-chardev" if value.startswith("socket"):
                named = re.search(r"(?:^|,)id=([^,]+)", value)
                if named:
                    chardevs[named[1]] = value
            case "-mon":
                options = dict(part.partition("=")[::2] for part in value.split(","))
                device = options.get("chardev", value.split(",")[0])
                monitors.append((f"chardev:{device}", options.get("mode") != "control"))
            case "-qmp" | "-qmp-pretty":
                monitors.append((value, False))
            case "-monitor":
                monitors.append((value, True))
            case "-hmp":  # of qmpx serve
                monitors.append((value, True))
    for text, is_human in monitors:
        place = text
        if place.startswith("chardev:"):
            place = chardevs.get(place.partition(":")[2], "")
        try:
            address = parse_address(place) if place not in ("", "none") else None
        except AddressError:
            continue  # nothing that others could connect to
        if address is not None and not str(address).startswith(("fd:", "stdio")):
            yield Found(str(address), machine, "", is_human)


def _absolute(address: str, folder: str) -> str | None:
    """Return an address as it is from everywhere; ``None`` if its socket is gone."""
    parsed = parse_address(address)
    if not isinstance(parsed, UnixAddress) or parsed.abstract:
        return address
    path = os.path.join(folder, parsed.path)
    return str(UnixAddress(path)) if os.path.exists(path) else None


def _in_places(root: str) -> Iterator[Found]:
    for source, pattern in PLACES:
        for path in sorted(glob.glob(root + os.path.expanduser(pattern))):
            try:
                is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
            except OSError:
                continue
            if is_socket:
                folder, name = os.path.split(path)
                machine = name.partition(".")[0].removesuffix("-monitor")
                if source not in _NAMED:
                    machine = os.path.basename(folder)
                is_human = source == "quickemu"
                yield Found(str(UnixAddress(path)), machine, source, is_human)
