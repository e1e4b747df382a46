"""Objects of JSON without other objects in them, as QEMU spells them, read at once.

A greeting waits for what a profile tells of one machine; to import a reader of JSON
takes longer than all else that is done before it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from typing import Any, Final

_WORDS: Final = {"true": True, "false": False}


def find_flat(objects: str, member: str) -> dict[str, Any] | None:
    """Return the first object that has a certain member.

    Args:
        objects: A list of objects, as QEMU spells it: a blank after each colon and
            comma, and none elsewhere.
        member: The member's name and value, in that spelling.

    Returns:
        The object; ``None`` if there is none, or if it is not as simple as that.
    """
    at = objects.find(member)
    while at >= 0 and objects[at + len(member)] not in ",}":
        at = objects.find(member, at + 1)
    if at < 0:
        return None
    text = objects[objects.rfind("{", 0, at) + 1 : objects.find("}", at)]
    if "\\" in text or "[" in text:
        return None
    found: dict[str, Any] = {}
    for part in text.split(', "'):
        name, colon, value = part.lstrip('"').partition('": ')
        if value[:1] == '"':
            found[name] = value[1:-1]
        elif value in _WORDS:
            found[name] = _WORDS[value]
        elif colon and value.isdecimal():
            found[name] = int(value)
        else:
            return None
    return found
