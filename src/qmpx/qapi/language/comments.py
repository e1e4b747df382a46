"""Documentation comments: their lines, and what is read from them.

Two grammars have been in use; `sections` reads that of QEMU up to 8.2, `paragraphs`
that of 9.0 and later. Both give a `Doc`.
"""

from collections.abc import Iterator
from typing import NoReturn

from qmpx.errors import SchemaError
from qmpx.qapi import model
from qmpx.qapi.language.lexer import Tokens, column_behind
from qmpx.qapi.language.places import Place


class Comment:
    """A comment from ``##`` to ``##``.

    Args:
        tokens: The tokens of its file.
        index: Which of them it is.

    Attributes:
        place: Where it begins.
    """

    __slots__ = ("_index", "_lines", "_tokens", "place")

    def __init__(self, tokens: Tokens, index: int) -> None:
        self.place = tokens.place(index)
        self._tokens = tokens
        self._index = index
        self._lines = tokens.texts[index].split("\n")

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """Yield the lines between the two ``##``: number and text.

        The number is for `fail` and `place_of`. The text has no ``# `` in front; that
        of ``#`` alone is empty; that of the last ``##`` is None.

        Raises:
            SchemaError: A line is none, or the end is missing.
        """
        if self._lines[0] != "##":
            self.fail(0, "junk after '##' at start of documentation comment")
        for number, raw in enumerate(self._lines[1:], 1):
            line = raw if raw[:1] == "#" else raw.lstrip()
            if line[:2] == "# ":
                yield number, line[2:]
            elif line == "#":
                yield number, ""
            elif line == "##":
                yield number, None
                return
            elif line.startswith("##"):
                self.fail(number, "junk after '##' at end of documentation comment")
            elif line:  # blank lines may be anywhere
                self.fail(number, "missing space after #")
        self._tokens.fail(self._index + 1, "documentation comment must end with '##'")

    def place_of(self, number: int) -> Place:
        """Return where a line is."""
        start = self.place
        return Place(start.file, start.line + number, start.parent)

    def fail(self, number: int, message: str) -> NoReturn:
        """Say that a line is wrong.

        Raises:
            SchemaError: That it is.
        """
        raw = self._lines[number]
        before = raw[: len(raw) - len(raw.lstrip())]
        if number == 0:
            before = self._tokens.indentation(self._index)
        raise self.place_of(number).error(message, column_behind(before))

    def check_next(self) -> None:
        """Refuse what follows the comment, if it is no token.

        Raises:
            SchemaError: It is none.
        """
        self._tokens.check(self._index + 1)


class Part:
    """A part of a documentation comment.

    Args:
        tag: What it begins with, such as ``Returns``, or the name that it describes;
            None if there is no such thing.
        number: The number of its first line.

    Attributes:
        lines: Its text, in lines.
        exists: Whether what it describes has been found.
    """

    __slots__ = ("exists", "lines", "number", "tag")

    def __init__(self, tag: str | None, number: int) -> None:
        self.tag = tag
        self.number = number
        self.lines: list[str] = []
        self.exists = False

    @property
    def text(self) -> str:
        """Its text, without blanks around it."""
        return "\n".join(self.lines).strip()


class Doc:
    """What a documentation comment says.

    Args:
        comment: The comment.

    Attributes:
        symbol: The name of what it describes; empty if it is free-form.
        body: What it begins with.
        members: The parts that describe members.
        features: Those that describe features.
        sections: All others, tagged or not.
    """

    __slots__ = ("body", "comment", "features", "members", "sections", "symbol")

    def __init__(self, comment: Comment) -> None:
        self.comment = comment
        self.symbol = ""
        self.body = Part(None, 0)
        self.members: dict[str, Part] = {}
        self.features: dict[str, Part] = {}
        self.sections: list[Part] = []

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self.comment.place

    def section(self, tag: str) -> Part | None:
        """Return the section with this tag, if there is one."""
        return next((part for part in self.sections if part.tag == tag), None)

    def error(self, part: Part, message: str) -> SchemaError:
        """Return the error that something is wrong with a part."""
        return self.comment.place_of(part.number).error(message)

    def documentation(self) -> model.Documentation:
        """Return it as it is kept."""
        return model.Documentation(
            text=self.body.text,
            members={name: part.text for name, part in self.members.items()},
            features={name: part.text for name, part in self.features.items()},
            sections=tuple(
                model.Section(part.tag or "", part.text) for part in self.sections
            ),
        )
