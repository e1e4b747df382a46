r"""JSON as QEMU 0.13 read and wrote it.

It differs from today's in this:

* A byte that fits nowhere is dropped, together with the token that it broke; so is a
  string with a bad escape. ``?|{...}`` works, and ``STOP`` is read as nothing.
* Strings may hold control characters. In single quotes, behind ``\\`` or ``\/``, the
  string runs on to a double quote.
* There is no ``null``. ``%d`` and its like are tokens, which no message may hold.
* Of equal members the last is kept. Integers stop at the limits of 64 bits, signed.
* A message ends where braces and brackets are balanced, each for itself. Nothing but
  qmpx's own limits bounds it.
* Doubles are written as ``%f``, less the zeros at the end. A character beyond U+FFFF
  comes out as two wrong ones.
* Objects were hash tables: members come, and are looked at, in the order of the hash.

One thing is not as it was. A closing bracket too many put 0.13 out of step for good.
Here that lasts to the end of the next line: see `Parser2010`.

Source: QEMU 0.13.0, observed.
"""

import math
import re
from typing import Any, Final

from qmpx.wire.encode import encode as encode_modern
from qmpx.wire.encode import walk
from qmpx.wire.framing import Json
from qmpx.wire.lexer import (
    MODERN_TABLES,
    Kind,
    Lexer,
    Move,
    State,
    Tables,
    Token,
    make_row,
)
from qmpx.wire.member_order import order
from qmpx.wire.outcomes import Limits, Malformed, Parsed
from qmpx.wire.parser import Fault, Parser

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
"""0.13 holds integers in 64 bits, signed: they stop there."""

# States beyond those of today's lexer: \uXXXX in both kinds of strings, and %lld.
_UNICODE: Final = [100, 101, 102, 103]
_QUOTED_UNICODE: Final = [110, 111, 112, 113]
_PERCENT, _PERCENT_L, _PERCENT_LL, _PERCENT_I, _PERCENT_I6, _PERCENT_I64 = range(
    120, 126
)

_DROP: Final = Move(State.START)
_HEX: Final = b"0123456789abcdefABCDEF"
_ESCAPABLE: Final = b"\"'\\/bfnrt"


def _row(*moves: Any) -> list[Move]:
    return make_row(*moves, default=_DROP)


def _drops(row: list[Move]) -> list[Move]:
    """Return a row of today's table in which what is bad is dropped."""
    return [_DROP if move.kind is Kind.ERROR else move for move in row]


def _to(state: int) -> Move:
    return Move(state)  # type: ignore[arg-type]


def _body(quote: bytes, state: State, escape: State) -> list[Move]:
    return _row(
        (range(1, 256), Move(state)),
        (b"\\", Move(escape)),
        (quote, Move(State.START, Kind.STRING)),
    )


def _hex_states(states: list[int], then: State) -> dict[int, list[Move]]:
    following = [*states[1:], then]
    return {
        state: _row((_HEX, _to(after)))
        for state, after in zip(states, following, strict=True)
    }


_CONVERTED: Final = Move(State.START, Kind.WORD)
_MOVES: Final[dict[int, list[Move]]] = {
    **{
        state: _drops(row)
        for state, row in MODERN_TABLES.moves.items()
        if state is not State.RECOVERY
    },
    State.START: _drops(MODERN_TABLES.moves[State.START]),
    State.STRING: _body(b'"', State.STRING, State.STRING_ESCAPE),
    State.STRING_ESCAPE: _row(
        (_ESCAPABLE, Move(State.STRING)), (b"u", _to(_UNICODE[0]))
    ),
    State.QUOTED: _body(b"'", State.QUOTED, State.QUOTED_ESCAPE),
    State.QUOTED_ESCAPE: _row(
        (b"\"'bfnrt", Move(State.QUOTED)),
        (b"\\/", Move(State.STRING)),  # as it was: the other kind of string goes on
        (b"u", _to(_QUOTED_UNICODE[0])),
    ),
    **_hex_states(_UNICODE, State.STRING),
    **_hex_states(_QUOTED_UNICODE, State.QUOTED),
    _PERCENT: _row(
        (b"dipsf", _CONVERTED), (b"l", _to(_PERCENT_L)), (b"I", _to(_PERCENT_I))
    ),
    _PERCENT_L: _row((b"d", _CONVERTED), (b"l", _to(_PERCENT_LL))),
    _PERCENT_LL: _row((b"d", _CONVERTED)),
    _PERCENT_I: _row((b"6", _to(_PERCENT_I6))),
    _PERCENT_I6: _row((b"4", _to(_PERCENT_I64))),
    _PERCENT_I64: _row((b"d", _CONVERTED)),
}
_MOVES[State.START][ord("%")] = _to(_PERCENT)

