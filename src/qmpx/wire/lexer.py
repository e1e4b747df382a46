"""QEMU's JSON tokens, byte by byte as QEMU cuts them, errors and recovery included.

It knows nothing but bytes. Whether tokens make a message is `parser`'s affair.

Rules, observed on QEMU 7.2 (its lexer is a table of states, and so is this one):

* Strings may be in single quotes; control characters, 0xFE and 0xFF end them badly.
* A number or a word ends with the byte after it, which is not part of it.
* A byte that fits nowhere is a bad token together with what it ended. Then all is
  skipped up to a bracket, comma, colon, control character other than tab, 0xFE or
  0xFF, and that one is looked at afresh.

A complete token inside one chunk is taken by one regular expression; only what is cut
or wrong goes through the table. However the stream is cut, the tokens are the same, and
no byte is searched twice.
"""

import enum
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, Final, NamedTuple

from qmpx.wire.outcomes import MAX_TOKEN_SIZE


class Kind(enum.IntEnum):
    """What a token is; the first five are numbered as `_WHOLE` numbers its groups."""

    PUNCTUATION = 1
    STRING = 2
    FLOAT = 3
    INTEGER = 4
    WORD = 5
    ERROR = 6
    OVERSIZED = 7
    LINE_END = 8  # only where lines matter: see json_2010


class Token(NamedTuple):
    """A token and its bytes as they were read."""

    kind: Kind
    text: bytes


class State(enum.IntEnum):
    """What the lexer is in the middle of."""

    START = 0
    STRING = enum.auto()
    STRING_ESCAPE = enum.auto()
    QUOTED = enum.auto()  # a string in single quotes
    QUOTED_ESCAPE = enum.auto()
    SIGN = enum.auto()
    ZERO = enum.auto()
    DIGITS = enum.auto()
    POINT = enum.auto()
    FRACTION = enum.auto()
    EXPONENT = enum.auto()
    EXPONENT_SIGN = enum.auto()
    EXPONENT_DIGITS = enum.auto()
    WORD = enum.auto()
    RECOVERY = enum.auto()


class Move(NamedTuple):
    """What one byte does in one state."""

    state: State
    kind: Kind | None = None  # the token that is complete with this move
    consumes: bool = True  # else the byte is looked at again in the new state


_BAD = Move(State.RECOVERY, Kind.ERROR)


def make_row(*moves: tuple[Iterable[int], Move], default: Move = _BAD) -> list[Move]:
    """Return what each byte does: the moves for some, *default* for the rest."""
    row = [default] * 256
    for codes, move in moves:
        for code in codes:
            row[code] = move
    return row


def _ends(kind: Kind) -> Move:
    return Move(State.START, kind, consumes=False)


def _body(quote: bytes, state: State, escape: State) -> list[Move]:
    return make_row(
        (range(0x20, 0xFE), Move(state)),
        (b"\\", Move(escape)),
        (quote, Move(State.START, Kind.STRING)),
    )


_DIGIT = b"0123456789"
_LETTER = b"abcdefghijklmnopqrstuvwxyz"
_PUNCTUATION = b"{}[]:,"
_AGAIN = Move(State.START, consumes=False)
_E = Move(State.EXPONENT)

_MOVES: Final[dict[int, list[Move]]] = {
    State.START: make_row(
        (b" \t\r\n", Move(State.START)),
        (_PUNCTUATION, Move(State.START, Kind.PUNCTUATION)),
        (b'"', Move(State.STRING)),
        (b"'", Move(State.QUOTED)),
        (b"-", Move(State.SIGN)),
        (b"0", Move(State.ZERO)),
        (b"123456789", Move(State.DIGITS)),
        (_LETTER, Move(State.WORD)),
    ),
    State.STRING: _body(b'"', State.STRING, State.STRING_ESCAPE),
    State.STRING_ESCAPE: make_row((range(0x20, 0xFE), Move(State.STRING))),
    State.QUOTED: _body(b"'", State.QUOTED, State.QUOTED_ESCAPE),
    State.QUOTED_ESCAPE: make_row((range(0x20, 0xFE), Move(State.QUOTED))),
    State.SIGN: make_row((b"0", Move(State.ZERO)), (b"123456789", Move(State.DIGITS))),
    State.ZERO: make_row(  # "0e1" is a number for RFC 8259, two tokens for QEMU
        (_DIGIT, _BAD),
        (b".", Move(State.POINT)),
        default=_ends(Kind.INTEGER),
    ),
    State.DIGITS: make_row(
        (_DIGIT, Move(State.DIGITS)),
        (b".", Move(State.POINT)),
        (b"eE", _E),
        default=_ends(Kind.INTEGER),
    ),
    State.POINT: make_row((_DIGIT, Move(State.FRACTION))),
    State.FRACTION: make_row(
        (_DIGIT, Move(State.FRACTION)), (b"eE", _E), default=_ends(Kind.FLOAT)
    ),
    State.EXPONENT: make_row(
        (b"+-", Move(State.EXPONENT_SIGN)),
        (_DIGIT, Move(State.EXPONENT_DIGITS)),
    ),
    State.EXPONENT_SIGN: make_row((_DIGIT, Move(State.EXPONENT_DIGITS))),
    State.EXPONENT_DIGITS: make_row(
        (_DIGIT, Move(State.EXPONENT_DIGITS)), default=_ends(Kind.FLOAT)
    ),
    State.WORD: make_row((_LETTER, Move(State.WORD)), default=_ends(Kind.WORD)),
    State.RECOVERY: make_row(
        (range(0x20), _AGAIN),
        (b"\t", Move(State.RECOVERY)),
        (_PUNCTUATION, _AGAIN),
        (b"\xfe\xff", _AGAIN),
        default=Move(State.RECOVERY),
    ),
}

