"""Processors, memory, disks and network, as the guest sees them.

Names, members and the texts of errors: QEMU's guest agent 7.2.22, observed.
"""

import ipaddress
from typing import Any, Final

from msgspec import Struct

from qmpx.errors import GenericError
from qmpx.machine.guest_system import GuestSystem
from qmpx.machine.guest_system.system import MEMORY_BLOCK
from qmpx.monitor.registry import CommandRegistry

commands: Final = CommandRegistry()


class GuestLogicalProcessor(Struct, rename="kebab"):
    """A processor of the guest, and whether it is, or is to be, used."""

    logical_id: int
    online: bool
    can_offline: bool | None = None


class GuestMemoryBlock(Struct, rename="kebab"):
    """A block of the guest's memory, and whether it is, or is to be, used."""

    phys_index: int
    online: bool
    can_offline: bool | None = None


_PACKETS: Final = tuple(
    f"{way}-{what}"
    for way in ("rx", "tx")
    for what in ("bytes", "packets", "errs", "dropped")
)
_TICKS: Final = (
    *("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest"),
    "guestnice",
)
_INPUTS: Final = (
    *("read-sectors", "read-ios", "read-merges", "read-ticks"),
    *("write-sectors", "write-ios", "write-merges", "write-ticks"),
    *("discard-sectors", "discard-ios", "discard-merges", "discard-ticks"),
    *("flush-ios", "flush-ticks", "ios-pgr", "total-ticks", "weight-ticks"),
)
_MAJOR: Final = 254  # of virtio disks in Linux
_MINORS: Final = 16


@commands.command("guest-get-vcpus")
def guest_get_vcpus(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell the processors, and which are used."""
    return [
        {"logical-id": n, "online": n not in system.offline, "can-offline": n > 0}
        for n in system.processors
    ]


@commands.command("guest-set-vcpus")
def guest_set_vcpus(system: GuestSystem, *, vcpus: list[GuestLogicalProcessor]) -> int:
    """Use processors or not; tell how many of the list were looked at."""
    for done, wanted in enumerate(vcpus):
        number, is_online = wanted.logical_id, wanted.online
        if number not in system.processors or (number == 0 and not is_online):
            if done:
                return done
            message = (
                f"logical CPU #{number} can't be offlined"
                if number == 0
                else f'open("/sys/devices/system/cpu/cpu{number}/"): No such file or '
                "directory"
            )
            raise GenericError(message)
        (system.offline.discard if is_online else system.offline.add)(number)
    return len(vcpus)


@commands.command("guest-get-cpustats")
def guest_get_cpustats(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell what the processors did: nothing but wait."""
    idle = round(system.uptime * 1000)
    return [
        {"type": "linux", "cpu": n, **dict.fromkeys(_TICKS, 0), "idle": idle}
        for n in system.processors
    ]


@commands.command("guest-get-memory-block-info")
def guest_get_memory_block_info() -> dict[str, int]:
    """Tell how large blocks of memory are."""
    return {"size": MEMORY_BLOCK}


@commands.command("guest-get-memory-blocks")
def guest_get_memory_blocks(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell the blocks of memory, and which are used."""
    return [
        {"phys-index": n, "online": n not in system.offline_blocks, "can-offline": True}
        for n in system.memory_blocks
    ]


@commands.command("guest-set-memory-blocks")
def guest_set_memory_blocks(
    system: GuestSystem, *, mem_blks: list[GuestMemoryBlock]
) -> list[dict[str, Any]]:
    """Use blocks of memory or not; tell for each whether that was done."""
    told = []
    for wanted in mem_blks:
        number, is_online = wanted.phys_index, wanted.online
        if number in system.memory_blocks:
            change = system.offline_blocks
            (change.discard if is_online else change.add)(number)
            told.append({"phys-index": number, "response": "success"})
        else:
            told.append({"phys-index": number, "response": "not-found"})
    return told


@commands.command("guest-network-get-interfaces")
def guest_network_get_interfaces(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell the network interfaces and their addresses."""
    return [
        {
            "name": each.name,
            "hardware-address": each.mac,
            "ip-addresses": [_address(address) for address in each.addresses],
            "statistics": dict.fromkeys(_PACKETS, 0),
        }
        for each in system.interfaces
    ]


def _address(
    address: ipaddress.IPv4Interface | ipaddress.IPv6Interface,
) -> dict[str, Any]:
    return {
        "ip-address-type": f"ipv{address.version}",
        "ip-address": str(address.ip),
        "prefix": address.network.prefixlen,
    }


@commands.command("guest-get-disks")
def guest_get_disks(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell the disks."""
    return [
        {"name": f"/dev/{name}", "partition": False, "dependencies": []}
        for name, _ in system.disks
    ]


@commands.command("guest-get-diskstats")
def guest_get_diskstats(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell what was read and written: nothing."""
    return [
        {
            "name": name,
            "major": _MAJOR,
            "minor": number * _MINORS,
            "stats": dict.fromkeys(_INPUTS, 0),
        }
        for number, (name, _) in enumerate(system.disks)
    ]


@commands.command("guest-get-fsinfo")
def guest_get_fsinfo(system: GuestSystem) -> list[dict[str, Any]]:
    """Tell the file systems: one, on the first disk if there is one."""
    if not system.disks:
        return []
    name, size = system.disks[0]
    told = {"name": name, "mountpoint": "/", "type": "ext4"}
    space = {"used-bytes": 0, "total-bytes": size}
    return [{**told, **space, "disk": []}]
