"""The operating system that an embedded guest runs: files, programs, network, time."""

from qmpx.machine.guest_system.system import GuestSystem

__all__ = ["GuestSystem"]
