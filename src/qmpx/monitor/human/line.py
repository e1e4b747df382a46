"""A line that a human typed: which command it names, and the command's arguments.

What may stand behind a command's name is told by its args_type; see `parameters`. The
parameters are read in their order, each from where the one before it ended.

Source: QEMU 0.13; texts observed on it.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from qmpx.monitor.human.expression import (
    SPACE,
    LineError,
    ReadRegister,
    evaluate,
    no_register,
    wrap,
)
from qmpx.monitor.human.options import IMPLIED_KEYS, parse_options
from qmpx.monitor.human.parameters import Format, Parameter
from qmpx.monitor.human.sizes import read_size
from qmpx.monitor.human.table import CommandTable, HumanCommand
from qmpx.monitor.human.words import clip, name_end, read_word, skip_space
from qmpx.monitor.recall import FormatMemory

MAX_NAME: Final = 255
"""Bytes of a command's name that are looked at, as in QEMU: no command has so many."""

MAX_COUNT: Final = 2**31 - 1
"""Largest count of a format: C's ``int``, which QEMU lets overflow."""

_FORMATS: Final = frozenset("oduxic")
_SIZES: Final = {"b": 1, "h": 2, "w": 4, "g": 8, "L": 8}
_EXPECTED: Final = {
    "F": "filename",
    "B": "block device name",
    "s": "string",
    "S": "string",
}
_DIGITS: Final = frozenset("0123456789")
_SCALES: Final = {"k": 2.0**10, "m": 2.0**20, "g": 2.0**30}
_TIMES: Final = {"ms": 1e3, "us": 1e6, "ns": 1e9}

# What C's strtod() takes.
_NUMBER: Final = re.compile(
    r"""[+-]? (?: 0x (?: [0-9a-f]+ \.? [0-9a-f]* | \.[0-9a-f]+ ) (?: p[+-]?[0-9]+ )?
              | (?: [0-9]+ \.? [0-9]* | \.[0-9]+ ) (?: e[+-]?[0-9]+ )?
              | inf (?:inity)? | nan (?: \([a-z0-9_]*\) )? )""",
    re.IGNORECASE | re.VERBOSE | re.ASCII,
)


class _Absent:
    """Stands for an argument that was left out."""


_ABSENT: Final = _Absent()


class CommandLine(NamedTuple):
    """A line that was understood.

    Attributes:
        command: What it names.
        arguments: The handler's keywords; what was left out is not among them.
    """

    command: HumanCommand
    arguments: dict[str, Any]


def read_line(
    line: str,
    table: CommandTable,
    memory: FormatMemory,
    read_register: ReadRegister = no_register,
) -> CommandLine | None:
    """Return what a line says, or ``None`` if it is blank.

    Args:
        line: Without its end.
        table: The commands.
        memory: Remembers formats from line to line.
        read_register: See `evaluate`.

    Raises:
        LineError: It says nothing that could be run.
    """
    start = skip_space(line, 0)
    if start == len(line):
        return None
    end = name_end(line, start)
    name = clip(line[start:end], MAX_NAME)
    if (command := table.find(name)) is None:
        shown = line[:end] if table.is_modern else name
        raise LineError(f"unknown command: '{shown}'")
    if not table.is_modern:
        reader = _Arguments(line, end, name, memory, read_register)
        return CommandLine(command, reader.read(command.parameters))
    item_start = skip_space(line, end)
    if name == "info" and item_start < len(line):
        end = name_end(line, item_start)
        item = table.find_item(clip(line[item_start:end], MAX_NAME))
        if item is None:
            raise LineError(f"unknown command: '{line[:end]}'")
        command = item
    reader = _Arguments(line, end, command.name, memory, read_register, is_modern=True)
    try:
        return CommandLine(command, reader.read(command.parameters))
    except LineError as error:
        raise _with_pointer(error, line[:end]) from None


def _with_pointer(error: LineError, command: str) -> LineError:
    """Return what today's QEMU says of what is wrong with a command's arguments."""
    text = error.text
    if error.character:
        text = text.replace("char", f"char '{error.character}'")
    lines = [*([text] if text else ()), f'Try "help {command}" for more information']
    return LineError("\n".join(lines), error.reason)


