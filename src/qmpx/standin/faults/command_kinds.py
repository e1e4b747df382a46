"""The fault menu, of commands: those that are not run, whatever is answered."""

from typing import Any, Final

from qmpx.standin.faults.kind import MAX_SECONDS, Kind, Parameter, Point, seconds

_OF_EVENTS: Final = {"event", "data", "after"}


def _not_events(value: list[Any]) -> str | None:
    """Return what was expected, unless these are events to follow a reply."""
    for each in value:
        if not isinstance(each, dict) or not isinstance(each.get("event"), str):
            return "objects with 'event', a name,"
        after = each.get("after", 0.0)
        is_number = isinstance(after, (int, float)) and not isinstance(after, bool)
        if not is_number or not 0 <= after <= MAX_SECONDS:
            return f"'after' to be from 0 to {MAX_SECONDS:g} seconds"
        if not isinstance(each.get("data", {}), dict):
            return "'data' to be an object"
        if unknown := each.keys() - _OF_EVENTS:
            return f"no {min(unknown)!r} of an event"
    return None


COMMAND_KINDS: Final = (
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
                check=_not_events,
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
            "seconds": seconds(0.0, "seconds from the reply to the event"),
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
)
"""Faults of commands, which are not run."""
