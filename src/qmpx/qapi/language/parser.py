"""The text of one schema file, as a sequence of items: comments and expressions.

Expressions are those of JSON, as objects, lists, strings and booleans of Python. What
they mean is not known here, only where each one begins and what comes wrong in its
syntax. `parse` is a generator: what stands first is dealt with first, and an error that
comes later is found later.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from msgspec import Struct

from qmpx.qapi.language.comments import Comment
from qmpx.qapi.language.lexer import END, Tokens
from qmpx.qapi.language.places import Place

MAX_NESTING: Final = 128
"""How deep expressions may be nested; QEMU's own schemas need 6.

So that no file can exhaust the interpreter's stack.
"""

Json: TypeAlias = dict[str, Any]


class Expression(Struct, gc=False):
    """An object at the top level of a file.

    Attributes:
        value: The object.
        place: Where it begins.
    """

    value: Json
    place: Place


def parse(text: str, file: str, parent: Place | None) -> Iterator[Comment | Expression]:
    """Yield the items of a file.

    Args:
        text: The text of the file.
        file: Its path, for errors.
        parent: The place of the directive that includes it, if one does.

    Raises:
        SchemaError: The syntax is wrong.
    """
    tokens = Tokens(text, file, parent)
    texts = tokens.texts
    expressions = _Expressions(tokens)
    tokens.check(0)
    index = 0
    while texts[index] != END:
        if texts[index].startswith("##"):
            yield Comment(tokens, index)
            index += 1
            tokens.check(index)
            continue
        place = tokens.place(index)
        index, value = expressions.read(index, MAX_NESTING)
        tokens.check(index)
        if not isinstance(value, dict):
            raise place.error("top-level expression must be an object")
        yield Expression(value, place)


class _Expressions:
    # Each method takes the index of a token and returns that of the one behind.

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._texts = tokens.texts

    def read(self, index: int, depth: int) -> tuple[int, Any]:
        text = self._texts[index]
        match text[:1]:
            case "'" if len(text) > 1:
                return index + 1, _string(text)
            case "{":
                return self._object(index + 1, self._deeper(index, depth))
            case "[":
                return self._list(index + 1, self._deeper(index, depth))
            case "t" | "f" if len(text) > 1:
                return index + 1, text == "true"
            case _:
                return self._tokens.fail(index, "expected '{', '[', string, or boolean")

    def _deeper(self, index: int, depth: int) -> int:
        if depth == 0:
            self._tokens.fail(index, f"nested deeper than {MAX_NESTING} levels")
        return depth - 1

    def _object(self, index: int, depth: int) -> tuple[int, Json]:
        texts, fail = self._texts, self._tokens.fail
        members: Json = {}
        if texts[index] == "}":
            return index + 1, members
        expected = "expected string or '}'"
        while True:
            text = texts[index]
            if text[:1] != "'" or len(text) == 1:
                fail(index, expected)
            if texts[index + 1] != ":":
                fail(index + 1, "expected ':'")
            key = _string(text)
            if key in members:
                fail(index + 2, f"duplicate key '{key}'")
            index, members[key] = self.read(index + 2, depth)
            if texts[index] == "}":
                return index + 1, members
            if texts[index] != ",":
                fail(index, "expected ',' or '}'")
            index += 1
            expected = "expected string"

    def _list(self, index: int, depth: int) -> tuple[int, list[Any]]:
        texts, fail = self._texts, self._tokens.fail
        values: list[Any] = []
        if texts[index] == "]":
            return index + 1, values
        if texts[index][:1] not in tuple("{['tf"):
            fail(index, "expected '{', '[', ']', string, or boolean")
        while True:
            index, value = self.read(index, depth)
            values.append(value)
            if texts[index] == "]":
                return index + 1, values
            if texts[index] != ",":
                fail(index, "expected ',' or ']'")
            index += 1


def _string(token: str) -> str:
    # The one escape is that of the backslash itself.
    return token[1:-1].replace("\\\\", "\\")
