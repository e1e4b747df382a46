"""Recording: a proxy that writes down every message that passes, and changes none.

Each client gets a connection of its own to the monitor. Bytes go on as they came, with
the descriptors that came with them; what is written is cut into messages beside that.
"""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Final, Self

from qmpx.errors import QmpxError
from qmpx.transcript.entry import TO_CLIENT, TO_SERVER, Entry, entry_for
from qmpx.transcript.splitter import Splitter
from qmpx.transport.address import ListenAddress, parse_address, parse_listen_address
from qmpx.transport.channel import Channel, close_fds
from qmpx.transport.dial import dial_async
from qmpx.transport.listener import Listener

MAX_CLIENTS: Final = 1024
"""Clients that are served at once; further ones wait unseen."""

PAUSE: Final = 0.005
"""Seconds before the next look whether descriptors can be sent on."""

logger = logging.getLogger("qmpx.testing")

Write = Callable[[Entry], None]


class Recorder:
    """Listen, and pass on to a monitor, and write down what passes.

    To be used in ``async with``.

    Args:
        address: Where the monitor is.
        listen: Where to listen.
        write: Told of each message, and of connections made and lost.
        timeout: Seconds for a connection to the monitor.
        allow_remote: Whether others may reach it, on a TCP address.

    Attributes:
        address: Where it listens, once it does.
    """

    def __init__(
        self,
        address: str | os.PathLike[str],
        listen: str | os.PathLike[str],
        write: Write,
        *,
        timeout: float = 10.0,
        allow_remote: bool = False,
    ) -> None:
        self._monitor = parse_address(address)
        self.address: ListenAddress = parse_listen_address(listen)
        self.write = write
        self._timeout = timeout
        self._allow_remote = allow_remote
        self._listener: Listener | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()
        self._count = 0

    async def __aenter__(self) -> Self:
        self._listener = Listener(
            asyncio.get_running_loop(),
            self.address,
            self._accept,
            max_sessions=MAX_CLIENTS,
            allow_remote=self._allow_remote,
        )
        self.address = self._listener.address
        self._listener.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._listener is not None:
            self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        for pair in list(self._pairs):
            pair.end()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, sock: socket.socket, listener: Listener) -> None:
        self._count += 1
        task = asyncio.ensure_future(self._connect(sock, listener, self._count))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(
        self, sock: socket.socket, listener: Listener, number: int
    ) -> None:
        try:
            monitor = await dial_async(self._monitor, timeout=self._timeout)
        except QmpxError as error:
            logger.warning("%s", error)
            note = f"no connection: {str(error).splitlines()[0]}"
            self.write(Entry(time.time(), connection=number, note=note))
            sock.close()
            listener.release()
            return
        except BaseException:
            sock.close()
            raise
        pair = _Pair(self.write, number)
        self._pairs.add(pair)

        def over() -> None:
            self._pairs.discard(pair)
            listener.release()

        pair.open(sock, monitor, over)


class _Pair:
    """A client and the monitor, connected."""

    def __init__(self, write: Write, number: int) -> None:
        self.write = write
        self.number = number
        self._sides: list[_Side] = []

    def open(
        self, client: socket.socket, monitor: socket.socket, over: Callable[[], None]
    ) -> None:
        """Pass on what comes, until both have ended."""
        self.write(Entry(time.time(), connection=self.number, note="connected"))
        loop = asyncio.get_running_loop()
        one, two = _Side(self, TO_SERVER), _Side(self, TO_CLIENT)
        self._sides = [one, two]
        self._over = over
        one.channel = Channel(loop, client, one)
        two.channel = Channel(loop, monitor, two)
        one.other, two.other = two, one
        one.channel.resume_reading()
        two.channel.resume_reading()

    def end(self) -> None:
        """Break off."""
        for side in self._sides:
            if side.channel is not None:
                side.channel.abort()

    def lost(self, side: "_Side") -> None:
        """Close the other one, too; tell when both are closed."""
        self._sides.remove(side)
        if self._sides:
            if self._sides[0].channel is not None:
                self._sides[0].channel.close()
            return
        self.write(Entry(time.time(), connection=self.number, note="closed"))
        self._over()


class _Side:
    """What one of the two says, on its way to the other one."""

    def __init__(self, pair: _Pair, direction: str) -> None:
        self.channel: Channel | None = None
        self.other: _Side | None = None
        self._pair = pair
        self._direction = direction
        self._splitter = Splitter()
        self._fds_unwritten = 0
        self._has_ended = False
        self._waiting: list[tuple[bytes, list[int]]] = []

    def data_received(self, data: bytes, fds: list[int]) -> None:
        """Write down what came, and pass it on."""
        self._fds_unwritten += len(fds)
        for piece in self._splitter.feed(data):
            self._write(piece)
        self._waiting.append((data, fds))
        self._pass_on()

    def _write(self, piece: bytes) -> None:
        entry = entry_for(
            time.time(), self._direction, self._pair.number, piece, self._fds_unwritten
        )
        self._fds_unwritten = 0
        self._pair.write(entry)

    def _pass_on(self) -> None:
        target = self.other.channel if self.other is not None else None
        source = self.channel
        while self._waiting and target is not None and source is not None:
            data, fds = self._waiting[0]
            if fds and not target.can_send_fds:
                source.pause_reading()
                asyncio.get_running_loop().call_later(PAUSE, self._pass_on)
                return
            self._waiting.pop(0)
            if fds:
                target.send_fds(data, fds)
                close_fds(fds)
            else:
                target.write(data)
        if source is None or target is None:
            return
        if target.is_congested:
            source.pause_reading()
        elif not self._has_ended:
            source.resume_reading()
        elif target.unsent == 0 and target.sock is not None:
            with contextlib.suppress(OSError):
                target.sock.shutdown(socket.SHUT_WR)

    def eof_received(self) -> None:
        """Tell the other one that no more comes."""
        if rest := self._splitter.rest():
            self._write(rest)
        self._has_ended = True
        if self._direction == TO_CLIENT and self.channel is not None:
            self.channel.close()  # a monitor that has ended reads nothing more either
        else:
            self._pass_on()

    def drained(self) -> None:
        """Let the other one speak again: there is room here."""
        if self.other is not None:
            self.other._pass_on()  # noqa: SLF001 - the other half of this

    def connection_lost(self, error: OSError | None) -> None:
        """Close the other one."""
        del error
        self.channel = None
        for _, fds in self._waiting:
            close_fds(fds)
        self._waiting.clear()
        self._pair.lost(self)
