"""Bytes to messages and messages to bytes, on both sides; no I/O in it."""

from qmpx.wire.client import MAX_MESSAGE_SIZE, MessageReader
from qmpx.wire.encode import encode
from qmpx.wire.framing import CommandReader
from qmpx.wire.messages import Command, ErrorBody, Greeting, ServerMessage, Timestamp
from qmpx.wire.parser import Limits, Malformed, Parsed
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
    "encode",
]
