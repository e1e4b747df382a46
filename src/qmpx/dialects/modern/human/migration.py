"""Migration as people start, set and watch it.

Source: QEMU 7.2.22, observed.
"""

import asyncio
from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, ask_exactly, on_off
from qmpx.errors import CommandError, GenericError
from qmpx.monitor.human.sizes import read_size
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

GLOBALS: Final = {
    "store-global-state": "on",
    "only-migratable": "off",
    "send-configuration": "on",
    "send-section-footer": "on",
    "decompress-error-check": "on",
    "clear-bitmap-shift": "18",
}
"""What nobody can change while the machine is on, with the values it starts with."""

PARAMETERS: Final = (
    ("announce-initial", "announce-initial", " ms"),
    ("announce-max", "announce-max", " ms"),
    ("announce-rounds", "announce-rounds", ""),
    ("announce-step", "announce-step", " ms"),
    ("compress-level", "compress-level", ""),
    ("compress-threads", "compress-threads", ""),
    ("compress-wait-thread", "compress-wait-thread", ""),
    ("decompress-threads", "decompress-threads", ""),
    ("throttle-trigger-threshold", "throttle-trigger-threshold", ""),
    ("cpu-throttle-initial", "cpu-throttle-initial", ""),
    ("cpu-throttle-increment", "cpu-throttle-increment", ""),
    ("cpu-throttle-tailslow", "cpu-throttle-tailslow", ""),
    ("max-cpu-throttle", "max-cpu-throttle", ""),
    ("tls-creds", "tls-creds", "'"),
    ("tls-hostname", "tls-hostname", "'"),
    ("max-bandwidth", "max-bandwidth", " bytes/second"),
    ("downtime-limit", "downtime-limit", " ms"),
    ("x-checkpoint-delay", "x-checkpoint-delay", " ms"),
    ("block-incremental", "block-incremental", ""),
    ("multifd-channels", "multifd-channels", ""),
    ("multifd-compression", "multifd-compression", ""),
    ("xbzrle-cache-size", "xbzrle-cache-size", " bytes"),
    ("max-postcopy-bandwidth", "max-postcopy-bandwidth", ""),
    ("tls-authz", "tls-authz", "'"),
)
"""The parameters as they are shown: name there, name in QMP, and what is behind it; a
quote says that the value stands in quotes."""

_SIZES: Final = {
    "max-bandwidth": 20,
    "xbzrle-cache-size": 0,
    "max-postcopy-bandwidth": 20,
}  # and what a number alone is multiplied by, as a power of two
_TEXTS: Final = ("tls-creds", "tls-hostname", "tls-authz", "multifd-compression")
_SWITCHES: Final = (
    "compress-wait-thread",
    "cpu-throttle-tailslow",
    "block-incremental",
)
_ENUMERATIONS: Final = {"multifd-compression": ("none", "zlib", "zstd")}
_KIB: Final = 10
_WAIT: Final = 0.05  # seconds between looks at a migration that is waited for
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


@commands.does("migrate")
async def migrate(
    session: SessionLike,
    *,
    detach: bool = False,
    blk: bool = False,
    inc: bool = False,
    resume: bool = False,
    uri: str,
) -> str | None:
    """Move the machine; without ``-d``, the prompt comes when that is over."""
    await ask(
        session, "migrate", uri=uri, blk=blk, inc=inc, detach=detach, resume=resume
    )
    if detach:
        return None
    if not session.has_terminal:  # type: ignore[attr-defined]
        return "terminal does not allow synchronous migration, continuing detached\n"
    while True:
        info = await ask(session, "query-migrate")
        if info.get("status") in _ENDED:
            break
        await asyncio.sleep(_WAIT)
    if info["status"] == "failed" and "error-desc" in info:
        raise GenericError(info["error-desc"])
    return None


@commands.does("migrate_cancel")
async def migrate_cancel(session: SessionLike) -> None:
    """Call the migration off."""
    await ask(session, "migrate_cancel")


@commands.does("migrate_continue")
async def migrate_continue(session: SessionLike, *, state: str) -> None:
    """Let a migration that waits go on."""
    try:
        await ask(session, "migrate-continue", state=state)
    except CommandError as error:
        raise _bad_value(error, state) from None


def _bad_value(error: CommandError, value: str) -> CommandError:
    if "does not accept value" in error.desc:
        return GenericError(f"invalid parameter value: {value}")
    return error


@commands.does("migrate_incoming")
async def migrate_incoming(session: SessionLike, *, uri: str) -> None:
    """Wait for a machine to come."""
    await ask(session, "migrate-incoming", uri=uri)


@commands.does("migrate_recover")
async def migrate_recover(session: SessionLike, *, uri: str) -> None:
    """Wait for a migration that broke off."""
    await ask(session, "migrate-recover", uri=uri)


@commands.does("migrate_pause")
async def migrate_pause(session: SessionLike) -> None:
    """Break a postcopy migration off."""
    await ask(session, "migrate-pause")


@commands.does("migrate_start_postcopy")
async def migrate_start_postcopy(session: SessionLike) -> None:
    """Let the guest run there from now on."""
    await ask(session, "migrate-start-postcopy")


