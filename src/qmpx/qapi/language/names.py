"""Which names a schema may give, and which clash.

Source: QEMU, ``docs/devel/qapi-code-gen.rst``, *Naming rules and reserved names*;
observed on QEMU 7.2.
"""

import re

from qmpx.qapi.language.places import Place

_NAME = re.compile(r"(?:__[A-Za-z0-9.-]+_)?(?:[xX]-)?([A-Za-z][A-Za-z0-9_-]*)")
_CAMEL = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")
_LOWER = re.compile(r"[a-z-]")
_UPPER = re.compile(r"[A-Z]")
_NOT_IN_C = re.compile(r"[^A-Za-z0-9_]")


def in_c(name: str) -> str:
    """Return a name as it is in C: names clash if they are the same there.

    Reserved words get a prefix there that no name in a schema may have; so it makes no
    difference here.
    """
    return _NOT_IN_C.sub("_", name)


def check_lower(
    name: str, place: Place, what: str, *, upper: bool = False, underscore: bool = False
) -> None:
    """Refuse what is no name of a command, a member, a value or a feature.

    Args:
        name: The name.
        place: Where it is given.
        what: What it names, for the error.
        upper: Whether upper case is allowed.
        underscore: Whether ``_`` is allowed.

    Raises:
        SchemaError: It is none.
    """
    stem = _stem(name, place, what)
    if (not upper and _UPPER.search(stem)) or (not underscore and "_" in stem):
        message = f"name of {what} must not use uppercase or '_'"
        raise place.error(message)


def check_value(name: str, place: Place, what: str, *, permissive: bool) -> None:
    """Refuse what is no name of a value of an enumeration: it may begin with a digit.

    Raises:
        SchemaError: It is none.
    """
    if name[:1].isdigit():
        name = "d" + name
    check_lower(name, place, what, upper=permissive, underscore=permissive)


def check_definition(name: str, place: Place, *, underscore: bool) -> None:
    """Refuse what is no name of what is defined at a place.

    Args:
        name: The name.
        place: Where it is given; it knows the kind.
        underscore: Whether a command may have ``_`` in its name.

    Raises:
        SchemaError: It is none.
    """
    kind = place.kind
    if kind == "command":
        check_lower(name, place, kind, underscore=underscore)
    elif kind == "event":
        if _LOWER.search(_stem(name, place, kind)):
            message = f"name of {kind} must not use lowercase or '-'"
            raise place.error(message)
    elif not _CAMEL.fullmatch(_stem(name, place, kind)):
        message = f"name of {kind} must use CamelCase"
        raise place.error(message)
    if name.endswith("List"):
        message = f"{kind} name should not end in 'List'"
        raise place.error(message)


def _stem(name: str, place: Place, what: str) -> str:
    """Return a name without the prefixes of downstreams and of experiments."""
    match = _NAME.fullmatch(name)
    if match is None or in_c(name).startswith("q_"):
        message = f"{what} has an invalid name"
        raise place.error(message)
    return match[1]
