"""What users may call things by: devices, back ends, drives."""

import re
from typing import Final

from qmpx.errors import InvalidParameterValue

_IDENTIFIER: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")

HINT: Final = (
    "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter."
)


def is_identifier(text: str) -> bool:
    """Whether something may be called so."""
    return _IDENTIFIER.fullmatch(text) is not None


def check_identifier(text: str) -> None:
    """Check what somebody wants to call something.

    Raises:
        InvalidParameterValue: It is no identifier; the hint tells what one is.
    """
    if not is_identifier(text):
        error = InvalidParameterValue(name="id", expected="an identifier")
        raise error.hinting(HINT)
