"""The fault menu, of replies: their time, their ids, their bytes and what they say."""

from typing import Any, Final

from qmpx.standin.faults.kind import Kind, Parameter, Point, seconds

MAX_OVERSIZED: Final = 2**28
"""Bytes of a reply that is too large: four times what a client of ours takes, and all
of it is in memory."""


def _not_paths(value: list[Any]) -> str | None:
    return None if all(isinstance(each, str) for each in value) else "strings"


REPLY_KINDS: Final = (
    Kind(
        "reply-late",
        Point.REPLY,
        "The command is run; its reply comes late, and those behind it wait.",
        "a reply, perhaps after the client has given up; events meanwhile",
        "avocado-vt#317, SwiftQEMU, ganeti#1597",
        {
            "seconds": seconds(1.0, "seconds"),
            "overtakable": Parameter(
                bool, default=False, summary="whether later replies go first"
            ),
        },
    ),
    Kind(
        "reply-lost",
        Point.REPLY,
        "The command is run, and not answered.",
        "no reply to it; others are answered",
        "incus#3558",
        {},
    ),
    Kind(
        "reply-twice",
        Point.REPLY,
        "The reply comes twice.",
        "a second reply, with an id that is not awaited any more",
        "SwiftQEMU",
        {},
    ),
    Kind(
        "reply-wrong-id",
        Point.REPLY,
        "The reply has another id.",
        "a reply with an unknown id, and none to the command",
        "SwiftQEMU, xenopsd#453",
        {"id": Parameter(object, "qmpx-no-such-id", "the id that it has")},
    ),
    Kind(
        "reply-without-id",
        Point.REPLY,
        "The reply has no id.",
        "a reply without id, as of an old guest agent",
        "qmpbackup#8",
        {},
    ),
    Kind(
        "reply-cut",
        Point.REPLY,
        "The connection ends within the reply.",
        "a part of the reply, or nothing of it, then the end of the stream",
        "kata-containers/runtime#1368, Proxmox's note on quit",
        {"bytes": Parameter(int, 10, "bytes of it that are sent")},
    ),
    Kind(
        "reply-garbage",
        Point.REPLY,
        "Bytes that are no message come before the reply.",
        "a line that is no JSON",
        "lxd#16869",
        {"text": Parameter(str, "\x00\x7f]}garbage\r\n", "what comes")},
    ),
    Kind(
        "reply-dripped",
        Point.REPLY,
        "The reply comes a few bytes at a time.",
        "one message in many small pieces",
        "ganeti#1804, SwiftQEMU",
        {
            "bytes": Parameter(int, 1, "bytes at a time"),
            "seconds": seconds(0.001, "seconds between two pieces"),
        },
    ),
    Kind(
        "reply-oversized",
        Point.REPLY,
        "The reply is as large as this, for a member that nobody knows.",
        "one message of that size",
        "go-qemu#159 (64 kB), govmm#104",
        {"bytes": Parameter(int, 1_000_000, "bytes, at least", MAX_OVERSIZED)},
    ),
    Kind(
        "reply-endless",
        Point.REPLY,
        "The reply begins, and does not end.",
        "one line that grows, as far as the client reads it",
        "SwiftQEMU",
        {"bytes": Parameter(int, 128 * 2**20, "bytes after which no more come")},
    ),
    Kind(
        "reply-patched",
        Point.REPLY,
        "What the command returns is changed on the way.",
        "a member more, less or with another value, as of another release",
        "qapi-rs#23, SwiftQEMU (singlestep), qemus/qemu (2^64-1), tp-qemu#3429 (len 0)",
        {
            "set": Parameter(
                dict, {}, "values by path, such as `status` or `0.inserted.ro`"
            ),
            "remove": Parameter(
                list, [], "paths of members that are not there", check=_not_paths
            ),
        },
    ),
    Kind(
        "reply-after-event",
        Point.REPLY,
        "The reply comes only after an event.",
        "the event first, whatever the order was",
        "go-qemu#158, SwiftQEMU",
        {"event": Parameter(str, ..., "the event's name")},
    ),
    Kind(
        "events-after-reply",
        Point.REPLY,
        "Events that the command causes come after its reply.",
        "the reply first, where QEMU sends the event first",
        "systemd's and ganeti's test doubles",
        {},
    ),
)
"""Faults of replies to commands that are run."""
