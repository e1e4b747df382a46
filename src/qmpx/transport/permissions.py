"""Why this process may not connect to a unix socket, and who could let it (POSIX).

Connecting needs the right to search every directory of the path and to write to the
socket itself; the error does not say which of them is missing.
"""

import os
import stat
import sys
from typing import NamedTuple

try:  # POSIX only
    import grp
    import pwd
except ImportError:  # pragma: no cover
    pass

MOST_GROUPS = 8  # a message names so many of ours and counts the rest


class Obstacle(NamedTuple):
    """A file on the way to the socket that this process may not pass."""

    path: str
    status: os.stat_result

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory on the way, and not the socket itself."""
        return stat.S_ISDIR(self.status.st_mode)


def explain_permission(path: str) -> tuple[str, str]:
    """Say what keeps this process from the socket at *path*, and what to do."""
    if sys.platform == "win32":
        return f"no permission for the socket {path!r}", "run this as its owner"
    us = f"this process is {_user(os.geteuid())}, in {_our_groups()}"
    obstacle = _obstacle(path)
    if obstacle is None:
        reason = f"no permission for the socket {path!r}, although its mode allows it"
        look = "sudo journalctl -k --grep=denied"
        return f"{reason}; {us}", f"look for SELinux, AppArmor or a sandbox: {look}"
    status = obstacle.status
    what = "directory" if obstacle.is_directory else "socket"
    reason = (
        f"no permission for the {what} {obstacle.path!r} ({_user(status.st_uid)}, "
        f"group {_group(status.st_gid)}, mode {stat.filemode(status.st_mode)}); {us}"
    )
    return reason, _way_in(obstacle)


def _obstacle(path: str) -> Obstacle | None:
    """Find the first directory that we may not search, or the socket, from the root."""
    whole = os.path.realpath(path)
    parents = []
    directory = os.path.dirname(whole)
    while directory not in parents:
        parents.append(directory)
        directory = os.path.dirname(directory)
    effective = os.access in os.supports_effective_ids
    steps = [(parent, os.X_OK) for parent in reversed(parents)] + [(whole, os.W_OK)]
    for step, right in steps:
        if not os.access(step, right, effective_ids=effective):
            try:
                return Obstacle(step, os.stat(step))
            except OSError:
                return None
    return None


def _way_in(obstacle: Obstacle) -> str:
    """Say what gives this user the right: the group where it has it, or the owner."""
    status = obstacle.status
    owner = f"run this as its owner: sudo -u {_user_name(status.st_uid)} ..."
    right = stat.S_IXGRP if obstacle.is_directory else stat.S_IWGRP
    # Group 0 is no group to put people into.
    if not status.st_mode & right or status.st_gid == 0:
        return f"{owner}; or have it opened to a group of yours (chgrp, chmod)"
    group, user = _group(status.st_gid), _user_name(os.geteuid())
    if user in _members(status.st_gid):
        return (
            f"log in again: {user} is in the group {group}, but this session is older; "
            f"or {owner}"
        )
    return (
        f"join the group and log in again: sudo usermod -aG {group} {user}; or {owner}"
    )


def _user(uid: int) -> str:
    name = _user_name(uid)
    return f"user {name}" if name == str(uid) else f"user {name} ({uid})"


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _members(gid: int) -> list[str]:
    try:
        return grp.getgrgid(gid).gr_mem
    except KeyError:
        return []


def _our_groups() -> str:
    names = [_group(gid) for gid in dict.fromkeys([os.getegid(), *os.getgroups()])]
    more = f" and {len(names) - MOST_GROUPS} more" if len(names) > MOST_GROUPS else ""
    noun = "group" if len(names) == 1 else "groups"
    return f"{noun} {', '.join(names[:MOST_GROUPS])}{more}"
