"""Bytes on their way out: in pieces, cut off, without line ends, without an end.

An outlet knows no messages but their ends; it sends in order whatever it is given.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from qmpx.machine.clock import Timer

ENDLESS_PIECE: Final = 64 * 1024
"""Bytes of an endless message that are sent at once."""

MAX_PIECES: Final = 256
"""Pieces that are sent before others have their turn."""

Later = Callable[[float, Callable[[], None]], Timer]


class Outlet:
    """What the bytes of one connection go through.

    Args:
        send: Sends bytes now.
        end: Ends the connection, with what is unsent.
        later: Does something later.
        is_full: Tells whether the peer has much to read already. Then nothing is sent
            until `go_on` is called.

    Attributes:
        left: Bytes until the connection ends; ``None``: it does not.
        ends_lines: Whether the ends of lines are sent.
        size: Bytes that wait here.
    """

    def __init__(
        self,
        send: Callable[[bytes | memoryview], None],
        end: Callable[[], None],
        later: Later,
        is_full: Callable[[], bool],
    ) -> None:
        self.left: int | None = None
        self.ends_lines = True
        self.size = 0
        self._send = send
        self._end = end
        self._later = later
        self._is_full = is_full
        self._drip: tuple[int, float] | None = None  # for everything
        self._queue: deque[tuple[memoryview, int, float]] = deque()
        self._is_timed = False  # whether the next piece has its moment
        self._endless: int | None = None  # what is left of a message without an end

    @property
    def is_busy(self) -> bool:
        """Whether something is still being sent."""
        return bool(self._queue or self._endless)

    def drip_all(self, size: int, seconds: float) -> None:
        """Send everything in pieces from now on."""
        self._drip = max(size, 1), seconds

    def put(self, data: bytes, drip: tuple[int, float] | None = None) -> None:
        """Send bytes behind what was put before, in pieces if *drip* says so."""
        if self._endless is not None:
            return  # what has no end has nothing behind it
        if not self.ends_lines:
            data = data.rstrip(b"\r\n")
        drip = drip or self._drip
        if not self._queue and drip is None:
            self._out(data)
            return
        size, seconds = drip or (len(data), 0.0)
        self._queue.append((memoryview(data), max(size, 1), seconds))
        self.size += len(data)
        self.go_on()

    def put_endless(self, beginning: bytes, size: int) -> None:
        """Send a message that has no end: a string that grows.

        Args:
            beginning: How it begins.
            size: Bytes after which no more come.
        """
        self.put(beginning + b', "x-qmpx-endless": "')
        if self._endless is None:
            self._endless = size
            self.go_on()

    def go_on(self) -> None:
        """Send the next pieces, as far as it is time for them."""
        if self._is_timed:
            return
        for _ in range(MAX_PIECES):
            if self._is_full() or not self._drop():
                return
        self._time(0.0)

    def _drop(self) -> bool:
        """Send one piece; tell whether it is time for the next."""
        if not self._queue:
            return self._grow()
        data, size, seconds = self._queue.popleft()
        piece, rest = data[:size], data[size:]
        if rest:
            self._queue.appendleft((rest, size, seconds))
        self.size -= len(piece)
        self._out(piece)
        if seconds and self.is_busy:
            self._time(seconds)
            return False
        return self.is_busy

    def _grow(self) -> bool:
        if not self._endless:
            return False
        size, seconds = self._drip or (ENDLESS_PIECE, 0.0)
        piece = min(self._endless, size)
        self._endless -= piece
        self._out(b"x" * piece)
        if seconds:
            self._time(seconds)
        return not seconds

    def _time(self, seconds: float) -> None:
        def go_on() -> None:
            self._is_timed = False
            self.go_on()

        self._is_timed = True
        self._later(seconds, go_on)

    def _out(self, data: bytes | memoryview) -> None:
        if self.left is not None:
            data, self.left = data[: self.left], max(self.left - len(data), 0)
        if data:
            self._send(data)
        if self.left == 0:
            self._end()
