"""Memory that is plugged in, and the backends it stands on.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

from qmpx.machine import Machine
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom import memory_devices
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Size, Values

if TYPE_CHECKING:
    from qmpx.machine.qom.buses import Device

commands = CommandRegistry()

HostMemPolicy = Annotated[str, Values("default", "preferred", "bind", "interleave")]

Memdev = TypedDict(
    "Memdev",
    {
        "id": NotRequired[str],
        "size": Size,
        "merge": bool,
        "dump": bool,
        "prealloc": bool,
        "share": bool,
        "reserve": bool,
        "host-nodes": list[int],
        "policy": HostMemPolicy,
    },
)

MemoryDeviceData = TypedDict(
    "MemoryDeviceData",
    {
        "id": NotRequired[str],
        "memdev": str,
        "addr": NotRequired[int],
        "size": Size,
        "slot": NotRequired[int],
        "node": int,
        "hotplugged": NotRequired[bool],
        "hotpluggable": NotRequired[bool],
        "memaddr": NotRequired[Size],
        "requested-size": NotRequired[Size],
        "max-size": NotRequired[Size],
        "block-size": NotRequired[Size],
    },
)


class MemoryDeviceInfo(TypedDict):
    """A memory device."""

    type: Annotated[str, Values("dimm", "nvdimm", "virtio-mem")]
    data: MemoryDeviceData


@commands.command("query-memory-devices")
def query_memory_devices(machine: Machine) -> list[MemoryDeviceInfo]:
    """Tell of the memory devices, by their addresses."""
    if not machine.qom.has_devices:
        return []
    return [_info(machine, device) for device in memory_devices.of(machine)]


def _info(machine: Machine, device: "Device") -> MemoryDeviceInfo:
    shown = device.object
    data: MemoryDeviceData = {
        "memdev": device.values["memdev"],
        "node": device.value("node") or 0,
        "size": device.value("size") or 0,
    }
    if device.id is not None:
        data["id"] = device.id
    if shown.type == "virtio-mem-pci":
        data["memaddr"] = device.values["memaddr"]
        data["requested-size"] = device.value("requested-size") or 0
        data["max-size"] = memory_devices.backend_of(machine, device).size
        data["block-size"] = device.value("block-size") or memory_devices.ALIGNMENT
        return {"type": "virtio-mem", "data": data}
    data["addr"] = device.values["addr"]
    data["slot"] = device.values["slot"]
    data["hotplugged"] = device.is_hotplugged
    data["hotpluggable"] = True
    return {"type": "nvdimm" if shown.type == "nvdimm" else "dimm", "data": data}


@commands.command("query-memdev")
def query_memdev(machine: Machine) -> list[Memdev]:
    """Tell of the memory backends; the machine's own RAM is one."""
    return [
        _memdev(id_, made)
        for id_, made in machine.objects.items()
        if isinstance(made, MemoryBackend)
    ]


def _memdev(id_: str, made: MemoryBackend) -> Memdev:
    return {
        "id": id_,
        "size": made.size,
        "merge": made.option("merge", otherwise=True),
        "dump": made.option("dump", otherwise=True),
        "prealloc": made.option("prealloc", otherwise=False),
        "share": made.option("share", made.kind == "memory-backend-memfd"),
        "reserve": made.option("reserve", otherwise=True),
        "host-nodes": list(made.option("host-nodes", ())),
        "policy": made.option("policy", "default"),
    }
