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
from collections.abc import Iterable
from typing import Final, NamedTuple

MAX_TOKEN_SIZE: Final = 64 * 1024 * 1024
"""Most bytes of one token, and of all tokens of one message (QEMU's figure)."""


class Kind(enum.IntEnum):
    """What a token is; the first five are numbered as `_WHOLE` numbers its groups."""

    PUNCTUATION = 1
    STRING = 2
    FLOAT = 3
    INTEGER = 4
    WORD = 5
    ERROR = 6
    OVERSIZED = 7


class Token(NamedTuple):
    """A token and its bytes as they were read."""

    kind: Kind
    text: bytes


class _State(enum.IntEnum):
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


class _Move(NamedTuple):
    """What one byte does in one state."""

    state: _State
    kind: Kind | None = None  # the token that is complete with this move
    consumes: bool = True  # else the byte is looked at again in the new state


_BAD = _Move(_State.RECOVERY, Kind.ERROR)


def _row(*moves: tuple[Iterable[int], _Move], default: _Move = _BAD) -> list[_Move]:
    row = [default] * 256
    for codes, move in moves:
        for code in codes:
            row[code] = move
    return row


def _ends(kind: Kind) -> _Move:
    return _Move(_State.START, kind, consumes=False)


def _body(quote: bytes, state: _State, escape: _State) -> list[_Move]:
    return _row(
        (range(0x20, 0xFE), _Move(state)),
        (b"\\", _Move(escape)),
        (quote, _Move(_State.START, Kind.STRING)),
    )


_DIGIT = b"0123456789"
_LETTER = b"abcdefghijklmnopqrstuvwxyz"
_PUNCTUATION = b"{}[]:,"
_AGAIN = _Move(_State.START, consumes=False)
_E = _Move(_State.EXPONENT)

_TABLE: Final[dict[_State, list[_Move]]] = {
    _State.START: _row(
        (b" \t\r\n", _Move(_State.START)),
        (_PUNCTUATION, _Move(_State.START, Kind.PUNCTUATION)),
        (b'"', _Move(_State.STRING)),
        (b"'", _Move(_State.QUOTED)),
        (b"-", _Move(_State.SIGN)),
        (b"0", _Move(_State.ZERO)),
        (b"123456789", _Move(_State.DIGITS)),
        (_LETTER, _Move(_State.WORD)),
    ),
    _State.STRING: _body(b'"', _State.STRING, _State.STRING_ESCAPE),
    _State.STRING_ESCAPE: _row((range(0x20, 0xFE), _Move(_State.STRING))),
    _State.QUOTED: _body(b"'", _State.QUOTED, _State.QUOTED_ESCAPE),
    _State.QUOTED_ESCAPE: _row((range(0x20, 0xFE), _Move(_State.QUOTED))),
    _State.SIGN: _row((b"0", _Move(_State.ZERO)), (b"123456789", _Move(_State.DIGITS))),
    _State.ZERO: _row(  # "0e1" is a number for RFC 8259, two tokens for QEMU
        (_DIGIT, _BAD),
        (b".", _Move(_State.POINT)),
        default=_ends(Kind.INTEGER),
    ),
    _State.DIGITS: _row(
        (_DIGIT, _Move(_State.DIGITS)),
        (b".", _Move(_State.POINT)),
        (b"eE", _E),
        default=_ends(Kind.INTEGER),
    ),
    _State.POINT: _row((_DIGIT, _Move(_State.FRACTION))),
    _State.FRACTION: _row(
        (_DIGIT, _Move(_State.FRACTION)), (b"eE", _E), default=_ends(Kind.FLOAT)
    ),
    _State.EXPONENT: _row(
        (b"+-", _Move(_State.EXPONENT_SIGN)),
        (_DIGIT, _Move(_State.EXPONENT_DIGITS)),
    ),
    _State.EXPONENT_SIGN: _row((_DIGIT, _Move(_State.EXPONENT_DIGITS))),
    _State.EXPONENT_DIGITS: _row(
        (_DIGIT, _Move(_State.EXPONENT_DIGITS)), default=_ends(Kind.FLOAT)
    ),
    _State.WORD: _row((_LETTER, _Move(_State.WORD)), default=_ends(Kind.WORD)),
    _State.RECOVERY: _row(
        (range(0x20), _AGAIN),
        (b"\t", _Move(_State.RECOVERY)),
        (_PUNCTUATION, _AGAIN),
        (b"\xfe\xff", _AGAIN),
        default=_Move(_State.RECOVERY),
    ),
}

# Bytes that leave a state as it is, taken in bulk.
_RUN: Final[dict[_State, re.Pattern[bytes]]] = {
    _State.START: re.compile(rb"[ \t\r\n]*"),
    _State.STRING: re.compile(rb'[^"\\\x00-\x1f\xfe\xff]*'),
    _State.QUOTED: re.compile(rb"[^'\\\x00-\x1f\xfe\xff]*"),
    _State.DIGITS: re.compile(rb"[0-9]*"),
    _State.FRACTION: re.compile(rb"[0-9]*"),
    _State.EXPONENT_DIGITS: re.compile(rb"[0-9]*"),
    _State.WORD: re.compile(rb"[a-z]*"),
    _State.RECOVERY: re.compile(rb"[\t\x20-+\x2d-9;-Z\\^-z|~-\xfd]*"),
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


class Lexer:
    """Cut one stream of bytes into tokens.

    Args:
        max_token_size: Most bytes of one token; a longer one is given up as
            `Kind.OVERSIZED`, and what follows is looked at afresh.
    """

    __slots__ = ("_max_token_size", "_state", "_token")

    def __init__(self, max_token_size: int = MAX_TOKEN_SIZE) -> None:
        self._max_token_size = max_token_size
        self._state = _State.START
        self._token = bytearray()

    @property
    def is_idle(self) -> bool:
        """Whether no token has begun, and nothing bad is being skipped."""
        return self._state is _State.START

    def next_token(self, data: bytes, position: int) -> tuple[Token | None, int]:
        """Return the next token from *position* on, and the position behind it.

        There is none if the bytes end first: what has begun is kept for the next chunk.
        """
        if self._state is _State.START and (whole := _WHOLE.match(data, position)):
            group = whole.lastindex or 0
            token = Token(_KINDS[group - 1], whole[group])
            if len(token.text) <= self._max_token_size:
                return token, whole.end()
        return self._step(data, position)

    def _step(self, data: bytes, position: int) -> tuple[Token | None, int]:
        end = len(data)
        state, token = self._state, self._token
        while position < end:
            if len(token) > self._max_token_size:
                self._state = _State.START
                return self._take(Kind.OVERSIZED), position
            if run := _RUN.get(state):
                room = position + self._max_token_size + 1 - len(token)
                stop = run.match(data, position, room).end()  # type: ignore[union-attr]
                if state not in (_State.START, _State.RECOVERY):
                    token += data[position:stop]
                position = stop
                if len(token) > self._max_token_size or position == end:
                    continue
            move = _TABLE[state][data[position]]
            if move.consumes:
                token.append(data[position])
                position += 1
            state = move.state
            if move.kind is not None:
                self._state = state
                return self._take(move.kind), position
            if state is _State.START or state is _State.RECOVERY:
                token.clear()
        self._state = state
        return None, position

    def _take(self, kind: Kind) -> Token:
        token = Token(kind, bytes(self._token))
        self._token = bytearray()
        return token
