"""Tokens: the text of one schema file, cut up.

One compiled pattern does it. A documentation comment is one token, from its first
``##`` to its last; an ordinary comment is none. What is no token at all becomes one of
a single character: what is wrong with it is found out only if the parser comes that
far, since whatever is wrong before it comes first.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``; observed on QEMU 7.2.
"""

import re
from bisect import bisect_right
from typing import NoReturn

from qmpx.qapi.language.places import Place

_TOKEN = re.compile(
    r"""
    (?: \s++ | \#(?!\#)[^\n]*+ )*+              # white space and ordinary comments
    (
      [{}\[\]:,]
    | '(?: [ -&(-\[\]-~] | \\\\ )*+'
    | true | false
    | \#\#[^\n]*+ (?: \s*+ \#(?!\#)[^\n]*+ )*+ (?: \s*+ \#\#[^\n]*+ )?
    | (?s: . )                                  # what is no token
    | \Z
    )
    """,
    re.VERBOSE,
)
# A double quote is shown with what is behind it, as by QEMU's generator from 8.0 on;
# that of 7.2 breaks down there.
_STRAY = re.compile(r""""[^\[\]{}:,\s']*|[^\[\]{}:,\s'"]+""")
_PRINTABLE = range(0x20, 0x7F)
_TOKENS = frozenset("{}[]:,")

END = ""
"""The last token of every file."""


def is_token(text: str) -> bool:
    """Whether this is a token, and not something that should not be there."""
    return text in _TOKENS or len(text) > 1 or text == END


class Tokens:
    """The tokens of a file, and where they are.

    Args:
        text: The text of the file.
        file: Its path, for errors.
        parent: The place of the directive that includes it, if one does.

    Attributes:
        texts: The tokens, as they are written; the last one is `END`.
    """

    def __init__(self, text: str, file: str, parent: Place | None) -> None:
        # The end is told by the last newline, so there is always one.
        self._text = text if text.endswith("\n") else text + "\n"
        self._file = file
        self._parent = parent
        self._place: Place | None = None
        self.texts: list[str] = []
        self._starts: list[int] = []
        for match in _TOKEN.finditer(self._text):
            self.texts.append(match[1])
            self._starts.append(match.start(1))
            if match[1] == END:
                break
        self._starts[-1] = len(self._text) - 1
        self._lines = [0]  # where they begin
        self._lines += [match.end() for match in re.finditer("\n", self._text)]

    def place(self, index: int) -> Place:
        """Return the line that a token is on: the same object for the same line."""
        line = bisect_right(self._lines, self._starts[index])
        if self._place is None or self._place.line != line:
            self._place = Place(self._file, line, self._parent)
        return self._place

    def indentation(self, index: int) -> str:
        """Return what is before a token on its line."""
        start = self._starts[index]
        return self._text[self._lines[bisect_right(self._lines, start) - 1] : start]

    def fail(self, index: int, message: str) -> NoReturn:
        """Say that a token should not be there.

        Raises:
            SchemaError: What is wrong: *message*, unless it is not even a token.
        """
        if not is_token(self.texts[index]):
            message = self._what_is_wrong(self._starts[index])
        place = Place(self._file, self.place(index).line, self._parent)
        raise place.error(message, column_behind(self.indentation(index)))

    def check(self, index: int) -> None:
        """Refuse what is no token.

        Raises:
            SchemaError: It is none.
        """
        if not is_token(self.texts[index]):
            self.fail(index, "")

    def _what_is_wrong(self, start: int) -> str:
        text = self._text
        if text[start] != "'":
            stray = _STRAY.match(text, start)
            return f"stray '{stray[0] if stray else text[start]}'"
        return _wrong_string(text, start + 1)


def _wrong_string(text: str, start: int) -> str:
    escaped = False
    for index in range(start, len(text)):
        character = text[index]
        if character == "\n":
            break
        if escaped and character != "\\":
            return f"unknown escape \\{character}"
        if character == "\\":
            escaped = not escaped
        elif ord(character) not in _PRINTABLE:
            return "funny character in string"
    return 'missing terminating "\'"'


def column_behind(text: str) -> int:
    """Return the column of what follows *text* on a line, as QEMU counts it.

    A tab leads to ``(column + 7) % 8 + 1``, which is not what one would expect.
    """
    column = 1
    for character in text:
        column = (column + 7) % 8 + 1 if character == "\t" else column + 1
    return column
