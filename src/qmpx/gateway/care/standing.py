"""How a monitor's machine stands, and what is different after it was away.

A standing is read in a few commands and held in little: statuses, and for things with
host paths in them a fingerprint only, so that whoever is told what changed is told no
path.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

MAX_TOLD: Final = 100
"""Things of one part that are named in a difference; of further ones the number is
told. More devices or disks than a machine is used to have."""

MAX_KEPT: Final = 4096
"""Things of one part that are kept: more than a machine can have devices."""

Reading = Mapping[str, Any]


class Part(Struct, frozen=True):
    """One part of a standing.

    Attributes:
        command: What tells of it.
        arguments: Its arguments, encoded; empty: none.
        read: Makes a mapping of what the command returned.
        shows_values: Whether a difference tells the values, not only the names.
    """

    command: str
    read: Callable[[Any], Reading]
    arguments: bytes = b""
    shows_values: bool = False


def _status(value: Any) -> Reading:
    return {"status": value["status"]}


def _jobs(value: Any) -> Reading:
    return {each["id"]: each["status"] for each in value}


def _block_jobs(value: Any) -> Reading:
    # Where there is no query-jobs (before QEMU 3.0) these are all there are.
    return {each["device"]: each.get("status", "running") for each in value}


def _nodes(value: Any) -> Reading:
    return {
        each["node-name"]: _fingerprint(
            [
                each.get("file"),
                each.get("drv"),
                each.get("ro"),
                each.get("backing_file"),
            ]
        )
        for each in value
        if each.get("node-name")
    }


def _chardevs(value: Any) -> Reading:
    # Who is at the other end is not the machine's: "... <-> 127.0.0.1:51344".
    return {
        each["label"]: _fingerprint(
            str(each["filename"]).partition(" <-> ")[0].removeprefix("disconnected:")
        )
        for each in value
    }


def _devices(value: Any) -> Reading:
    return {
        each["name"]: each["type"]
        for each in value
        if each["type"].startswith("child<")
    }


def _balloon(value: Any) -> Reading:
    return {"actual": value["actual"]}


PARTS: Final[Mapping[str, Part]] = {
    "status": Part("query-status", _status, shows_values=True),
    "jobs": Part("query-jobs", _jobs, shows_values=True),
    "block-jobs": Part("query-block-jobs", _block_jobs, shows_values=True),
    "block-nodes": Part("query-named-block-nodes", _nodes, b'{"flat":true}'),
    "chardevs": Part("query-chardev", _chardevs),
    "devices": Part("qom-list", _devices, b'{"path":"/machine/peripheral"}'),
    "balloon": Part("query-balloon", _balloon, shows_values=True),
}
"""What is read, by name. A part whose command fails is unknown, and no difference."""

TOUCHED_BY: Final[Mapping[str, tuple[str, ...]]] = {
    "BALLOON_CHANGE": ("balloon",),
    "BLOCK_JOB_CANCELLED": ("block-jobs", "block-nodes"),
    "BLOCK_JOB_COMPLETED": ("block-jobs", "block-nodes"),
    "BLOCK_JOB_READY": ("block-jobs",),
    "DEVICE_DELETED": ("devices", "block-nodes"),
    "DEVICE_TRAY_MOVED": ("block-nodes",),
    "GUEST_PANICKED": ("status",),
    "JOB_STATUS_CHANGE": ("jobs", "block-jobs", "block-nodes"),
    "RESUME": ("status",),
    "SHUTDOWN": ("status",),
    "STOP": ("status",),
    "SUSPEND": ("status",),
    "WAKEUP": ("status",),
    "balloon": ("balloon",),
    "block-stream": ("jobs", "block-jobs"),
    "blockdev-add": ("block-nodes",),
    "blockdev-del": ("block-nodes",),
    "blockdev-change-medium": ("block-nodes",),
    "blockdev-reopen": ("block-nodes",),
    "blockdev-snapshot": ("block-nodes",),
    "blockdev-snapshot-sync": ("block-nodes",),
    "chardev-add": ("chardevs",),
    "chardev-change": ("chardevs",),
    "chardev-remove": ("chardevs",),
    "cont": ("status",),
    "device_add": ("devices",),
    "device_del": ("devices",),
    "eject": ("block-nodes",),
    "human-monitor-command": tuple(PARTS),
    "job-dismiss": ("jobs",),
    "netdev_add": ("chardevs",),
    "stop": ("status",),
    "transaction": ("block-nodes", "jobs", "block-jobs"),
}
"""Which parts are read anew after which events, and after which commands."""


class Standing(Struct):
    """How a machine stands.

    Attributes:
        parts: What was read, by part; one that is unknown is missing.
    """

    parts: dict[str, Reading] = field(default_factory=dict)

    def take(self, name: str, returned: bytes | None) -> None:
        """Note what the command of a part returned; ``None``: it failed."""
        if returned is None:
            self.parts.pop(name, None)
            return
        try:
            reading = PARTS[name].read(msgspec.json.decode(returned))
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            # Another program than QEMU, or a later one: unknown rather than wrong.
            self.parts.pop(name, None)
            return
        if len(reading) > MAX_KEPT:
            self.parts.pop(name, None)
        else:
            self.parts[name] = reading


def differences(before: Standing, after: Standing) -> dict[str, Any]:
    """Return what changed, for an event.

    Returns:
        ``changed``: for each part that is different what is ``new``, ``gone`` and
        ``changed`` in it, the latter with ``was`` and ``is`` where these are told;
        ``unknown``: the parts that could not be read before, or after.
    """
    changed: dict[str, Any] = {}
    unknown: list[str] = []
    for name, part in PARTS.items():
        was, now = before.parts.get(name), after.parts.get(name)
        if was is None or now is None:
            unknown.append(name)
        elif was != now:
            changed[name] = _difference(was, now, shows_values=part.shows_values)
    return {"changed": changed, "unknown": unknown}


def _difference(was: Reading, now: Reading, *, shows_values: bool) -> dict[str, Any]:
    both = [key for key in was if key in now and was[key] != now[key]]
    told: dict[str, Any] = {
        "new": [key for key in now if key not in was],
        "gone": [key for key in was if key not in now],
        "changed": [
            {"name": key, "was": was[key], "is": now[key]} if shows_values else key
            for key in both
        ],
    }
    left_out = sum(max(len(each) - MAX_TOLD, 0) for each in told.values())
    told = {key: each[:MAX_TOLD] for key, each in told.items() if each}
    return told | ({"left-out": left_out} if left_out else {})


def _fingerprint(value: Any) -> str:
    text = msgspec.json.encode(value)
    return hashlib.blake2b(text, digest_size=8).hexdigest()
