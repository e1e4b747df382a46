"""The fault menu, of connections: sockets, greetings, and all that a client is sent.

What listens may come late or be dead; a client may be refused, kept waiting or greeted
in a strange way; and a whole connection may be slow, cut short or without line ends.
"""

from typing import Final

from qmpx.standin.faults.kind import EVENT, Kind, Parameter, Point, seconds

CONNECTION_KINDS: Final = (
    Kind(
        "socket-late",
        Point.LISTENING,
        "The socket appears only after some time.",
        "ENOENT (TCP: ECONNREFUSED), then all is well",
        "podman#16976, vmtest#10, spinifex#235",
        {"seconds": seconds(1.0, "seconds until it is there")},
    ),
    Kind(
        "socket-dead",
        Point.LISTENING,
        "The socket's file is there, but nobody listens for some time.",
        "ECONNREFUSED, then all is well",
        "podman#16976, spinifex#248",
        {"seconds": seconds(1.0, "seconds until somebody listens")},
    ),
    Kind(
        "socket-full",
        Point.LISTENING,
        "Connections are queued, one at most, and nobody takes them in for some time.",
        "the first connects and waits for the greeting; others EAGAIN or a wait",
        "try-omarchy#229",
        {"seconds": seconds(1.0, "seconds until they are taken in")},
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
        {"seconds": seconds(1.0, "seconds until it comes")},
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
        EVENT,
    ),
    Kind(
        "event-during-negotiation",
        Point.CONNECTING,
        "An event comes between the negotiation and its reply.",
        "an event where the reply to qmp_capabilities is awaited",
        "go-qemu#210, lf-edge/eve#3568",
        EVENT,
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
            "seconds": seconds(0.001, "seconds between two pieces"),
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
)
"""Faults of a connection, from the socket on, as they come in its life."""
