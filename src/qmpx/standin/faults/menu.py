"""The fault menu: what can go wrong on the way between a monitor and its client.

Each kind comes from an incident that somebody had; the page of reference is made from
this table. A kind has a *point*, the place on the way at which it sets in, and a few
parameters of its own; when it sets in is said by the conditions, which all kinds share
(`qmpx.standin.faults.fault`).
"""

import enum
from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Point(enum.Enum):
    """Where on the way a fault sets in.

    Each value says what `nth`, `after`, `times` and `probability` count there.
    """

    LISTENING = "before the monitor listens"
    CONNECTING = "connections"
    COMMAND = "commands, before they are run"
    REPLY = "commands, whose replies it concerns"
    EVENT = "events"
    ANY = "commands, or a moment"


class Parameter(NamedTuple):
    """A parameter of a kind of fault.

    Attributes:
        type: What it must be; ``object`` stands for any JSON value.
        default: What it is where it is not given; ``...`` if it must be.
        summary: What it means, units included.
    """

    type: type
    default: Any
    summary: str


class Kind(NamedTuple):
    """A kind of fault.

    Attributes:
        name: Its name.
        point: Where it sets in.
        summary: What it does.
        seen: What a client sees of it.
        incidents: Where somebody met it.
        parameters: Its parameters by their names.
    """

    name: str
    point: Point
    summary: str
    seen: str
    incidents: str
    parameters: Mapping[str, Parameter]


def _seconds(default: Any, summary: str) -> Parameter:
    return Parameter(float, default, summary)


_EVENT: Final = {
    "event": Parameter(str, "RTC_CHANGE", "the event's name"),
    "data": Parameter(dict, None, "its data; none unless given"),
}
_FOR: Final = "seconds that it lasts"

