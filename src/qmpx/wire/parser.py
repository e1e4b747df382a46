"""Tokens to messages, with the faults and the recovery of QEMU's streamer and parser.

A message ends with the token that balances its brackets, counted by kind and not
paired. The first fault of order is reported at that point and the whole message is
dropped; a bad token, and a limit passed, are reported at once and drop what was read.
What follows is looked at afresh.

The parser is told one token at a time and keeps no tokens: it builds the value as it
goes, on a stack of its own, so that no depth of nesting meets Python's limit.

Source: observed on QEMU 7.2; the limits are its own.
"""

import enum
from typing import Any, Final

from qmpx.wire.lexer import Kind, Token
from qmpx.wire.outcomes import Limits, Malformed, Parsed
from qmpx.wire.text import StringFault, read_string, read_text

_MAX_FAULT: Final = 1023  # QEMU words a fault in a buffer of 1024 bytes

_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1
_KEYWORDS: Final = {b"true": True, b"false": False, b"null": None}


TOKEN_COST: Final = 100
"""Bytes of memory that a token takes beside its text, once it is read: an object, and a
place in another one."""


class _Expect(enum.Enum):
    """What may come next; where a value may come, a fault reads "expecting value"."""

    # Members are singletons: the interpreter's own hash does, and is quicker.
    __hash__ = object.__hash__

    FIRST_ITEM = enum.auto()
    ITEM = enum.auto()
    AFTER_ITEM = enum.auto()
    FIRST_KEY = enum.auto()
    KEY = enum.auto()
    COLON = enum.auto()
    MEMBER = enum.auto()
    AFTER_MEMBER = enum.auto()


class _Frame:
    """An array or an object that is not closed yet."""

    __slots__ = ("container", "expect", "key")

    def __init__(self, container: Any, expect: _Expect) -> None:
        self.container = container
        self.expect = expect
        self.key = ""


class Fault(Exception):
    """The order of the tokens is wrong."""


