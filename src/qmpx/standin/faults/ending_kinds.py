"""The fault menu, of ends: silence, hanging up, and the death of the process."""

from typing import Final

from qmpx.standin.faults.kind import Kind, Parameter, Point, seconds

ENDING_KINDS: Final = (
    Kind(
        "mute",
        Point.ANY,
        "From now on the client hears nothing; the connection stays open.",
        "neither replies nor events",
        "incus#3558 (a stopped QEMU), go-qemu#206",
        {"seconds": seconds(None, "seconds that it lasts; for ever unless given")},
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
            "status": Parameter(int, 1, "the exit status", 255),
            "signal": Parameter(int, None, "the signal that kills it instead", 64),
        },
    ),
    Kind(
        "hang-then-die",
        Point.ANY,
        "The whole process does nothing for some time, then SIGKILL ends it.",
        "silence on all connections, then the end of the stream",
        "incus#3558, lxd#11714",
        {"seconds": seconds(1.0, "seconds of silence")},
    ),
)
"""What ends a conversation, whether the client is told or not."""