_KINDS: Final = (
    Kind(
        "socket-late",
        Point.LISTENING,
        "The socket appears only after some time.",
        "ENOENT (TCP: ECONNREFUSED), then all is well",
        "podman#16976, vmtest#10, spinifex#235",
        {"seconds": _seconds(1.0, "seconds until it is there")},
    ),
    Kind(
        "socket-dead",
        Point.LISTENING,
        "The socket's file is there, but nobody listens for some time.",
        "ECONNREFUSED, then all is well",
        "podman#16976, spinifex#248",
        {"seconds": _seconds(1.0, "seconds until somebody listens")},
    ),
    Kind(
        "socket-full",
        Point.LISTENING,
        "Connections are queued, one at most, and nobody takes them in for some time.",
        "the first connects and waits for the greeting; others EAGAIN or a wait",
        "try-omarchy#229",
        {"seconds": _seconds(1.0, "seconds until they are taken in")},
    ),
    Kind(
        "client-refused",
        Point.CONNECTING,
        "The connection is closed as soon as it is made.",
        "the end of the stream before the greeting",
        "spinifex#525",
        {},
    ),
    Kind(
        "second-client-refused",
        Point.CONNECTING,
        "A client that comes while another is connected is sent away.",
        "the end of the stream before the greeting",
        "kata-containers#6381",
        {},
    ),
    Kind(
        "monitor-busy",
        Point.CONNECTING,
        "A client that comes while another is connected waits until that one has gone, "
        "as in QEMU.",
        "a connection, and no greeting",
        "kata-containers#6381, neondatabase/autoscaling#703, go-qemu#206",
        {},
    ),
    Kind(
        "greeting-withheld",
        Point.CONNECTING,
        "The client is connected and never hears anything.",
        "a connection, and no greeting",
        "incus#3558, go-qemu#214, spinifex",
        {},
    ),
    Kind(
        "greeting-late",
        Point.CONNECTING,
        "The greeting comes late; commands that come before are answered after it.",
        "a wait, then all is well",
        "avocado-vt#446",
        {"seconds": _seconds(1.0, "seconds until it comes")},
    ),
    Kind(
        "greeting-cut",
        Point.CONNECTING,
        "The connection ends within the greeting.",
        "a part of the greeting, then the end of the stream",
        "spinifex#525",
        {"bytes": Parameter(int, 10, "bytes of it that are sent")},
    ),
    Kind(
        "greeting-reset",
        Point.CONNECTING,
        "The connection is reset within the greeting.",
        "ECONNRESET on TCP; the end of the stream on a unix socket",
        "spinifex#525",
        {"bytes": Parameter(int, 0, "bytes of it that are sent before")},
    ),
    Kind(
        "greeting-malformed",
        Point.CONNECTING,
        "Something else comes in place of the greeting.",
        "a first message that is no greeting",
        "ganeti's test double, QEMU's own -qmp mistaken for another service",
        {
            "text": Parameter(
                str,
                '{"QMP": {"version": {"capabilities": []}}}\r\n',
                "what comes, line end included",
            )
        },
    ),
    Kind(
        "event-before-greeting",
        Point.CONNECTING,
        "An event comes before the greeting.",
        "an event as the first message",
        "kata-containers/runtime#1474, govmm#90",
        _EVENT,
    ),
    Kind(
        "event-during-negotiation",
        Point.CONNECTING,
        "An event comes between the negotiation and its reply.",
        "an event where the reply to qmp_capabilities is awaited",
        "go-qemu#210, lf-edge/eve#3568",
        _EVENT,
    ),
    Kind(
        "cut-after",
        Point.CONNECTING,
        "The connection ends once so many bytes were sent, wherever that is.",
        "a part of a message, then the end of the stream",
        "kata-containers/runtime#1368, nixpkgs#556301",
        {"bytes": Parameter(int, 1000, "bytes, the greeting's included")},
    ),
    Kind(
        "slow-drip",
        Point.CONNECTING,
        "All that is sent comes a few bytes at a time.",
        "messages in many small pieces",
        "ganeti#1804, SwiftQEMU",
        {
            "bytes": Parameter(int, 1, "bytes at a time"),
            "seconds": _seconds(0.001, "seconds between two pieces"),
        },
    ),
    Kind(
        "newlines-lost",
        Point.CONNECTING,
        "Messages follow each other with nothing between them.",
        "several messages on what never becomes a line",
        "SwiftQEMU; qemu.qmp sends so itself",
        {},
    ),
    Kind(
        "command-failed",
        Point.COMMAND,
        "The command is not run, and answered with an error.",
        "an error reply of that class and text",
        "kata-containers#2645, smolvm#336",
        {
            "class": Parameter(str, "GenericError", "the error's class"),
            "desc": Parameter(str, "this fault was asked for", "the error's text"),
        },
    ),
    Kind(
        "command-missing",
        Point.COMMAND,
        "The command is not known, as in another release.",
        "CommandNotFound, in QEMU's words",
        "kata-containers#2645, ganeti#1546",
        {},
    ),
    Kind(
        "command-lost",
        Point.COMMAND,
        "The command is neither run nor answered.",
        "no reply to it; others are answered",
        "incus#3558",
        {},
    ),
    Kind(
        "command-answered",
        Point.COMMAND,
        "The command is not run; what it returns is given here, and so are events.",
        "a reply, and events, of the test's making",
        "recorded payloads in spinifex, SmolVM#336 (a job fails late)",
        {
            "return": Parameter(object, {}, "what it returns"),
            "events": Parameter(
                list,
                [],
                "what follows: objects with `event`, `data`, and `after` in seconds "
                "from the reply",
            ),
        },
    ),
    Kind(
        "unplug-refused",
        Point.COMMAND,
        "The guest does not let a device go that it is asked for.",
        "a reply to device_del, then DEVICE_UNPLUG_GUEST_ERROR; the device stays",
        "ganeti#1823",
        {
            "event": Parameter(
                str,
                "DEVICE_UNPLUG_GUEST_ERROR",
                "the event; MEM_UNPLUG_ERROR before QEMU 6.2, for memory",
            ),
            "seconds": _seconds(0.0, "seconds from the reply to the event"),
        },
    ),
    Kind(
        "unplug-ignored",
        Point.COMMAND,
        "The guest does nothing with the request to let a device go.",
        "a reply to device_del, and nothing else",
        "ganeti#1749, a guest that has not booted",
        {},
    ),
    Kind(
        "reply-late",
        Point.REPLY,
        "The command is run; its reply comes late, and those behind it wait.",
        "a reply, perhaps after the client has given up; events meanwhile",
        "avocado-vt#317, SwiftQEMU, ganeti#1597",
        {
            "seconds": _seconds(1.0, "seconds"),
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
            "seconds": _seconds(0.001, "seconds between two pieces"),
        },
    ),
    Kind(
        "reply-oversized",
        Point.REPLY,
        "The reply is as large as this, for a member that nobody knows.",
        "one message of that size",
        "go-qemu#159 (64 kB), govmm#104",
        {"bytes": Parameter(int, 1_000_000, "bytes, at least")},
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
            "remove": Parameter(list, [], "paths of members that are not there"),
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
    Kind(
        "event-lost",
        Point.EVENT,
        "The event does not come.",
        "nothing",
        "ganeti#1749",
        {},
    ),
    Kind(
        "event-twice",
        Point.EVENT,
        "The event comes twice.",
        "two equal events",
        "AutoHCK#1112 (two DEVICE_DELETED)",
        {},
    ),
    Kind(
        "event-late",
        Point.EVENT,
        "The event comes late; what comes behind it does not wait.",
        "replies and other events before it",
        "AutoHCK#1112, ganeti#1649",
        {"seconds": _seconds(1.0, "seconds")},
    ),
    Kind(
        "event-storm",
        Point.ANY,
        "Many events come, faster than QEMU would send them.",
        "events without end, between which the replies are",
        "xenclient-oe#1296, multipass#3592",
        {
            **_EVENT,
            "count": Parameter(int, 1000, "how many"),
            "seconds": _seconds(
                0.0, "seconds between two; 0: as fast as they are read"
            ),
        },
    ),
    Kind(
        "mute",
        Point.ANY,
        "From now on the client hears nothing; the connection stays open.",
        "neither replies nor events",
        "incus#3558 (a stopped QEMU), go-qemu#206",
        {"seconds": _seconds(None, f"{_FOR}; for ever unless given")},
    ),
    Kind(
        "hang-up",
        Point.ANY,
        "The connection ends, before the command is run.",
        "the end of the stream where a reply is awaited",
        "nixpkgs#556301, kata-containers/runtime#1635",
        {},
    ),
    Kind(
        "connection-reset",
        Point.ANY,
        "The connection is reset, before the command is run.",
        "ECONNRESET on TCP; the end of the stream on a unix socket",
        "spinifex#525",
        {},
    ),
    Kind(
        "crash",
        Point.ANY,
        "The process ends, with an exit status or by a signal.",
        "the end of the stream; for whoever started it, the status",
        "kata-containers/runtime#1635, lxd#11714",
        {
            "status": Parameter(int, 1, "the exit status"),
            "signal": Parameter(int, None, "the signal that kills it instead"),
        },
    ),
    Kind(
        "hang-then-die",
        Point.ANY,
        "The whole process does nothing for some time, then SIGKILL ends it.",
        "silence on all connections, then the end of the stream",
        "incus#3558, lxd#11714",
        {"seconds": _seconds(1.0, "seconds of silence")},
    ),
)

FAULTS: Final = {kind.name: kind for kind in _KINDS}
"""The menu, by name."""
