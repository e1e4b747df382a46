"""Character devices on sockets: UNIX, TCP, telnet and UDP.

A server takes one client at a time; the next waits until that one leaves, as in QEMU.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

from qmpx.machine.character.device import MAX_UNSENT, CharacterDevice

TELNET_OPENING: Final = bytes.fromhex("fffb01 fffb03 fffb00 fffd00")
"""What a telnet server says first: it echoes, suppresses go-ahead, and is binary."""

_IAC: Final = 0xFF
_WILL: Final = 0xFB  # this and the three after it have an option behind them

Address = tuple[str, int] | str
"""Host and port, or the path of a UNIX socket."""


class _Watched(CharacterDevice):
    """A character device on a socket that a loop watches."""

    _loop: asyncio.AbstractEventLoop | None = None

    def _watch(self, watched: socket.socket, callback: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(watched, callback)

    def _watch_no_more(self, watched: socket.socket) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(watched)


class SocketDevice(_Watched):
    """A character device on a stream socket.

    Args:
        label: What it is called.
        address: Where it listens, or connects to.
        is_server: Whether it listens.
        waits: Whether a server waits for its first client when it is opened.
        is_telnet: Whether it speaks telnet.
        has_delay: Whether small packets may be delayed, to send fewer.
        users: How many devices may use it.
    """

    def __init__(
        self,
        label: str,
        address: Address,
        *,
        is_server: bool = False,
        waits: bool = False,
        is_telnet: bool = False,
        has_delay: bool = True,
        users: int = 1,
    ) -> None:
        if isinstance(address, str):
            filename = f"unix:{address}"
        else:
            scheme = "telnet" if is_telnet else "tcp"
            filename = f"{scheme}:{address[0]}:{address[1]}"
        super().__init__(
            label, f"{filename},server" if is_server else filename, users=users
        )
        self._address = address
        self._is_server = is_server
        self._waits = waits
        self._is_telnet = is_telnet
        self._has_delay = has_delay
        self._listener: socket.socket | None = None
        self._transport: asyncio.Transport | None = None
        self._connected = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._telnet_left = 0

    @property
    def is_connected(self) -> bool:
        """Whether somebody is at the other end."""
        return self._transport is not None

    @property
    def place(self) -> str:
        """Where it leads, and whether somebody is there."""
        if self._transport is None:
            return f"disconnected:{self.filename}"
        peer = self._transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            return f"{self.filename} <-> {peer[0]}:{peer[1]}"
        return self.filename

    @property
    def port(self) -> int:
        """The port that a TCP server listens on."""
        return 0 if self._listener is None else int(self._listener.getsockname()[1])

    async def open(self) -> None:
        """Connect, or listen; cancelling is safe, and leaves nothing open."""
        try:
            if self._is_server:
                self._listen()
                if self._waits:
                    await self._connected.wait()
            else:
                await self._connect()
        except BaseException:
            self.close()
            raise

    def _listen(self) -> None:
        if isinstance(self._address, str):
            with contextlib.suppress(FileNotFoundError):
                Path(self._address).unlink()
            made = socket.socket(socket.AF_UNIX)
            place: Address = self._address
        else:
            host, port = self._address
            family, _, _, _, found = socket.getaddrinfo(
                host or "0.0.0.0",  # noqa: S104 - QEMU's default
                port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )[0]
            made = socket.socket(family)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place = (str(found[0]), int(found[1]))
        self._listener = made
        made.bind(place)
        made.listen(1)
        made.setblocking(False)  # noqa: FBT003 - the standard library's
        self._watch(made, self._accept)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(self._address, str):
            await loop.create_unix_connection(lambda: _Link(self), self._address)
        else:
            host, port = self._address
            await loop.create_connection(lambda: _Link(self), host or "127.0.0.1", port)

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:  # it has gone again
            return
        client.setblocking(False)  # noqa: FBT003 - the standard library's
        self._watch_no_more(self._listener)
        task = asyncio.get_running_loop().create_task(self._welcome(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: _Link(self), client)
        except OSError:
            client.close()
            self.lost()

    def made(self, transport: asyncio.Transport) -> None:
        """Take note that somebody is at the other end."""
        self._transport = transport
        self._telnet_left = 0
        transport.set_write_buffer_limits(MAX_UNSENT // 2)
        opened = transport.get_extra_info("socket")
        if not self._has_delay and opened.family != socket.AF_UNIX:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_telnet and self._is_server:
            transport.write(TELNET_OPENING)
        self._connected.set()
        if self.on_connection is not None:
            self.on_connection(True)  # noqa: FBT003 - see `CharacterDevice`

    def break_off(self) -> None:
        """Cut the connection at once, whatever is on its way; nothing if there is none.

        A server then waits for the next client.
        """
        if self._transport is not None:
            self._transport.abort()

    def lost(self) -> None:
        """Take note that nobody is there any more; a server waits for the next."""
        self._transport = None
        if self._listener is not None:
            self._watch(self._listener, self._accept)
        if self.on_connection is not None:
            self.on_connection(False)  # noqa: FBT003 - see `CharacterDevice`

    def drained(self) -> None:
        """Take note that there is room for more."""
        if self.on_drained is not None:
            self.on_drained()

    def came(self, data: bytes) -> None:
        """Take what has come."""
        self._came(self._without_telnet(data) if self._is_telnet else data)

    def _without_telnet(self, data: bytes) -> bytes:
        """Return the bytes that are no commands of telnet."""
        kept = bytearray()
        for byte in data:
            if self._telnet_left == 0:
                if byte == _IAC:
                    self._telnet_left = 2
                else:
                    kept.append(byte)
            elif self._telnet_left == 2:
                if byte == _IAC:  # itself, doubled
                    kept.append(byte)
                self._telnet_left = 1 if _WILL <= byte < _IAC else 0
            else:
                self._telnet_left = 0
        return bytes(kept)

    def write(self, data: bytes) -> int:
        """Send what there is room for."""
        if self._transport is None:
            return len(data)
        room = max(0, MAX_UNSENT - self._transport.get_write_buffer_size())
        self._transport.write(data[:room])
        return min(len(data), room)

    def _shut_out(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _let_in(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection and stop listening."""
        if self._listener is not None:
            self._watch_no_more(self._listener)
            self._listener.close()
            self._listener = None
            if isinstance(self._address, str):
                with contextlib.suppress(FileNotFoundError):
                    Path(self._address).unlink()
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class _Link(asyncio.Protocol):
    """The connection of a `SocketDevice`."""

    def __init__(self, device: SocketDevice) -> None:
        self._device = device

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._device.made(cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        self._device.came(data)

    def resume_writing(self) -> None:
        self._device.drained()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._device.lost()


class Datagrams(_Watched):
    """A character device whose bytes go out, and come in, as UDP datagrams.

    Args:
        label: What it is called.
        remote: Where they go.
        local: Where they come in.
        users: How many devices may use it.
    """

    def __init__(
        self,
        label: str,
        remote: tuple[str, int],
        local: tuple[str, int] = ("", 0),
        *,
        users: int = 1,
    ) -> None:
        super().__init__(label, "udp", users=users)
        self._remote = remote
        self._local = local
        self._socket: socket.socket | None = None

    async def open(self) -> None:
        """Open the socket; datagrams may go out before anybody listens."""
        loop = asyncio.get_running_loop()
        host, port = self._remote
        infos = await loop.getaddrinfo(
            host or "127.0.0.1", port, type=socket.SOCK_DGRAM
        )
        made = socket.socket(infos[0][0], socket.SOCK_DGRAM)
        try:
            made.setblocking(False)  # noqa: FBT003 - the standard library's
            made.bind(self._local)
            made.connect(infos[0][4])
        except OSError:
            made.close()
            raise
        self._socket = made
        self._watch(made, self._receive)

    def _receive(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # a refusal of what was sent before
                self._came(self._socket.recv(1 << 16))

    def write(self, data: bytes) -> int:
        """Send one datagram; as ever with UDP it may get lost."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(data)
        return len(data)

    def _shut_out(self) -> None:
        if self._socket is not None:
            self._watch_no_more(self._socket)

    def _let_in(self) -> None:
        if self._socket is not None:
            self._watch(self._socket, self._receive)

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._watch_no_more(self._socket)
            self._socket.close()
            self._socket = None
