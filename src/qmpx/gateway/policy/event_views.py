"""Events without what gives clients, hosts or files away. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Raw

HIDDEN: Final = "(hidden)"
"""What stands in place of a text."""


def hide(data: Raw, places: tuple[str, ...]) -> Raw:
    """Return an event's data without what stands at some places.

    Texts are replaced, so that what must be there is; anything else becomes empty.
    """
    try:
        value = msgspec.json.decode(data)
    except (ValueError, RecursionError):  # nested too deeply: no event of QEMU's
        return Raw(b"{}")
    changed = False
    for place in places:
        *way, last = place.split(".")
        inner: Any = value
        for name in way:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            inner[last] = _emptied(inner[last])
            changed = True
    return Raw(msgspec.json.encode(value)) if changed else data


def _emptied(value: Any) -> Any:
    if isinstance(value, str):
        return HIDDEN
    if isinstance(value, dict):
        # The tag of a union stays: without it the rest would not be valid.
        return {
            name: each if name == "type" else _emptied(each)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return []
    return type(value)() if value is not None else None
