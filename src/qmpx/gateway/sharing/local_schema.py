"""What the gateway's own commands look like to clients that ask for the schema."""

from collections.abc import Iterable
from typing import Any, Final

from qmpx.monitor.declarations import declaration_of
from qmpx.monitor.registry import Entry
from qmpx.qapi.annotations import schema_of
from qmpx.qapi.introspection import SchemaInfo
from qmpx.qapi.introspection.telling import to_introspection

PREFIX: Final = "x-qmpx-"
"""How the names of their types begin: no type of the monitor's has one like it."""

_REFERENCES: Final = ("arg-type", "ret-type", "element-type")


def local_schema(entries: Iterable[Entry]) -> tuple[SchemaInfo, ...]:
    """Return the commands and their types, as ``query-qmp-schema`` has them."""
    declared = [declaration_of(entry) for entry in entries]
    infos = to_introspection(schema_of(declared), masked=False)
    kept = {
        info["name"]
        for info in infos
        if info["meta-type"] in {"command", "event", "builtin"}
    }

    def rename(name: str) -> str:
        if name.startswith("["):
            return f"[{rename(name[1:-1])}]"
        return name if name in kept else PREFIX + name

    return tuple(_renamed(info, rename) for info in infos)


def _renamed(info: SchemaInfo, rename: Any) -> SchemaInfo:
    changed = info | {"name": rename(info["name"])}
    for reference in _REFERENCES:
        if reference in info:
            changed[reference] = rename(info[reference])
    for parts in ("members", "variants"):
        if parts in info and info["meta-type"] in {"object", "alternate"}:
            changed[parts] = [
                part | {"type": rename(part["type"])} for part in info[parts]
            ]
    return changed
