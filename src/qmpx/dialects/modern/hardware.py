"""Processors, and the watchdog.

Source: QEMU 7.2.22, observed.
"""

from qmpx.dialects.modern.replies import CpuInfoFast
from qmpx.machine import Machine
from qmpx.machine.hardware.watchdog import WatchdogAction
from qmpx.monitor import CommandRegistry

commands = CommandRegistry()


@commands.command("query-cpus-fast")
def query_cpus_fast(machine: Machine) -> list[CpuInfoFast]:
    """Tell of the processors, each with the host's thread that stands for it."""
    return [
        {
            "thread-id": processor.thread_id,
            "props": {"core-id": processor.index, "thread-id": 0, "socket-id": 0},
            "qom-path": _path(processor.index),
            "cpu-index": processor.index,
            "target": "x86_64",
        }
        for processor in machine.processors
    ]


def _path(index: int) -> str:
    # Between the first and the second QEMU makes their interrupt controller.
    return f"/machine/unattached/device[{index + 1 if index else 0}]"


@commands.command("inject-nmi")
def inject_nmi(machine: Machine) -> None:
    """Interrupt all processors in a way that they cannot mask."""
    for processor in machine.processors:
        processor.inject_nmi()


@commands.command("watchdog-set-action")
def watchdog_set_action(machine: Machine, *, action: WatchdogAction) -> None:
    """Choose what an expired watchdog does."""
    machine.chipset.watchdog.action = action
