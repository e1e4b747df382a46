"""What can be set about a migration, as newer QEMUs have it: figures and switches.

Everything is kept and told; what has an effect on the stream of this machine is
``max-bandwidth``, ``downtime-limit``, ``block-incremental``, and the capabilities
``block``, ``events`` and ``pause-before-switchover``.

Source: QEMU 7.2.22, observed: names, defaults, limits and refusals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.migration.bitmaps import NodeAlias

CAPABILITIES: Final = (
    "xbzrle",
    "rdma-pin-all",
    "auto-converge",
    "zero-blocks",
    "compress",
    "events",
    "postcopy-ram",
    "x-colo",
    "release-ram",
    "block",
    "return-path",
    "pause-before-switchover",
    "multifd",
    "dirty-bitmaps",
    "postcopy-blocktime",
    "late-block-activate",
    "x-ignore-shared",
    "validate-uuid",
    "background-snapshot",
    "zero-copy-send",
    "postcopy-preempt",
)
"""All capabilities, in the order in which they are listed."""

_NOT_WITH_BACKGROUND: Final = (
    "postcopy-ram",
    "dirty-bitmaps",
    "postcopy-blocktime",
    "late-block-activate",
    "return-path",
    "multifd",
    "pause-before-switchover",
    "auto-converge",
    "release-ram",
    "rdma-pin-all",
    "compress",
    "xbzrle",
    "x-colo",
    "validate-uuid",
    "zero-copy-send",
)

_PAGE: Final[int] = 4096
_MOST_THROTTLE: Final[int] = 99
_UINT8: Final[int] = 255
_UINT32: Final[int] = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Parameters:
    """The figures; their names are QEMU's, with underscores for hyphens.

    Attributes:
        max_bandwidth: Bytes a second; 0 is no limit.
        downtime_limit: Milliseconds that the machine may stand still.
        block_bitmap_mapping: Which bitmaps go where, as it was given.
    """

    announce_initial: int = 50
    announce_max: int = 550
    announce_rounds: int = 5
    announce_step: int = 100
    compress_level: int = 1
    compress_threads: int = 8
    compress_wait_thread: bool = True
    decompress_threads: int = 2
    throttle_trigger_threshold: int = 50
    cpu_throttle_initial: int = 20
    cpu_throttle_increment: int = 10
    cpu_throttle_tailslow: bool = False
    tls_creds: str = ""
    tls_hostname: str = ""
    tls_authz: str = ""
    max_bandwidth: int = 128 * 2**20
    downtime_limit: int = 300
    x_checkpoint_delay: int = 20000
    block_incremental: bool = False
    multifd_channels: int = 2
    xbzrle_cache_size: int = 64 * 2**20
    max_postcopy_bandwidth: int = 0
    max_cpu_throttle: int = 99
    multifd_compression: str = "none"
    multifd_zlib_level: int = 1
    multifd_zstd_level: int = 1
    block_bitmap_mapping: tuple["NodeAlias", ...] | None = None


NAMES: Final = tuple(field.name for field in fields(Parameters))
"""The names of all parameters, as in Python."""

_IGNORED: Final = frozenset({"multifd_zlib_level", "multifd_zstd_level"})
"""Parameters that QEMU 7.2 takes and leaves as they are: a defect of that release."""

_TYPES: Final = {
    "compress_level": _UINT8,
    "compress_threads": _UINT8,
    "decompress_threads": _UINT8,
    "throttle_trigger_threshold": _UINT8,
    "cpu_throttle_initial": _UINT8,
    "cpu_throttle_increment": _UINT8,
    "max_cpu_throttle": _UINT8,
    "multifd_channels": _UINT8,
    "multifd_zlib_level": _UINT8,
    "multifd_zstd_level": _UINT8,
    "x_checkpoint_delay": _UINT32,
}
"""The largest value that the type of a parameter holds, where it is small."""

_RANGES: Final[dict[str, tuple[int, int, str]]] = {
    "compress_level": (0, 9, "a value between 0 and 9"),
    "compress_threads": (1, 255, "a value between 1 and 255"),
    "decompress_threads": (1, 255, "a value between 1 and 255"),
    "throttle_trigger_threshold": (1, 100, "an integer in the range of 1 to 100"),
    "cpu_throttle_initial": (1, 99, "an integer in the range of 1 to 99"),
    "cpu_throttle_increment": (1, 99, "an integer in the range of 1 to 99"),
    "downtime_limit": (
        0,
        2_000_000,
        "an integer in the range of 0 to (2000 * 1000) ms",
    ),
    "multifd_channels": (1, 255, "a value between 1 and 255"),
    "announce_initial": (0, 100_000, "a value between 0 and 100000"),
    "announce_max": (0, 100_000, "a value between 0 and 100000"),
    "announce_rounds": (0, 1000, "a value between 0 and 1000"),
    # A step has to be more than nothing; QEMU's text says otherwise.
    "announce_step": (1, 10_000, "a value between 0 and 10000"),
}


def check_types(given: Mapping[str, object]) -> None:
    """Look whether numbers fit into QEMU's types, before anything else is looked at.

    Raises:
        GenericError: One does not.
    """
    for name, largest in _TYPES.items():
        value = given.get(name)
        if isinstance(value, int) and not 0 <= value <= largest:
            bits = largest.bit_length()
            raise _expects(name.replace("_", "-"), f"uint{bits}_t")


def changed(parameters: Parameters, given: Mapping[str, object]) -> Parameters:
    """Return parameters of which some have other values.

    Raises:
        GenericError: A value is not one that it may have; then none is taken.
    """
    check_types(given)
    for name, (least, most, expected) in _RANGES.items():
        value = given.get(name)
        if isinstance(value, int) and not least <= value <= most:
            raise _expects(name, expected)
    size = given.get("xbzrle_cache_size")
    if isinstance(size, int) and (size < _PAGE or size & (size - 1)):
        expected = "a power of two no less than the target page size"
        raise _expects("xbzrle_cache_size", expected)
    throttle = given.get("max_cpu_throttle")
    initial = given.get("cpu_throttle_initial", parameters.cpu_throttle_initial)
    if (
        isinstance(throttle, int)
        and isinstance(initial, int)
        and not initial <= throttle <= _MOST_THROTTLE
    ):
        expected = "an integer in the range of cpu_throttle_initial to 99"
        raise _expects("max_cpu_throttle", expected)
    taken = {name: value for name, value in given.items() if name not in _IGNORED}
    return replace(parameters, **taken)  # type: ignore[arg-type]


def with_capabilities(
    enabled: frozenset[str], wanted: Mapping[str, bool], parameters: Parameters
) -> frozenset[str]:
    """Return the capabilities that are on when some were switched.

    Raises:
        GenericError: They do not go together; then none is switched.
    """
    on = set(enabled)
    for name, state in wanted.items():
        (on.add if state else on.discard)(name)
    if "postcopy-ram" in on and "x-ignore-shared" in on:
        message = "Postcopy is not compatible with ignore-shared"
        raise GenericError(message)
    if "background-snapshot" in on:
        for other in _NOT_WITH_BACKGROUND:
            if other in on:
                message = f"Background-snapshot is not compatible with {other}"
                raise GenericError(message)
    if "zero-copy-send" in on and not (
        "multifd" in on
        and "compress" not in on
        and "xbzrle" not in on
        and parameters.multifd_compression == "none"
        and not parameters.tls_creds
    ):
        message = (
            "Zero copy only available for non-compressed non-TLS multifd migration"
        )
        raise GenericError(message)
    if "postcopy-preempt" in on:
        if "postcopy-ram" not in on:
            message = "Postcopy preempt requires postcopy-ram"
            raise GenericError(message)
        if "compress" in on:
            message = "Postcopy preempt not compatible with compress"
            raise GenericError(message)
    if "multifd" in on and "compress" in on:
        message = "Multifd is not compatible with compress"
        raise GenericError(message)
    return frozenset(on)


def _expects(name: str, expected: str) -> GenericError:
    return GenericError(f"Parameter '{name}' expects {expected}")