@commands.does("migrate_set_capability")
async def migrate_set_capability(
    session: SessionLike, *, capability: str, state: bool
) -> None:
    """Switch a capability on or off."""
    known = await ask(session, "query-migrate-capabilities")
    if capability not in {each["capability"] for each in known}:
        raise GenericError(f"invalid parameter value: {capability}")
    change = {"capability": capability, "state": state}
    await ask(session, "migrate-set-capabilities", capabilities=[change])


@commands.does("migrate_set_parameter")
async def migrate_set_parameter(
    session: SessionLike, *, parameter: str, value: str
) -> None:
    """Set a parameter; numbers of bytes may have a letter for what they are in."""
    names = {name for name, _, _ in PARAMETERS}
    if parameter not in names:
        raise GenericError(f"invalid parameter value: {parameter}")
    await ask_exactly(
        session, "migrate-set-parameters", {parameter: _read(parameter, value)}
    )


def _read(parameter: str, text: str) -> Any:
    """Return the value that a person means.

    Raises:
        GenericError: It is none.
    """
    if parameter in _ENUMERATIONS and text not in _ENUMERATIONS[parameter]:
        raise GenericError(f"Parameter '{parameter}' does not accept value '{text}'")
    if parameter in _TEXTS:
        return text
    if parameter in _SWITCHES:
        if text not in ("on", "yes", "true", "y", "off", "no", "false", "n"):
            raise GenericError(f"Parameter '{parameter}' expects 'on' or 'off'")
        return text in ("on", "yes", "true", "y")
    if parameter in _SIZES:
        found = read_size(text, 0)
        if found is None or found[1] < len(text):
            raise GenericError(f"Invalid size {text}")
        if text[-1:].isdigit():
            return found[0] >> 20 << _SIZES[parameter]
        return found[0]
    try:
        return int(text, 0)
    except ValueError:
        raise GenericError(f"Parameter '{parameter}' expects uint64") from None


@commands.shows("migrate_capabilities")
async def info_migrate_capabilities(session: SessionLike) -> str:
    """Return the capabilities."""
    known = await ask(session, "query-migrate-capabilities")
    return "".join(f"{x['capability']}: {on_off(x['state'])}\n" for x in known)


@commands.shows("migrate_parameters")
async def info_migrate_parameters(session: SessionLike) -> str:
    """Return the parameters."""
    values = await ask(session, "query-migrate-parameters")
    lines: list[str] = []
    for shown, name, unit in PARAMETERS:
        value = values.get(name, "" if unit == "'" else 0)
        if isinstance(value, bool):
            value = on_off(value)
        lines.append(
            f"{shown}: '{value}'\n" if unit == "'" else f"{shown}: {value}{unit}\n"
        )
    return "".join(lines)


def _kbytes(number: int) -> str:
    return f"{number >> _KIB} kbytes"


@commands.shows("migrate")
async def info_migrate(session: SessionLike) -> str:
    """Return how far the migration is."""
    info: dict[str, Any] = await ask(session, "query-migrate")
    lines = ["globals:", *(f"{name}: {value}" for name, value in GLOBALS.items())]
    if info.get("blocked-reasons"):
        lines += ["Outgoing migration blocked:"]
        lines += [f"  {reason}" for reason in info["blocked-reasons"]]
    if "status" in info:
        why = (
            f" ({info['error-desc']})"
            if info["status"] == "failed" and ("error-desc" in info)
            else ""
        )
        lines.append(f"Migration status: {info['status']}{why}")
        lines.append(f"total time: {info.get('total-time', 0)} ms")
        for name, shown in (
            ("expected-downtime", "expected downtime"),
            ("downtime", "downtime"),
            ("setup-time", "setup"),
        ):
            if name in info:
                lines.append(f"{shown}: {info[name]} ms")
    if "ram" in info:
        lines += _ram(info["ram"])
    if "disk" in info:
        disk = info["disk"]
        for name in ("transferred", "remaining", "total"):
            lines.append(f"{name} disk: {_kbytes(disk[name])}")
    if (cache := info.get("xbzrle-cache")) is not None:
        lines += [
            f"cache size: {cache['cache-size']} bytes",
            f"xbzrle transferred: {_kbytes(cache['bytes'])}",
            f"xbzrle pages: {cache['pages']} pages",
            f"xbzrle cache miss: {cache['cache-miss']} pages",
            f"xbzrle cache miss rate: {cache['cache-miss-rate']:.2f}",
            f"xbzrle encoding rate: {cache['encoding-rate']:.2f}",
            f"xbzrle overflow: {cache['overflow']}",
        ]
    if info.get("cpu-throttle-percentage"):
        lines.append(f"cpu throttle percentage: {info['cpu-throttle-percentage']}")
    for address in info.get("socket-address", ()):
        where = address.get("path") or f"{address.get('host')}:{address.get('port')}"
        lines += [
            "socket address: [",
            f"\t{address['type'].replace('inet', 'tcp')}:{where}",
            "]",
        ]
    return "".join(f"{line}\n" for line in lines)


