"""An NBD server: fixed newstyle handshake, structured replies, block status."""

import asyncio
import contextlib
import errno
import os
import struct
from functools import partial
from typing import TYPE_CHECKING, Final

from qmpx.machine.block import nbd

if TYPE_CHECKING:
    from qmpx.machine.block.exports import Export, Exports

MAX_EXTENTS: Final = 4096
"""Extents of one reply on block status: a client asks again for the rest."""

HANDSHAKE_SECONDS: Final = 10.0
"""For the whole handshake: who says nothing must not keep a connection for ever."""

_CODES: Final = {
    errno.EPERM: 1,
    errno.EACCES: 1,
    errno.EROFS: 1,
    errno.ENOMEM: 12,
    errno.EINVAL: 22,
    errno.ENOSPC: 28,
    errno.ENOTSUP: 95,
}
"""The protocol's own numbers of errors; all others are input/output errors."""

_MOVING: Final = frozenset({nbd.CMD_READ, nbd.CMD_WRITE, nbd.CMD_WRITE_ZEROES})
"""Requests that limits hold back."""

_BROKEN: Final = (asyncio.IncompleteReadError, ConnectionError, TimeoutError)


class _BadClientError(Exception):
    """The client does not keep to the protocol, or has had enough."""


class Session:
    """A client's connection.

    Args:
        exports: What is served.
        reader: From the client.
        writer: To it.
    """

    def __init__(
        self,
        exports: "Exports",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._exports = exports
        self._reader = reader
        self._writer = writer
        self._export: Export | None = None
        self._is_structured = False
        self._wanted: tuple[str, list[int]] = "", []
        self._has_zeroes = True
        self._pause: asyncio.Future[None] | None = None

    @property
    def export(self) -> "Export | None":
        """What it reads and writes; ``None`` during the handshake."""
        return self._export

    async def run(self) -> None:
        """Serve until the client goes."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                await self._shake_hands()
            while self._export is not None and await self._serve_one():
                pass
        except (*_BROKEN, _BadClientError):
            pass  # the client has gone, or is no client
        finally:
            self.close()

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            if self._pause is not None:
                self._pause.cancel()
            self._writer.close()

    async def _shake_hands(self) -> None:
        flags = nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES
        self._writer.write(nbd.MAGIC + nbd.OPTION_MAGIC + struct.pack(">H", flags))
        (given,) = struct.unpack(">I", await self._reader.readexactly(4))
        self._has_zeroes = not given & nbd.NO_ZEROES
        for _ in range(nbd.MAX_OPTIONS):
            head = await self._reader.readexactly(nbd.OPTION.size)
            magic, option, length = nbd.OPTION.unpack(head)
            if magic != nbd.OPTION_MAGIC or length > nbd.MAX_OPTION:
                raise _BadClientError
            data = await self._reader.readexactly(length)
            if await self._option(option, data):
                return
        raise _BadClientError

    async def _option(self, option: int, data: bytes) -> bool:
        """Answer an option; whether the handshake is over."""
        if option == nbd.OPT_EXPORT_NAME:
            return self._begin(data.decode(errors="replace"))
        if option == nbd.OPT_ABORT:
            self._reply(option, nbd.REP_ACK)
            await self._writer.drain()
            raise _BadClientError
        if option == nbd.OPT_LIST:
            for name in self._exports.names:
                raw = name.encode()
                packed = struct.pack(">I", len(raw)) + raw
                self._reply(option, nbd.REP_SERVER, packed)
            self._reply(option, nbd.REP_ACK)
        elif option == nbd.OPT_STRUCTURED and not data:
            self._is_structured = True
            self._reply(option, nbd.REP_ACK)
        elif option in (nbd.OPT_INFO, nbd.OPT_GO):
            return self._tell_export(option, data)
        elif option in (nbd.OPT_LIST_META, nbd.OPT_SET_META):
            self._contexts(option, data)
        else:
            self._reply(option, nbd.REP_ERR_UNSUP)
        await self._writer.drain()
        return False

    def _reply(self, option: int, kind: int, data: bytes = b"") -> None:
        head = nbd.OPTION_REPLY.pack(nbd.REPLY_MAGIC, option, kind, len(data))
        self._writer.write(head + data)

    def _begin(self, name: str) -> bool:
        export = self._exports.named(name)
        if export is None:
            raise _BadClientError
        zeroes = bytes(124 if self._has_zeroes else 0)
        told = struct.pack(">QH", export.node.size, self._flags(export))
        self._writer.write(told + zeroes)
        self._take(export)
        return True

    def _take(self, export: "Export") -> None:
        self._export = export
        if self._wanted[0] != export.name:  # contexts of another export
            self._wanted = export.name, []

    def _flags(self, export: "Export") -> int:
        flags = nbd.HAS_FLAGS | nbd.SEND_FLUSH | nbd.SEND_FUA | nbd.CAN_MULTI_CONN
        if self._is_structured:
            flags |= nbd.SEND_DF
        if not export.writable:
            return flags | nbd.READ_ONLY
        return flags | nbd.SEND_TRIM | nbd.SEND_WRITE_ZEROES

    def _tell_export(self, option: int, data: bytes) -> bool:
        try:
            (length,) = struct.unpack_from(">I", data)
            name = data[4 : 4 + length].decode()
            (count,) = struct.unpack_from(">H", data, 4 + length)
            struct.unpack_from(f">{count}H", data, 6 + length)
        except (struct.error, UnicodeDecodeError):
            self._reply(option, nbd.REP_ERR_INVALID)
            return False
        export = self._exports.named(name)
        if export is None:
            self._reply(option, nbd.REP_ERR_UNKNOWN, b"export not found")
            return False
        sizes = struct.pack(">HIII", nbd.INFO_BLOCK_SIZE, 1, 4096, nbd.MAX_REQUEST)
        self._reply(option, nbd.REP_INFO, sizes)
        told = struct.pack(
            ">HQH", nbd.INFO_EXPORT, export.node.size, self._flags(export)
        )
        self._reply(option, nbd.REP_INFO, told)
        self._reply(option, nbd.REP_ACK)
        if option == nbd.OPT_GO:
            self._take(export)
            return True
        return False

    def _contexts(self, option: int, data: bytes) -> None:
        asked = list[str]()
        try:
            (length,) = struct.unpack_from(">I", data)
            name, at = data[4 : 4 + length].decode(), 4 + length
            (count,) = struct.unpack_from(">I", data, at)
            at += 4
            for _ in range(min(count, nbd.MAX_OPTIONS)):
                (length,) = struct.unpack_from(">I", data, at)
                asked.append(data[at + 4 : at + 4 + length].decode())
                at += 4 + length
        except (struct.error, UnicodeDecodeError):
            self._reply(option, nbd.REP_ERR_INVALID)
            return
        export = self._exports.named(name)
        if export is None or not self._is_structured:
            self._reply(option, nbd.REP_ERR_UNKNOWN)
            return
        is_list = option == nbd.OPT_LIST_META
        told = {
            context: number
            for context, number in export.contexts.items()
            if (is_list and not asked)
            or any(_asks_for(each, context, is_list=is_list) for each in asked)
        }
        if not is_list:
            self._wanted = name, sorted(told.values())
        for context, number in told.items():
            data = struct.pack(">I", 0 if is_list else number) + context.encode()
            self._reply(option, nbd.REP_META, data)
        self._reply(option, nbd.REP_ACK)

    async def _serve_one(self) -> bool:
        """Serve a request; whether there may be more."""
        head = await self._reader.readexactly(nbd.REQUEST.size)
        magic, flags, kind, cookie, offset, length = nbd.REQUEST.unpack(head)
        export = self._export
        if magic != nbd.REQUEST_MAGIC or kind == nbd.CMD_DISC or export is None:
            return False
        data = b""
        if kind == nbd.CMD_WRITE:
            if length > nbd.MAX_REQUEST:
                return False
            data = await self._reader.readexactly(length)
        if kind in _MOVING and not await self._wait(export, kind, length):
            return False
        try:
            if kind == nbd.CMD_BLOCK_STATUS:
                self._tell_status(export, flags, cookie, offset, length)
            else:
                answer = self._do(export, kind, flags, offset, length, data)
                self._answer(kind, cookie, offset, answer)
        except OSError as error:
            self._fail(kind, cookie, error)
        await self._writer.drain()
        return True

    async def _wait(self, export: "Export", kind: int, length: int) -> bool:
        """Wait until the limits of what is exported let a request through.

        Returns:
            Whether the connection is there still.
        """
        graph = self._exports.graph
        is_write = kind != nbd.CMD_READ
        seconds = graph.pacing.enter(export.node, length, is_write=is_write)
        if not seconds:
            return True
        self._pause = asyncio.get_running_loop().create_future()
        timer = graph.machine.clock.call_later(seconds, partial(_wake, self._pause))
        done, _ = await asyncio.wait([self._pause])
        timer.cancel()
        self._pause = None
        return not any(each.cancelled() for each in done)

    def _do(
        self,
        export: "Export",
        kind: int,
        flags: int,
        offset: int,
        length: int,
        data: bytes,
    ) -> bytes:
        node = export.node
        if kind in (nbd.CMD_WRITE, nbd.CMD_TRIM, nbd.CMD_WRITE_ZEROES):
            if not export.writable:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
            if offset + length > node.size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        elif offset + length > node.size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if kind == nbd.CMD_READ:
            if length > nbd.MAX_REQUEST:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            return node.read(offset, length)
        if kind == nbd.CMD_WRITE:
            node.write(offset, data)
        elif kind == nbd.CMD_WRITE_ZEROES:
            node.write_zeroes(offset, length)
        elif kind not in (nbd.CMD_FLUSH, nbd.CMD_TRIM):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if kind == nbd.CMD_FLUSH or flags & nbd.FLAG_FUA:
            node.flush()
        return b""

    def _answer(self, kind: int, cookie: int, offset: int, data: bytes) -> None:
        if not self._is_structured:
            self._writer.write(nbd.SIMPLE.pack(nbd.SIMPLE_MAGIC, 0, cookie) + data)
            return
        form = nbd.CHUNK_NONE
        if kind == nbd.CMD_READ and data:
            form, data = nbd.CHUNK_DATA, struct.pack(">Q", offset) + data
        self._chunk(form, cookie, data)

    def _chunk(
        self, form: int, cookie: int, data: bytes, *, is_last: bool = True
    ) -> None:
        flags = nbd.CHUNK_DONE if is_last else 0
        head = nbd.CHUNK.pack(nbd.CHUNK_MAGIC, flags, form, cookie, len(data))
        self._writer.write(head + data)

    def _tell_status(
        self, export: "Export", flags: int, cookie: int, offset: int, length: int
    ) -> None:
        """Tell what each context that the client has chosen knows of a part."""
        contexts = self._wanted[1]
        if not contexts or not length or offset + length > export.node.size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        only_one = bool(flags & nbd.FLAG_REQ_ONE)
        told = [
            _extents(export, number, offset, length, only_one=only_one)
            for number in contexts
        ]
        for number, data in enumerate(told, 1):
            is_last = number == len(told)
            self._chunk(nbd.CHUNK_STATUS, cookie, data, is_last=is_last)

    def _fail(self, kind: int, cookie: int, error: OSError) -> None:
        code = _CODES.get(error.errno or 0, 5)
        structured = kind in (nbd.CMD_READ, nbd.CMD_BLOCK_STATUS)
        if self._is_structured and structured:
            text = (error.strerror or "").encode()
            told = struct.pack(">IH", code, len(text)) + text
            self._chunk(nbd.CHUNK_ERROR, cookie, told)
        else:
            self._writer.write(nbd.SIMPLE.pack(nbd.SIMPLE_MAGIC, code, cookie))


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _asks_for(query: str, context: str, *, is_list: bool) -> bool:
    """Whether a query means a context; one that asks for a list may mean several."""
    if query == context:
        return True
    is_group = query in ("base:", "qemu:", nbd.DIRTY_BITMAP)
    return is_list and is_group and context.startswith(query)


def _extents(
    export: "Export", context: int, offset: int, length: int, *, only_one: bool
) -> bytes:
    """Return what a context tells of a part, as the payload of a reply."""
    end, parts = offset + length, list[tuple[int, int]]()
    while offset < end and len(parts) < (1 if only_one else MAX_EXTENTS):
        state, run = export.state(context, offset)
        run = min(run, end - offset)
        if parts and parts[-1][1] == state:
            parts[-1] = (parts[-1][0] + run, state)
        else:
            parts.append((run, state))
        offset += run
    packed = b"".join(struct.pack(">II", *part) for part in parts)
    return struct.pack(">I", context) + packed
