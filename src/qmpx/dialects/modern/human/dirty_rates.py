"""How fast memory is written, as people measure and limit it.

Source: QEMU 7.2.22, observed.
"""

from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.errors import CommandError, GenericError
from qmpx.monitor.registry import SessionLike

commands = HumanTable()


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
