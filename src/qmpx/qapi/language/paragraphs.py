"""Documentation comments as they are written since QEMU 9.0: paragraph by paragraph.

Source: QEMU 9.2, ``docs/devel/qapi-code-gen.rst``.
"""

import re
from typing import NoReturn

from qmpx.errors import SchemaError
from qmpx.qapi.language.comments import Comment, Doc, Part
from qmpx.qapi.language.releases import DIRECTIVES, Release

_NAME = re.compile(r"@([^:]*): *")
# With two colons it is a directive of reStructuredText.
_TAG = re.compile(r"(Returns|Errors|Since|Notes?|Examples?|TODO)(?!::): *")
_ONCE = ("Returns", "Errors", "Since")
_INSTEAD = {
    "Note": "Please use rST's '.. note::' or '.. admonition:: notes' directives, or "
    "another suitable admonition instead.",
    "Example": "Please use the '.. qmp-example::' directive, or other suitable markup "
    "instead.",
}


def read_paragraphs(comment: Comment, release: Release) -> Doc:
    """Read a comment.

    Raises:
        SchemaError: It is not what it should be.
    """
    return _Reading(comment, release).read()


class _Reading:
    # `_line` is what is to be read next; None at the end.

    def __init__(self, comment: Comment, release: Release) -> None:
        self._comment = comment
        self._release = release
        self._lines = comment.lines()
        self._doc = Doc(comment)
        self._part = self._doc.body
        self._parts: list[Part] = []
        self._number = 0
        self._line: str | None = None
        self._next()

    def read(self) -> Doc:
        if self._line is not None and self._line.startswith("@"):
            self._definition(self._line)
        else:
            self._free_form()
        self._comment.check_next()
        for part in self._parts:
            if part.tag is not None and not any(part.lines):
                raise self._doc.error(part, f"text required after '{part.tag}:'")
        return self._doc

    def _next(self) -> str | None:
        self._number, line = next(self._lines)
        self._line = None if line is None else line.rstrip()
        return self._line

    def _fail(self, message: str) -> NoReturn:
        self._comment.fail(self._number, message)

    def _free_form(self) -> None:
        first = True
        while self._line is not None:
            name = _NAME.match(self._line)
            if name is not None:
                self._fail(f"'@{name[1]}:' not allowed in free-form documentation")
            if self._line.startswith("=") and not first:
                self._fail("'=' heading must come first in a comment block")
            self._next()
            first = False

    def _definition(self, line: str) -> None:
        if not line.endswith(":"):
            self._fail("line should end with ':'")
        self._doc.symbol = line[1:-1]
        if not self._doc.symbol:
            self._fail("name required after '@'")
        self._next()
        is_late = False  # descriptions of members have to come before
        while self._skip_blank() is not None:
            line = self._line or ""
            if line == "Features:":
                self._features()
                is_late = True
            elif name := _NAME.match(line):
                if is_late:
                    self._fail(f"description of '@{name[1]}:' follows a section")
                self._descriptions(self._doc.members)
                is_late = True
            elif tag := _TAG.match(line):
                self._section(tag[1], line[tag.end() :])
                is_late = True
            elif line.startswith("="):
                self._fail("unexpected '=' markup in definition documentation")
            else:
                self._paragraph(line)

    def _skip_blank(self) -> str | None:
        while self._line == "":
            self._next()
        return self._line

    def _features(self) -> None:
        features = self._doc.features
        if features:
            self._fail("duplicated 'Features:' line")
        self._next()
        self._skip_blank()
        self._descriptions(features)
        if not features:
            self._fail("feature descriptions expected")

    def _descriptions(self, descriptions: dict[str, Part]) -> None:
        while self._line is not None and (name := _NAME.match(self._line)):
            if not name[1]:
                raise self._here("invalid parameter name")
            if name[1] in descriptions:
                raise self._here(f"'{name[1]}' parameter name duplicated")
            descriptions[name[1]] = self._begin(f"@{name[1]}")
            self._text(self._line[name.end() :])

    def _section(self, tag: str, text: str) -> None:
        for old, instead in _INSTEAD.items():
            if tag.startswith(old) and self._release >= DIRECTIVES:
                self._fail(f"The '{tag}' section is no longer supported. {instead}")
        if tag in _ONCE and self._doc.section(tag):
            raise self._here(f"duplicated '{tag}' section")
        self._doc.sections.append(self._begin(tag))
        self._text(text)

    def _here(self, message: str) -> SchemaError:
        return self._comment.place_of(self._number).error(message)

    def _begin(self, tag: str | None) -> Part:
        self._part = Part(tag, self._number)
        self._parts.append(self._part)
        return self._part

    def _paragraph(self, line: str) -> None:
        part = self._part
        if part.tag is not None:
            self._doc.sections.append(self._begin(None))
        elif part.lines:
            part.lines.append("")
        while line:
            self._part.lines.append(line)
            self._next()
            line = self._line or ""

    def _text(self, first: str) -> None:
        """Read what is behind a tag, and the indented lines that follow."""
        lines = self._part.lines
        if first:
            lines.append(first)
        line = self._next()
        while line == "":
            lines.append("")
            line = self._next()
        expected = _indentation(line or "")
        is_behind_blank = True
        while expected and line is not None and not _NAME.match(line):
            if line and _indentation(line) < expected:
                if is_behind_blank:
                    return
                self._fail(
                    f"unexpected de-indent (expected at least {expected} spaces)"
                )
            is_behind_blank = not line
            lines.append(line[expected:])
            line = self._next()


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
