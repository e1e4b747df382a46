"""What a guest tells of itself, and what can be done to it from within.

The machine is the one that it runs in: its processors, memory, disks and network
adapters are the guest's, too.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from qmpx.machine.clock import Clock
from qmpx.machine.guest_system.files import GuestFiles
from qmpx.machine.guest_system.programs import Programs
from qmpx.machine.network.clients import Kind

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine

MEMORY_BLOCK: Final = 128 * 2**20
"""Bytes of a block of memory that can be taken offline: Linux's figure for a PC."""

USERS: Final = ("root", "guest")
"""Who has an account."""

MAX_KEYS: Final = 1024
"""Keys that a user may log in with."""

_RELEASE: Final = {
    "id": "qmpx",
    "name": "qmpx guest",
    "pretty-name": "qmpx guest 1",
    "version": "1",
    "version-id": "1",
    "kernel-release": "6.1.0-qmpx",
    "kernel-version": "#1 SMP",
    "machine": "x86_64",
}
_FIRST_ADDRESS: Final = ipaddress.IPv4Interface(
    "10.0.2.15/24"
)  # of QEMU's user network


@dataclass(slots=True)
class Interface:
    """A network interface.

    Attributes:
        name: Its name.
        mac: Its address.
        addresses: Its IP addresses, with their networks.
    """

    name: str
    mac: str
    addresses: list[ipaddress.IPv4Interface | ipaddress.IPv6Interface] = field(
        default_factory=list
    )


class GuestSystem:
    """The operating system of a guest.

    Args:
        machine: Where it runs.
        host_name: What it calls itself.

    Attributes:
        host_name: What it calls itself.
        os_info: What it is, by the names of ``guest-get-osinfo``.
        files: Its files.
        programs: What it can run.
        frozen: The mount points whose file systems are frozen.
        offline: The numbers of the processors that it does not use.
        offline_blocks: The numbers of the blocks of memory that it does not use.
        passwords: What passwords were set, by user.
        keys: The keys that users may log in with.
    """

    def __init__(self, machine: "Machine", host_name: str = "guest") -> None:
        self._machine = machine
        self.host_name = host_name
        self.os_info = dict(_RELEASE)
        release = "".join(
            f'{name.upper().replace("-", "_")}="{self.os_info[name]}"\n'
            for name in ("id", "name", "pretty-name", "version", "version-id")
        )
        self.files = GuestFiles(
            {
                "/etc/hostname": f"{host_name}\n".encode(),
                "/etc/hosts": b"127.0.0.1 localhost\n",
                "/etc/os-release": release.encode(),
            }
        )
        self.programs = Programs(self)
        self.frozen: set[str] = set()
        self.offline: set[int] = set()
        self.offline_blocks: set[int] = set()
        self.passwords: dict[str, str] = {}
        self.keys: dict[str, list[str]] = {name: [] for name in USERS}
        self._time_offset = 0  # nanoseconds that its clock is ahead
        self._started_at = machine.clock.microseconds()

    @property
    def clock(self) -> Clock:
        """What its time passes by."""
        return self._machine.clock

    @property
    def time(self) -> int:
        """What its clock says, in nanoseconds since 1970."""
        return self.clock.microseconds() * 1000 + self._time_offset

    @time.setter
    def time(self, nanoseconds: int) -> None:
        self._time_offset = nanoseconds - self.clock.microseconds() * 1000

    def read_clock_chip(self) -> None:
        """Take the time from the machine's clock."""
        self._time_offset = 0

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""
        return (self.clock.microseconds() - self._started_at) / 1_000_000

    @property
    def processors(self) -> range:
        """The numbers of its processors."""
        return range(len(self._machine.processors))

    @property
    def memory_blocks(self) -> range:
        """The numbers of its blocks of memory."""
        return range(max(self._machine.memory_size // MEMORY_BLOCK, 1))

    @property
    def interfaces(self) -> list[Interface]:
        """Its network interfaces: one for itself, and one for each adapter."""
        local = Interface(
            "lo",
            "00:00:00:00:00:00",
            [
                ipaddress.IPv4Interface("127.0.0.1/8"),
                ipaddress.IPv6Interface("::1/128"),
            ],
        )
        adapters = [x for x in self._machine.network if x.kind is Kind.ADAPTER]
        return [
            local,
            *(
                Interface(f"eth{number}", each.mac, _addresses(each.mac, number))
                for number, each in enumerate(adapters)
            ),
        ]

    @property
    def disks(self) -> list[tuple[str, int]]:
        """Its disks: their names, and their sizes in bytes."""
        found = [
            drive.medium.size
            for drive in self._machine.drives.values()
            if drive.medium is not None and not drive.removable
        ]
        return [(f"vd{chr(ord('a') + n)}", size) for n, size in enumerate(found[:26])]

    # What it can be told to do.

    def power_off(self) -> None:
        """Switch the machine off."""
        self._machine.shut_down(by_guest=True, reason="guest-shutdown")

    def reboot(self) -> None:
        """Start the machine anew."""
        self._machine.reset(by_guest=True, reason="guest-reset")

    def halt(self) -> None:
        """Stop doing anything; the machine stays on."""

    def suspend(self) -> None:
        """Sleep, until the machine is woken up."""
        self._machine.suspend()

    def freeze(self, mount_points: set[str]) -> int:
        """Let file systems take no more writes; return how many there are now."""
        self.frozen |= mount_points
        return len(self.frozen)

    def thaw(self) -> int:
        """Let all take writes again; return how many there were."""
        count = len(self.frozen)
        self.frozen.clear()
        return count

    def describe(self, **facts: Any) -> None:
        """Change what it tells of its release: members of ``guest-get-osinfo``."""
        self.os_info |= facts


def _addresses(
    mac: str, number: int
) -> list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]:
    """Return what an interface gets: by DHCP in QEMU's user network, and of its own."""
    octets = bytes.fromhex(mac.replace(":", ""))
    link = bytes((0xFE, 0x80, *bytes(6), octets[0] ^ 2, *octets[1:3]))
    link += bytes((0xFF, 0xFE, *octets[3:6]))
    first = ipaddress.IPv4Interface(f"{_FIRST_ADDRESS.ip + number}/24")
    return [first, ipaddress.IPv6Interface((link, 64))]
