"""The PCI bus as ``info`` shows it.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import Any, Final

from qmpx.dialects.modern.human.declaring import HumanTable, ask
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_MASK: Final[int] = (1 << 64) - 1


@commands.shows("pci")
async def info_pci(session: SessionLike) -> str:
    """Return what is on the PCI bus, bridges with what is behind them."""
    lines: list[str] = []
    for bus in await ask(session, "query-pci"):
        for device in bus["devices"]:
            lines += _device(device)
    return "".join(f"{line}\n" for line in lines)


def _device(device: dict[str, Any]) -> Iterator[str]:
    yield (
        f"  Bus {device['bus']:2}, device {device['slot']:3}, "
        f"function {device['function']}:"
    )
    kind, ids = device["class_info"], device["id"]
    name = kind.get("desc") or f"Class {kind['class']:04d}"
    yield f"    {name}: PCI device {ids['vendor']:04x}:{ids['device']:04x}"
    if "subsystem" in ids:
        yield (
            f"      PCI subsystem {ids['subsystem-vendor']:04x}:{ids['subsystem']:04x}"
        )
    if "irq" in device:
        pin = chr(ord("A") + device["irq_pin"] - 1)
        yield f"      IRQ {device['irq']}, pin {pin}"
    bridge = device.get("pci_bridge")
    if bridge is not None:
        yield from _bridge(bridge["bus"])
    for region in device["regions"]:
        yield f"      {_region(region)}"
    yield f'      id "{device["qdev_id"]}"'
    for each in (bridge or {}).get("devices", ()):
        yield from _device(each)


def _bridge(bus: dict[str, Any]) -> Iterator[str]:
    yield f"      BUS {bus['number']}."
    yield f"      secondary bus {bus['secondary']}."
    yield f"      subordinate bus {bus['subordinate']}."
    io = bus["io_range"]
    yield f"      IO range [0x{io['base']:04x}, 0x{io['limit']:04x}]"
    for title, name in (
        ("memory", "memory_range"),
        ("prefetchable memory", "prefetchable_range"),
    ):
        window = bus[name]
        yield f"      {title} range [0x{window['base']:08x}, 0x{window['limit']:08x}]"


def _region(region: dict[str, Any]) -> str:
    address = region["address"] & _MASK
    end = (region["address"] + region["size"] - 1) & _MASK
    if region["type"] == "io":
        return f"BAR{region['bar']}: I/O at 0x{address:04x} [0x{end:04x}]."
    width = 64 if region["mem_type_64"] else 32
    prefetch = " prefetchable" if region["prefetch"] else ""
    where = f"0x{address:08x} [0x{end:08x}]"
    return f"BAR{region['bar']}: {width} bit{prefetch} memory at {where}."
