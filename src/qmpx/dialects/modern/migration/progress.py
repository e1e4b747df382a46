"""How far a migration is, and how the last one went.

Source: QEMU 7.2.22, observed.
"""

from typing import Final, Literal, NotRequired, TypedDict

from qmpx.dialects.modern.migration.states import ACTIVE, Status
from qmpx.machine import Machine
from qmpx.machine.memory import PAGE_SIZE
from qmpx.machine.migration.progress import Statistics
from qmpx.monitor import CommandRegistry

commands = CommandRegistry(reads_late=True)

OTHER_RAM: Final[int] = 532480
"""Bytes of RAM beside the main memory in a PC without a screen: its firmware."""

MigrationStats = TypedDict(
    "MigrationStats",
    {
        "transferred": int,
        "remaining": int,
        "total": int,
        "duplicate": int,
        "skipped": int,
        "normal": int,
        "normal-bytes": int,
        "dirty-pages-rate": int,
        "mbps": float,
        "dirty-sync-count": int,
        "postcopy-requests": int,
        "page-size": int,
        "multifd-bytes": int,
        "pages-per-second": int,
        "precopy-bytes": int,
        "downtime-bytes": int,
        "postcopy-bytes": int,
        "dirty-sync-missed-zero-copy": int,
    },
)


class InetAddress(TypedDict):
    """Where a machine is awaited."""

    type: Literal["inet"]
    host: str
    port: str
    ipv4: NotRequired[bool]
    ipv6: NotRequired[bool]


class UnixAddress(TypedDict):
    """Where a machine is awaited."""

    type: Literal["unix"]
    path: str


XBZRLECacheStats = TypedDict(
    "XBZRLECacheStats",
    {
        "cache-size": int,
        "bytes": int,
        "pages": int,
        "cache-miss": int,
        "cache-miss-rate": float,
        "encoding-rate": float,
        "overflow": int,
    },
)

MigrationInfo = TypedDict(
    "MigrationInfo",
    {
        "status": NotRequired[Status],
        "ram": NotRequired[MigrationStats],
        "disk": NotRequired[MigrationStats],
        "xbzrle-cache": NotRequired[XBZRLECacheStats],
        "total-time": NotRequired[int],
        "expected-downtime": NotRequired[int],
        "downtime": NotRequired[int],
        "setup-time": NotRequired[int],
        "error-desc": NotRequired[str],
        "socket-address": NotRequired[list[InetAddress]],
    },
)


@commands.command("query-migrate")
def query_migrate(machine: Machine) -> MigrationInfo:
    """Tell how far the migration is, or how the last one went."""
    migration = machine.migration
    told: MigrationInfo = {}
    if migration.address.startswith("tcp:") and migration.is_expected:
        told["socket-address"] = [_inet(migration.address)]
    if migration.incoming_status is not None:
        told["status"] = migration.incoming_status
    if migration.status is None:
        return told
    told["status"] = migration.status
    statistics = migration.statistics_now()
    if migration.status == "failed" and migration.failure:
        told["error-desc"] = migration.failure
    if statistics is None:
        return told
    if migration.status in (*ACTIVE, "completed"):
        told["ram"] = _ram(machine, statistics, is_over=migration.status == "completed")
        told["setup-time"] = _milliseconds(statistics.set_up - statistics.began)
        end = statistics.ended or machine.clock.microseconds()
        told["total-time"] = _milliseconds(end - statistics.began)
        if "xbzrle" in migration.capabilities:
            # Pages go as they are here: the cache is there, and never used.
            told["xbzrle-cache"] = {
                "cache-size": migration.parameters.xbzrle_cache_size,
                "bytes": 0,
                "pages": 0,
                "cache-miss": 0,
                "cache-miss-rate": 0.0,
                "encoding-rate": 0.0,
                "overflow": 0,
            }
        if (disk := migration.disk_progress) is not None:
            told["disk"] = _disk(disk.transferred, disk.remaining, disk.total)
    if migration.status in ACTIVE:
        told["expected-downtime"] = migration.parameters.downtime_limit
    elif migration.status == "completed":
        told["downtime"] = _milliseconds(statistics.ended - statistics.stopped)
    return told


def _milliseconds(microseconds: int) -> int:
    return max(0, microseconds) // 1000


def _inet(address: str) -> InetAddress:
    host, _, port = address.removeprefix("tcp:").rpartition(":")
    told: InetAddress = {"type": "inet", "host": host, "port": port}
    told["ipv6" if ":" in host else "ipv4"] = True
    return told


def _ram(machine: Machine, statistics: Statistics, *, is_over: bool) -> MigrationStats:
    end = statistics.ended or machine.clock.microseconds()
    seconds = max(end - (statistics.set_up or statistics.began), 1) / 1e6
    still = statistics.sent_still
    return {
        "transferred": statistics.transferred,
        "remaining": 0 if is_over else statistics.remaining,
        "total": machine.memory_size + OTHER_RAM,
        "duplicate": statistics.unused_pages,
        "skipped": 0,
        "normal": statistics.used_pages,
        "normal-bytes": statistics.used_pages * PAGE_SIZE,
        "dirty-pages-rate": 0,
        "mbps": statistics.transferred * 8 / seconds / 1e6,
        "dirty-sync-count": statistics.passes,
        "postcopy-requests": 0,
        "page-size": PAGE_SIZE,
        "multifd-bytes": 0,
        "pages-per-second": 0,
        "precopy-bytes": statistics.transferred - still,
        "downtime-bytes": 0 if statistics.is_postcopy else still,
        "postcopy-bytes": still if statistics.is_postcopy else 0,
        "dirty-sync-missed-zero-copy": 0,
    }


def _disk(transferred: int, remaining: int, total: int) -> MigrationStats:
    return {
        "transferred": transferred,
        "remaining": remaining,
        "total": total,
        "duplicate": 0,
        "skipped": 0,
        "normal": 0,
        "normal-bytes": 0,
        "dirty-pages-rate": 0,
        "mbps": 0.0,
        "dirty-sync-count": 0,
        "postcopy-requests": 0,
        "page-size": PAGE_SIZE,
        "multifd-bytes": 0,
        "pages-per-second": 0,
        "precopy-bytes": 0,
        "downtime-bytes": 0,
        "postcopy-bytes": 0,
        "dirty-sync-missed-zero-copy": 0,
    }
