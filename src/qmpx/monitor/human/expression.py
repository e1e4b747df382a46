"""Arithmetic as the human monitor takes it: ``$eip + 0x10``, ``~(1|'a')``.

Numbers are decimal, octal with ``0`` or hexadecimal with ``0x``; ``'c'`` is a
character's code, ``$name`` a register. Signs and ``~`` bind most tightly, then
``* / %``, then ``& | ^``, then ``+ -``, which is not C's order. Everything is a signed
integer of 64 bits and wraps. Spaces may stand anywhere but within a number or a name.

There is no recursion: a line may hold more brackets than Python has stack.

Source: QEMU 0.13, its grammar and its texts; 7.2 has the same, but refuses numbers of
more than 64 bits, of which 0.13 makes the largest that there is.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

SPACE: Final = frozenset(" \t\n\v\f\r")
"""What separates words: C's ``isspace`` in the C locale."""

MAX_REGISTER_NAME: Final = 127
"""Characters of a register's name that are looked at, as in QEMU: none is so long."""

ReadRegister = Callable[[str], int]

_LEVELS: Final = {
    **dict.fromkeys("*/%", 3),
    **dict.fromkeys("&|^", 2),
    **dict.fromkeys("+-", 1),
}
_SIGNS: Final = {"-": "minus", "~": "not"}
_IN_NAME: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."
)
_DIGITS: Final = {
    8: frozenset("01234567"),
    10: frozenset("0123456789"),
    16: frozenset("0123456789abcdefABCDEF"),
}
_UINT64_MAX: Final = 2**64 - 1
_MOST_DIGITS: Final = 22  # of a number of 64 bits: it is octal


class LineError(Exception):
    """A line that cannot be run.

    Args:
        text: What the person at the monitor is told, without a line end; may be empty.
        reason: What went wrong beneath that; QEMU tells it on its own standard output.
        character: The character that is wrong, where today's QEMU tells it.
    """

    def __init__(self, text: str, reason: str = "", character: str = "") -> None:
        super().__init__(text, reason)
        self.text = text
        self.reason = reason
        self.character = character

    def __str__(self) -> str:
        return self.text


class Value(NamedTuple):
    """What an expression comes to.

    Attributes:
        number: A signed integer of 64 bits.
        end: Where in the text the expression ends, spaces behind it included.
    """

    number: int
    end: int


def no_register(name: str) -> int:
    """Read a register of a machine that has none.

    Raises:
        LookupError: Always.
    """
    raise LookupError(name)


def evaluate(
    text: str,
    start: int = 0,
    read_register: ReadRegister = no_register,
    *,
    refuses_large: bool = False,
) -> Value:
    """Evaluate the expression that begins at *start*; what follows it is left alone.

    Args:
        text: The line.
        start: Where to begin.
        read_register: Gives the value of a register by its name, or raises LookupError.
        refuses_large: Whether a number of more than 64 bits is wrong, as it is today;
            else it is the largest that there is.

    Raises:
        LineError: There is none, or it has no value.
    """
    reader = _Reader(text, start, read_register, refuses_large=refuses_large)
    values: list[int] = []
    operators: list[str] = []
    while True:
        sign = reader.here
        if sign == "+":
            reader.skip()
        elif sign in _SIGNS:
            operators.append(_SIGNS[sign])
            reader.skip()
        elif sign == "(":
            operators.append(sign)
            reader.skip()
        else:
            values.append(reader.operand())
            if _continue(reader, values, operators):
                return Value(values[0], reader.at)


def wrap(number: int) -> int:
    """Return *number* as a signed integer of 64 bits."""
    return (number + 2**63) % 2**64 - 2**63


