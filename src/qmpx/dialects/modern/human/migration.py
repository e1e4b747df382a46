"""Migration as people start and watch it.

Source: QEMU 7.2.22, observed.
"""

import asyncio
from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.errors import CommandError, GenericError
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
