"""Serving: commands and events for any number of clients."""

from qmpx.monitor.monitor import Monitor, Server, modern_error
from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.monitor.session import Session
from qmpx.qapi import Encoded

__all__ = [
    "CommandRegistry",
    "Encoded",
    "Entry",
    "Monitor",
    "Server",
    "Session",
    "modern_error",
]
