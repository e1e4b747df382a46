"""The instructions of the i386: what each opcode's name is, and what its operands are.

Source: Intel's manual, volume 2; the form as ``objdump`` has it.
"""

from collections.abc import Callable
from typing import Final

from qmpx.dialects.v2010.machine_code import (
    SEGMENTS,
    SUFFIXES,
    MachineCode,
    UnknownInstruction,
)

_ARITHMETIC: Final = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")
_SHIFTS: Final = ("rol", "ror", "rcl", "rcr", "shl", "shr", "shl", "sar")
_UNARY: Final = ("test", "test", "not", "neg", "mul", "imul", "div", "idiv")
_CONDITIONS: Final = (
    *("o", "no", "b", "ae", "e", "ne", "be", "a"),
    *("s", "ns", "p", "np", "l", "ge", "le", "g"),
)
_REPEATED: Final = frozenset({0xA4, 0xA5, 0xAA, 0xAB, 0xAC, 0xAD})
"""Opcodes of which a repetition does not look at a result."""
_ALONE: Final = {
    0x27: "daa",
    0x2F: "das",
    0x37: "aaa",
    0x3F: "aas",
    0x90: "nop",
    0x9B: "fwait",
    0x9E: "sahf",
    0x9F: "lahf",
    0xCC: "int3",
    0xCE: "into",
    0xF4: "hlt",
    0xF5: "cmc",
    0xF8: "clc",
    0xF9: "stc",
    0xFA: "cli",
    0xFB: "sti",
    0xFC: "cld",
    0xFD: "std",
}
_ALONE_SIZED: Final = {
    0x60: "pusha",
    0x61: "popa",
    0x9C: "pushf",
    0x9D: "popf",
    0xC3: "ret",
    0xC9: "leave",
    0xCB: "lret",
    0xCF: "iret",
}
_ALONE_0F: Final = {
    0x06: "clts",
    0x08: "invd",
    0x09: "wbinvd",
    0x0B: "ud2",
    0x30: "wrmsr",
    0x31: "rdtsc",
    0x32: "rdmsr",
    0xA2: "cpuid",
}


_Line = tuple[str, ...]  # a name and operands


