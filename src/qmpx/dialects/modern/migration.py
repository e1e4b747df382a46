"""Moving the machine to elsewhere, and taking one that comes.

The stream is of a form of its own; see ``docs/reference/migration-stream.md``. Postcopy
is refused when a migration begins: nothing here could fetch single pages.

Source: QEMU 7.2.22, observed.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.happenings import Happening, MigrationMoved, MigrationPassBegan
from qmpx.machine.memory import PAGE_SIZE
from qmpx.machine.migration import Migration, bitmaps
from qmpx.machine.migration import parameters as limits
from qmpx.machine.migration.addresses import Stop
from qmpx.machine.migration.destinations import await_source, open_destination
from qmpx.machine.migration.links import Link
from qmpx.machine.migration.progress import Statistics
from qmpx.machine.runstate import RunState
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Boxed, Described, Size, Values

commands = CommandRegistry()

OTHER_RAM: Final[int] = 532480
"""Bytes of RAM beside the main memory in a PC without a screen: its firmware."""

_UINT64: Final[int] = 2**64 - 1
_NULLABLE: Final = ("tls_creds", "tls_hostname", "tls_authz")
_ACTIVE: Final = ("active", "pre-switchover", "device", "cancelling")
_UNDER_WAY: Final = ("setup", *_ACTIVE)

Capability = Annotated[str, Values(*limits.CAPABILITIES)]
Status = Annotated[
    str,
    Values(
        "none",
        "setup",
        "cancelling",
        "cancelled",
        "active",
        "postcopy-active",
        "postcopy-paused",
        "postcopy-recover",
        "completed",
        "failed",
        "colo",
        "pre-switchover",
        "device",
        "wait-unplug",
    ),
]
Compression = Annotated[str, Values("none", "zlib", "zstd")]


class MigrationEvent(TypedDict):
    """A migration has come to another state."""

    status: Status


MigrationPass = TypedDict("MigrationPass", {"pass": int})

EVENTS: Final[dict[str, Any]] = {
    "MIGRATION": MigrationEvent,
    "MIGRATION_PASS": MigrationPass,
}
"""The events of a migration, with the types of their data."""


def as_event(machine: Machine, happening: Happening) -> tuple[str, Any] | None:
    """Return the event that tells of *happening*, for those who turned that on."""
    if "migration" not in machine.__dict__:
        return None
    if "events" not in machine.migration.capabilities:
        return None
    match happening:
        case MigrationMoved(status):
            return "MIGRATION", {"status": status}
        case MigrationPassBegan(number):
            return "MIGRATION_PASS", {"pass": number}
    return None


# What can be set.


class CapabilityStatus(Struct):
    """A capability, and whether it is on."""

    capability: Capability
    state: bool


@commands.command("query-migrate-capabilities")
def query_migrate_capabilities(machine: Machine) -> list[CapabilityStatus]:
    """Tell of all capabilities whether they are on."""
    on = machine.migration.capabilities
    return [CapabilityStatus(name, name in on) for name in limits.CAPABILITIES]


@commands.command("migrate-set-capabilities")
def migrate_set_capabilities(
    machine: Machine, *, capabilities: list[CapabilityStatus]
) -> None:
    """Switch capabilities, all of those that are named or none.

    Raises:
        GenericError: A migration is under way; or they do not go together.
    """
    migration = machine.migration
    _require_idle(migration)
    wanted = {each.capability: each.state for each in capabilities}
    migration.capabilities = limits.with_capabilities(
        migration.capabilities, wanted, migration.parameters
    )


class BitmapTransform(Struct, rename="kebab", forbid_unknown_fields=True):
    """How a bitmap is to be another at the destination."""

    persistent: bool | UnsetType = UNSET


class BitmapAlias(Struct, rename="kebab", forbid_unknown_fields=True):
    """What a bitmap is called on the way."""

    name: str
    alias: str
    transform: Annotated[
        BitmapTransform | UnsetType, Described("BitmapMigrationBitmapAliasTransform")
    ] = UNSET


class NodeAlias(Struct, rename="kebab", forbid_unknown_fields=True):
    """What a node is called on the way, and its bitmaps."""

    node_name: str
    alias: str
    bitmaps: list[BitmapAlias]


StringOrNull = Annotated[Any, Described("StrOrNull")]


class MigrateSetParameters(
    Struct, rename="kebab", forbid_unknown_fields=True, omit_defaults=True
):
    """Parameters that are to have other values."""

    announce_initial: Size | None = None
    announce_max: Size | None = None
    announce_rounds: Size | None = None
    announce_step: Size | None = None
    compress_level: Size | None = None
    compress_threads: Size | None = None
    compress_wait_thread: bool | None = None
    decompress_threads: Size | None = None
    throttle_trigger_threshold: Size | None = None
    cpu_throttle_initial: Size | None = None
    cpu_throttle_increment: Size | None = None
    cpu_throttle_tailslow: bool | None = None
    tls_creds: StringOrNull = UNSET  # a string, or null for none
    tls_hostname: StringOrNull = UNSET
    tls_authz: StringOrNull = UNSET
    max_bandwidth: Size | None = None
    downtime_limit: Size | None = None
    x_checkpoint_delay: Size | None = None
    block_incremental: bool | None = None
    multifd_channels: Size | None = None
    xbzrle_cache_size: Size | None = None
    max_postcopy_bandwidth: Size | None = None
    max_cpu_throttle: Size | None = None
    multifd_compression: Compression | None = None
    multifd_zlib_level: Size | None = None
    multifd_zstd_level: Size | None = None
    block_bitmap_mapping: list[NodeAlias] | None = None


class MigrationParameters(Struct, rename="kebab", omit_defaults=True):
    """All parameters."""

    announce_initial: int
    announce_max: int
    announce_rounds: int
    announce_step: int
    compress_level: int
    compress_threads: int
    compress_wait_thread: bool
    decompress_threads: int
    throttle_trigger_threshold: int
    cpu_throttle_initial: int
    cpu_throttle_increment: int
    cpu_throttle_tailslow: bool
    tls_creds: str
    tls_hostname: str
    tls_authz: str
    max_bandwidth: Size
    downtime_limit: int
    x_checkpoint_delay: int
    block_incremental: bool
    multifd_channels: int
    xbzrle_cache_size: Size
    max_postcopy_bandwidth: Size
    max_cpu_throttle: int
    multifd_compression: Compression
    multifd_zlib_level: int
    multifd_zstd_level: int
    block_bitmap_mapping: list[NodeAlias] | None = None


@commands.command("query-migrate-parameters")
def query_migrate_parameters(machine: Machine) -> MigrationParameters:
    """Tell all parameters."""
    told = machine.migration.parameters
    values: dict[str, Any] = {name: getattr(told, name) for name in limits.NAMES}
    if values["block_bitmap_mapping"] is not None:
        values["block_bitmap_mapping"] = [
            _told_alias(node) for node in values["block_bitmap_mapping"]
        ]
    return MigrationParameters(**values)


@commands.command("migrate-set-parameters")
def migrate_set_parameters(
    machine: Machine, *, parameters: Annotated[MigrateSetParameters, Boxed()]
) -> None:
    """Change parameters, all of those that are named or none.

    Raises:
        GenericError: A value is not one that it may have.
    """
    migration = machine.migration
    given: dict[str, Any] = {
        name: value & _UINT64 if type(value) is int else value
        for name, value in asdict(parameters).items()
        if value is not None and value is not UNSET
    }
    for name in _NULLABLE:
        value = getattr(parameters, name)
        if value is None:
            given[name] = ""
        elif value is not UNSET and not isinstance(value, str):
            wire = name.replace("_", "-")
            message = f"Invalid parameter type for '{wire}', expected: StrOrNull"
            raise GenericError(message)
    if "block_bitmap_mapping" in given:
        given["block_bitmap_mapping"] = _mapping(given["block_bitmap_mapping"])
    migration.parameters = limits.changed(migration.parameters, given)
    if migration.is_active:
        migration.set_limits()


def _mapping(nodes: list[NodeAlias]) -> tuple[bitmaps.NodeAlias, ...]:
    """Return what goes where.

    Raises:
        GenericError: Two have one alias, or one has two, or an alias is none.
    """
    mapping = tuple(
        bitmaps.NodeAlias(
            node.node_name,
            node.alias,
            tuple(
                bitmaps.BitmapAlias(each.name, each.alias, _persistence(each))
                for each in node.bitmaps
            ),
        )
        for node in nodes
    )
    bitmaps.check_mapping(mapping)
    return mapping


def _persistence(bitmap: BitmapAlias) -> bool | None:
    change = bitmap.transform
    if isinstance(change, UnsetType) or isinstance(change.persistent, UnsetType):
        return None
    return change.persistent


def _told_alias(node: bitmaps.NodeAlias) -> NodeAlias:
    told = list[BitmapAlias]()
    for each in node.bitmaps:
        change: BitmapTransform | UnsetType = UNSET
        if each.is_persistent is not None:
            change = BitmapTransform(each.is_persistent)
        told.append(BitmapAlias(each.name, each.alias, change))
    return NodeAlias(node.node_name, node.alias, told)


# To elsewhere.


def _require_idle(migration: Migration) -> None:
    if migration.status in _UNDER_WAY:
        message = "There's a migration process in progress"
        raise GenericError(message)


@commands.command("migrate")
def migrate(
    machine: Machine,
    session: SessionLike,
    *,
    uri: str,
    blk: bool | None = None,
    inc: bool | None = None,
    detach: bool | None = None,  # noqa: ARG001 - it means nothing to programs
    resume: bool | None = None,
) -> None:
    """Begin to move the machine; how it goes on tell events and ``query-migrate``.

    Args:
        machine: The machine.
        session: Who asks; its named descriptors are at hand.
        uri: ``tcp:HOST:PORT``, ``unix:PATH``, ``exec:COMMAND`` or ``fd:NAME``.
        blk: Whether the contents of the disks go, too.
        inc: Whether of those only what is in the images themselves goes.
        detach: Means something to people only.
        resume: Whether to go on with one that was paused; none can be.

    Raises:
        GenericError: It cannot be begun.
    """
    migration = machine.migration
    if resume:
        message = "Cannot resume if there is no paused migration"
        raise GenericError(message)
    _require_idle(migration)
    if machine.state is RunState.INMIGRATE:
        message = "Guest is waiting for an incoming migration"
        raise GenericError(message)
    if machine.state is RunState.POSTMIGRATE:
        message = "Can't migrate the vm that was paused due to previous migration"
        raise GenericError(message)
    on = migration.capabilities
    if "postcopy-ram" in on:
        message = "Postcopy migration is not supported by this machine"
        raise GenericError(message)
    if "background-snapshot" in on:
        message = "Background snapshots are not supported by this machine"
        raise GenericError(message)
    try:
        link = open_destination(uri, session.frontend.named.take)
    except CommandError as error:
        migration.refuse("" if "'uri' expects" in error.desc else error.desc)
        raise
    incremental = bool(inc) or migration.parameters.block_incremental
    block = bool(blk) or bool(inc) or "block" in on
    migration.set_limits()
    migration.start_over(
        link, block=block, incremental=block and incremental, is_staged=True
    )


@commands.command("migrate_cancel")
def migrate_cancel(machine: Machine) -> None:
    """Call the migration off; nothing happens if there is none."""
    machine.migration.cancel_soon()


@commands.command("migrate-continue")
def migrate_continue(machine: Machine, *, state: Status) -> None:
    """Go on with a migration that waits before it gives the machine away.

    Raises:
        GenericError: It is not in that state.
    """
    now = machine.migration.status or "none"
    if now != state:
        message = f"Migration not in expected state: {now}"
        raise GenericError(message)
    machine.migration.proceed()


@commands.command("migrate-start-postcopy")
def migrate_start_postcopy(machine: Machine) -> None:
    """Go over to postcopy; that cannot be.

    Raises:
        GenericError: Always.
    """
    if "postcopy-ram" not in machine.migration.capabilities:
        message = (
            "Enable postcopy with migrate_set_capability before the start of migration"
        )
        raise GenericError(message)
    message = "Start a migration first"
    raise GenericError(message)


@commands.command("migrate-recover", allow_oob=True)
def migrate_recover(machine: Machine, *, uri: str) -> None:  # noqa: ARG001
    """Go on with a paused postcopy migration; none can be in that state.

    Raises:
        GenericError: Always.
    """
    message = "Migrate recover can only be run when postcopy is paused."
    raise GenericError(message)


# From elsewhere.


@commands.command("migrate-incoming")
def migrate_incoming(machine: Machine, session: SessionLike, *, uri: str) -> None:
    """Await a machine at *uri*, if this one was started for that.

    Raises:
        GenericError: It was not, or it is awaited already; the address is none.
    """
    migration = machine.migration
    if migration.is_expected or migration.incoming_status is not None:
        message = "The incoming migration has already been started"
        raise GenericError(message)
    if machine.state is not RunState.INMIGRATE:
        message = "'-incoming' was not specified on the command line"
        raise GenericError(message)
    if "events" in migration.capabilities:
        machine.tell(MigrationMoved("setup"))
    take = session.frontend.named.take

    def wait(uri: str, arrive: Callable[[Link], None]) -> tuple[str, Stop]:
        loop = asyncio.get_running_loop()

        def arrive_later(link: Link) -> None:
            loop.call_soon(arrive, link)  # the reply comes first

        return await_source(uri, arrive_later, take)

    migration.expect(uri, may_run=migration.may_run, wait=wait)


# How far it is.

RamInfo = TypedDict(
    "RamInfo",
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


DiskInfo = TypedDict(
    "DiskInfo",
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
        "ram": NotRequired[RamInfo],
        "disk": NotRequired[DiskInfo],
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
    if migration.status in (*_ACTIVE, "completed"):
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
    if migration.status in _ACTIVE:
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


def _ram(machine: Machine, statistics: Statistics, *, is_over: bool) -> RamInfo:
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
        "downtime-bytes": still,
        "postcopy-bytes": 0,
        "dirty-sync-missed-zero-copy": 0,
    }


def _disk(transferred: int, remaining: int, total: int) -> DiskInfo:
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
