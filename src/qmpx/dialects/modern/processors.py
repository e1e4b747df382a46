"""Virtual processors: those that there are, and where others can be plugged in.

Source: QEMU 7.2.22, observed.
"""

from typing import NotRequired, TypedDict

from qmpx.dialects.modern.replies import CpuInfoFast, CpuInstanceProperties
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry

commands = CommandRegistry(reads_late=True)

HotpluggableCPU = TypedDict(
    "HotpluggableCPU",
    {
        "type": str,
        "vcpus-count": int,
        "props": CpuInstanceProperties,
        "qom-path": NotRequired[str],
    },
)


@commands.command("query-cpus-fast")
def query_cpus_fast(machine: Machine) -> list[CpuInfoFast]:
    """Tell of the processors; each has a thread of its own, which does nothing."""
    slots = machine.qom.processors
    told: list[CpuInfoFast] = []
    for slot, processor, path in slots.present():
        info: CpuInfoFast = {
            "cpu-index": slot.index,
            "qom-path": path,
            "thread-id": processor.thread_id,
            "target": "x86_64",
        }
        place: CpuInstanceProperties = slots.shown(slot)  # type: ignore[assignment]
        if place:
            info["props"] = place
        told.append(info)
    return told


@commands.command("query-hotpluggable-cpus")
def query_hotpluggable_cpus(machine: Machine) -> list[HotpluggableCPU]:
    """Tell where processors are and can be, the last place first.

    Raises:
        GenericError: This machine has no such places.
    """
    if not machine.qom.board.startswith(("pc-", "isapc")):
        message = "The feature 'query-hotpluggable-cpus' is not enabled"
        raise GenericError(message)
    slots = machine.qom.processors
    told: list[HotpluggableCPU] = []
    for slot in reversed(slots.slots):
        place: HotpluggableCPU = {
            "type": slots.type,
            "vcpus-count": 1,
            "props": slots.shown(slot),  # type: ignore[typeddict-item]
        }
        if (path := slots.path(slot)) is not None:
            place["qom-path"] = path
        told.append(place)
    return told
