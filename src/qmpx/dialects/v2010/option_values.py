"""What commands about devices share: options as text, and errors as text.

Source: QEMU 0.13.0, sections 1.11 and 2.1 of the notes.
"""

from collections.abc import Mapping
from typing import Any

from qmpx.errors import CommandError
from qmpx.wire.member_order import order


def option_texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as text, in the order in which 0.13 came to them.

    Truth values become ``on`` and ``off``, numbers decimal; other kinds of values are
    dropped without a word, and so is an id that is no string.
    """
    texts: dict[str, str] = {}
    for name in order(options):
        text = _text(options[name])
        if text is not None and (name != "id" or isinstance(options[name], str)):
            texts[name] = text
    return texts


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:f}"
    return None


def explain(error: Exception) -> str:
    """Return what a person reads of an error, in whole lines; perhaps nothing.

    A command that goes on after an error, to say more, shows it so.
    """
    lines = list(getattr(error, "__notes__", ()))
    if isinstance(error, CommandError):
        lines += [error.desc_2010, *error.hint.splitlines()]
    elif str(error):
        lines.append(str(error))
    return "".join(f"{line}\n" for line in lines)
