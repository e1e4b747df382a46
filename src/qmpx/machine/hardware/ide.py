"""An IDE channel with two drives, as a guest reaches it by port I/O.

Programmed I/O only: commands, data and status go through ports; there is no bus master.
A sector that the host cannot read or write is handled as the drive's policy says: the
guest gets an error, or the machine stops and the request is tried again when it goes
on, or nothing is noticed.

Source: the ATA-6 standard; what is done about errors, and when it is told: QEMU 0.13.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from qmpx.machine.drive import SECTOR, Drive, Kind, Operation, Policy
from qmpx.machine.hardware import ata_identity, atapi
from qmpx.machine.hardware.ide_unit import (
    BUSY,
    DATA,
    ERROR,
    MAX_MULTIPLE,
    READY,
    REGISTERS,
    SEEK,
    IdeUnit,
)
from qmpx.machine.hardware.ports import State
from qmpx.machine.running_timer import RunningTimer

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine


ABORTED: Final[int] = 0x04
_SLAVE: Final = 0x10
_NO_INTERRUPT: Final = 0x02
_RESET: Final = 0x04
_HIGH_ORDER: Final = 0x80

_DO_NOTHING: Final = frozenset({0x91, 0x40, 0x41, 0x42, 0xE0, 0xE1, 0xE2, 0xE3, 0xE6})
_DO_NOTHING_EITHER: Final = frozenset({*range(0x10, 0x20), *range(0x94, 0x97), 0x70})
_READS: Final = {0x20: 28, 0x21: 28, 0xC4: 28, 0x24: 48, 0x29: 48}
_WRITES: Final = {0x30: 28, 0x31: 28, 0x3C: 28, 0xC5: 28, 0x34: 48, 0x39: 48}
_MULTIPLE: Final = frozenset({0xC4, 0xC5, 0x29, 0x39})


class IdeChannel:
    """A channel: the registers of two drives, of which one is selected.

    Args:
        find: Gives the drive at a unit, or ``None``.
        set_line: Raises and lowers the interrupt line.
        machine: Stopped on errors, if a drive wants that.
    """

    def __init__(
        self,
        find: Callable[[int], Drive | None],
        set_line: Callable[..., None],
        machine: "Machine",
    ) -> None:
        self.units = (IdeUnit(), IdeUnit())
        self._find = find
        self._set_line = set_line
        self._machine = machine
        self._selected = 0
        self._control = 0
        self._retry: RunningTimer | None = None
        self._waits: tuple[int, Operation] | None = None
        self.reset()

    def reset(self) -> None:
        """Reset both drives."""
        self._forget_retry()
        self._selected = 0
        for number, unit in enumerate(self.units):
            unit.reset()
            unit.sign(is_packet=self._is_packet(number))

    def state(self) -> State:
        """Return its state."""
        waits = None if self._waits is None else list(self._waits)
        return {
            "units": [unit.state() for unit in self.units],
            "selected": self._selected,
            "control": self._control,
            "waits": waits,
        }

    def restore(self, state: State) -> None:
        """Take on a state that `state` returned."""
        self._forget_retry()
        for unit, saved in zip(self.units, state["units"], strict=True):
            unit.restore(saved)
        self._selected, self._control = state["selected"], state["control"]
        if state["waits"] is not None:
            self._try_again_later(*state["waits"])

    def _is_packet(self, number: int) -> bool:
        drive = self._find(number)
        return drive is not None and drive.kind is Kind.CDROM

    def _interrupt(self) -> None:
        if not self._control & _NO_INTERRUPT:
            self._set_line(is_high=True)

    def read_port(self, port: int, size: int) -> int:
        """Return what a processor reads from a port of the channel."""
        unit, drive = self.units[self._selected], self._find(self._selected)
        register = 7 if port & 0x200 and port & 7 == 6 else port & 7
        if register == 0:
            return self._read_data(unit, size)
        if register == 6:
            return unit.select
        if drive is None:
            return 0
        if register == 7:
            if port & 0x200 == 0:
                self._set_line(is_high=False)
            return unit.status
        if register == 1:
            return unit.error
        name = REGISTERS[register - 1]
        older = self._control & _HIGH_ORDER
        value: int = unit.older[register - 1] if older else getattr(unit, name)
        return value

    def write_port(self, port: int, size: int, value: int) -> None:
        """Take what a processor writes to a port of the channel."""
        register = port & 7
        if port & 0x200 and register == 6:
            self._write_control(value)
        elif register == 0:
            self._write_data(self.units[self._selected], size, value)
        elif register == 6:
            self._selected = (value & _SLAVE) >> 4
            for unit in self.units:
                unit.select = value | 0xA0
        elif register == 7:
            self._control &= ~_HIGH_ORDER
            if self._find(self._selected) is not None:
                self._run(self.units[self._selected], value)
        else:
            self._control &= ~_HIGH_ORDER
            for unit in self.units:
                unit.write_register(register, value)

    def _write_control(self, value: int) -> None:
        if value & _RESET and not self._control & _RESET:
            self._forget_retry()
            for unit in self.units:
                unit.status = BUSY | SEEK
                unit.error = 1
        elif self._control & _RESET and not value & _RESET:
            for number, unit in enumerate(self.units):
                is_packet = self._is_packet(number)
                unit.status = 0 if is_packet else READY | SEEK
                unit.sign(is_packet=is_packet)
        self._control = value

    def _run(self, unit: IdeUnit, command: int) -> None:
        """Begin a command."""
        drive = self._find(self._selected)
        if drive is None or unit.status & BUSY:
            return
        unit.command, unit.data, unit.position = command, bytearray(), 0
        is_packet = drive.kind is Kind.CDROM
        if is_packet and command in (0xA0, 0xA1, 0x08):
            self._run_packet_command(unit, drive, command)
        elif command == 0x90:
            unit.status = READY | SEEK
            unit.sign(is_packet=is_packet)
            unit.error = 1
        elif is_packet and command in (0xEC, *_READS):
            unit.sign(is_packet=True)
            self._abort(unit)
        elif is_packet:
            self._abort(unit)
        elif command == 0xEC:
            self._send(unit, ata_identity.disk(drive, unit.multiple), 0)
        elif command in _READS:
            self._begin(unit, command, _READS[command])
            self._read_block(unit, drive)
        elif command in _WRITES:
            self._begin(unit, command, _WRITES[command])
            self._await_block(unit)
        elif command in (0xE7, 0xEA):
            self._flush(unit, drive)
        elif command == 0xC6 and unit.count <= MAX_MULTIPLE:
            unit.multiple = unit.count
            self._done(unit)
        elif command == 0xEF or command in _DO_NOTHING | _DO_NOTHING_EITHER:
            self._done(unit)
        elif command in (0xE5, 0x98):
            unit.count = 0xFF  # it neither sleeps nor stands still
            self._done(unit)
        elif command in (0xF8, 0x27):
            self._tell_size(unit, drive)
        else:
            self._abort(unit)

    def _run_packet_command(self, unit: IdeUnit, drive: Drive, command: int) -> None:
        if command == 0xA1:
            self._send(unit, ata_identity.cdrom(drive), 0)
        elif command == 0x08:
            unit.status = 0
            unit.sign(is_packet=True)
        else:
            unit.is_output, unit.left = True, 0
            unit.data, unit.position = bytearray(atapi.PACKET_SIZE), 0
            unit.status, unit.count = READY | SEEK | DATA, 1

    def _begin(self, unit: IdeUnit, command: int, bits: int) -> None:
        unit.address, unit.left = unit.request(bits)
        unit.block = unit.multiple or 1 if command in _MULTIPLE else 1
        unit.error = 0

    def _tell_size(self, unit: IdeUnit, drive: Drive) -> None:
        last = max(0, drive.sectors - 1)
        if unit.command == 0xF8:
            last = min(last, (1 << 28) - 1)
            unit.select = unit.select & 0xF0 | last >> 24
        unit.older[2:] = last >> 24 & 255, last >> 32 & 255, last >> 40 & 255
        unit.low, unit.middle, unit.high = (last >> shift & 255 for shift in (0, 8, 16))
        self._done(unit)

    def _done(self, unit: IdeUnit) -> None:
        unit.status, unit.error = READY | SEEK, 0
        self._interrupt()

    def _abort(self, unit: IdeUnit) -> None:
        unit.status, unit.error = READY | ERROR, ABORTED
        self._interrupt()

    def _send(self, unit: IdeUnit, data: bytes, left: int) -> None:
        """Offer data to the guest; *left* sectors come after them."""
        unit.data, unit.position = bytearray(data), 0
        unit.is_output, unit.left = False, left
        unit.status = READY | SEEK | DATA
        self._interrupt()

    def _read_block(self, unit: IdeUnit, drive: Drive) -> None:
        count = min(unit.block, unit.left)
        try:
            data = drive.read(unit.address, count)
        except OSError as error:
            if not self._goes_on(unit, drive, "read", error):
                return
            data = bytes(count * SECTOR)
        unit.address += count
        self._send(unit, data, unit.left - count)

    def _await_block(self, unit: IdeUnit) -> None:
        unit.data = bytearray(min(unit.block, unit.left) * SECTOR)
        unit.position, unit.is_output = 0, True
        unit.status = READY | SEEK | DATA

    def _write_block(self, unit: IdeUnit, drive: Drive) -> None:
        count = len(unit.data) // SECTOR
        try:
            drive.write(unit.address, bytes(unit.data))
        except OSError as error:
            if not self._goes_on(unit, drive, "write", error):
                return
        unit.address += count
        unit.left -= count
        if unit.left:
            self._await_block(unit)
        else:
            unit.status, unit.data, unit.is_output = READY | SEEK, bytearray(), False
        self._interrupt()

    def _flush(self, unit: IdeUnit, drive: Drive) -> None:
        try:
            drive.flush()
        except OSError:
            self._abort(unit)
        else:
            self._done(unit)

    def _goes_on(
        self, unit: IdeUnit, drive: Drive, operation: Operation, error: OSError
    ) -> bool:
        """Do what is to be done about an error; tell whether the request goes on."""
        action = drive.on_error(operation, error)
        if action is Policy.STOP:
            unit.status = BUSY | READY | SEEK
            drive.tell_error(operation, error, action)
            self._machine.stop_on_io_error()
            self._try_again_later(self.units.index(unit), operation)
        elif action is Policy.REPORT:
            self._abort(unit)
            unit.data, unit.left = bytearray(), 0
            drive.tell_error(operation, error, action)
        else:
            drive.tell_error(operation, error, action)
            return True
        return False

    def _try_again_later(self, number: int, operation: Operation) -> None:
        """Try the request again when the machine goes on."""
        self._forget_retry()

        def retry() -> None:
            self._waits = self._retry = None
            drive, unit = self._find(number), self.units[number]
            if drive is None:
                self._abort(unit)
            elif operation == "read":
                self._read_block(unit, drive)
            else:
                self._write_block(unit, drive)

        self._waits = number, operation
        self._retry = RunningTimer(self._machine, retry)
        self._retry.set(0)

    def _forget_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        self._waits = self._retry = None

    def _read_data(self, unit: IdeUnit, size: int) -> int:
        if not unit.status & DATA or unit.is_output:
            return 0
        piece = bytes(unit.data[unit.position : unit.position + size])
        unit.position += size
        if unit.position >= len(unit.data):
            self._read_all(unit)
        return int.from_bytes(piece, "little")

    def _read_all(self, unit: IdeUnit) -> None:
        """Go on after the guest has read what was offered."""
        drive = self._find(self.units.index(unit))
        unit.data, unit.position = bytearray(), 0
        if unit.left and drive is not None:
            self._read_block(unit, drive)
            return
        unit.status = READY | SEEK
        if unit.command == 0xA0:
            unit.count = 3
            self._interrupt()

    def _write_data(self, unit: IdeUnit, size: int, value: int) -> None:
        if not unit.status & DATA or not unit.is_output:
            return
        piece = value.to_bytes(size, "little")[: len(unit.data) - unit.position]
        unit.data[unit.position : unit.position + len(piece)] = piece
        unit.position += size
        drive = self._find(self.units.index(unit))
        if unit.position < len(unit.data) or drive is None:
            return
        if unit.command == 0xA0:
            self._obey_packet(unit, drive)
        else:
            self._write_block(unit, drive)

    def _obey_packet(self, unit: IdeUnit, drive: Drive) -> None:
        packet, unit.is_output = bytes(unit.data), False
        limit = unit.high << 8 | unit.middle or 0xFFFE
        try:
            answer = atapi.obey(drive, packet)
        except atapi.Refused as refused:
            unit.status, unit.error = READY | ERROR, refused.sense << 4 | ABORTED
            unit.count, unit.data = 3, bytearray()
            self._interrupt()
            return
        if not answer:
            unit.count = 3
            self._done(unit)
            return
        size = min(len(answer), limit)
        unit.middle, unit.high, unit.count = size & 255, size >> 8, 2
        self._send(unit, answer, 0)
