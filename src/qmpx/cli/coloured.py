"""JSON for people: indented, coloured, and fit for a terminal."""

import json
import re
from typing import Any, Final

from qmpx.cli.output import printable

_STYLES: Final = {
    "key": "\x1b[36m",
    "string": "\x1b[32m",
    "number": "\x1b[35m",
    "word": "\x1b[33m",
}
_RESET: Final = "\x1b[0m"
_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d[\d.eE+-]*)|(?P<word>true|false|null)"
)


def json_text(value: Any, *, colour: bool = False, indent: int | None = 2) -> str:
    """Return a value as JSON, without what a terminal would act on.

    Args:
        value: What JSON can say.
        colour: Whether keys, texts and numbers are told apart by colour.
        indent: How much each level is indented; ``None`` for a single line.
    """
    text = printable(json.dumps(value, indent=indent, ensure_ascii=False))
    return highlighted(text) if colour else text


def highlighted(text: str) -> str:
    """Return JSON with colours."""
    return _TOKEN.sub(_painted, text)


def _painted(match: re.Match[str]) -> str:
    return f"{_STYLES[match.lastgroup or 'word']}{match[0]}{_RESET}"


def painted(text: str, code: str, *, colour: bool = True) -> str:
    """Return *text* in a colour: *code* is what ECMA-48 calls it, such as ``1;31``."""
    return f"\x1b[{code}m{text}{_RESET}" if colour else text
