"""qtest: driving a machine from outside, as a processor would, a line for each access.

::

    outl 0xcf8 0x80000000
    OK
    inl 0xcfc
    OK 0x12378086

With ``-accel qtest`` nothing else drives the machine: no guest runs, and its own time
passes only by ``clock_step`` and ``clock_set``. Without, those two are unknown.

Source: QEMU 7.2.22, observed, and the comment at the head of its ``softmmu/qtest.c``.
"""

import base64
import binascii
import contextlib
import os
import time
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Final

from qmpx.errors import QmpxError
from qmpx.machine.clock import VirtualClock

if TYPE_CHECKING:
    from qmpx.machine import Machine

MAX_LINE: Final = 2**25
"""Bytes of a line: twice those of the largest piece of memory, in hexadecimal."""

MAX_PIECE: Final = 2**24
"""Bytes of memory that one line reads or writes: libqos moves some kilobytes."""

_SIZES: Final = {"b": 1, "w": 2, "l": 4, "q": 8}
_BITS: Final = 64
_NANOSECONDS: Final = 10**9
_UNNAMED: Final = "unnamed-gpio-in"
_CONTROLLERS: Final = ("ioapic", "isa-i8259")
_NO_DEVICE: Final = "FAIL Unknown device"


class QtestError(QmpxError):
    """A line that a QEMU would not survive; the message says what is wrong with it."""


