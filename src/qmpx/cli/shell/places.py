"""What only the running machine knows: its devices, its nodes, its QOM tree.

Each kind of place is asked for with one command (QOM by one for each folder), and what
it returned is read into names and what each of them is. A peer that has no such command
has no such places.
"""

import os
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from qmpx.errors import QmpxError

MAX_NAMES: Final = 2000
"""Names that are offered at most: a menu of more helps nobody, and takes long."""

TIMEOUT: Final = 2.0
"""Seconds that the machine has for each question: a person who pressed Tab waits."""

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
"""Runs a command and returns what it returned."""

Names = list[tuple[str, str]]
"""Names, each with a few words about it."""

_QUERIES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "drives": ("query-block", {}),
    "nodes": ("query-named-block-nodes", {"flat": True}),
    "chardevs": ("query-chardev", {}),
    "jobs": ("query-jobs", {}),
    "block-jobs": ("query-block-jobs", {}),
    "devices": ("qom-list", {"path": "/machine/peripheral"}),
    "objects": ("qom-list", {"path": "/objects"}),
    "models": ("qom-list-types", {"implements": "device", "abstract": False}),
}


async def names_at(place: str, prefix: str, given: dict[str, str], ask: Ask) -> Names:
    """Return the names of what there is, sorted.

    Args:
        place: A kind of place: see `qmpx.cli.shell.named_things.places_of`.
        prefix: What was typed of it.
        given: The other arguments of the command.
        ask: Runs a command.
    """
    try:
        return sorted(await _names_at(place, prefix, given, ask))[:MAX_NAMES]
    except QmpxError:
        return []  # it cannot tell, or does not in time: nothing is offered


async def _names_at(place: str, prefix: str, given: dict[str, str], ask: Ask) -> Names:
    match place:
        case "qom":
            folder = prefix.rpartition("/")[0]
            told = await ask("qom-list", {"path": folder or "/"})
            return list(_children(told, folder))
        case "properties":
            told = await ask("qom-list", {"path": given.get("path", "")})
            return list(_named(told))
        case "netdevs" | "links":
            return await _links(ask, with_cards=place == "links")
        case "images":
            drives = await _names_at("drives", prefix, given, ask)
            return drives + await _names_at("nodes", prefix, given, ask)
        case "files":
            return list(_files(prefix))
        case "commands":
            told = await ask("query-commands", {})
            return list(_named(told))
    query = _QUERIES.get(place)
    if query is None:
        return []
    return list(read_names(place, await ask(*query)))


def read_names(place: str, told: Any) -> Iterator[tuple[str, str]]:
    """Yield the names in what a peer returned for a kind of place."""
    for each in _objects(told):
        match place, each:
            case "drives", {"device": str(device)}:
                inserted = each.get("inserted")
                medium = inserted.get("file") if isinstance(inserted, dict) else None
                if device:
                    yield device, str(medium or "no medium")
            case "nodes", {"node-name": str(node)}:
                yield node, f"{each.get('drv', '')} {each.get('file', '')}".strip()
            case "chardevs", {"label": str(label)}:
                yield label, str(each.get("filename", ""))
            case "jobs", {"id": str(job)}:
                yield job, f"{each.get('type', '')} {each.get('status', '')}".strip()
            case "block-jobs", {"device": str(job)}:
                yield job, str(each.get("type", ""))
            case "devices" | "objects", {"name": str(name), "type": str(kind)}:
                if kind.startswith("child<"):
                    yield name, kind[6:-1]
            case "models", {"name": str(name)}:
                yield name, str(each.get("parent", ""))
            case _:
                pass


def _named(told: Any) -> Iterator[tuple[str, str]]:
    for each in _objects(told):
        if isinstance(name := each.get("name"), str):
            yield name, str(each.get("type", ""))


def _objects(told: Any) -> Iterator[dict[str, Any]]:
    for each in told if isinstance(told, list) else ():
        if isinstance(each, dict):
            yield each


def _children(told: Any, folder: str) -> Iterator[tuple[str, str]]:
    for each in _objects(told):
        kind = str(each.get("type", ""))
        if kind.startswith(("child<", "link<")):
            yield f"{folder}/{each.get('name', '')}", kind


async def _links(ask: Ask, *, with_cards: bool) -> Names:
    """There is no query for them: the human monitor lists them, and their cards."""
    text = await ask("human-monitor-command", {"command-line": "info network"})
    names = []
    for line in str(text).splitlines():
        name, _, rest = line.strip().lstrip("\\ ").partition(": ")
        kind = _LINK.search(rest)
        if kind is not None and (with_cards or kind[1] != "nic"):
            names.append((name, kind[1]))
    return names


_LINK: Final = re.compile(r"\btype=([^,]+)")


def _files(prefix: str) -> Iterator[tuple[str, str]]:
    """Yield files of this host, mostly the machine's, too; folders end with ``/``."""
    folder, _, _ = prefix.rpartition("/")
    shown = f"{folder}/" if "/" in prefix else ""
    try:
        with os.scandir(os.path.expanduser(shown or ".")) as entries:
            for each in entries:
                name = shown + each.name
                yield (f"{name}/", "folder") if each.is_dir() else (name, "")
    except OSError:
        return
