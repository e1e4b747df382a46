"""Replies and events, made and changed: messages in, messages out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET

from qmpx.standin.faults.fault import Fault
from qmpx.wire.encode import encode
from qmpx.wire.server import event

_END = b"\r\n"


def event_of(fault: Fault, microseconds: int) -> bytes:
    """Return the event that a fault has as ``event`` and ``data``."""
    data = fault["data"]
    return event(fault["event"], None if data is None else encode(data), microseconds)


def event_in(description: Mapping[str, Any]) -> Callable[[int], bytes]:
    """Return what makes, of a time, the event described by ``event`` and ``data``."""
    data = description.get("data")
    body = None if data is None else encode(data)
    return lambda microseconds: event(description["event"], body, microseconds)


def refusal(fault: Fault, arguments: Any) -> Callable[[int], bytes]:
    """Return what makes, of a time, the event with which a guest keeps a device."""
    named = arguments.get("id") if isinstance(arguments, dict) else None
    id_ = str(named or "")
    if fault["event"] == "MEM_UNPLUG_ERROR":
        data = {"device": id_, "msg": "the guest refused to let the device go"}
    elif id_.startswith("/"):
        data = {"path": id_}
    else:
        data = {"device": id_, "path": f"/machine/peripheral/{id_}"}
    return event_in({"event": fault["event"], "data": data})


def of_class(message: bytes, error_class: str) -> bytes:
    """Return an error reply of another class."""
    reply = msgspec.json.decode(message)
    if not isinstance(reply, dict) or not isinstance(reply.get("error"), dict):
        return message
    reply["error"]["class"] = error_class
    return encode(reply) + _END


def answer(message: bytes, value: Any) -> bytes:
    """Return a reply that returns *value*, with the id of another reply."""
    return _with(message, {"return": value}, "error")


def with_id(message: bytes, id_: Any) -> bytes:
    """Return a reply with another id; ``UNSET`` for none."""
    if id_ is UNSET:
        return _with(message, {}, "id")
    return _with(message, {"id": id_})


def padded(message: bytes, size: int) -> bytes:
    """Return a reply with a member more, of so many bytes in all at least."""
    missing = max(size - len(message), 0)
    return _with(message, {"x-qmpx-padding": "x" * missing})


def patched(message: bytes, fault: Fault) -> bytes:
    """Return a reply whose returned value is changed as *fault* says.

    What is not there cannot be changed, and is passed over; an error reply stays.
    """
    reply = msgspec.json.decode(message)
    if not isinstance(reply, dict) or "return" not in reply:
        return message
    for path, value in fault["set"].items():
        _change(reply, path, value)
    for path in fault["remove"]:
        _change(reply, path, UNSET)
    return encode(reply) + _END


def _change(reply: dict[str, Any], path: str, value: Any) -> None:
    at: Any = reply
    *steps, last = ["return", *(path.split(".") if path else [])]
    for step in steps:
        at = _step(at, step)
    if isinstance(at, list):
        if last.isdigit() and int(last) < len(at):
            if value is UNSET:
                del at[int(last)]
            else:
                at[int(last)] = value
    elif isinstance(at, dict):
        if value is UNSET:
            at.pop(last, None)
        else:
            at[last] = value


def _step(at: Any, step: str) -> Any:
    if isinstance(at, list) and step.isdigit() and int(step) < len(at):
        return at[int(step)]
    return at.get(step) if isinstance(at, dict) else None


def _with(message: bytes, members: dict[str, Any], *without: str) -> bytes:
    reply = msgspec.json.decode(message)
    if not isinstance(reply, dict):
        return message
    for name in without:
        reply.pop(name, None)
    id_ = reply.pop("id", UNSET)
    reply.update(members)
    if id_ is not UNSET and "id" not in reply:
        reply["id"] = id_
    return encode(reply) + _END


def changed(message: bytes, faults: Mapping[str, Fault]) -> bytes | None:
    """Return a reply as its faults change it.

    Args:
        message: The reply.
        faults: The faults of its command, by their names.

    Returns:
        The reply; ``None`` if it is not to be sent at all.
    """
    for name, fault in faults.items():
        match name:
            case "command-lost" | "reply-lost":
                return None
            case "command-failed":
                message = of_class(message, fault["class"])
            case "command-answered":
                message = answer(message, fault["return"])
            case "unplug-refused" | "unplug-ignored":
                message = answer(message, {})
            case "reply-wrong-id":
                message = with_id(message, fault["id"])
            case "reply-without-id":
                message = with_id(message, UNSET)
            case "reply-patched":
                message = patched(message, fault)
            case "reply-oversized":
                message = padded(message, fault["bytes"])
    return message


def following(
    faults: Mapping[str, Fault], arguments: Any
) -> Iterator[tuple[float, Callable[[int], bytes]]]:
    """Yield the events that faults let follow a reply.

    Args:
        faults: The faults of its command, by their names.
        arguments: The arguments of its command.

    Yields:
        Seconds from the reply, and what makes the event of a time in microseconds.
    """
    if (fault := faults.get("command-answered")) is not None:
        for each in fault["events"]:
            yield each.get("after", 0.0), event_in(each)
    if (fault := faults.get("unplug-refused")) is not None:
        yield fault["seconds"], refusal(fault, arguments)
