"""The embedded virtual machine: what a monitor shows, without a monitor."""

from qmpx.machine.clock import Clock, RealClock, VirtualClock
from qmpx.machine.drive import Drive
from qmpx.machine.machine import Machine
from qmpx.machine.medium import Medium
from qmpx.machine.runstate import RunState

__all__ = [
    "Clock",
    "Drive",
    "Machine",
    "Medium",
    "RealClock",
    "RunState",
    "VirtualClock",
]
