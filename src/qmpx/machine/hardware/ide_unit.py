"""One IDE drive's registers, and the request that it works on.

Source: the ATA-6 standard.
"""

from typing import Final

from qmpx.machine.hardware import ata_identity
from qmpx.machine.hardware.ports import State

BUSY, READY, SEEK, DATA, ERROR = 0x80, 0x40, 0x10, 0x08, 0x01

MAX_MULTIPLE: Final = 16
"""Sectors that one interrupt may announce: what QEMU's disks say of themselves."""

REGISTERS: Final = ("feature", "count", "low", "middle", "high")
"""Registers 1 to 5; each keeps what was written before, for commands of 48 bits."""

_LBA: Final = 0x40


class IdeUnit:
    """One drive's registers, and the request that it works on.

    Attributes:
        feature: Written: of a command. Read there is ``error``.
        count: Sectors.
        low: The lowest byte of an address; also a sector's number in its track.
        middle: The next; also the lower byte of a cylinder.
        high: The next; also the higher byte of a cylinder.
        older: What those five held before.
        select: Which drive, head, and whether addresses are linear.
        status: What the drive is doing.
        error: Why it failed.
        multiple: Sectors that one interrupt announces.
        data: What is being transferred.
        position: How much of it has been.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Go back to how it is after power-on."""
        self.feature = self.middle = self.high = 0
        self.count = self.low = 1
        self.older = [0] * len(REGISTERS)
        self.select = 0xA0
        self.status = READY | SEEK
        self.error = 1
        self.multiple = MAX_MULTIPLE
        self.data = bytearray()
        self.position = 0
        self.is_output = False
        self.address = 0
        self.left = 0
        self.block = 1
        self.command = 0

    def write_register(self, number: int, value: int) -> None:
        """Take a byte for one of the registers 1 to 5."""
        name = REGISTERS[number - 1]
        self.older[number - 1] = getattr(self, name)
        setattr(self, name, value)

    def request(self, bits: int) -> tuple[int, int]:
        """Return address and number of the sectors that a command is for.

        Args:
            bits: Of its addresses.
        """
        if bits == 48:
            count = self.older[1] << 8 | self.count
            low, middle, high = self.older[2:]
            address = high << 40 | middle << 32 | low << 24
            return address | self._lower(), count or 65536
        count = self.count or 256
        if self.select & _LBA:
            return (self.select & 15) << 24 | self._lower(), count
        cylinder = self.high << 8 | self.middle
        head = cylinder * ata_identity.HEADS + (self.select & 15)
        return head * ata_identity.TRACK + self.low - 1, count

    def _lower(self) -> int:
        return self.high << 16 | self.middle << 8 | self.low

    def sign(self, *, is_packet: bool) -> None:
        """Show in the registers what kind of drive it is."""
        self.select &= 0xF0
        self.count = self.low = 1
        self.middle, self.high = (0x14, 0xEB) if is_packet else (0, 0)

    def state(self) -> State:
        """Return its registers, and its request."""
        state = dict(self.__dict__)
        state["data"], state["older"] = bytes(self.data), list(self.older)
        return state

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        for name in self.__dict__:
            setattr(self, name, state[name])
        self.data, self.older = bytearray(state["data"]), list(state["older"])
