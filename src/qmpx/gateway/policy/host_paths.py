"""Names of files on the host, as far as text tells. Pure.

A name is allowed if it lies in one of a role's directories. It must be absolute, for
nobody here knows where QEMU runs, and without ``..``, which leads elsewhere behind a
link. ``.`` and doubled slashes are taken out before it is compared, whole component by
whole component. Where links lead is not known here: a directory that a client may put
links into protects nothing.

A name that begins with a slash names a file for QEMU, whatever follows; one that does
not may name a protocol (``nbd:``, ``json:{...}``).
"""

from collections.abc import Sequence
from typing import Final

MAX_LENGTH: Final = 4096
"""Most characters of a file's name: what Linux takes (PATH_MAX)."""


def normalised(path: str) -> str | None:
    """Return the shortest way to write an absolute path; ``None``: it is none."""
    if not path.startswith("/") or "\0" in path or len(path) > MAX_LENGTH:
        return None
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/" + "/".join(parts)


def has_parent(path: str) -> bool:
    """Whether a path has a component ``..``."""
    return ".." in path.split("/")


def is_within(path: str, directory: str) -> bool:
    """Whether a path is a directory, or lies in it; neither need exist."""
    inner, outer = normalised(path), normalised(directory)
    if inner is None or outer is None:
        return False
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def fault_of(path: object, allowed: Sequence[str]) -> str:
    """Say why a file's name is not allowed; empty if it is.

    Args:
        path: What a client wrote for the name of a file.
        allowed: The directories in which files may lie.
    """
    if not isinstance(path, str):
        return "the name of a file must be a string"
    if normalised(path) is None:
        if path.startswith("json:"):
            return "a json: name is no file name, and is not looked into"
        return f"{path[:80]!r} is no absolute file name"
    if has_parent(path):
        return f"{path[:80]!r} has a component '..'"
    if any(is_within(path, directory) for directory in allowed):
        return ""
    places = ", ".join(allowed) or "none"
    return f"{path[:80]!r} is not in the directories of the role ({places})"
