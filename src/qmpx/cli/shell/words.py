"""A line of the shell, cut into words, each with its place in the line.

A word is ``key=value``, ``key:=JSON`` or a value alone. Quotes may stand anywhere and
keep blanks together; JSON that begins with a bracket goes on to the bracket that closes
it. A line that is being typed may end within quotes or brackets.
"""

from typing import Final, NamedTuple

OPERATORS: Final = ("", "=", ":=")
"""What may stand between a key and its value: nothing, or one of these."""

_BLANKS: Final = " \t\r\n"
_CLOSING: Final = {"{": "}", "[": "]"}


class Word(NamedTuple):
    """A word of a line.

    Attributes:
        start: Where it begins.
        end: Where it ends: behind its last character.
        key: What stands before the operator; ``""`` without one.
        operator: One of `OPERATORS`.
        value_start: Where its value begins.
        raw: The value as it was typed.
        value: The value without its quotes.
        is_quoted: Whether any of it was in quotes.
        is_open: Whether quotes or brackets are not closed.
    """

    start: int
    end: int
    key: str
    operator: str
    value_start: int
    raw: str
    value: str
    is_quoted: bool = False
    is_open: bool = False


def split_words(text: str) -> list[Word]:
    """Return the words of a line."""
    words: list[Word] = []
    place = 0
    while True:
        while place < len(text) and text[place] in _BLANKS:
            place += 1
        if place == len(text):
            return words
        word = _read_word(text, place)
        words.append(word)
        place = word.end


def _read_word(text: str, start: int) -> Word:
    key, operator, place = _read_key(text, start)
    if operator == ":=" or text[place : place + 1] in ("{", "["):
        end, is_open = _json_end(text, place)
        raw = text[place:end]
        return Word(start, end, key, operator, place, raw, raw, is_open=is_open)
    return _read_value(text, start, key, operator, place)


def _read_key(text: str, start: int) -> tuple[str, str, int]:
    """Return a key, its operator, and where the value begins."""
    for place in range(start, len(text)):
        char = text[place]
        if char == "=" and place > start:
            if text[place - 1] == ":" and place - 1 > start:
                return text[start : place - 1], ":=", place + 1
            return text[start:place], "=", place + 1
        if char in _BLANKS or char in "\"'{[=":
            break
    return "", "", start


def _read_value(text: str, start: int, key: str, operator: str, place: int) -> Word:
    begin = place
    value: list[str] = []
    quote = ""
    is_quoted = False
    while place < len(text):
        char = text[place]
        if quote:
            if char == quote:
                quote = ""
            elif (
                char == "\\"
                and quote == '"'
                and text[place + 1 : place + 2]
                in (
                    '"',
                    "\\",
                )
            ):
                place += 1
                value.append(text[place])
            else:
                value.append(char)
        elif char in "\"'":
            quote = char
            is_quoted = True
        elif char in _BLANKS:
            break
        else:
            value.append(char)
        place += 1
    return Word(
        start,
        place,
        key,
        operator,
        begin,
        text[begin:place],
        "".join(value),
        is_quoted,
        bool(quote),
    )


def _json_end(text: str, place: int) -> tuple[int, bool]:
    """Return where the JSON that begins here ends, and whether something is open."""
    closing: list[str] = []
    quote = ""
    while place < len(text):
        char = text[place]
        if quote:
            if char == "\\":
                place += 1
            elif char == quote:
                quote = ""
        elif char in "\"'":
            quote = char
        elif char in _CLOSING:
            closing.append(_CLOSING[char])
        elif closing and char == closing[-1]:
            closing.pop()
        elif char in _BLANKS and not closing:
            break
        place += 1
    return min(place, len(text)), bool(quote or closing)


def quoted(text: str) -> str:
    """Return *text* so that it is one word, with quotes only if it needs them."""
    needs = not text or text[0] in "{[" or any(c in _BLANKS + "\"'" for c in text)
    if not needs:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