def _ram(ram: dict[str, Any]) -> list[str]:
    lines = [
        f"transferred ram: {_kbytes(ram['transferred'])}",
        f"throughput: {ram['mbps']:.2f} mbps",
        f"remaining ram: {_kbytes(ram['remaining'])}",
        f"total ram: {_kbytes(ram['total'])}",
        f"duplicate: {ram['duplicate']} pages",
        f"skipped: {ram['skipped']} pages",
        f"normal: {ram['normal']} pages",
        f"normal bytes: {_kbytes(ram['normal-bytes'])}",
        f"dirty sync count: {ram['dirty-sync-count']}",
        f"page size: {_kbytes(ram['page-size'])}",
        f"multifd bytes: {_kbytes(ram['multifd-bytes'])}",
        f"pages-per-second: {ram['pages-per-second']}",
    ]
    if ram.get("dirty-pages-rate"):
        lines.append(f"dirty pages rate: {ram['dirty-pages-rate']} pages")
    if ram.get("postcopy-requests"):
        lines.append(f"postcopy request count: {ram['postcopy-requests']}")
    lines += [
        f"{name} ram: {_kbytes(ram[f'{name}-bytes'])}"
        for name in ("precopy", "downtime", "postcopy")
        if ram.get(f"{name}-bytes")
    ]
    return lines


# How fast memory is written.


@commands.does("calc_dirty_rate")
async def calc_dirty_rate(
    session: SessionLike,
    *,
    dirty_ring: bool = False,
    dirty_bitmap: bool = False,
    second: int,
    sample_pages_per_GB: int | None = None,
) -> str:
    """Measure how fast memory is written."""
    if not second:
        return "Incorrect period length specified!\n"
    if dirty_ring and dirty_bitmap:
        return "Either dirty ring or dirty bitmap can be specified!\n"
    mode = "dirty-ring" if dirty_ring else "dirty-bitmap" if dirty_bitmap else None
    await ask(
        session,
        "calc-dirty-rate",
        calc_time=second,
        sample_pages=sample_pages_per_GB,
        mode=mode or "page-sampling",
    )
    return (
        f"Starting dirty rate measurement with period {second} seconds\n"
        "[Please use 'info dirty_rate' to check results]\n"
    )


@commands.shows("dirty_rate")
async def info_dirty_rate(session: SessionLike) -> str:
    """Return how fast memory is written, as far as it was measured."""
    rate = await ask(session, "query-dirty-rate")
    lines = [f"Status: {rate['status']}", f"Start Time: {rate['start-time']} (ms)"]
    if rate["mode"] == "page-sampling":
        lines.append(f"Sample Pages: {rate['sample-pages']} (per GB)")
    lines += [f"Period: {rate['calc-time']} (sec)", f"Mode: {rate['mode']}"]
    if "dirty-rate" in rate:
        lines.append(f"Dirty rate: {rate['dirty-rate']} (MB/s)")
        for each in rate.get("vcpu-dirty-rate", ()):
            lines.append(f"vcpu[{each['id']}], Dirty rate: {each['dirty-rate']} (MB/s)")
    else:
        lines.append("Dirty rate: (not ready)")
    return "".join(f"{line}\n" for line in lines)


@commands.does("set_vcpu_dirty_limit")
async def set_vcpu_dirty_limit(
    session: SessionLike, *, dirty_rate: int, cpu_index: int | None = None
) -> str:
    """Limit how fast processors may write memory."""
    await ask(
        session, "set-vcpu-dirty-limit", dirty_rate=dirty_rate, cpu_index=cpu_index
    )
    return "[Please use 'info vcpu_dirty_limit' to query dirty limit for virtual CPU]\n"


@commands.does("cancel_vcpu_dirty_limit")
async def cancel_vcpu_dirty_limit(
    session: SessionLike, *, cpu_index: int | None = None
) -> str:
    """Limit that no more."""
    try:
        await ask(session, "cancel-vcpu-dirty-limit", cpu_index=cpu_index)
    except CommandError as error:
        raise GenericError(error.desc) from None
    return "[Please use 'info vcpu_dirty_limit' to query dirty limit for virtual CPU]\n"


@commands.shows("vcpu_dirty_limit")
async def info_vcpu_dirty_limit(session: SessionLike) -> str:
    """Return the limits."""
    limits = await ask(session, "query-vcpu-dirty-limit")
    if not limits:
        return "Dirty page limit not enabled!\n"
    return "".join(
        f"vcpu[{x['cpu-index']}], limit rate {x['limit-rate']} (MB/s), "
        f"current rate {x['current-rate']} (MB/s)\n"
        for x in limits
    )


@commands.does("client_migrate_info")
async def client_migrate_info(
    session: SessionLike,
    *,
    protocol: str,
    hostname: str,
    port: int | None = None,
    tls_port: int | None = None,
    cert_subject: str | None = None,
) -> None:
    """Tell clients of the display where the machine goes."""
    await ask(
        session,
        "client_migrate_info",
        protocol=protocol,
        hostname=hostname,
        port=port,
        tls_port=tls_port,
        cert_subject=cert_subject,
    )
