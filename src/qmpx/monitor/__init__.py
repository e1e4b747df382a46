"""Serving: commands and events for any number of clients."""

from qmpx.monitor.monitor import Monitor, modern_error
from qmpx.monitor.registry import CommandRegistry, Entry
from qmpx.monitor.server import Server
from qmpx.monitor.session import Session
from qmpx.monitor.thread import ServerThread
from qmpx.qapi import Encoded

__all__ = [
    "CommandRegistry",
    "Encoded",
    "Entry",
    "Monitor",
    "Server",
    "ServerThread",
    "Session",
    "modern_error",
]