class Parser:
    """Build the messages of one stream.

    Args:
        limits: What one message may come to.
    """

    __slots__ = (
        "_braces",
        "_brackets",
        "_count",
        "_fault",
        "_limits",
        "_size",
        "_stack",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._reset()

    def _reset(self) -> None:
        self._braces = self._brackets = self._count = self._size = 0
        self._fault: str | None = None
        self._stack: list[_Frame] = []

    @property
    def is_idle(self) -> bool:
        """Whether no message has begun."""
        return self._count == 0

    @property
    def held(self) -> int:
        """About how many bytes of memory the tokens take that make no value yet."""
        return 0 if self._fault is not None else self._size + self._count * TOKEN_COST

    def push(self, token: Token) -> Parsed | Malformed | None:
        """Take the next token; return the message that ends with it, if one does."""
        outcome = self._refuse(token)
        if outcome is not None:
            self._reset()
            return outcome
        self._size += len(token.text)
        self._count += 1
        value: object = None
        if self._fault is None:
            try:
                value = self._take(token)
            except (Fault, StringFault) as fault:
                self._fault = str(fault)
                self._stack = []
        if not self._is_whole():
            return None
        fault_text = self._fault
        self._reset()
        if fault_text is not None:
            return _malformed(fault_text)
        return Parsed(value)

    def finish(self) -> Malformed | None:
        """Tell that there are no more tokens; return what is wrong with that."""
        fault_text, was_idle = self._fault, self.is_idle
        self._reset()
        if was_idle:
            return None
        return _malformed("premature EOI" if fault_text is None else fault_text)

    def _is_whole(self) -> bool:
        """Whether the message ends here: it is balanced, or can never be."""
        braces, brackets = self._braces, self._brackets
        return braces < 0 or brackets < 0 or (braces == 0 and brackets == 0)

    def _refuse(self, token: Token) -> Malformed | None:
        """Count the token; return what stops the message at once."""
        kind, text = token
        if kind is Kind.PUNCTUATION:
            braces, brackets = _OPENS[text]
            self._braces += braces
            self._brackets += brackets
        elif kind is Kind.ERROR:
            return Malformed(f"JSON parse error, stray '{read_text(text)}'")
        if self._size + len(text) + 1 > self._limits.token_size:
            return Malformed("JSON token size limit exceeded")
        if self._count + 1 > self._limits.token_count:
            return Malformed("JSON token count limit exceeded")
        if self._braces + self._brackets > self._limits.nesting:
            return Malformed("JSON nesting depth limit exceeded")
        return None

    def _take(self, token: Token) -> object:
        """Move on by one token; return the value that it completes."""
        kind, text = token
        if kind is Kind.PUNCTUATION:
            return self._punctuate(text)
        frame = self._stack[-1] if self._stack else None
        if frame:
            _require_value(frame.expect)
        return self._complete(self._scalar(kind, text))

    def _punctuate(self, text: bytes) -> object:
        frame = self._stack[-1] if self._stack else None
        expect = frame.expect if frame else None
        if text in (b"{", b"["):
            if expect:
                _require_value(expect)
            self._stack.append(
                _Frame({}, _Expect.FIRST_KEY)
                if text == b"{"
                else _Frame([], _Expect.FIRST_ITEM)
            )
        elif frame and (text, expect) in _CLOSING:
            self._stack.pop()
            return self._complete(frame.container)
        elif frame and (text, expect) in _SEPARATING:
            frame.expect = _SEPARATING[text, frame.expect]
        else:
            if expect:
                _require_value(expect)
            message = "expecting value"
            raise Fault(message)
        return None

    def _complete(self, value: object) -> object:
        """Put a finished value where it belongs; return it if that is nowhere."""
        if not self._stack:
            return value
        frame = self._stack[-1]
        match frame.expect:
            case _Expect.FIRST_ITEM | _Expect.ITEM:
                frame.container.append(value)
                frame.expect = _Expect.AFTER_ITEM
            case _Expect.FIRST_KEY | _Expect.KEY:
                if not isinstance(value, str):
                    message = "key is not a string in object"
                    raise Fault(message)
                frame.key = value
                frame.expect = _Expect.COLON
            case _:
                self._put_member(frame.container, frame.key, value)
                frame.expect = _Expect.AFTER_MEMBER
        return None

    def _put_member(self, members: dict[str, Any], name: str, value: object) -> None:
        if name in members:
            message = "duplicate key"
            raise Fault(message)
        members[name] = value

    def _scalar(self, kind: Kind, text: bytes) -> object:
        if kind is Kind.STRING:
            return read_string(text)
        if kind is Kind.WORD:
            if text not in _KEYWORDS:
                message = f"invalid keyword '{text.decode()}'"
                raise Fault(message)
            return _KEYWORDS[text]
        return read_number(text, is_integer=kind is Kind.INTEGER)


def _malformed(fault: str) -> Malformed:
    return Malformed(f"JSON parse error, {fault[:_MAX_FAULT]}")


_OPENS: Final = {
    b"{": (1, 0),
    b"}": (-1, 0),
    b"[": (0, 1),
    b"]": (0, -1),
    b",": (0, 0),
    b":": (0, 0),
}
_CLOSING: Final = {
    (b"}", _Expect.FIRST_KEY),
    (b"}", _Expect.AFTER_MEMBER),
    (b"]", _Expect.FIRST_ITEM),
    (b"]", _Expect.AFTER_ITEM),
}
_SEPARATING: Final = {
    (b",", _Expect.AFTER_ITEM): _Expect.ITEM,
    (b",", _Expect.AFTER_MEMBER): _Expect.KEY,
    (b":", _Expect.COLON): _Expect.MEMBER,
}
_MISPLACED: Final = {
    _Expect.AFTER_ITEM: "expected separator in list",
    _Expect.AFTER_MEMBER: "expected separator in dict",
    _Expect.COLON: "missing : in object pair",
}


def _require_value(expect: _Expect) -> None:
    """Raise a fault if no value may come now."""
    if expect in _MISPLACED:
        raise Fault(_MISPLACED[expect])


def read_number(text: bytes, *, is_integer: bool) -> int | float:
    """Return a number as QEMU holds it.

    An integer is exact from -2**63 to 2**64 - 1 and a double beyond. A double that
    overflows becomes an infinity.
    """
    # Beyond 20 digits no integer fits, and int() refuses some thousands of them.
    if is_integer and len(text) <= len(b"-9223372036854775808"):
        number = int(text)
        if _INT64_MIN <= number <= _UINT64_MAX:
            return number
    return float(text)
