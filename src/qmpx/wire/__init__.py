"""Bytes to messages and messages to bytes, on both sides; no I/O in it."""

from typing import TYPE_CHECKING

from qmpx import _lazy

if TYPE_CHECKING:
    from qmpx.wire.client import MAX_MESSAGE_SIZE, MessageReader
    from qmpx.wire.framing import CommandReader
    from qmpx.wire.messages import (
        Command,
        ErrorBody,
        Greeting,
        ServerMessage,
        Timestamp,
    )
    from qmpx.wire.outcomes import Limits, Malformed, Parsed
    from qmpx.wire.server import Phase, Refused, ServerSession

__all__ = [
    "MAX_MESSAGE_SIZE",
    "Command",
    "CommandReader",
    "ErrorBody",
    "Greeting",
    "Limits",
    "Malformed",
    "MessageReader",
    "Parsed",
    "Phase",
    "Refused",
    "ServerMessage",
    "ServerSession",
    "Timestamp",
]

__getattr__, __dir__ = _lazy.lazy_names(
    __name__,
    {
        "MAX_MESSAGE_SIZE": "client",
        "Command": "messages",
        "CommandReader": "framing",
        "ErrorBody": "messages",
        "Greeting": "messages",
        "Limits": "outcomes",
        "Malformed": "outcomes",
        "MessageReader": "client",
        "Parsed": "outcomes",
        "Phase": "server",
        "Refused": "server",
        "ServerMessage": "messages",
        "ServerSession": "server",
        "Timestamp": "messages",
    },
)