def _continue(reader: "_Reader", values: list[int], operators: list[str]) -> bool:
    """Take what stands behind an operand; tell whether the expression is over."""
    while True:
        _reduce_tight(values, operators)
        level = _LEVELS.get(reader.here)
        while operators and _LEVELS.get(operators[-1], 0) >= (level or 1):
            _apply(operators.pop(), values)
        if level is not None:
            operators.append(reader.here)
            reader.skip()
            return False
        if not operators:
            return True
        if reader.here != ")":
            raise LineError("')' expected")
        operators.pop()
        reader.skip()


def _reduce_tight(values: list[int], operators: list[str]) -> None:
    """Apply the signs before an operand, and a product that waits for it.

    At once, so that a division by zero is told before what is wrong further on.
    """
    while operators and operators[-1] in _SIGNS.values():
        number = values.pop()
        values.append(~number if operators.pop() == "not" else wrap(-number))
    if operators and operators[-1] in "*/%":
        _apply(operators.pop(), values)


def _apply(operator: str, values: list[int]) -> None:
    right, left = values.pop(), values.pop()
    if operator in "/%" and right == 0:
        raise LineError("division by zero")
    match operator:
        case "*":
            number = left * right
        case "/":
            number = _quotient(left, right)
        case "%":
            number = left - right * _quotient(left, right)
        case "&":
            number = left & right
        case "|":
            number = left | right
        case "^":
            number = left ^ right
        case "+":
            number = left + right
        case _:
            number = left - right
    values.append(wrap(number))


def _quotient(left: int, right: int) -> int:
    """Divide towards zero, as C does."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


class _Reader:
    """A place in a text, and the operands that may stand there."""

    def __init__(
        self, text: str, at: int, read_register: ReadRegister, *, refuses_large: bool
    ) -> None:
        self.at = at
        self._text = text
        self._read_register = read_register
        self._refuses_large = refuses_large
        self._skip_space()

    @property
    def here(self) -> str:
        """The character here; empty at the end."""
        return self._text[self.at : self.at + 1]

    def skip(self) -> None:
        """Go behind this character, and the spaces that follow it."""
        self.at += 1
        self._skip_space()

    def operand(self) -> int:
        """Read a number, a character or a register.

        Raises:
            LineError: There is none.
        """
        match self.here:
            case "":
                raise LineError("unexpected end of expression")
            case "'":
                return self._character()
            case "$":
                return self._register()
            case _:
                return self._number()

    def _skip_space(self) -> None:
        while self.here in SPACE:
            self.at += 1

    def _character(self) -> int:
        self.at += 1
        if not self.here:
            raise LineError("character constant expected")
        code = self.here.encode(errors="surrogateescape")
        self.at += 1
        if len(code) > 1 or self.here != "'":
            raise LineError("missing terminating ' character")
        self.skip()
        return int.from_bytes(code, signed=True)  # C's char is signed on a PC

    def _register(self) -> int:
        start = self.at = self.at + 1
        while self.here in _IN_NAME:
            self.at += 1
        name = self._text[start : self.at][:MAX_REGISTER_NAME]
        self._skip_space()
        try:
            return wrap(self._read_register(name))
        except LookupError:
            raise LineError("unknown register") from None

    def _number(self) -> int:
        text, start, base = self._text, self.at, 10
        if self.here == "0":
            base = 8
            is_marked = text[start + 1 : start + 2] in ("x", "X")
            if is_marked and text[start + 2 : start + 3] in _DIGITS[16]:
                base = 16
                start += 2
        end = start
        while text[end : end + 1] in _DIGITS[base]:
            end += 1
        if end == start:
            raise LineError(
                "invalid char in expression", character=text[start : start + 1]
            )
        self.at = end
        self._skip_space()
        digits = text[start:end].lstrip("0")
        if len(digits) > _MOST_DIGITS:  # more than Python may read at once, perhaps
            number = _UINT64_MAX + 1
        else:
            number = int(digits or "0", base)
        if number > _UINT64_MAX and self._refuses_large:
            raise LineError("number too large")
        return wrap(min(number, _UINT64_MAX))  # too large a number is the largest
