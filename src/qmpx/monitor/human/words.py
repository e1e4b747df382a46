"""The words of a line that a human typed: names, words, and texts in quotes.

Source: QEMU 0.13; 7.2 has the same.
"""

from typing import Final, NamedTuple

from qmpx.monitor.human.expression import SPACE

MAX_STRING: Final = 1023
"""Bytes of an argument that are kept, as in QEMU, which drops the rest."""

_ESCAPES: Final = {"n": "\n", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


class Word(NamedTuple):
    """One word of a line, out of its quotes.

    Attributes:
        text: Its characters, as many as are kept.
        end: Where it ends in the line.
        fault: What is wrong with it, if anything.
    """

    text: str
    end: int
    fault: str = ""


def skip_space(line: str, at: int) -> int:
    """Return where the next character that is no space is, or the end."""
    while at < len(line) and line[at] in SPACE:
        at += 1
    return at


def name_end(line: str, start: int) -> int:
    """Return where a command's name ends: a format may follow it at once."""
    at = start
    while at < len(line) and line[at] != "/" and line[at] not in SPACE:
        at += 1
    return at


def clip(text: str, most: int) -> str:
    """Return the first *most* bytes of a text."""
    if len(text) <= most and (text.isascii() or 4 * len(text) <= most):
        return text
    data = text.encode(errors="surrogateescape")
    return data[:most].decode(errors="surrogateescape")


def read_word(line: str, start: int) -> Word | None:
    """Read the word that begins at *start*, or between quotes; ``None`` at the end."""
    at = skip_space(line, start)
    if at == len(line):
        return None
    if line[at] == '"':
        return _read_quoted(line, at + 1)
    end = at
    while end < len(line) and line[end] not in SPACE:
        end += 1
    return Word(clip(line[at:end], MAX_STRING), end)


def _read_quoted(line: str, start: int) -> Word:
    kept: list[str] = []
    at, fault = start, "unterminated string"
    while at < len(line):
        char = line[at]
        at += 1
        if char == '"':
            fault = ""
            break
        if char == "\\":
            code = line[at : at + 1]
            if code not in _ESCAPES:
                fault = f"unsupported escape code: '\\{code}'"
                break
            char = _ESCAPES[code]
            at += 1
        kept.append(char)
    return Word(clip("".join(kept), MAX_STRING), at, fault)