_WHOLE: Final = re.compile(
    rb"""[ \t\r\n]*(?:
      ([{}\[\]:,])
    | ("[^"\\\x00]*(?:\\(?:["'\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00]*)*"
      |'[^'\\\x00]*(?:\\(?:["'bfnrt]|u[0-9a-fA-F]{4})[^'\\\x00]*)*')
    | (?:(-?(?:(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?
             |[1-9][0-9]*[eE][-+]?[0-9]+))
        |(-?(?:0|[1-9][0-9]*))
        |([a-z]+))(?=[ \t\r\n{}\[\]:,])
    )""",
    re.VERBOSE,
)
_RUN: Final = {
    **MODERN_TABLES.runs,
    State.STRING: re.compile(rb'[^"\\\x00]*'),
    State.QUOTED: re.compile(rb"[^'\\\x00]*"),
}
_LINE_END: Final = re.compile(rb"[ \t\r]*\n")


class Parser2010(Parser):
    """Build 0.13's messages.

    A closing bracket too many makes a count negative. What comes next is then cut in
    the wrong places, as it was in 0.13; but with the end of the second line, the one of
    that bracket included, the counts are put right. If nothing was answered meanwhile
    that is answered, so that no client waits in vain. ``{]`` is answered at once.
    """

    __slots__ = ("_answered", "_lines", "is_out_of_step")

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.is_out_of_step = False
        self._answered = False
        self._lines = 0

    @property
    def is_idle(self) -> bool:
        """Whether no message has begun, and the counts are right."""
        return super().is_idle and not self.is_out_of_step

    def push(self, token: Token) -> Parsed | Malformed | None:
        """Take the next token; return the message that ends with it, if one does."""
        if token.kind is Kind.LINE_END:
            return self._end_line()
        outcome = super().push(token)
        if outcome is not None:
            self._answered = True
        elif not self.is_out_of_step and (self._braces < 0 or self._brackets < 0):
            self.is_out_of_step = True
            self._answered = False
            self._lines = 0
        return outcome

    def _end_line(self) -> Malformed | None:
        if not self.is_out_of_step:
            return None
        self._lines += 1
        if self._lines < 2:  # the line of the bracket, and one more
            return None
        self.is_out_of_step = False
        self._reset()
        return None if self._answered else Malformed("unbalanced brackets")

    def _is_whole(self) -> bool:
        braces, brackets = self._braces, self._brackets
        if braces * brackets < 0:
            return not self.is_out_of_step
        return braces == brackets == 0

    def _put_member(self, members: dict[str, Any], name: str, value: object) -> None:
        members[name] = value

    def _scalar(self, kind: Kind, text: bytes) -> object:
        if kind is Kind.STRING:
            return read_string(text)
        if kind is Kind.INTEGER:
            return saturate(text)
        if kind is Kind.WORD and text not in (b"true", b"false"):
            message = f"{text.decode()} is no value"
            raise Fault(message)
        return super()._scalar(kind, text)


class Lexer2010(Lexer):
    """Cut one stream of bytes into 0.13's tokens.

    Args:
        max_token_size: See `Lexer`.
        parser: What takes them; while it is out of step it is told of line ends.
    """

    __slots__ = ("_parser",)

    tables = Tables(_MOVES, _RUN, _WHOLE)

    def __init__(self, max_token_size: int, parser: Parser2010) -> None:
        super().__init__(max_token_size)
        self._parser = parser

    def next_token(self, data: bytes, position: int) -> tuple[Token | None, int]:
        """Return the next token, as `Lexer.next_token` does."""
        if not self._parser.is_out_of_step:
            return super().next_token(data, position)
        while position < len(data):  # one by one: no line may be skipped as blank
            if self.is_idle and (line := _LINE_END.match(data, position)):
                return Token(Kind.LINE_END, b"\n"), line.end()
            token, taken = super().next_token(data[position : position + 1], 0)
            position += taken
            if token is not None:
                return token, position
        return None, position


