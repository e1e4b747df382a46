"""A node whose data are at an NBD server.

It waits for the server, and with it all that happens in this thread: such a server has
to be in another process.
"""

import errno
import os
import socket
import struct
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block import nbd
from qmpx.machine.block.nodes import PIECE, Node

SECONDS: Final = 20.0
"""For a server to answer: enough for a loaded host, and an end for one that hangs."""


class NbdNode(Node):
    """Data at an NBD server.

    Args:
        name: Its name.
        options: ``server``, ``export`` and others, as in ``blockdev-add``.
        read_only: Whether it can't be written.

    Raises:
        GenericError: There is no such server or export.
    """

    driver = "nbd"

    def __init__(
        self, name: str, options: dict[str, Any], *, read_only: bool = False
    ) -> None:
        super().__init__(name, options, read_only=read_only)
        self._export = str(options.get("export", ""))
        self._cookie = 0
        self._size = 0
        self._flags = 0
        self._socket = self._connect(options["server"])
        try:
            self._shake_hands()
        except (OSError, struct.error) as error:
            self._socket.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise GenericError(reason) from error
        if not read_only and self._flags & nbd.READ_ONLY:
            self._socket.close()
            message = "request on denied because NBD export is read-only"
            raise GenericError(message)

    @staticmethod
    def _connect(server: dict[str, Any]) -> socket.socket:
        if server.get("type") == "unix":
            connection = socket.socket(socket.AF_UNIX)
            place: Any = server["path"]
            shown = str(place)
        elif server.get("type") == "inet":
            connection = socket.socket()
            place = (server["host"], int(server["port"]))
            shown = f"{place[0]}:{place[1]}"
        else:
            message = f"an NBD server of type '{server.get('type')}' is not supported"
            raise GenericError(message)
        connection.settimeout(SECONDS)
        try:
            connection.connect(place)
        except OSError as error:
            connection.close()
            reason = error.strerror or str(error)
            message = f"Failed to connect to '{shown}': {reason}"
            raise GenericError(message) from error
        return connection

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise OSError(errno.EIO, "the NBD server has gone")
            parts += part
        return bytes(parts)

    def _shake_hands(self) -> None:
        magic = self._receive(18)
        if magic[:16] != nbd.MAGIC + nbd.OPTION_MAGIC:
            raise OSError(errno.EINVAL, "no NBD server of the newstyle")
        flags = nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES
        raw = self._export.encode()
        data = struct.pack(">I", len(raw)) + raw + struct.pack(">H", 0)
        head = nbd.OPTION.pack(nbd.OPTION_MAGIC, nbd.OPT_GO, len(data))
        self._socket.sendall(struct.pack(">I", flags) + head + data)
        for _ in range(nbd.MAX_OPTIONS):
            _, _, kind, length = nbd.OPTION_REPLY.unpack(
                self._receive(nbd.OPTION_REPLY.size)
            )
            if length > nbd.MAX_OPTION:
                break
            told = self._receive(length)
            if kind == nbd.REP_ACK:
                return
            if kind != nbd.REP_INFO:
                message = f"Requested export not available: {told.decode()}"
                raise OSError(errno.ENOENT, message)
            if struct.unpack_from(">H", told)[0] == nbd.INFO_EXPORT:
                _, self._size, self._flags = struct.unpack(">HQH", told)
        raise OSError(errno.EINVAL, "no NBD server that keeps to the protocol")

    @property
    def size(self) -> int:
        """Bytes of the export."""
        return self._size

    @property
    def filename(self) -> str:
        """An ``nbd`` URI."""
        server = self.options["server"]
        if server["type"] == "unix":
            return f"nbd+unix:///{self._export}?socket={server['path']}"
        return f"nbd://{server['host']}:{server['port']}/{self._export}"

    def _ask(
        self, kind: int, offset: int, size: int, data: bytes | memoryview = b""
    ) -> bytes:
        self._cookie += 1
        head = nbd.REQUEST.pack(nbd.REQUEST_MAGIC, 0, kind, self._cookie, offset, size)
        self._socket.sendall(head)
        if data:
            self._socket.sendall(data)
        magic, code, cookie = nbd.SIMPLE.unpack(self._receive(nbd.SIMPLE.size))
        if magic != nbd.SIMPLE_MAGIC or cookie != self._cookie:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if code:
            raise OSError(code, os.strerror(code))
        return self._receive(size) if kind == nbd.CMD_READ else b""

    def flush(self) -> None:
        """Let the server write down what was written.

        Raises:
            OSError: It could not.
        """
        if self._flags & nbd.SEND_FLUSH and not self.read_only:
            self._ask(nbd.CMD_FLUSH, 0, 0)

    def close(self) -> None:
        """Say goodbye."""
        try:
            self._socket.sendall(
                nbd.REQUEST.pack(nbd.REQUEST_MAGIC, 0, nbd.CMD_DISC, 0, 0, 0)
            )
        except OSError:
            pass  # it has gone before
        finally:
            self._socket.close()

    def _read(self, offset: int, size: int) -> bytes:
        parts = list[bytes]()
        while size:
            run = min(size, PIECE)
            parts.append(self._ask(nbd.CMD_READ, offset, run))
            offset, size = offset + run, size - run
        return b"".join(parts)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            part, view = view[:PIECE], view[PIECE:]
            self._ask(nbd.CMD_WRITE, offset, len(part), part)
            offset += len(part)
