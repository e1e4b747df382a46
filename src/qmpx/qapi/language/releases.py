"""What changed in the language, and when: schemas are read by the rules of their time.

Between releases of QEMU the language changed little, its documentation comments a good
deal: what 9.2 asks for, 7.2 refuses, and the other way round. A schema does not say by
which rules it is written. But it shows: see `release_of`.

Releases before 7.2 are read by the rules of 7.2.
"""

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

Release: TypeAlias = tuple[int, int]
"""A release of QEMU, such as ``(9, 2)``."""

FIRST: Final[Release] = (7, 2)
"""The oldest rules that there are here."""

UNIONS_IN_UNIONS: Final[Release] = (8, 1)
"""From here on a branch of a union may be a union."""

BOXED_CONDITIONS: Final[Release] = (8, 1)
"""From here on arguments with conditions have to be boxed."""

TYPE_TEXTS: Final[Release] = (8, 1)
"""From here on errors about references to types have other words."""

OWNER_TEXTS: Final[Release] = (8, 1)
"""From here on errors about inline arguments name their command or event."""

FREE_INDENTATION: Final[Release] = (8, 1)
"""From here on the second line of a description says how far it is indented."""

COMPLETE_DOCUMENTATION: Final[Release] = (9, 0)
"""From here on comments have another grammar, and have to describe all members."""

DIRECTIVES: Final[Release] = (9, 1)
"""From here on notes and examples are directives of reStructuredText, not sections."""

MIN_DESCRIPTIONS: Final = 8
"""How many descriptions of two lines or more tell the style of a schema.

In a handful, a slip would pass for a style; a real schema has dozens.
"""

_SINCE = re.compile(r"^[ \t]*# Since: (\d{1,3})\.(\d{1,3})\b", re.MULTILINE)
_NEW_GRAMMAR = re.compile(r"^[ \t]*# Errors:|'documentation-exceptions'", re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*# \.\. (?:note|qmp-example)::", re.MULTILINE)
_DESCRIPTION = re.compile(
    r"^# ((?:@[^\s:]+|[A-Z][a-z]+): +)\S.*\n# ( *)(?=[^\s@])", re.MULTILINE
)
_NEW_INDENTATION = 4


def read_release(text: str) -> Release:
    """Return the release that is meant by such as ``9.2`` or ``9.2.0-rc2``.

    Raises:
        ValueError: It is none.
    """
    match = re.fullmatch(r"v?(\d{1,3})\.(\d{1,3})(?:[.-].*)?", text)
    if match is None:
        message = f"{text!r} is no release of QEMU; such as 9.2 is"
        raise ValueError(message)
    return int(match[1]), int(match[2])


def release_of(texts: Iterable[str]) -> Release:
    """Return the release of QEMU by whose rules a schema is written.

    That is the newest which it says that something is there since, or whose syntax it
    uses in its documentation; 7.2 if it shows nothing.

    Args:
        texts: Its files.
    """
    found = FIRST
    aligned = indented = 0
    for text in texts:
        sinces = [(int(major), int(minor)) for major, minor in _SINCE.findall(text)]
        found = max(found, *sinces) if sinces else found
        if _NEW_GRAMMAR.search(text):
            found = max(found, COMPLETE_DOCUMENTATION)
        if _DIRECTIVE.search(text):
            found = max(found, DIRECTIVES)
        for head, indentation in _DESCRIPTION.findall(text):
            if len(head) > _NEW_INDENTATION:
                aligned += len(indentation) >= len(head)
                indented += len(indentation) == _NEW_INDENTATION
    if indented >= MIN_DESCRIPTIONS and indented > aligned:
        found = max(found, FREE_INDENTATION)
    return found