def saturate(digits: bytes) -> int:
    """Return an integer, or the limit of 64 bits that it passes."""
    if len(digits) > len("-9223372036854775808"):
        return INT64_MIN if digits[:1] == b"-" else INT64_MAX
    return min(max(int(digits), INT64_MIN), INT64_MAX)


_ESCAPE: Final = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_SHORT: Final = {
    b"b": "\b",
    b"f": "\f",
    b"n": "\n",
    b"r": "\r",
    b"t": "\t",
}


def read_string(token: bytes) -> str:
    """Return the text of a string with its quotes.

    A surrogate stays one, even in a pair. What is no UTF-8 becomes U+FFFF, as which
    0.13 sends it back.
    """
    out: list[str] = []
    position, quote = 1, token[:1]
    for escape in _ESCAPE.finditer(token, 1, len(token) - 1):
        plain = token[position : escape.start()]
        if quote in plain:
            break  # the string was lexed on to the other quote, but ends here
        out.append(_decode(plain))
        code, letter = escape.groups()
        if code:
            out.append(chr(int(code, 16)))
        else:
            out.append(_SHORT.get(letter) or letter.decode())
        position = escape.end()
    out.append(_decode(token[position:-1].partition(quote)[0]))
    return "".join(out)


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode(errors="replace").replace("\ufffd", "\uffff")


def _reorder(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        names = tuple(value)
        known = order(names)
        if known == names and not _CONTAINERS.intersection(map(type, value.values())):
            return value  # nearly every answer: it is so already
        return {name: _reorder(value[name]) for name in known}
    if kind is list or kind is tuple:
        return [_reorder(item) for item in value]
    return value


_CONTAINERS: Final = frozenset({dict, list, tuple})

# Doubles, surrogates, DEL, and the word that msgspec has for an infinity.
_NOT_ALIKE: Final = re.compile(rb"[0-9][.e][0-9-]|\\u[dD][89a-fA-F]|\\u007[fF]|null")


def encode(value: Any) -> bytes:
    """Return *value* as 0.13 would write it: members in the order of their hash."""
    try:
        value = _reorder(value)
    except RecursionError:
        return walk(value, spell_double, spell_string, order)
    try:
        text = encode_modern(value, may_hold_doubles=False)
    except (TypeError, ValueError, RecursionError):  # lone surrogates, any depth
        return walk(value, spell_double, spell_string)
    if _NOT_ALIKE.search(text):
        return walk(value, spell_double, spell_string)
    return text


def spell_double(number: float) -> str:
    """Return a double as ``%f`` writes it, less the zeros at its end."""
    if math.isinf(number) or math.isnan(number):
        return "1e999" if number > 0 else "-1e999"
    return f"{number:f}".rstrip("0").rstrip(".")


_SPECIAL: Final = re.compile(r"[^ !#-\[\]-\x7f]")
_SPELLED: Final = {
    '"': '\\"',
    "\\": "\\\\",
    **{character: "\\" + letter.decode() for letter, character in _SHORT.items()},
}


def spell_string(text: str) -> str:
    """Return *text* as 0.13 writes it; beyond U+FFFF that is not what was meant."""
    return f'"{_SPECIAL.sub(_spell_character, text)}"'


def _spell_character(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code > 0xFFFF:
        # Three of its four bytes are taken for one of three, the fourth for a control.
        return f"\\u{code >> 6 & 0xFFFF:04X}\\uFFFF"
    return _SPELLED.get(character) or f"\\u{code:04X}"


def _read(limits: Limits) -> tuple[Lexer, Parser]:
    parser = Parser2010(limits)
    return Lexer2010(limits.token_size, parser), parser


JSON_2010: Final = Json(
    _read,
    re.compile(rb"0[eE]|null"),
    spell_id=encode,
    encode=encode,
    order=order,
)