class Instruction(MachineCode):
    """One instruction, of which the opcode says what the operands are."""

    def read(self) -> str:
        """Read it, and return it as text."""
        opcode = self._read_prefixes()
        name, *operands = self._one_byte(opcode)
        if "repz" in self._prefixes and opcode in _REPEATED:
            self._prefixes[self._prefixes.index("repz")] = "rep"
        shown = "".join(f"{self._prefix_name(one)} " for one in self._prefixes)
        return f"{shown + name:<6} {','.join(operands)}"

    # Opcodes

    def _one_byte(self, opcode: int) -> _Line:
        if opcode == 0x90 and "data" in self._prefixes:
            return self._exchange(opcode)
        if opcode in _ALONE:
            return self._line(_ALONE[opcode])
        if opcode in _ALONE_SIZED:
            return self._line(self._sized(_ALONE_SIZED[opcode]))
        for opcodes, reader in _READERS:
            if opcode in opcodes:
                return reader(self, opcode)
        raise UnknownInstruction

    def _arithmetic(self, opcode: int) -> _Line:
        kind = opcode & 7
        if kind >= 6:
            return self._stack_segment(opcode)
        name = _ARITHMETIC[opcode >> 3]
        size = self._width(opcode)
        if kind >= 4:
            value = self._immediate(size)
            return self._line(name, value, self._register(0, size))
        return self._two(name, size, to_register=kind >= 2)

    def _two(self, name: str, size: int, *, to_register: bool) -> _Line:
        place, other, _ = self._operand(size)
        register = self._register(other, size)
        if to_register:
            return self._line(name, place, register)
        return self._line(name, register, place)

    def _stack_segment(self, opcode: int) -> _Line:
        segment = f"%{SEGMENTS[opcode >> 3]}"
        return self._line(self._sized("pop" if opcode & 1 else "push"), segment)

    def _short_register(self, opcode: int) -> _Line:
        name = ("inc", "dec", "push", "pop")[opcode - 0x40 >> 3]
        return self._line(name, self._register(opcode, self._size))

    def _push(self, opcode: int) -> _Line:
        name = self._sized("push")
        if opcode == 0x6A:
            return self._line(name, self._immediate(1, shown=self._size))
        return self._line(name, self._immediate(self._size))

    def _multiply(self, opcode: int) -> _Line:
        size = self._size
        place, other, _ = self._operand(size)
        short = opcode == 0x6B
        value = self._immediate(1, shown=size) if short else self._immediate(size)
        return self._line("imul", value, place, self._register(other, size))

    def _jump_if(self, opcode: int) -> _Line:
        return self._line("j" + _CONDITIONS[opcode & 15], self._target(1))

    def _arithmetic_group(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place, other, in_memory = self._operand(size)
        is_short = opcode == 0x83
        value = self._immediate(1, shown=size) if is_short else self._immediate(size)
        name = self._named(_ARITHMETIC[other], size, in_memory=in_memory)
        return self._line(name, value, place)

    def _move(self, opcode: int) -> _Line:
        name = ("test", "xchg", "mov", "mov")[opcode - 0x84 >> 1]
        return self._two(name, self._width(opcode), to_register=opcode >= 0x8A)

    def _move_segment(self, opcode: int) -> _Line:
        place, other, _ = self._operand(2 if opcode == 0x8E else self._size)
        if other >= len(SEGMENTS):
            raise UnknownInstruction
        segment = f"%{SEGMENTS[other]}"
        if opcode == 0x8E:
            place = place.replace("%", "%e", 1) if self._is_plain(place) else place
        return self._line("mov", *((place, segment)[:: 1 if opcode == 0x8E else -1]))

    def _is_plain(self, place: str) -> bool:
        return self._size == 4 and "(" not in place and place.startswith("%")

    def _load_address(self, opcode: int) -> _Line:
        place, other, in_memory = self._operand(self._size)
        if not in_memory:
            raise UnknownInstruction
        name = {0x8D: "lea", 0xC4: "les", 0xC5: "lds"}[opcode]
        return self._line(name, place, self._register(other, self._size))

    def _pop(self, _: int) -> _Line:
        place, other, in_memory = self._operand(self._size)
        if other:
            raise UnknownInstruction
        return self._line(self._named("pop", self._size, in_memory=in_memory), place)

    def _exchange(self, opcode: int) -> _Line:
        own = self._register(0, self._size)
        return self._line("xchg", own, self._register(opcode, self._size))

    def _extend(self, opcode: int) -> _Line:
        names = ("cwtl", "cltd") if self._size == 4 else ("cbtw", "cwtd")
        return self._line(names[opcode & 1])

    def _far(self, opcode: int) -> _Line:
        name = self._sized("ljmp" if opcode == 0xEA else "lcall")
        offset = self._immediate(self._size)
        return self._line(name, self._immediate(2), offset)

    def _move_absolute(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place = f"{self._segment()}0x{self._number(self._address_size):x}"
        own = self._register(0, size)
        return self._line("mov", *((own, place) if opcode & 2 else (place, own)))

    def _strings(self, opcode: int) -> _Line:
        size = self._width(opcode)
        source, target = "", self._string("di", "%es:")
        if opcode < 0xA8 or opcode in (0xAC, 0xAD):
            source = self._string("si", self._segment("%ds:"))
        own, letter = self._register(0, size), SUFFIXES[size]
        match opcode & 0xFE:
            case 0xA4:
                return self._line(f"movs{letter}", source, target)
            case 0xA6:
                return self._line(f"cmps{letter}", target, source)
            case 0xAA:
                return self._line("stos", own, target)
            case 0xAC:
                return self._line("lods", source, own)
            case _:
                return self._line("scas", target, own)

    def _test_own(self, opcode: int) -> _Line:
        size = self._width(opcode)
        return self._line("test", self._immediate(size), self._register(0, size))

    def _move_immediate(self, opcode: int) -> _Line:
        size = 1 if opcode < 0xB8 else self._size
        return self._line("mov", self._immediate(size), self._register(opcode, size))

    def _shift(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place, other, in_memory = self._operand(size)
        name = self._named(_SHIFTS[other], size, in_memory=in_memory)
        if opcode < 0xD0:
            return self._line(name, self._immediate(1), place)
        return self._line(name, *(("%cl", place) if opcode & 2 else (place,)))

    def _return(self, opcode: int) -> _Line:
        name = self._sized("ret" if opcode == 0xC2 else "lret")
        return self._line(name, self._immediate(2))

    def _store_immediate(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place, other, in_memory = self._operand(size)
        if other:
            raise UnknownInstruction
        name = self._named("mov", size, in_memory=in_memory)
        return self._line(name, self._immediate(size), place)

    def _enter(self, _: int) -> _Line:
        return self._line("enter", self._immediate(2), self._immediate(1))

    def _interrupt(self, _: int) -> _Line:
        return self._line("int", self._immediate(1))

    def _loop(self, opcode: int) -> _Line:
        counter = "jecxz" if self._address_size == 4 else "jcxz"
        name = ("loopne", "loope", "loop", counter)[opcode & 3]
        return self._line(name, self._target(1))

    def _port(self, opcode: int) -> _Line:
        own = self._register(0, self._width(opcode))
        port = "(%dx)" if opcode & 8 else self._immediate(1)
        return (
            self._line("out", own, port) if opcode & 2 else self._line("in", port, own)
        )

    def _call(self, opcode: int) -> _Line:
        size = 1 if opcode == 0xEB else self._sizes["data"]
        name = "call" if opcode == 0xE8 else "jmp"
        if opcode != 0xEB:
            name = self._sized(name)
        return self._line(name, self._target(size))

    def _unary(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place, other, in_memory = self._operand(size)
        name = self._named(_UNARY[other], size, in_memory=in_memory)
        if other < 2:
            return self._line(name, self._immediate(size), place)
        return self._line(name, place)

    def _indirect(self, opcode: int) -> _Line:
        size = self._width(opcode)
        place, other, in_memory = self._operand(size)
        names = ("inc", "dec", "call", "lcall", "jmp", "ljmp", "push")
        if other >= (7 if opcode & 1 else 2) or (other in (3, 5) and not in_memory):
            raise UnknownInstruction
        if other in (2, 3, 4, 5):
            return self._line(names[other], f"*{place}")
        return self._line(self._named(names[other], size, in_memory=in_memory), place)

    # Opcodes of two bytes

    def _two_bytes(self, _: int) -> _Line:
        opcode = self._number(1)
        size = self._size
        if opcode in _ALONE_0F:
            return self._line(_ALONE_0F[opcode])
        condition = _CONDITIONS[opcode & 15]
        match opcode:
            case 0x20 | 0x21 | 0x22 | 0x23:
                return self._control(opcode)
            case _ if opcode >> 4 == 4:
                return self._two(f"cmov{condition}", size, to_register=True)
            case _ if opcode >> 4 == 8:
                return self._line(f"j{condition}", self._target(size))
            case _ if opcode >> 4 == 9:
                return self._line(f"set{condition}", self._operand(1)[0])
            case 0xA0 | 0xA1 | 0xA8 | 0xA9:
                segment = "%gs" if opcode & 8 else "%fs"
                return self._line("pop" if opcode & 1 else "push", segment)
            case 0xAF:
                return self._two("imul", size, to_register=True)
            case 0xB6 | 0xB7 | 0xBE | 0xBF:
                return self._move_extended(opcode)
            case _:
                raise UnknownInstruction

    def _control(self, opcode: int) -> _Line:
        byte = self._number(1)
        kind = "db" if opcode & 1 else "cr"
        special = f"%{kind}{byte >> 3 & 7}"
        general = self._register(byte, 4)
        pair = (general, special) if opcode & 2 else (special, general)
        return self._line("mov", *pair)

    def _move_extended(self, opcode: int) -> _Line:
        from_size = 2 if opcode & 1 else 1
        place, other, _ = self._operand(from_size)
        name = "movs" if opcode & 8 else "movz"
        if from_size == self._size:
            raise UnknownInstruction
        name += SUFFIXES[from_size] + SUFFIXES[self._size]
        return self._line(name, place, self._register(other, self._size))


_Reader = Callable[[Instruction, int], _Line]

# ruff: noqa: SLF001 - the table of what reads which opcode
_READERS: Final[tuple[tuple[range | tuple[int, ...], _Reader], ...]] = (
    ((0x0F,), Instruction._two_bytes),
    (range(0x40), Instruction._arithmetic),
    (range(0x40, 0x60), Instruction._short_register),
    ((0x68, 0x6A), Instruction._push),
    ((0x69, 0x6B), Instruction._multiply),
    (range(0x70, 0x80), Instruction._jump_if),
    ((0x80, 0x81, 0x83), Instruction._arithmetic_group),
    (range(0x84, 0x8C), Instruction._move),
    ((0x8C, 0x8E), Instruction._move_segment),
    ((0x8D, 0xC4, 0xC5), Instruction._load_address),
    ((0x8F,), Instruction._pop),
    (range(0x91, 0x98), Instruction._exchange),
    ((0x98, 0x99), Instruction._extend),
    ((0x9A, 0xEA), Instruction._far),
    (range(0xA0, 0xA4), Instruction._move_absolute),
    ((0xA8, 0xA9), Instruction._test_own),
    (range(0xA4, 0xB0), Instruction._strings),
    (range(0xB0, 0xC0), Instruction._move_immediate),
    ((0xC0, 0xC1, 0xD0, 0xD1, 0xD2, 0xD3), Instruction._shift),
    ((0xC2, 0xCA), Instruction._return),
    ((0xC6, 0xC7), Instruction._store_immediate),
    ((0xC8,), Instruction._enter),
    ((0xCD,), Instruction._interrupt),
    (range(0xE0, 0xE4), Instruction._loop),
    ((*range(0xE4, 0xE8), *range(0xEC, 0xF0)), Instruction._port),
    ((0xE8, 0xE9, 0xEB), Instruction._call),
    ((0xF6, 0xF7), Instruction._unary),
    ((0xFE, 0xFF), Instruction._indirect),
)
