"""What a terminal sends, as the keys that somebody pressed.

A key may be one byte, a character of several, or an escape sequence; it may come in any
number of pieces. Sequences of keys that mean nothing here are swallowed whole.

Source: QEMU 0.13 for what its line editor knows; ECMA-48, and what xterm and the Linux
console send, for the rest.
"""

import enum
from collections.abc import Iterator
from typing import Final

MAX_PARAMETER: Final = 999
"""Largest number in an escape sequence: above that it is no key, whatever it is."""


class Key(enum.Enum):
    """Keys that do something; any other is a character, or nothing."""

    HOME = enum.auto()
    END = enum.auto()
    LEFT = enum.auto()
    RIGHT = enum.auto()
    UP = enum.auto()
    DOWN = enum.auto()
    DELETE = enum.auto()
    BACKSPACE = enum.auto()
    TAB = enum.auto()
    ENTER = enum.auto()
    INTERRUPT = enum.auto()
    CUT_END = enum.auto()
    CUT_START = enum.auto()
    CUT_WORD = enum.auto()
    SEARCH = enum.auto()
    REDRAW = enum.auto()
    GIVE_UP = enum.auto()


_CONTROLS: Final = {
    0x01: Key.HOME,  # Ctrl-A
    0x02: Key.LEFT,
    0x03: Key.INTERRUPT,
    0x04: Key.DELETE,
    0x05: Key.END,
    0x06: Key.RIGHT,
    0x07: Key.GIVE_UP,
    0x08: Key.BACKSPACE,
    0x09: Key.TAB,
    0x0A: Key.ENTER,
    0x0B: Key.CUT_END,
    0x0C: Key.REDRAW,
    0x0D: Key.ENTER,
    0x0E: Key.DOWN,
    0x10: Key.UP,
    0x12: Key.SEARCH,
    0x15: Key.CUT_START,
    0x17: Key.CUT_WORD,
    0x7F: Key.BACKSPACE,
}
_FINALS: Final = {
    "A": Key.UP,
    "B": Key.DOWN,
    "C": Key.RIGHT,
    "D": Key.LEFT,
    "F": Key.END,
    "H": Key.HOME,
}
_NUMBERED: Final = {
    1: Key.HOME,
    3: Key.DELETE,
    4: Key.END,
    7: Key.HOME,
    8: Key.END,
}
_ESCAPE: Final = 0x1B
_CSI: Final = 0x9B  # what ESC [ is in one byte


class _State(enum.Enum):
    PLAIN = enum.auto()
    ESCAPE = enum.auto()
    SEQUENCE = enum.auto()
    SINGLE = enum.auto()


class KeyReader:
    """Bytes in, keys out; a part of one is kept until the rest comes."""

    def __init__(self) -> None:
        self._state = _State.PLAIN
        self._number = 0
        self._has_one_number = True
        self._character = b""  # the first bytes of one
        self._missing = 0  # how many it lacks

    def read(self, byte: int) -> Iterator[Key | str]:
        """Yield the keys that end with *byte*: at most one, but for broken UTF-8."""
        if self._missing:
            if 0x80 <= byte < 0xC0:
                self._character += bytes([byte])
                self._missing -= 1
                if not self._missing:
                    yield from self._take_character()
                return
            yield from self._take_character()
        if (key := self._key(byte)) is not None:
            yield key

    def _take_character(self) -> str:
        text = self._character.decode(errors="surrogateescape")
        self._character = b""
        self._missing = 0
        return text

    def _key(self, byte: int) -> Key | str | None:
        match self._state:
            case _State.PLAIN:
                return self._plain(byte)
            case _State.ESCAPE:
                states = {ord("["): _State.SEQUENCE, ord("O"): _State.SINGLE}
                self._begin(states.get(byte, _State.PLAIN))
            case _State.SINGLE:
                self._state = _State.PLAIN
                return _FINALS.get(chr(byte))
            case _State.SEQUENCE:
                return self._sequence(byte)
        return None

    def _begin(self, state: _State) -> None:
        self._state = state
        self._number = 0
        self._has_one_number = True

    def _plain(self, byte: int) -> Key | str | None:
        if 0x20 <= byte < 0x7F:
            return chr(byte)
        if byte == _ESCAPE:
            self._begin(_State.ESCAPE)
            return None
        if byte == _CSI:
            self._begin(_State.SEQUENCE)
            return None
        if 0xC2 <= byte < 0xF5:
            # In UTF-8 the first byte of a character tells how many follow.
            self._missing = 3 if byte >= 0xF0 else 2 if byte >= 0xE0 else 1
            self._character = bytes([byte])
            return None
        if byte >= 0x80:
            return bytes([byte]).decode(errors="surrogateescape")
        return _CONTROLS.get(byte)

    def _sequence(self, byte: int) -> Key | str | None:
        if 0x30 <= byte < 0x40:  # a parameter
            if 0x30 <= byte < 0x3A:
                if self._has_one_number:
                    number = 10 * self._number + byte - 0x30
                    self._number = min(number, MAX_PARAMETER)
            else:
                self._has_one_number = False
            return None
        if 0x20 <= byte < 0x30:
            return None
        self._state = _State.PLAIN
        if byte == ord("~"):
            return _NUMBERED.get(self._number)
        if byte < 0x40:  # a control character breaks it off
            return self._plain(byte)
        return _FINALS.get(chr(byte))
