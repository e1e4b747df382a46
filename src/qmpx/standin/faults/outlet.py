"""Bytes on their way out: in pieces, cut off, without line ends, without an end.

An outlet knows no messages but their ends; it sends in order whatever it is given.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from qmpx.machine.clock import Timer

ENDLESS_PIECE: Final = 64 * 1024
"""Bytes of an endless message that are sent at once."""

Later = Callable[[float, Callable[[], None]], Timer]


class Outlet:
    """What the bytes of one connection go through.

    Args:
        send: Sends bytes now.
        end: Ends the connection, with what is unsent.
        later: Does something later.
        is_full: Tells whether the peer has much to read already.

    Attributes:
        left: Bytes until the connection ends; ``None``: it does not.
        ends_lines: Whether the ends of lines are sent.
    """

    def __init__(
        self,
        send: Callable[[bytes], None],
        end: Callable[[], None],
        later: Later,
        is_full: Callable[[], bool],
    ) -> None:
        self.left: int | None = None
        self.ends_lines = True
        self._send = send
        self._end = end
        self._later = later
        self._is_full = is_full
        self._drip: tuple[int, float] | None = None  # for everything
        self._queue: deque[tuple[bytes, int, float]] = deque()

    @property
    def is_busy(self) -> bool:
        """Whether something is still being sent."""
        return bool(self._queue)

    def drip_all(self, size: int, seconds: float) -> None:
        """Send everything in pieces from now on."""
        self._drip = max(size, 1), seconds

    def put(self, data: bytes, drip: tuple[int, float] | None = None) -> None:
        """Send bytes behind what was put before, in pieces if *drip* says so."""
        if not self.ends_lines:
            data = data.rstrip(b"\r\n")
        drip = drip or self._drip
        if not self._queue and drip is None:
            self._out(data)
            return
        size, seconds = drip or (len(data), 0.0)
        begins = not self._queue
        self._queue.append((data, max(size, 1), seconds))
        if begins:
            self._drop()

    def _drop(self) -> None:
        """Send the next piece."""
        while self._queue:
            data, size, seconds = self._queue.popleft()
            piece, rest = data[:size], data[size:]
            self._out(piece)
            if rest:
                self._queue.appendleft((rest, size, seconds))
            if seconds and self._queue:
                self._later(seconds, self._drop)
                return

    def put_endless(self, beginning: bytes, size: int) -> None:
        """Send a message that has no end: a string that grows.

        Args:
            beginning: How it begins.
            size: Bytes after which no more come.
        """
        if self._queue:
            self.put(beginning)  # behind what is being sent, and what has no end
            return
        self._out(beginning + b', "x-qmpx-endless": "')
        self._queue.append((b"", 1, 0.0))  # nothing else comes between
        self._grow(size)

    def _grow(self, left: int) -> None:
        if left > 0 and not self._is_full():
            piece = min(left, ENDLESS_PIECE)
            self._out(b"x" * piece)
            left -= piece
        if left > 0:
            self._later(0.0, lambda: self._grow(left))

    def _out(self, data: bytes) -> None:
        if self.left is not None:
            data, self.left = data[: self.left], max(self.left - len(data), 0)
        if data:
            self._send(data)
        if self.left == 0:
            self._end()
