"""A debugger's way in: GDB's remote protocol, over TCP, for ``target remote``.

A debugger reads and writes registers and memory, and stops the machine and lets it run.
Breakpoints are accepted and never hit, and a step goes nowhere, for nothing executes.

Source: the GDB manual, appendix *Remote Protocol*; QEMU 0.13 for what stops when.
"""

import asyncio
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from qmpx.errors import CommandError
from qmpx.machine.happenings import Exited, Happening, ShutDown, Stopped

if TYPE_CHECKING:
    from qmpx.machine.machine import Machine
    from qmpx.machine.processor import Processor
    from qmpx.machine.registers import Registers

MAX_PACKET: Final = 4096
"""Bytes of a packet; QEMU's figure, which a debugger is told and keeps to."""

LOCAL: Final = "127.0.0.1"
"""Where it listens unless it is told: a debugger may do anything to the machine."""

_INTERRUPT: Final[int] = 0x03
_GENERAL: Final = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_SEGMENTS: Final = ("cs", "ss", "ds", "es", "fs", "gs")
_ERROR: Final = "E14"
_TRAP: Final = "T05thread:{:02x};"
_INTERRUPTED: Final = "T02thread:{:02x};"


class Debugger:
    """Listens for one debugger at a time.

    Args:
        machine: What is debugged.
    """

    def __init__(self, machine: "Machine") -> None:
        self._machine = machine
        self._server: asyncio.Server | None = None
        self._talk: _Talk | None = None

    @property
    def port(self) -> int | None:
        """The TCP port where it listens; ``None`` if it does not."""
        if self._server is None or not self._server.sockets:
            return None
        return int(self._server.sockets[0].getsockname()[1])

    async def listen(self, device: str) -> None:
        """Listen for a debugger, instead of where it did.

        Args:
            device: ``tcp:[HOST]:PORT`` or ``unix:PATH``, perhaps with options, which do
                not matter here.

        Raises:
            OSError: The address is none, or cannot be had; it listens nowhere then.
        """
        self.close()
        kind, _, place = device.partition(":")
        if kind == "unix":
            self._server = await asyncio.get_running_loop().create_unix_server(
                self._accept, place.partition(",")[0]
            )
            self._machine.listen(self._look)
            return
        host, _, port = place.partition(",")[0].rpartition(":")
        if kind != "tcp" or not port.isdecimal() or int(port) > 0xFFFF:
            message = f"{device!r} is not tcp:HOST:PORT"
            raise OSError(message)
        self._server = await asyncio.get_running_loop().create_server(
            self._accept, host or LOCAL, int(port)
        )
        self._machine.listen(self._look)

    def _look(self, happening: Happening) -> None:
        if isinstance(happening, ShutDown | Exited) and self._machine.ends:
            self.close()

    def close(self) -> None:
        """Listen no more, and let the debugger go."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._machine.unlisten(self._look)
        if self._talk is not None:
            self._talk.close()

    def _accept(self) -> "_Talk":
        if self._talk is not None:
            self._talk.close()  # a debugger that comes later takes over
        self._talk = _Talk(self._machine, self._left)
        return self._talk

    def _left(self, talk: "_Talk") -> None:
        if self._talk is talk:
            self._talk = None


class _Talk(asyncio.Protocol):
    """The conversation with one debugger."""

    def __init__(self, machine: "Machine", left: Callable[["_Talk"], None]) -> None:
        self._machine = machine
        self._left = left
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._processor = machine.processors[0]
        self._waits = False  # for the machine to stop, after it let it run
        self._reason = _TRAP

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Stop the machine, and hear of what happens to it."""
        # uvloop's transports are none by inheritance.
        self._transport = cast("asyncio.Transport", transport)
        self._stop()
        self._machine.listen(self._look)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let the machine be as it is."""
        self._transport = None
        self._machine.unlisten(self._look)
        self._left(self)

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()

    def _stop(self) -> None:
        if self._machine.state.is_running:
            self._machine.stop()

    def _look(self, happening: Happening) -> None:
        if self._waits and isinstance(happening, Stopped):
            self._waits = False
            self._answer(self._reason.format(self._processor.index + 1))
            self._reason = _TRAP

    def data_received(self, data: bytes) -> None:
        """Answer the packets that are whole."""
        self._buffer += data
        while self._buffer:
            if self._buffer[0] == _INTERRUPT:
                del self._buffer[0]
                if self._waits:
                    self._reason = _INTERRUPTED
                self._stop()
            elif self._buffer[0] != ord("$"):
                del self._buffer[0]  # acknowledgements, and what is not understood
            elif not self._take_packet():
                break
        if len(self._buffer) > MAX_PACKET:
            self.close()

    def _take_packet(self) -> bool:
        """Take a packet out of the buffer; return whether it was all there."""
        end = self._buffer.find(b"#")
        if end < 0 or len(self._buffer) < end + 3:
            return False
        body = bytes(self._buffer[1:end])
        check = bytes(self._buffer[end + 1 : end + 3])
        del self._buffer[: end + 3]
        if check.lower() != b"%02x" % (sum(body) % 256):
            self._write(b"-")
            return True
        self._write(b"+")
        answer = self._run(body.decode("latin-1"))
        if answer is not None:
            self._answer(answer)
        return True

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _answer(self, text: str) -> None:
        body = text.encode("latin-1")
        self._write(b"$%b#%02x" % (body, sum(body) % 256))

    # Packets

    def _run(self, body: str) -> str | None:
        """Do what a packet says; return the answer, ``None`` for none yet."""
        try:
            match body[:1]:
                case "?":
                    return _TRAP.format(self._processor.index + 1)
                case "g":
                    return read_registers(self._processor.registers).hex()
                case "G":
                    write_registers(self._processor.registers, bytes.fromhex(body[1:]))
                    return "OK"
                case "m":
                    return self._read_memory(body[1:])
                case "M":
                    return self._write_memory(body[1:])
                case "H" | "T":
                    return self._choose(body)
                case "c" | "C":
                    self._waits = True
                    self._machine.cont()
                    return None
                case "s":
                    return _TRAP.format(self._processor.index + 1)
                case "z" | "Z":
                    return "OK" if body[1:2] in "01234" else ""
                case "D":
                    self._machine.cont()
                    return "OK"
                case "k":
                    self.close()
                    return None
                case "q":
                    return self._query(body)
                case _:
                    return ""
        except (CommandError, ValueError, struct.error):
            self._waits = False
            return _ERROR

    def _read_memory(self, place: str) -> str:
        address, length = (int(number, 16) for number in place.split(","))
        if length > MAX_PACKET // 2:
            return _ERROR
        data = self._processor.read(address, length)
        return _ERROR if data is None else data.hex()

    def _write_memory(self, body: str) -> str:
        place, _, digits = body.partition(":")
        address, length = (int(number, 16) for number in place.split(","))
        data = bytes.fromhex(digits)
        if len(data) != length:
            return _ERROR
        parts = [*self._processor.segments(address, length)]
        if any(start is None for _, start, _ in parts):
            return _ERROR
        for offset, start, part in parts:
            if start is not None:
                self._machine.memory.write(start, data[offset : offset + part])
        return "OK"

    def _choose(self, body: str) -> str:
        digits = body[2:] if body[0] == "H" else body[1:]
        number = int(digits, 16)
        processors = self._machine.processors
        if number > len(processors):
            return "E22"
        if body[0] == "H" and number > 0:  # 0 and -1 leave the choice to us
            self._processor = processors[number - 1]
        return "OK"

    def _query(self, body: str) -> str:
        if body.startswith("qSupported"):
            return f"PacketSize={MAX_PACKET:x}"
        threads = range(1, len(self._machine.processors) + 1)
        match body:
            case "qC":
                return f"QC{self._processor.index + 1:x}"
            case "qfThreadInfo":
                return "m" + ",".join(f"{number:x}" for number in threads)
            case "qsThreadInfo":
                return "l"
            case "qAttached":
                return "1"
        if body.startswith("qThreadExtraInfo,"):
            number = int(body.partition(",")[2], 16)
            return (
                self._describe(number).encode().hex() if number in threads else _ERROR
            )
        return ""

    def _describe(self, number: int) -> str:
        processor: Processor = self._machine.processors[number - 1]
        state = "halted " if processor.is_halted else "running"
        return f"CPU#{processor.index} [{state}]"


def read_registers(registers: "Registers") -> bytes:
    """Return the registers as a debugger expects them of an i386."""
    words = [getattr(registers, name) for name in (*_GENERAL, "eip", "eflags")]
    words += [getattr(registers, name).selector for name in _SEGMENTS]
    control = [registers.fcw, registers.fsw, _tags(registers.ftw), 0, 0, 0, 0, 0]
    return b"".join(
        (
            struct.pack("<16I", *words),
            *(value.to_bytes(10, "little") for value in registers.st),
            struct.pack("<8I", *control),
            *(value.to_bytes(16, "little") for value in registers.xmm),
            struct.pack("<I", registers.mxcsr),
        )
    )


def write_registers(registers: "Registers", data: bytes) -> None:
    """Take the registers as a debugger sends them.

    A selector is only written, as in real mode: what it stands for is 16 times that.

    Raises:
        struct.error: They are too few.
    """
    words = struct.unpack_from("<16I", data)
    for name, value in zip((*_GENERAL, "eip", "eflags"), words, strict=False):
        setattr(registers, name, value)
    for name, value in zip(_SEGMENTS, words[10:], strict=True):
        segment = getattr(registers, name)
        if segment.selector != value & 0xFFFF:
            segment.selector = value & 0xFFFF
            segment.base = segment.selector << 4
    at = struct.calcsize("<16I")
    fpu_control = at + 80
    if len(data) >= fpu_control + 32 + 128 + 4:
        registers.st = [
            int.from_bytes(data[at + 10 * n : at + 10 * n + 10], "little")
            for n in range(8)
        ]
        fcw, fsw, tags = struct.unpack_from("<3I", data, fpu_control)
        registers.fcw, registers.fsw = fcw & 0xFFFF, fsw & 0xFFFF
        registers.ftw = sum(1 << n for n in range(8) if tags >> 2 * n & 3 != 3)
        vectors = fpu_control + 32
        registers.xmm = [
            int.from_bytes(data[vectors + 16 * n : vectors + 16 * n + 16], "little")
            for n in range(8)
        ]
        (registers.mxcsr,) = struct.unpack_from("<I", data, vectors + 128)


def _tags(in_use: int) -> int:
    """Return two bits for each register: 0 in use, 3 empty."""
    return sum(0 if in_use >> n & 1 else 3 << 2 * n for n in range(8))
