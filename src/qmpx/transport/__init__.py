"""Addresses, sockets, listeners: everything between a session and the kernel."""

from qmpx.transport.address import (
    Address,
    FdAddress,
    StdioAddress,
    TcpAddress,
    TlsAddress,
    UnixAddress,
    VsockAddress,
    parse_address,
)

__all__ = [
    "Address",
    "FdAddress",
    "StdioAddress",
    "TcpAddress",
    "TlsAddress",
    "UnixAddress",
    "VsockAddress",
    "parse_address",
]
