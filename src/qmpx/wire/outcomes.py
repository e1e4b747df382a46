"""What reading a stream of JSON comes to, and how much one message may take.

Who passes on what was read needs no more than this: the faithful path itself, `lexer`
and `parser`, is imported when a stream needs it first. Most never do.
"""

from typing import Any, Final, NamedTuple

MAX_TOKEN_SIZE: Final = 64 * 1024 * 1024
"""Most bytes of one token, and of all tokens of one message (QEMU's figure)."""

MAX_TOKEN_COUNT: Final = 2 * 1024 * 1024
"""Most tokens of one message (QEMU's figure)."""

MAX_NESTING: Final = 1024
"""Most brackets open at once, of both kinds together (QEMU's figure)."""


class Limits(NamedTuple):
    """What one unfinished message may come to. The defaults are QEMU's.

    Attributes:
        token_size: Bytes of all its tokens.
        token_count: Number of its tokens.
        nesting: Brackets open at once.
    """

    token_size: int = MAX_TOKEN_SIZE
    token_count: int = MAX_TOKEN_COUNT
    nesting: int = MAX_NESTING


class Parsed(NamedTuple):
    """A whole JSON value."""

    value: Any


class Malformed(NamedTuple):
    """What was read was no JSON value, and has been dropped.

    Attributes:
        desc: QEMU's description of the fault.
    """

    desc: str
