"""The device tree: buses, models with typed properties, plugging and unplugging."""

from qmpx.machine.devices.board import Board
from qmpx.machine.devices.device import Bus, Device, Refusal
from qmpx.machine.devices.tree import DeviceTree

__all__ = ["Board", "Bus", "Device", "DeviceTree", "Refusal"]
