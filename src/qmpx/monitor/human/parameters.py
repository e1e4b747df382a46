"""The args_type language: what a human types after a command's name, as one string.

``"force:-f,device:B"`` says: a flag ``-f``, kept as *force*; then the name of a block
device, kept as *device*. The letters are QEMU's:

========  ==================================  =====================================
letter    what a human types                  what the handler gets
========  ==================================  =====================================
F B s     a word, or a text in quotes         ``str``
S         all the rest of the line            ``str``
O         ``key=value,key=value``             a ``dict`` of all options
i l       an expression                       ``int`` of 32 bits, or 64
M         an expression, in MiB               ``int``, in bytes
o         a size, in MiB or with b, k, M, G   ``int``, in bytes
f         a number, perhaps with G, M or K    ``float``
T         a number, perhaps with ms, us, ns   ``float``, in seconds
b         ``on`` or ``off``                   ``bool``
/         ``/4xw``: count, format, size       `Format`
-x        ``-x``                              ``bool``: whether it was there
-xs       ``-x`` and a word                   ``str``
========  ==================================  =====================================

``?`` behind the letter makes it optional; ``.`` too, where a dot introduces it.

Source: QEMU 0.13, section 5.2 of the notes; the language is the same today.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

LETTERS: Final = frozenset("FBsSOilMofTb/-")


class Parameter(NamedTuple):
    """One parameter of a command.

    Attributes:
        name: The handler's keyword.
        letter: One of `LETTERS`; ``-`` is a flag.
        flag: The flag's letter, else empty.
        is_optional: Whether it may be left out; flags always may.
        is_dotted: Whether a dot introduces it.
        has_value: Whether a word comes after the flag.
    """

    name: str
    letter: str
    flag: str = ""
    is_optional: bool = False
    is_dotted: bool = False
    has_value: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """How memory or a value is to be shown: ``/4xw``.

    Attributes:
        count: How many values.
        format: ``o``, ``d``, ``u``, ``x``, ``i`` or ``c``.
        size: Bytes of one value: 1, 2, 4 or 8; -1 if nobody said.
    """

    count: int
    format: str
    size: int


def parse_args_type(text: str) -> tuple[Parameter, ...]:
    """Return the parameters that an args_type tells of.

    Raises:
        TypeError: It is none. That is a slip in the program, found at its start.
    """
    return tuple(_parse(part, text) for part in text.split(",") if part.strip())


def _parse(part: str, text: str) -> Parameter:
    name, _, kind = part.partition(":")
    letter, suffix = kind[:1], kind[1:]
    if name and letter == "-" and suffix[1:] in ("", "s") and suffix:
        has_value = len(suffix) > 1
        return Parameter(
            name, letter, flag=suffix[0], is_optional=True, has_value=has_value
        )
    if not name or letter not in LETTERS - {"-"} or suffix not in ("", "?", "."):
        message = f"{part!r} in args_type {text!r} is not NAME:LETTER"
        raise TypeError(message)
    return Parameter(
        name, letter, is_optional=suffix in ("?", "."), is_dotted=suffix == "."
    )
