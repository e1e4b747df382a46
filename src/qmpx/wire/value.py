"""One JSON value by itself, as QEMU reads it: in an option, a file's name, a line.

QEMU takes there what it takes on a monitor, so single quotes, too, and words what is
wrong in the same way. But a text has an end, and one value is all that there may be.

Source: QEMU 7.2.22, observed.
"""

from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.wire.lexer import Kind, Lexer, Token
from qmpx.wire.outcomes import Limits, Malformed, Parsed
from qmpx.wire.parser import Parser

_END: Final = b"\0"  # ends a number or a word, and may stand nowhere


def read_value(text: str) -> Any:
    """Return what JSON stands for in QEMU.

    Args:
        text: One value, and blanks around it.

    Raises:
        GenericError: It is none, or not one; described as QEMU does.
    """
    data = text.encode(errors="surrogateescape")
    parser = Parser(Limits())
    values: list[Any] = []
    for token in _tokens(data):
        outcome = parser.push(token)
        if outcome is not None:
            _keep(outcome, values)
    if (rest := parser.finish()) is not None:
        _keep(rest, values)
    if not values:
        message = "Expecting a JSON value"
        raise GenericError(message)
    return values[0]


def _keep(outcome: Parsed | Malformed, values: list[Any]) -> None:
    """Take what has been read. The first thing that is wrong is what is told.

    Raises:
        GenericError: It is no value, or not the first.
    """
    if values:
        message = "Expecting at most one JSON value"
        raise GenericError(message)
    if isinstance(outcome, Malformed):
        raise GenericError(outcome.desc)
    values.append(outcome.value)


def _tokens(data: bytes) -> "list[Token]":
    lexer = Lexer()
    tokens: list[Token] = []
    position = 0
    while True:
        token, position = lexer.next_token(data, position)
        if token is None:
            break
        tokens.append(token)
    if not lexer.is_idle:
        last, _ = lexer.next_token(_END, 0)
        if last is not None and last.kind is Kind.ERROR:
            last = Token(Kind.ERROR, last.text.removesuffix(_END))
        if last is not None:
            tokens.append(last)
    return tokens
