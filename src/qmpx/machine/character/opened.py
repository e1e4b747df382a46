"""Character devices on sockets that somebody else has opened.

A program that is started may have been given its sockets, or has opened them before it
imported all of this.
"""

import asyncio
import socket

from qmpx.machine.character.sockets import SocketDevice


class OpenedSocket(SocketDevice):
    """A character device on a socket that is open already.

    Args:
        label: What it is called.
        filename: What ``query-chardev`` shows of where it leads.
        listening: Where clients come to, if it is a server; the device's from now on.
        connected: The first client, or the other end; the device's from now on.
        is_telnet: Whether it speaks telnet.
        users: How many devices may use it.
    """

    def __init__(
        self,
        label: str,
        filename: str,
        *,
        listening: socket.socket | None = None,
        connected: socket.socket | None = None,
        is_telnet: bool = False,
        users: int = 1,
    ) -> None:
        is_server = listening is not None
        super().__init__(
            label, "", is_server=is_server, is_telnet=is_telnet, users=users
        )
        self.filename = filename
        self._listener = listening
        self._first = connected

    async def open(self) -> None:
        """Wait for clients, or begin with the one that is there."""
        first, self._first = self._first, None
        if self._listener is not None:
            self._listener.setblocking(False)  # noqa: FBT003 - the standard library's
        if first is not None:
            first.setblocking(False)  # noqa: FBT003 - the same
            await self._welcome(first)
            await asyncio.sleep(0)
        elif self._listener is not None:
            self._watch(self._listener, self._accept)

    def close(self) -> None:
        """Close the connection, and stop listening; who made the socket removes it."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._watch_no_more(listener)
            listener.close()
        super().close()