class _Arguments:
    """What follows a command's name in a line."""

    def __init__(
        self,
        line: str,
        start: int,
        command: str,
        memory: FormatMemory,
        read_register: ReadRegister,
        *,
        is_modern: bool = False,
    ) -> None:
        self._is_modern = is_modern
        self._line = line
        self._at = start
        self._command = command
        self._memory = memory
        self._read_register = read_register

    def read(self, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
        """Read all there is.

        Raises:
            LineError: Something is wrong with it, or left over.
        """
        arguments: dict[str, Any] = {}
        for number, parameter in enumerate(parameters):
            start = self._at
            self._at = skip_space(self._line, start)
            if parameter.letter == "-":
                later = {p.flag for p in parameters[number + 1 :] if p.flag}
                value: Any = self._flag(parameter, later, start)
            elif self._is_left_out(parameter):
                continue
            else:
                value = _READERS[parameter.letter](self, parameter)
            if value is not _ABSENT:
                arguments[parameter.name] = value
        self._at = skip_space(self._line, self._at)
        if self._here:
            raise LineError(
                f"{self._command}: extraneous characters at the end of line"
            )
        return arguments

    @property
    def _here(self) -> str:
        return self._line[self._at : self._at + 1]

    def _take(self, char: str) -> bool:
        """Go behind *char* and the spaces that follow, if it is here."""
        if self._here != char:
            return False
        self._at = skip_space(self._line, self._at + 1)
        return True

    def _is_left_out(self, parameter: Parameter) -> bool:
        if parameter.is_dotted:
            return not self._take(".")
        return parameter.is_optional and not self._here

    def _flag(
        self, parameter: Parameter, later: set[str], start: int
    ) -> bool | str | _Absent:
        """Read a flag; one that comes later in the table leaves this one out."""
        if self._here != "-":
            return _ABSENT
        given = self._line[self._at + 1 : self._at + 2]
        if given == parameter.flag:
            self._at += 2
            return self._value_of(given) if parameter.has_value else True
        if given in later:
            self._at = start
            return _ABSENT
        raise LineError(f"{self._command}: unsupported option -{given}")

    def _value_of(self, flag: str) -> str:
        word = read_word(self._line, self._at)
        if word is None or word.fault:
            reason = "" if word is None else word.fault
            raise LineError(f"{self._command}: value expected for -{flag}", reason)
        self._at = word.end
        return word.text

    def rest(self, parameter: Parameter) -> str:
        """Read all that is left."""
        text = self._line[self._at :]
        if not text:
            expected = _EXPECTED[parameter.letter]
            raise LineError(f"{self._command}: {expected} expected")
        self._at = len(self._line)
        return text

    def size(self, _: Parameter) -> int:
        """Read a size: in MiB, unless a letter tells what in."""
        found = read_size(self._line, self._at)
        if found is None:
            raise LineError("invalid size")
        size, self._at = found
        return size

    def string(self, parameter: Parameter) -> str:
        """Read a word or a text in quotes."""
        word = read_word(self._line, self._at)
        if word is None or word.fault:
            expected = _EXPECTED[parameter.letter]
            reason = "" if word is None else word.fault
            raise LineError(f"{self._command}: {expected} expected", reason)
        self._at = word.end
        return word.text

    def options(self, parameter: Parameter) -> dict[str, str]:
        """Read a list of options; without one there are none."""
        word = read_word(self._line, self._at)
        if word is None:
            return {}
        if word.fault:
            raise LineError("", word.fault)
        self._at = word.end
        return parse_options(word.text, IMPLIED_KEYS.get(parameter.name, ""))

    def format(self, _: Parameter) -> Format:
        """Read ``/4xw``; what it does not say is as it was the last time."""
        memory = self._memory
        if self._here != "/":
            size = -1 if memory.format == "i" else memory.size
            return Format(1, memory.format, size)
        self._at += 1
        count = self._count()
        size, form = -1, ""
        while (char := self._here) in _FORMATS or char in _SIZES:
            if char in _FORMATS:
                form = char
            else:
                size = _SIZES[char]
            self._at += 1
        if char and char not in SPACE:
            raise LineError(f"invalid char in format: '{char}'")
        form = form or memory.format
        if form != "i":  # an instruction has no size unless one is given
            size = size if size > 0 else memory.size
            memory.size = size
        memory.format = form
        return Format(count, form, size)

    def _count(self) -> int:
        start = self._at
        while self._here in _DIGITS:
            self._at += 1
        digits = self._line[start : self._at].lstrip("0")
        if self._at == start:
            return 1
        if len(digits) > len(str(MAX_COUNT)):
            return MAX_COUNT
        return min(int(digits or "0"), MAX_COUNT)

    def integer(self, parameter: Parameter) -> int:
        """Read an expression."""
        number, self._at = evaluate(
            self._line,
            self._at,
            self._read_register,
            refuses_large=self._is_modern,
        )
        if parameter.letter == "M" and number < 0 and self._is_modern:
            raise LineError("enter a positive value")
        if parameter.letter == "i" and number >> 32:
            raise LineError(
                f"'{self._command}' has failed: integer is for 32-bit values"
            )
        return wrap(number << 20) if parameter.letter == "M" else number

    def number(self, parameter: Parameter) -> float:
        """Read a number, perhaps with a unit."""
        match = _NUMBER.match(self._line, self._at)
        if match is None:
            raise LineError("Number expected")
        value = _float(match[0])
        if value - value != 0:
            raise LineError("Bad number")
        self._at = match.end()
        if parameter.letter == "f":
            if (scale := _SCALES.get(self._here.lower())) is not None:
                value *= scale
                self._at += 1
        elif (time := _TIMES.get(self._line[self._at : self._at + 2])) is not None:
            value /= time
            self._at += 2
        if self._here and self._here not in SPACE:
            raise LineError("Unknown unit suffix")
        return value

    def switch(self, _: Parameter) -> bool:
        """Read ``on`` or ``off``."""
        start = self._at
        while self._here and "!" <= self._here <= "~":
            self._at += 1
        word = self._line[start : self._at]
        if word not in ("on", "off"):
            raise LineError("Expected 'on' or 'off'")
        return word == "on"


_Reader: TypeAlias = Callable[[_Arguments, Parameter], Any]
_READERS: Final[dict[str, _Reader]] = {
    **dict.fromkeys("FBs", _Arguments.string),
    "O": _Arguments.options,
    "S": _Arguments.rest,
    "o": _Arguments.size,
    **dict.fromkeys("ilM", _Arguments.integer),
    **dict.fromkeys("fT", _Arguments.number),
    "b": _Arguments.switch,
    "/": _Arguments.format,
}


def _float(text: str) -> float:
    """Read what `_NUMBER` matches."""
    word = text.lower().lstrip("+-")
    if word.startswith("nan"):  # what is in the brackets behind it is of no interest
        return float("nan")
    if not word.startswith("0x"):
        return float(text)
    try:
        return float.fromhex(text)
    except OverflowError:
        return float("inf")
