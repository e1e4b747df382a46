"""The telnet protocol, as far as a monitor speaks it: its offers, and no more.

A terminal's keys come as they are; commands to telnet itself, which begin with the byte
IAC, are taken out. What the other side answers to our offers makes no difference.

Source: RFC 854 and RFC 855 for the commands; the offers are those of QEMU 0.13.
"""

import asyncio
import enum
import socket
from typing import Final

from qmpx.transport.channel import Channel, Receiver

_IAC: Final = 0xFF
_SE: Final = 0xF0
_SB: Final = 0xFA
_WILL: Final = 0xFB
_DONT: Final = 0xFE

OFFERS: Final = bytes.fromhex("fffb01 fffb03 fffb00 fffd00")
"""We echo, nobody says "go ahead", and both sides send all eight bits."""


class _State(enum.Enum):
    DATA = enum.auto()
    COMMAND = enum.auto()  # behind an IAC
    OPTION = enum.auto()  # behind WILL, WONT, DO or DONT
    PARAMETERS = enum.auto()  # of an option, up to IAC SE
    END = enum.auto()  # behind an IAC in parameters


class TelnetFilter:
    """Takes telnet's commands out of a stream, however that is cut."""

    def __init__(self) -> None:
        self._state = _State.DATA

    def filter(self, data: bytes) -> bytes:
        """Return what of *data* is no command."""
        if self._state is _State.DATA and _IAC not in data:
            return data
        kept = bytearray()
        for byte in data:
            if self._take(byte):
                kept.append(byte)
        return bytes(kept)

    def _take(self, byte: int) -> bool:
        """Look at one byte; tell whether it is data."""
        match self._state:
            case _State.DATA:
                if byte != _IAC:
                    return True
                self._state = _State.COMMAND
            case _State.COMMAND:
                self._state = _after_command(byte)
                return byte == _IAC  # which is how data spells it
            case _State.OPTION:
                self._state = _State.DATA
            case _State.PARAMETERS:
                if byte == _IAC:
                    self._state = _State.END
            case _State.END:
                self._state = _State.DATA if byte == _SE else _State.PARAMETERS
        return False


def _after_command(byte: int) -> _State:
    if byte == _SB:
        return _State.PARAMETERS
    return _State.OPTION if _WILL <= byte <= _DONT else _State.DATA


class TelnetReceiver:
    """Stands between a channel and its receiver, and takes telnet's commands out.

    Args:
        receiver: Whom to pass the rest to.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._filter = TelnetFilter()
        self.eof_received = receiver.eof_received
        self.drained = receiver.drained
        self.connection_lost = receiver.connection_lost

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Pass on what is no command."""
        self._receiver.data_received(self._filter.filter(data), fds)


def open_telnet(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, receiver: Receiver
) -> Channel:
    """Return a channel for a connection in the telnet protocol; make the offers."""
    channel = Channel(loop, sock, TelnetReceiver(receiver))
    channel.write(OFFERS)
    return channel