# Bytes that leave a state as it is, taken in bulk.
_RUN: Final[dict[int, re.Pattern[bytes]]] = {
    State.START: re.compile(rb"[ \t\r\n]*"),
    State.STRING: re.compile(rb'[^"\\\x00-\x1f\xfe\xff]*'),
    State.QUOTED: re.compile(rb"[^'\\\x00-\x1f\xfe\xff]*"),
    State.DIGITS: re.compile(rb"[0-9]*"),
    State.FRACTION: re.compile(rb"[0-9]*"),
    State.EXPONENT_DIGITS: re.compile(rb"[0-9]*"),
    State.WORD: re.compile(rb"[a-z]*"),
    State.RECOVERY: re.compile(rb"[\t\x20-+\x2d-9;-Z\\^-z|~-\xfd]*"),
}

# One whole token that a neighbour in the same chunk surely ends.
_WHOLE: Final = re.compile(
    rb"""[ \t\r\n]*(?:
      ([{}\[\]:,])
    | ("[^"\\\x00-\x1f\xfe\xff]*(?:\\[\x20-\xfd][^"\\\x00-\x1f\xfe\xff]*)*"
      |'[^'\\\x00-\x1f\xfe\xff]*(?:\\[\x20-\xfd][^'\\\x00-\x1f\xfe\xff]*)*')
    | (?:(-?(?:(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?
             |[1-9][0-9]*[eE][-+]?[0-9]+))
        |(-?(?:0|[1-9][0-9]*))
        |([a-z]+))(?=[ \t\r\n{}\[\]:,])
    )""",
    re.VERBOSE,
)
_KINDS: Final = tuple(Kind)  # by group number, less one


class Tables(NamedTuple):
    """What a lexer does: the rules of one year.

    Attributes:
        moves: By state and byte.
        runs: By state, the bytes that leave it as it is, taken in bulk.
        whole: A whole token that a neighbour in the same chunk surely ends; its groups
            are numbered as the kinds are.
    """

    moves: Mapping[int, list[Move]]
    runs: Mapping[int, re.Pattern[bytes]]
    whole: re.Pattern[bytes]


MODERN_TABLES: Final = Tables(_MOVES, _RUN, _WHOLE)


class Lexer:
    """Cut one stream of bytes into tokens.

    Args:
        max_token_size: Most bytes of one token; a longer one is given up as
            `Kind.OVERSIZED`, and what follows is looked at afresh.

    Attributes:
        tables: The rules of which year.
    """

    __slots__ = ("_max_token_size", "_state", "_token")

    tables: ClassVar[Tables] = MODERN_TABLES

    def __init__(self, max_token_size: int = MAX_TOKEN_SIZE) -> None:
        self._max_token_size = max_token_size
        self._state = State.START
        self._token = bytearray()

    @property
    def is_idle(self) -> bool:
        """Whether no token has begun, and nothing bad is being skipped."""
        return self._state is State.START

    @property
    def held(self) -> int:
        """Bytes of the token that has begun."""
        return len(self._token)

    def next_token(self, data: bytes, position: int) -> tuple[Token | None, int]:
        """Return the next token from *position* on, and the position behind it.

        There is none if the bytes end first: what has begun is kept for the next chunk.
        """
        if self._state is State.START and (
            whole := self.tables.whole.match(data, position)
        ):
            group = whole.lastindex or 0
            token = Token(_KINDS[group - 1], whole[group])
            if len(token.text) <= self._max_token_size:
                return token, whole.end()
        return self._step(data, position)

    def _step(self, data: bytes, position: int) -> tuple[Token | None, int]:
        end = len(data)
        state, token = self._state, self._token
        moves, runs, _ = self.tables
        while position < end:
            if len(token) > self._max_token_size:
                self._state = State.START
                return self._take(Kind.OVERSIZED), position
            if run := runs.get(state):
                room = position + self._max_token_size + 1 - len(token)
                stop = run.match(data, position, room).end()  # type: ignore[union-attr]
                if state not in (State.START, State.RECOVERY):
                    token += data[position:stop]
                position = stop
                if len(token) > self._max_token_size or position == end:
                    continue
            move = moves[state][data[position]]
            if move.consumes:
                token.append(data[position])
                position += 1
            state = move.state
            if move.kind is not None:
                self._state = state
                return self._take(move.kind), position
            if state is State.START or state is State.RECOVERY:
                token.clear()
        self._state = state
        return None, position

    def _take(self, kind: Kind) -> Token:
        token = Token(kind, bytes(self._token))
        self._token = bytearray()
        return token
