"""Which keys type a text: the layout ``us``, by QEMU's names of keys (QKeyCode)."""

from collections.abc import Mapping, Sequence
from typing import Final

from qmpx.errors import LocalProtocolError

_NAMED: Final = {
    " ": "spc",
    "\n": "ret",
    "\r": "ret",
    "\t": "tab",
    "\b": "backspace",
    "\x7f": "delete",
    "\x1b": "esc",
    "-": "minus",
    "=": "equal",
    "[": "bracket_left",
    "]": "bracket_right",
    "\\": "backslash",
    ";": "semicolon",
    "'": "apostrophe",
    "`": "grave_accent",
    ",": "comma",
    ".": "dot",
    "/": "slash",
}
_SHIFTED: Final = dict(
    zip('~!@#$%^&*()_+{}|:"<>?', "`1234567890-=[]\\;',./", strict=True)
)


def chords(
    text: str, more: Mapping[str, Sequence[str]] | None = None
) -> list[tuple[str, ...]]:
    """Return the keys for each character of *text*, those pressed together as one.

    Args:
        text: What is to be typed.
        more: The keys for characters that are elsewhere on the guest's layout.

    Raises:
        LocalProtocolError: There is no key for a character.
    """
    return [_chord(character, more or {}) for character in text]


def _chord(character: str, more: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    if character in more:
        return tuple(more[character])
    if character in _SHIFTED:
        return ("shift", *_chord(_SHIFTED[character], {}))
    if character in _NAMED:
        return (_NAMED[character],)
    if character.isascii() and character.isalnum():
        lower = character.lower()
        return (lower,) if lower == character else ("shift", lower)
    message = f"no key of an American keyboard types {character!r}"
    raise LocalProtocolError(message)
