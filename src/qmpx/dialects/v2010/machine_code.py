"""The parts of an i386 instruction: prefixes, numbers, registers, places in memory.

Source: Intel's manual, volume 2; the form as ``objdump`` has it.
"""

from typing import Final

MAX_INSTRUCTION: Final = 15
"""Bytes of an instruction; a processor refuses longer ones."""

MASK: Final[int] = 0xFFFFFFFF
SEGMENTS: Final = ("es", "cs", "ss", "ds", "fs", "gs")
"""Segment registers, by the processor's numbers."""

_PREFIXES: Final = {
    0x26: "es",
    0x2E: "cs",
    0x36: "ss",
    0x3E: "ds",
    0x64: "fs",
    0x65: "gs",
    0x66: "data",
    0x67: "addr",
    0xF0: "lock",
    0xF2: "repnz",
    0xF3: "repz",
}
_NAMES: Final = {
    1: ("al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"),
    2: ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di"),
    4: ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"),
}
_PAIRS: Final = ("bx,%si", "bx,%di", "bp,%si", "bp,%di", "si", "di", "bp", "bx")
SUFFIXES: Final = {1: "b", 2: "w", 4: "l"}
"""What a name ends with if its operands do not tell their size, in bytes."""


class UnknownInstruction(Exception):
    """The bytes are no instruction that is known here."""


class MachineCode:
    """The bytes of one instruction, while they are read.

    Args:
        code: Its bytes, and perhaps more.
        address: Where it is.
        is_wide: Whether it is code of 32 bits.

    Attributes:
        at: How many bytes have been read.
    """

    def __init__(self, code: bytes, address: int, *, is_wide: bool) -> None:
        self._code = code[:MAX_INSTRUCTION]
        self._address = address
        self._is_wide = is_wide
        self.at = 0
        self._sizes = {"data": 4 if is_wide else 2, "addr": 4 if is_wide else 2}
        self._prefixes: list[str] = []  # those that no operand has used

    # Bytes

    def _number(self, size: int, *, signed: bool = False) -> int:
        data = self._code[self.at : self.at + size]
        if len(data) < size:
            raise UnknownInstruction
        self.at += size
        return int.from_bytes(data, "little", signed=signed)

    def _read_prefixes(self) -> int:
        """Read the prefixes, and return the opcode behind them."""
        while (opcode := self._number(1)) in _PREFIXES:
            prefix = _PREFIXES[opcode]
            if prefix in self._sizes:
                self._sizes[prefix] = 2 if self._is_wide else 4
            self._prefixes.append(prefix)
        return opcode

    def _prefix_name(self, prefix: str) -> str:
        return (
            prefix + str(self._sizes[prefix] * 8) if prefix in self._sizes else prefix
        )

    def _use(self, prefix: str) -> bool:
        """Note that a prefix had its effect; return whether it was there."""
        was_there = prefix in self._prefixes
        while prefix in self._prefixes:
            self._prefixes.remove(prefix)
        return was_there

    @property
    def _size(self) -> int:
        self._use("data")
        return self._sizes["data"]

    @property
    def _address_size(self) -> int:
        self._use("addr")
        return self._sizes["addr"]

    def _segment(self, default: str = "") -> str:
        """Return the segment of a place in memory, as it is written before it."""
        found = [prefix for prefix in self._prefixes if prefix in SEGMENTS]
        if not found:
            return default
        self._prefixes.reverse()
        self._prefixes.remove(found[-1])  # the last one counts
        self._prefixes.reverse()
        return f"%{found[-1]}:"

    def _sized(self, name: str) -> str:
        """Return a name with the letter of an unusual size, as for the stack."""
        unusual = self._use("data")
        return name + SUFFIXES[self._sizes["data"]] if unusual else name

    # Operands

    @staticmethod
    def _line(name: str, *operands: str) -> tuple[str, ...]:
        return name, *operands

    def _width(self, opcode: int) -> int:
        return self._size if opcode & 1 else 1

    def _register(self, number: int, size: int) -> str:
        return f"%{_NAMES[size][number & 7]}"

    def _immediate(self, size: int, *, shown: int | None = None) -> str:
        """Return a number of the code; with *shown* extended to that many bytes."""
        value = self._number(size, signed=shown is not None)
        return f"$0x{value & (1 << 8 * (shown or size)) - 1:x}"

    def _target(self, size: int) -> str:
        """Return where a jump leads: with 16 bits, within the same 64 KiB."""
        offset = self._number(size, signed=True)
        after = self._address + self.at
        target = after + offset & MASK
        if not self._is_wide:
            target = target & 0xFFFF | after & MASK & ~0xFFFF
        elif size == 2:
            target &= 0xFFFF
        return f"0x{target:x}"

    def _operand(self, size: int) -> tuple[str, int, bool]:
        """Return a register or memory, the other register's number, and which it is."""
        byte = self._number(1)
        mode, other, place = byte >> 6, byte >> 3 & 7, byte & 7
        if mode == 3:
            return self._register(place, size), other, False
        is_wide = self._address_size == 4
        text = self._wide(mode, place) if is_wide else self._narrow(mode, place)
        return self._segment() + text, other, True

    def _narrow(self, mode: int, place: int) -> str:
        if mode == 0 and place == 6:
            return self._displacement(2, 2)
        return f"{self._displacement(mode, 2)}(%{_PAIRS[place]})"

    def _wide(self, mode: int, place: int) -> str:
        index = ""
        if place == 4:
            byte = self._number(1)
            place, number = byte & 7, byte >> 3 & 7
            if number != 4:
                index = f",%{_NAMES[4][number]},{1 << (byte >> 6)}"
            elif byte >> 6 or place != 4:
                index = f",%eiz,{1 << (byte >> 6)}"
        if mode == 0 and place == 5:
            if index:
                return f"{self._displacement(2, 4)}({index})"
            return f"0x{self._number(4):x}"
        return f"{self._displacement(mode, 4)}(%{_NAMES[4][place]}{index})"

    def _displacement(self, mode: int, size: int) -> str:
        if mode == 0:
            return ""
        value = self._number(1 if mode == 1 else size, signed=True)
        return f"-0x{-value:x}" if value < 0 else f"0x{value:x}"

    def _named(self, name: str, size: int, *, in_memory: bool) -> str:
        return name + SUFFIXES[size] if in_memory else name

    def _string(self, pointer: str, segment: str) -> str:
        wide = "e" if self._address_size == 4 else ""
        return f"{segment}(%{wide}{pointer})"
