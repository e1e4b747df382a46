"""Documentation comments as they were written up to QEMU 8.2: line by line.

Each line is looked at in the light of what it stands in: the text at the beginning, the
description of a member or of a feature, a section behind those.

Source: QEMU 7.2 and 8.2, ``docs/devel/qapi-code-gen.rst``; observed on QEMU 7.2.
"""

import re
from typing import NoReturn

from qmpx.qapi.language.comments import Comment, Doc, Part
from qmpx.qapi.language.releases import FREE_INDENTATION, Release

_TAGS = frozenset(
    ("Returns:", "Since:", "Note:", "Notes:", "Example:", "Examples:", "TODO:")
)
_ONCE = ("Returns", "Since")
_NAME = re.compile(r"@\S+:")
_HEAD = re.compile(r"@\S*:\s*")
_TAG = re.compile(r"\S*:\s*")


def read_sections(comment: Comment, release: Release) -> Doc:
    """Read a comment.

    Raises:
        SchemaError: It is not what it should be.
    """
    return _Reading(comment, free=release >= FREE_INDENTATION).read()


class _Reading:
    def __init__(self, comment: Comment, *, free: bool) -> None:
        self._comment = comment
        self._free = free  # the indentation is that of the second line
        self._doc = Doc(comment)
        self._part = self._doc.body
        self._indentation: int | None = 0
        self._number = 0
        self._line = self._in_body

    def read(self) -> Doc:
        doc = self._doc
        for number, line in self._comment.lines():
            self._number = number
            if line is None:
                break
            if line[:1] == "=" and doc.symbol:
                self._fail("unexpected '=' markup in definition documentation")
            self._line(line)
        self._finish()
        return doc

    def _fail(self, message: str) -> NoReturn:
        self._comment.fail(self._number, message)

    def _in_body(self, line: str) -> None:
        doc = self._doc
        if not doc.symbol:
            if line[:1] != "@" or doc.body.lines:
                self._append(line)
                return
            if not line.endswith(":"):
                self._fail("line should end with ':'")
            if line == "@:":
                self._fail("name required after '@'")
            doc.symbol = line[1:-1]
            return
        name = line.split(" ", 1)[0]
        if _is_name(name):
            self._line = self._in_member
            self._line(line)
        elif line == "Features:":
            self._line = self._in_feature
        elif name in _TAGS:
            self._line = self._in_section
            self._line(line)
        else:
            self._append(line)

    def _in_member(self, line: str) -> None:
        if self._is_behind_blank() and line == "Features:":
            self._line = self._in_feature
        else:
            self._in_description(line, self._doc.members)

    def _in_feature(self, line: str) -> None:
        self._in_description(line, self._doc.features)

    def _in_description(self, line: str, descriptions: dict[str, Part]) -> None:
        name = line.split(" ", 1)[0]
        if _is_name(name):
            described = name[1:-1]
            if not described:
                self._fail("invalid parameter name")
            if described in descriptions:
                self._fail(f"'{described}' parameter name duplicated")
            descriptions[described] = self._begin(described, line, _HEAD)
        elif name in _TAGS:
            self._line = self._in_section
            self._line(line)
        elif self._is_behind_blank() and line and not line[0].isspace():
            self._line = self._in_section
            self._doc.sections.append(self._begin(None))
            self._line(line)
        else:
            self._append(line)

    def _in_section(self, line: str) -> None:
        doc = self._doc
        name = line.split(" ", 1)[0]
        if _is_name(name):
            self._fail(f"'{name}' can't follow '{doc.sections[0].tag}' section")
        if name in _TAGS:
            tag = name[:-1]
            if tag in _ONCE and doc.section(tag):
                self._fail(f"duplicated '{tag}' section")
            doc.sections.append(self._begin(tag, line, _TAG))
        else:
            self._append(line)

    def _is_behind_blank(self) -> bool:
        lines = self._part.lines
        return len(lines) > 1 and not lines[-1]

    def _begin(
        self, tag: str | None, line: str = "", head: re.Pattern[str] = _TAG
    ) -> Part:
        # What follows the tag on its line says how far the next lines are indented.
        self._finish()
        self._part = Part(tag, self._number)
        found = head.match(line)
        start = found.end() if found else 0
        text = line[start:].rstrip()
        if self._free and tag is not None:
            self._indentation = None
        else:
            self._indentation = start if text else 0
        if tag is not None:
            self._part.lines.append(text)
        return self._part

    def _finish(self) -> None:
        part = self._part
        if part is not self._doc.body and not any(part.lines):
            self._fail(f"empty doc section '{part.tag}'")

    def _append(self, line: str) -> None:
        if line:
            name = _NAME.match(line)
            if name is not None:
                text = f"'{name[0]}' not allowed in free-form documentation"
                self._fail(text)
            found = len(line) - len(line.lstrip())
            if self._indentation is None:
                self._indentation = found
            if found < self._indentation:
                self._fail(
                    "unexpected de-indent (expected at least "
                    f"{self._indentation} spaces)"
                )
            line = line[self._indentation :].rstrip()
        self._part.lines.append(line)


def _is_name(word: str) -> bool:
    return word[:1] == "@" and word[-1:] == ":"
