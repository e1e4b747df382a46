"""The fault menu, of events: lost ones, doubled ones, late ones, and too many."""

from typing import Final

from qmpx.standin.faults.kind import EVENT, Kind, Parameter, Point, seconds

EVENT_KINDS: Final = (
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
        {"seconds": seconds(1.0, "seconds")},
    ),
    Kind(
        "event-storm",
        Point.ANY,
        "Many events come, faster than QEMU would send them.",
        "events without end, between which the replies are",
        "xenclient-oe#1296, multipass#3592",
        {
            **EVENT,
            "count": Parameter(int, 1000, "how many"),
            "seconds": seconds(0.0, "seconds between two; 0: as fast as they are read"),
        },
    ),
)
"""Faults of events."""