class Qtest:
    """What carries out the lines.

    Args:
        machine: The machine that is driven.
        has_clock: Whether the machine's time is moved by lines: ``-accel qtest``.
        send: Is given what is to be sent that nobody asked for.
    """

    def __init__(
        self,
        machine: "Machine",
        *,
        has_clock: bool,
        send: Callable[[str], None],
    ) -> None:
        self._machine = machine
        self._send = send
        self._now = 0
        self._intercepted: str | None = None
        self._levels: dict[int, bool] = {}
        self._commands: dict[str, Callable[[list[str]], str]] = {
            "endianness": lambda _: "OK little",
            "read": self._read_hex,
            "write": self._write_hex,
            "b64read": self._read_base64,
            "b64write": self._write_base64,
            "memset": self._fill,
            "irq_intercept_in": self._intercept,
            "irq_intercept_out": self._intercept,
            "set_irq_in": self._set_line,
            "module_load": lambda _: "FAIL",  # everything is built in
        }
        for letter, size in _SIZES.items():
            self._commands[f"read{letter}"] = self._reader(size)
            self._commands[f"write{letter}"] = self._writer(size)
            if size <= 4:
                self._commands[f"in{letter}"] = self._port_reader(size)
                self._commands[f"out{letter}"] = self._port_writer(size)
        if has_clock:
            self._commands["clock_step"] = self._step
            self._commands["clock_set"] = self._set_clock

    def answer(self, line: str) -> str:
        """Carry a line out, and return what answers it.

        Raises:
            QtestError: It lacks a word, or one is no number, or too large. QEMU aborts.
        """
        name, *words = line.split(" ")
        command = self._commands.get(name)
        if command is None:
            return f"FAIL Unknown command '{name}'"
        try:
            return command(words)
        except IndexError:
            message = f"{name} lacks a word"
            raise QtestError(message) from None

    # Ports and memory.

    def _port_reader(self, size: int) -> Callable[[list[str]], str]:
        def read(words: list[str]) -> str:
            value = self._machine.ports.read(_port(words[0]), size)
            return f"OK 0x{value:04x}"

        return read

    def _port_writer(self, size: int) -> Callable[[list[str]], str]:
        def write(words: list[str]) -> str:
            self._machine.ports.write(_port(words[0]), size, _number(words[1]))
            return "OK"

        return write

    def _reader(self, size: int) -> Callable[[list[str]], str]:
        def read(words: list[str]) -> str:
            data = self._machine.memory.read(_number(words[0]), size)
            return f"OK 0x{int.from_bytes(data, 'little'):016x}"

        return read

    def _writer(self, size: int) -> Callable[[list[str]], str]:
        def write(words: list[str]) -> str:
            address, value = _number(words[0]), _number(words[1])
            data = value.to_bytes(_BITS // 8, "little")[:size]
            self._machine.memory.write(address, data)
            return "OK"

        return write

    def _read(self, words: list[str]) -> bytes:
        address, length = _number(words[0]), _length(words[1])
        return self._machine.memory.read(address, length)

    def _read_hex(self, words: list[str]) -> str:
        return f"OK 0x{self._read(words).hex()}"

    def _read_base64(self, words: list[str]) -> str:
        return f"OK {base64.b64encode(self._read(words)).decode()}"

    def _write_hex(self, words: list[str]) -> str:
        address, length, text = _number(words[0]), _length(words[1]), words[2]
        if len(text) < 3:
            return "ERR invalid argument size"
        digits = text[2 : 2 + 2 * length]
        try:
            data = bytes.fromhex(digits[: len(digits) // 2 * 2])
        except ValueError:
            message = f"{text[:32]} is no hexadecimal number"
            raise QtestError(message) from None
        self._machine.memory.write(address, data.ljust(length, b"\0"))
        return "OK"

    def _write_base64(self, words: list[str]) -> str:
        address, length, text = _number(words[0]), _length(words[1]), words[2]
        if len(text) < 3:
            return "ERR invalid argument size"
        try:
            data = base64.b64decode(text)
        except binascii.Error:
            message = f"{text[:32]} is no base64"
            raise QtestError(message) from None
        self._machine.memory.write(address, data[:length].ljust(length, b"\0"))
        return "OK"

    def _fill(self, words: list[str]) -> str:
        address, length = _number(words[0]), _length(words[1])
        pattern = _number(words[2]) & 0xFF
        self._machine.memory.write(address, bytes([pattern]) * length)
        return "OK"

    # Interrupts.

    def _find(self, path: str) -> str | None:
        """Return the path of a device; ``None`` if there is none."""
        try:
            found = self._machine.qom.resolve(path)
        except LookupError:
            return None  # it is the end of several paths
        return found.path if found is not None and found.isa("device") else None

    def _intercept(self, words: list[str]) -> str:
        path = self._find(words[0])
        if path is None:
            return _NO_DEVICE
        if self._intercepted is None:
            self._intercepted = path
            if self._is_controller(path):
                self._machine.chipset.interrupts.listener = self._tell_line
        return (
            "OK" if path == self._intercepted else "FAIL IRQ intercept already enabled"
        )

    def _is_controller(self, path: str) -> bool:
        return self._machine.qom.find(path).type in _CONTROLLERS

    def _tell_line(self, line: int, is_high: bool) -> None:  # noqa: FBT001 - a level
        if self._levels.get(line, False) != is_high:
            self._levels[line] = is_high
            self._send(f"IRQ {'raise' if is_high else 'lower'} {line}")

    def _set_line(self, words: list[str]) -> str:
        path, name = words[0], words[1]
        line, level = _number(words[2]), _number(words[3])
        found = self._find(path)
        if found is None:
            return _NO_DEVICE
        if name == _UNNAMED and self._is_controller(found) and line < 16:
            self._machine.chipset.interrupts.set_line(line, is_high=level != 0)
        return "OK"

    # Time.

    def _step(self, words: list[str]) -> str:
        # With nothing to wait for, a step without a number is the longest there is.
        return self._warp(self._now + (_number(words[0]) if words else 2**63 - 1))

    def _set_clock(self, words: list[str]) -> str:
        return self._warp(_number(words[0]))

    def _warp(self, to: int) -> str:
        to = min(to, 2**63 - 1)
        if to > self._now:
            if isinstance(self._machine.clock, VirtualClock):
                self._machine.clock.advance((to - self._now) / _NANOSECONDS)
            self._now = to
        return f"OK {self._now}"


def _number(word: str) -> int:
    """Return a number of 64 bits, decimal, octal or hexadecimal as in C.

    Raises:
        QtestError: It is none.
    """
    is_octal = len(word) > 1 and word[0] == "0" and word.isdecimal()
    try:
        number = int(word, 8 if is_octal else 0)
    except ValueError:
        number = None
    if number is None or not -(2**63) <= number < 2**64:
        message = f"{word[:32]!r} is no number of 64 bits"
        raise QtestError(message)
    return number % 2**64


def _port(word: str) -> int:
    number = _number(word)
    if number > 0xFFFF:
        message = f"there is no port {word}"
        raise QtestError(message)
    return number


def _length(word: str) -> int:
    number = _number(word)
    if number > MAX_PIECE:
        message = f"{number} bytes at once are more than {MAX_PIECE}"
        raise QtestError(message)
    return number


class QtestLog:
    """Where the lines are written down: ``-qtest-log``.

    Args:
        path: The file; ``none`` for none, ``None`` for standard error.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: str | None) -> None:
        self._file: IO[str] | None = None
        if path is None:
            self._file = os.fdopen(os.dup(2), "w")
        elif path != "none":
            self._file = open(path, "w")  # noqa: SIM115 - closed by `close`
        self._start = time.monotonic()

    def opened(self) -> None:
        """Note that a driver has come; time is counted from here on."""
        self._start = time.monotonic()
        self._write("[I 0.000000] OPENED")

    def closed(self) -> None:
        """Note that the driver has gone."""
        self.note("I", "CLOSED")

    def note(self, kind: str, text: str) -> None:
        """Note a line: what came is ``R``, what is sent is ``S``."""
        if self._file is not None:
            passed = time.monotonic() - self._start
            self._write(f"[{kind} +{passed:.6f}] {text}")

    def _write(self, text: str) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # nobody may read it
                self._file.write(text + "\n")
                self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
