"""Character devices on endpoints of the host: sockets, terminals, pipes, files."""

from qmpx.machine.character.device import CharacterDevice
from qmpx.machine.character.devices import CharacterDevices

__all__ = ["CharacterDevice", "CharacterDevices"]
