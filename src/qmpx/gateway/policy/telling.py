"""What a monitor tells of itself, cut to what a role may run. Pure.

The commands that stay are those that the role may run with some arguments or other, and
the events those that it sees. The schema is closed: every type that is referred to is
there, and none that nothing refers to. Names of types stay as they were; they mean
nothing, in QEMU too. The actions of ``transaction`` are cut likewise.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec

from qmpx.wire.encode import encode

Info = dict[str, Any]

ABORT = "abort"

MALFORMED: Final = (
    AttributeError,
    LookupError,
    RecursionError,
    StopIteration,
    TypeError,
    ValueError,
)
"""What comes of reading what is no list of commands, and no schema."""


class Allows(Protocol):
    """Knows what may be run and seen: a role."""

    def may_run(self, name: str) -> bool:
        """Whether a command may run with some arguments or other."""

    def sees(self, event: str) -> bool:
        """Whether an event of that name is seen."""


def tell_commands(value: bytes, role: Allows, local: Sequence[Info] = ()) -> bytes:
    """Return what ``query-commands`` returns for a role.

    Args:
        value: What the monitor returned.
        role: The role.
        local: What is there beside, as introspection tells it.
    """
    commands = msgspec.json.decode(value)
    commands += [
        {"name": info["name"]} for info in local if info["meta-type"] == "command"
    ]
    return encode([info for info in commands if role.may_run(info["name"])])


def tell_schema(value: bytes, role: Allows, local: Sequence[Info] = ()) -> bytes:
    """Return what ``query-qmp-schema`` returns for a role; see `tell_commands`."""
    infos: list[Info] = [*msgspec.json.decode(value)]
    known = {info["name"] for info in infos}
    infos += [info for info in local if info["name"] not in known]
    by_name = {info["name"]: info for info in infos}
    _cut_actions(by_name, role)
    roots = [
        info["name"]
        for info in infos
        if (info["meta-type"] == "command" and role.may_run(info["name"]))
        or (info["meta-type"] == "event" and role.sees(info["name"]))
    ]
    needed = _closure(roots, by_name)
    return encode([by_name[info["name"]] for info in infos if info["name"] in needed])


def _closure(roots: Iterable[str], by_name: dict[str, Info]) -> set[str]:
    needed: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in needed and name in by_name:
            needed.add(name)
            waiting += _references(by_name[name])
    return needed


def _references(info: Info) -> Iterator[str]:
    for member in ("arg-type", "ret-type", "element-type"):
        if member in info:
            yield info[member]
    if info["meta-type"] in {"object", "alternate"}:
        for part in (*info.get("members", ()), *info.get("variants", ())):
            yield part["type"]


def _cut_actions(by_name: dict[str, Info], role: Allows) -> None:
    """Leave those actions of ``transaction`` that the role may run as commands."""
    command = by_name.get("transaction")
    if command is None:
        return
    arguments = by_name[command["arg-type"]]
    types = {part["name"]: part["type"] for part in arguments.get("members", ())}
    array = by_name.get(types.get("actions", ""), {})
    action = by_name.get(array.get("element-type", ""))
    if action is None or "tag" not in action:
        return

    def stays(kind: str) -> bool:
        return kind == ABORT or role.may_run(kind)

    variants = [part for part in action["variants"] if stays(part["case"])]
    by_name[action["name"]] = action | {"variants": variants}
    tag = next(m["type"] for m in action["members"] if m["name"] == action["tag"])
    users = [info for info in by_name.values() if tag in _references(info)]
    if len(users) == 1:
        kinds = by_name[tag]
        cut: Info = {
            "values": [value for value in kinds["values"] if stays(value)],
        }
        if "members" in kinds:
            cut["members"] = [m for m in kinds["members"] if stays(m["name"])]
        by_name[tag] = kinds | cut
