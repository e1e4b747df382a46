"""Memory that is plugged in, and the backends it stands on.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Annotated, NotRequired, TypedDict

from qmpx.machine import Machine
from qmpx.machine.objects import MemoryBackend
from qmpx.machine.qom import memory_devices
from qmpx.machine.qom.child_order import as_listed
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Size, Values

if TYPE_CHECKING:
    from qmpx.machine.qom.buses import Device

commands = CommandRegistry(reads_late=True)

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
        "node": NotRequired[int],
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

    type: Annotated[str, Values("dimm", "nvdimm", "virtio-pmem", "virtio-mem")]
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
        "size": device.value("size") or 0,
    }
    if device.id is not None:
        data["id"] = device.id
    if shown.type == "virtio-pmem-pci":
        data["memaddr"] = device.values["memaddr"]
        return {"type": "virtio-pmem", "data": data}
    data["node"] = device.value("node") or 0
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
    made = machine.objects
    is_dumped = machine.qom.options.get("dump-guest-core", True)
    return [
        _memdev(id_, backend, is_dumped=is_dumped)
        for id_ in as_listed(made)
        if isinstance(backend := made[id_], MemoryBackend)
    ]


def _memdev(id_: str, made: MemoryBackend, *, is_dumped: bool) -> Memdev:
    return {
        "id": id_,
        "size": made.size,
        "merge": made.option("merge", otherwise=True),
        "dump": made.option("dump", otherwise=is_dumped),
        "prealloc": made.option("prealloc", otherwise=False),
        "share": made.option("share", made.kind == "memory-backend-memfd"),
        "reserve": made.option("reserve", otherwise=True),
        "host-nodes": list(made.option("host-nodes", ())),
        "policy": made.option("policy", "default"),
    }
