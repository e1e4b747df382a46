"""What commands, events, types, members and values are called in Python."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from qmpx.qapi.model import Schema
from qmpx.qapi.typed import python_name

USED: Final = frozenset(
    {
        *("Any", "Call", "ClassVar", "Enum", "EventData", "Object"),
        *("TypeAlias", "UNSET", "UnsetType", "call", "call_with", "field"),
        *("bool", "float", "int", "list", "str", "annotations"),
    }
)
"""Names that generated modules use themselves."""

_IN_CLASSES: Final = frozenset({"bool", "float", "int", "list", "str"})
_IN_EVENTS: Final = _IN_CLASSES | {"event_name", "timestamp"}
_IN_ENUMS: Final = frozenset({"mro"})


def camel_case(*words: str) -> str:
    """Return words as the name of a class: ``BLOCK_JOB-x`` is ``BlockJobX``."""
    parts = (part for word in words for part in re.split(r"[^A-Za-z0-9]+", word))
    return "".join(
        (part.capitalize() if part.isupper() else part[0].upper() + part[1:])
        for part in parts
        if part
    )


def attribute_names(wires: Iterable[str], *, event: bool = False) -> dict[str, str]:
    """Return the names of members in Python, by their names on the wire."""
    taken = set(_IN_EVENTS if event else _IN_CLASSES)
    return {wire: _free(python_name(wire), taken) for wire in wires}


def value_names(values: Iterable[str]) -> dict[str, str]:
    """Return the names of an enumeration's values in Python: in capitals."""
    taken = set(_IN_ENUMS)
    return {
        value: _free(
            re.sub(r"\W", "_", f"N_{value}" if value[:1].isdigit() else value).upper(),
            taken,
        )
        for value in values
    }


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


class Names:
    """The names of a whole module.

    Args:
        schema: The schema.
        types: Its types that have names in Python, with words for those whose own name
            says nothing: introspection calls them ``0``, ``1``, ...

    Attributes:
        types: The names of types.
        events: The names of events.
        commands: The names of commands.
    """

    def __init__(self, schema: Schema, types: Mapping[str, tuple[str, ...]]) -> None:
        self._taken = set(USED)
        self.types: dict[str, str] = {}
        masked = [name for name in types if name.isdigit()]
        for name in types:
            if not name.isdigit():
                self.types[name] = self._free(_type_name(name))
        self.events = {name: self._event(name) for name in schema.events}
        for name in masked:
            self.types[name] = self._free(camel_case(*types[name]))
        self.commands = {name: self._free(_plain(name)) for name in schema.commands}

    def branch(self, union: str, value: str) -> str:
        """Return the name of the class for one branch of a union."""
        return self._free(f"{self.types[union]}_{re.sub(r'[^A-Za-z0-9]', '_', value)}")

    def unknown_branch(self, union: str) -> str:
        """Return the name of the class for branches that are not known."""
        return self._free(f"{self.types[union]}_unknown")

    def _event(self, name: str) -> str:
        spelled = camel_case(name)
        return self._free(f"{spelled}Event" if spelled in self._taken else spelled)

    def _free(self, name: str) -> str:
        return _free(name, self._taken)


def _type_name(name: str) -> str:
    return name if name.isidentifier() and name[0] != "_" else camel_case(name)


def _plain(name: str) -> str:
    spelled = python_name(name)
    return spelled.lstrip("_") if spelled.startswith("_") else spelled


def needs_field(wire: str, attribute: str) -> bool:
    """Whether an attribute has to say what it is called on the wire.

    Those that do not are renamed by msgspec: underscores become hyphens.
    """
    return attribute.replace("_", "-") != wire or attribute.endswith("_")
