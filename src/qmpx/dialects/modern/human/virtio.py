"""The virtio devices, as ``info`` shows them.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask, true_false
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_FIELDS: Final = (
    *("device-id", "vhost-started", "bus-name", "broken", "disabled"),
    *("disable-legacy-check", "started", "use-started", "start-on-kick"),
    *("use-guest-notifier-mask", "vm-running", "num-vqs", "queue-sel", "isr"),
)
_WIDTH: Final = 25
_QUEUE: Final = (
    *("queue-index", "inuse", "used-idx", "signalled-used", "signalled-used-valid"),
    *("last-avail-idx", "shadow-avail-idx"),
)
_QUEUE_WIDTH: Final = 22


def _row(name: str, value: Any, width: int) -> str:
    text = true_false(value) if isinstance(value, bool) else value
    return f"  {name.replace('-', '_') + ':':<{width}}{text}"


@commands.shows("virtio")
async def info_virtio(session: SessionLike) -> str:
    """Return the virtio devices."""
    found = await ask(session, "x-query-virtio")
    lines = "".join(f"{x['path']} [{x['name']}]\n" for x in found)
    return lines or "No VirtIO devices\n"


def _features(name: str, features: dict[str, Any], own: str) -> list[str]:
    lines = [f"  {name}:"]
    told = [*features.get("transports", ()), *features.get(own, ())]
    if told:
        lines.append(",\n".join(f"\t{each}" for each in told))
    if features.get("unknown-dev-features"):
        unknown = features["unknown-dev-features"]
        lines.append(f"  unknown-features(0x{unknown:016x})")
    return lines


@commands.shows("virtio-status")
async def info_virtio_status(session: SessionLike, *, path: str) -> str:
    """Return the state of a virtio device."""
    status = await ask(session, "x-query-virtio-status", path=path)
    lines = [f"{path}:", f"  {'device_name:':<{_WIDTH}}{status['name']} "]
    status = {**status, "bus-name": status.get("bus-name") or "(null)"}
    lines += [_row(name, status[name], _WIDTH) for name in _FIELDS]
    lines.append(_row("endianness", status["device-endian"], _WIDTH))
    lines.append("  status:")
    if status["status"].get("statuses"):
        lines.append(",\n".join(f"\t{each}" for each in status["status"]["statuses"]))
    lines.append("")
    for title, key in (("Guest", "guest"), ("Host", "host"), ("Backend", "backend")):
        features = status[f"{key}-features"]
        lines += _features(f"{title} features", features, "dev-features")
        if key == "guest":
            lines.append("")
    lines.append("")
    return "".join(f"{line}\n" for line in lines)


@commands.shows("virtio-queue-status")
async def info_virtio_queue_status(
    session: SessionLike, *, path: str, queue: int
) -> str:
    """Return the state of a queue."""
    status = await ask(session, "x-query-virtio-queue-status", path=path, queue=queue)
    lines = [f"{path}:", f"  {'device_name:':<{_QUEUE_WIDTH}}{status['name']}"]
    lines += [
        _row(name, status[name], _QUEUE_WIDTH) for name in _QUEUE if name in status
    ]
    lines.append("  VRing:")
    for name in ("num", "num-default", "align"):
        title = name.replace("-", "_")
        lines.append(f"    {title + ':':<14}{status[f'vring-{name}']}")
    for name in ("desc", "avail", "used"):
        lines.append(f"    {name + ':':<14}0x{status[f'vring-{name}']:016x}")
    return "".join(f"{line}\n" for line in lines)


@commands.shows("virtio-vhost-queue-status")
async def info_virtio_vhost_queue_status(
    session: SessionLike, *, path: str, queue: int
) -> str:
    """Return the state of a queue that vhost serves."""
    status = await ask(
        session, "x-query-virtio-vhost-queue-status", path=path, queue=queue
    )
    return "".join(f"  {name}: {value}\n" for name, value in status.items())


@commands.shows("virtio-queue-element")
async def info_virtio_queue_element(
    session: SessionLike, *, path: str, queue: int, index: int | None = None
) -> str:
    """Return an element of a queue."""
    element = await ask(
        session, "x-query-virtio-queue-element", path=path, queue=queue, index=index
    )
    return "".join(f"  {name}: {value}\n" for name, value in element.items())
