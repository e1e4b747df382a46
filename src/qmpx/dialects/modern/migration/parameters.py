"""What can be set of a migration: parameters and capabilities.

Source: QEMU 7.2.22, observed.
"""

from typing import Annotated, Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from qmpx.dialects.modern.migration.states import require_idle
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.migration import bitmaps
from qmpx.machine.migration import parameters as limits
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Described, Size, Values

commands = CommandRegistry(reads_late=True)

_UINT64: Final[int] = 2**64 - 1
_NULLABLE: Final = ("tls_creds", "tls_hostname", "tls_authz")

Capability = Annotated[str, Values(*limits.CAPABILITIES)]
Compression = Annotated[str, Values("none", "zlib", "zstd")]


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
    require_idle(migration)
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
        migration.limits.follow(migration.parameters)


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
