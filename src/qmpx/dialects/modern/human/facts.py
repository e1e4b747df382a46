"""Processors, memory, threads and statistics, as lists.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Callable
from typing import Any, Final

from qmpx.dialects.modern.human.choosing import NO_PROCESSOR, chosen
from qmpx.dialects.modern.human.declaring import HumanTable, ask, true_false
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Machine
from qmpx.machine.processor import Processor
from qmpx.machine.register_dump import show_mappings, show_ranges
from qmpx.machine.registers import CR0_PG, MachineCheck
from qmpx.monitor.registry import SessionLike

commands = HumanTable()

_TARGETS: Final = ("vm", "vcpu")
_VALID: Final[int] = 1 << 63  # of a machine check's status
_CHECKING: Final = ("mce", "mca")  # what a processor needs for it
_ON: Final = "sync-profile is on\n"
_RULE: Final = "-" * 79 + "\n"
_SYNC_HEAD: Final = (
    "Type               Object  Call site  Wait Time (s)         Count  Average (us)\n"
)


def _read_register(session: SessionLike, name: str) -> int:
    processor = chosen(session)
    if processor is None:
        raise LookupError(name)
    return processor.read_register(name)


commands.read_register = _read_register


@commands.does("cpu")
def cpu(machine: Machine, session: SessionLike, *, index: int) -> str | None:
    """Choose the processor that the commands of this monitor refer to."""
    if index not in machine.qom.processors.numbered():
        return "invalid CPU index\n"
    session.frontend.processor = index
    return None


@commands.shows("cpus")
async def info_cpus(session: SessionLike) -> str:
    """Return the processors and their threads."""
    found = await ask(session, "query-cpus-fast")
    processor = chosen(session)
    current = None if processor is None else processor.index
    return "".join(
        f"{'*' if x['cpu-index'] == current else ' '} CPU #{x['cpu-index']}: "
        f"thread_id={x['thread-id']}\n"
        for x in found
    )


@commands.shows("hotpluggable-cpus")
async def info_hotpluggable_cpus(session: SessionLike) -> str:
    """Return where processors are and can be."""
    lines = ["Hotpluggable CPUs:"]
    for slot in await ask(session, "query-hotpluggable-cpus"):
        lines.append(f'  type: "{slot["type"]}"')
        lines.append(f'  vcpus_count: "{slot["vcpus-count"]}"')
        if "qom-path" in slot:
            lines.append(f'  qom_path: "{slot["qom-path"]}"')
        lines.append("  CPUInstance Properties:")
        names = ("node-id", "socket-id", "die-id", "cluster-id", "core-id", "thread-id")
        lines += [
            f'    {name}: "{slot["props"][name]}"'
            for name in names
            if name in slot["props"]
        ]
    return "".join(f"{line}\n" for line in lines)


@commands.shows("tlb")
def info_tlb(session: SessionLike) -> str:
    """Return the mappings of the chosen processor."""
    return _mappings(session, show_mappings)


@commands.shows("mem")
def info_mem(session: SessionLike) -> str:
    """Return the ranges that the chosen processor maps."""
    return _mappings(session, show_ranges)


def _mappings(session: SessionLike, show: Callable[[Processor], str]) -> str:
    processor = chosen(session)
    if processor is None:
        return NO_PROCESSOR
    is_paging = processor.registers.cr0 & CR0_PG
    return show(processor) if is_paging else "PG disabled\n"


@commands.does("mce")
def mce(
    machine: Machine,
    *,
    broadcast: bool = False,
    cpu_index: int,
    bank: int,
    status: int,
    mcg_status: int,
    addr: int,
    misc: int,
) -> str | None:
    """Report a hardware error to a processor, or to all."""
    there = machine.qom.processors.numbered()
    if cpu_index not in there:
        return None
    features = machine.qom.processors.features()
    if not all(features.get(name, True) for name in _CHECKING):
        return "MCE injection not supported\n"
    if not status & _VALID:
        return "Invalid MCE status code\n"
    for index, processor in there.items():
        if broadcast or index == cpu_index:
            processor.inject_machine_check(
                MachineCheck(bank, status, mcg_status, addr, misc)
            )
    return None


# Memory and threads.


@commands.shows("memory_size_summary")
async def info_memory_size_summary(session: SessionLike) -> str:
    """Return how much memory there is."""
    sizes = await ask(session, "query-memory-size-summary")
    lines = [f"base memory: {sizes['base-memory']}"]
    if "plugged-memory" in sizes:
        lines.append(f"plugged memory: {sizes['plugged-memory']}")
    return "".join(f"{line}\n" for line in lines)


_DEVICE_FIELDS: Final = {
    "dimm": ("addr", "slot", "node", "size", "memdev", "hotplugged", "hotpluggable"),
    "nvdimm": ("addr", "slot", "node", "size", "memdev", "hotplugged", "hotpluggable"),
    "virtio-pmem": ("memaddr", "size", "memdev"),
    "virtio-mem": (
        *("memaddr", "node", "requested-size", "size", "max-size", "block-size"),
        "memdev",
    ),
}
_HEXADECIMAL: Final = frozenset({"addr", "memaddr"})


@commands.shows("memory-devices")
async def info_memory_devices(session: SessionLike) -> str:
    """Return the memory devices."""
    lines: list[str] = []
    for device in await ask(session, "query-memory-devices"):
        kind, data = device["type"], device["data"]
        lines.append(f'Memory device [{kind}]: "{data.get("id", "")}"')
        for name in _DEVICE_FIELDS.get(kind, ()):
            if name not in data:
                continue
            value = data[name]
            if isinstance(value, bool):
                value = true_false(value)
            elif name in _HEXADECIMAL:
                value = f"0x{value:x}"
            lines.append(f"  {name}: {value}")
    return "".join(f"{line}\n" for line in lines)


@commands.shows("memdev")
async def info_memdev(session: SessionLike) -> str:
    """Return the memory back ends."""
    lines: list[str] = []
    for memdev in await ask(session, "query-memdev"):
        lines.append(f"memory backend: {memdev.get('id', '')}")
        lines.append(f"  size:  {memdev['size']}")
        lines += [
            f"  {name}: {true_false(memdev[name])}"
            for name in ("merge", "dump", "prealloc", "share", "reserve")
            if name in memdev
        ]
        lines.append(f"  policy: {memdev['policy']}")
        nodes = ",".join(str(node) for node in memdev["host-nodes"])
        lines.append(f"  host nodes: {nodes}")
    lines.append("")
    return "".join(f"{line}\n" for line in lines)


@commands.shows("iothreads")
async def info_iothreads(session: SessionLike) -> str:
    """Return the threads for input and output."""
    lines: list[str] = []
    for thread in await ask(session, "query-iothreads"):
        lines.append(f"{thread['id']}:")
        lines.append(f"  thread_id={thread['thread-id']}")
        names = ("poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch")
        lines += [f"  {name}={thread[name]}" for name in names]
    return "".join(f"{line}\n" for line in lines)


# Statistics.


@commands.shows("stats")
async def info_stats(
    session: SessionLike,
    *,
    target: str,
    names: str | None = None,
    provider: str | None = None,
) -> str:
    """Return statistics; under TCG there are none."""
    if target not in _TARGETS:
        return f"invalid stats target {target}\n"
    query: dict[str, Any] = {"target": target}
    if provider is not None and provider != "*":
        wanted: dict[str, Any] = {"provider": provider}
        if names is not None and names != "*":
            wanted["names"] = names.split(",")
        query["providers"] = [wanted]
    lines: list[str] = []
    for result in await ask(session, "query-stats", **query):
        lines.append(f"provider: {result['provider']}")
        for each in result["stats"]:
            value = each["value"]
            shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"    {each['name']}: {shown}")
    return "".join(f"{line}\n" for line in lines)


@commands.does("sync-profile")
def sync_profile(session: SessionLike, *, op: str | None = None) -> str | None:
    """Measure how long locks are waited for, or not; nothing here waits."""
    machine = session.monitor.target
    if op is None:
        return _ON if machine.measures_locks else _ON.replace("on\n", "off\n")
    if op not in ("on", "off", "reset"):
        raise GenericError(f"Invalid parameter '{op}'")
    if op != "reset":
        machine.measures_locks = op == "on"
    return None


@commands.shows("sync-profile")
def info_sync_profile(
    machine: Machine,  # noqa: ARG001
    *,
    mean: bool = False,  # noqa: ARG001
    no_coalesce: bool = False,  # noqa: ARG001
    max: int | None = None,  # noqa: A002, ARG001
) -> str:
    """Return how long locks were waited for: none was."""
    return _SYNC_HEAD + _RULE + _RULE


# The rocker switch.


async def _no_rocker(session: SessionLike, command: str, name: str) -> CommandError:
    try:
        await ask(session, command, name=name)
    except CommandError as error:
        return error
    return GenericError(f"rocker {name} not found")


@commands.shows("rocker")
async def info_rocker(session: SessionLike, *, name: str) -> str:
    """Return that there is no such switch."""
    raise await _no_rocker(session, "query-rocker", name)


@commands.shows("rocker-ports")
async def info_rocker_ports(session: SessionLike, *, name: str) -> str:
    """Return that there is no such switch."""
    raise await _no_rocker(session, "query-rocker-ports", name)


@commands.shows("rocker-of-dpa-flows")
async def info_rocker_flows(
    session: SessionLike,
    *,
    name: str,
    tbl_id: int | None = None,  # noqa: ARG001
) -> str:
    """Return that there is no such switch."""
    raise await _no_rocker(session, "query-rocker-of-dpa-flows", name)


@commands.shows("rocker-of-dpa-groups")
async def info_rocker_groups(
    session: SessionLike,
    *,
    name: str,
    type: int | None = None,  # noqa: A002, ARG001
) -> str:
    """Return that there is no such switch."""
    raise await _no_rocker(session, "query-rocker-of-dpa-groups", name)
