"""The connection of one VNC client: bytes between its socket and its session.

It belongs to one event loop. What is unsent is at most one update, as the next one is
made when the last one has gone out, and some replies.
"""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

from qmpx.machine.display.key_names import key_of_keysym
from qmpx.machine.display.pointers import FULL_SCALE
from qmpx.machine.display.rfb import (
    Happened,
    Initialized,
    KeyChanged,
    PointerChanged,
    RfbError,
    RfbSession,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qmpx.machine.display.keys import Keyboard
    from qmpx.machine.display.pointers import Pointers

READ_SIZE: Final = 16384
"""Bytes of one read: what one client can make us do before others have their turn."""

MAX_REPLIES: Final = 65536
"""Bytes of replies that wait behind an update which the client does not take: some
thousand maps of colours. With more the client is not read until it reads.
"""

_WHEEL_UP, _WHEEL_DOWN = 8, 16


class Viewer:
    """A VNC client.

    Args:
        connection: Its socket, not blocking.
        name: What its end is called.
        server_name: What the end that it came to is called.
        session: The conversation.
        keyboard: Where its keys go.
        pointers: Where its pointer goes.
        size: Returns the screen's width and height, in pixels.
        on_initialized: Called when it is in, with whether it shares.
        on_demand: Called when it has asked for an update, or has room for one.
        on_closed: Called at the end, with the reason; empty if the client just left.

    Attributes:
        name: What its end is called.
        server_name: What the end that it came to is called.
        session: The conversation.
    """

    def __init__(
        self,
        connection: socket.socket,
        name: dict[str, str],
        server_name: dict[str, str],
        session: RfbSession,
        *,
        keyboard: "Keyboard",
        pointers: "Pointers",
        size: "Callable[[], tuple[int, int]]",
        on_initialized: "Callable[[Viewer, bool], None]",
        on_demand: "Callable[[], None]",
        on_closed: "Callable[[Viewer, str], None]",
    ) -> None:
        self.name = name
        self.server_name = server_name
        self.session = session
        self._connection = connection
        self._keyboard = keyboard
        self._pointers = pointers
        self._size = size
        self._on_initialized = on_initialized
        self._on_demand = on_demand
        self._on_closed = on_closed
        self._unsent = memoryview(b"")
        self._replies = 0  # bytes that were put behind an update
        self._is_closed = False
        self._held: set[int] = set()
        self._buttons = 0
        self._loop = asyncio.get_running_loop()
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def start(self) -> None:
        """Begin the conversation."""
        self._loop.add_reader(self._connection.fileno(), self._read)
        self._send(self.session.data_to_send())

    def show(self) -> None:
        """Send an update if one is asked for, due, and has room."""
        if not self._is_closed and not self._unsent:
            self._send(self.session.updates.take())

    def close(self, reason: str = "") -> None:
        """End the conversation; nothing happens if it is over.

        Args:
            reason: Why; empty if the client just left.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.remove_reader(self._connection.fileno())
        self._loop.remove_writer(self._connection.fileno())
        last = bytes(self._unsent) + self.session.data_to_send()
        with contextlib.suppress(OSError):
            if last:
                self._connection.send(last)
        self._connection.close()
        for code in self._held:
            self._keyboard.release(code)
        self._pointers.hold(self._pointers.buttons & ~self._buttons)
        self._on_closed(self, reason)

    def _read(self) -> None:
        try:
            data = self._connection.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""  # it has gone without a word
        if not data:
            self.close()
            return
        try:
            happened = self.session.receive(data)
        except RfbError as error:
            self.close(str(error))
            return
        self._send(self.session.data_to_send())
        for each in happened:
            if not self._is_closed:
                self._do(each)
        if happened or self.session.updates.is_awaited:
            self._on_demand()

    def _do(self, happened: Happened) -> None:
        match happened:
            case Initialized(is_shared):
                self._on_initialized(self, is_shared)
            case KeyChanged(keysym, down):
                self._keyboard.press_keysym(keysym, down=down)
                if (key := key_of_keysym(keysym)) is not None:
                    (self._held.add if down else self._held.discard)(key[0])
            case PointerChanged(x, y, buttons):
                width, height = self._size()
                self._pointers.point(
                    x * FULL_SCALE // max(width - 1, 1),
                    y * FULL_SCALE // max(height - 1, 1),
                )
                turned = buttons & ~self._buttons
                notches = bool(turned & _WHEEL_DOWN) - bool(turned & _WHEEL_UP)
                self._pointers.turn(notches)
                # RFB counts left, middle, right; the machine has the same bits.
                self._pointers.hold(buttons & 7)
                self._buttons = buttons

    def _send(self, data: bytes) -> None:
        if not data or self._is_closed:
            return
        if self._unsent:
            self._unsent = memoryview(bytes(self._unsent) + data)
            self._replies += len(data)
            if self._replies > MAX_REPLIES:
                self._loop.remove_reader(self._connection.fileno())
            return
        self._unsent = memoryview(data)
        self._flush()
        if self._unsent and not self._is_closed:
            self._loop.add_writer(self._connection.fileno(), self._write)

    def _write(self) -> None:
        self._flush()
        if not self._unsent and not self._is_closed:
            self._loop.remove_writer(self._connection.fileno())
            if self._replies > MAX_REPLIES:
                self._loop.add_reader(self._connection.fileno(), self._read)
            self._replies = 0
            self._on_demand()

    def _flush(self) -> None:
        try:
            self._unsent = self._unsent[self._connection.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._unsent = memoryview(b"")
            self.close()  # it has gone without a word
