"""Exports: block nodes that others reach by NBD, and the server that they are at.

Source: QEMU 7.2.22, observed.
"""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qmpx.errors import GenericError
from qmpx.machine.block import nbd
from qmpx.machine.block.nbd_server import Session
from qmpx.machine.block.permissions import (
    READ,
    SAME,
    UNNAMED,
    WRITE,
    Claim,
    check_target,
    of_export,
)
from qmpx.machine.happenings import ExportDeleted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qmpx.machine.block.bitmaps import Bitmap
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

MAX_EXPORTS: Final = 1024
"""Exports of one machine."""

MAX_CONNECTIONS: Final = 100
"""Clients at once, if nothing else is said: QEMU's figure."""

_BACKLOG: Final = 16
"""Connections that wait to be accepted: more than clients that come at once."""


@dataclass(slots=True)
class Export:
    """A node that is exported.

    Attributes:
        id: Its id.
        name: What clients call it.
        node: The node.
        writable: Whether clients may write.
        description: For people.
        bitmaps: What clients may ask for of what is dirty.
        has_depth: Whether they may ask how far behind data are.
    """

    id: str
    name: str
    node: "Node"
    writable: bool = False
    description: str = ""
    bitmaps: "Sequence[Bitmap]" = field(default=())
    has_depth: bool = False

    @property
    def claim(self) -> Claim:
        """What it needs of its node."""
        return Claim(UNNAMED, of_export(writable=self.writable))

    @property
    def contexts(self) -> dict[str, int]:
        """The meta contexts of it, and their numbers in this server's replies."""
        told = {nbd.BASE_ALLOCATION: 0}
        if self.has_depth:
            told[nbd.ALLOCATION_DEPTH] = 1
        for number, bitmap in enumerate(self.bitmaps, nbd.FIRST_BITMAP):
            told[nbd.DIRTY_BITMAP + bitmap.name] = number
        return told

    def state(self, context: int, offset: int) -> tuple[int, int]:
        """Return what a context tells of a place, and for how many bytes from there.

        Raises:
            OSError: It cannot be found out.
        """
        if context == 0:
            kind, run = self.node.status_above(offset, None)
            return (0 if kind == "data" else nbd.STATE_HOLE | nbd.STATE_ZERO), run
        if context == 1:
            return self.node.depth_at(offset)
        is_dirty, run = self.bitmaps[context - nbd.FIRST_BITMAP].run(offset)
        return (nbd.STATE_DIRTY if is_dirty else 0), run


class Exports:
    """The exports of a machine.

    Args:
        graph: Whose nodes they are.

    Attributes:
        graph: The same.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        self.graph = graph
        self._exports: dict[str, Export] = {}
        self._server: asyncio.Server | None = None
        self._listener: socket.socket | None = None
        self._path: str | None = None
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._most = MAX_CONNECTIONS

    @property
    def is_serving(self) -> bool:
        """Whether the server runs."""
        return self._listener is not None

    @property
    def names(self) -> list[str]:
        """What clients can ask for."""
        return [export.name for export in self._exports.values()]

    @property
    def all(self) -> list[Export]:
        """All exports, oldest first."""
        return list(self._exports.values())

    def get(self, id_: str) -> Export | None:
        """Return an export by its id."""
        return self._exports.get(id_)

    def named(self, name: str) -> Export | None:
        """Return what clients call so."""
        for export in self._exports.values():
            if export.name == name:
                return export
        return None

    async def start(self, listener: socket.socket, most: int, path: str | None) -> None:
        """Serve at a socket.

        Args:
            listener: It listens already.
            most: Clients at once; 0 for any number.
            path: A path to remove when the server stops.

        Raises:
            GenericError: It serves already.
        """
        if self.is_serving:
            listener.close()
            message = "NBD server already running"
            raise GenericError(message)
        self._most = most
        self._path, self._listener = path, listener
        if listener.family == socket.AF_UNIX:
            start = asyncio.start_unix_server
            self._server = await start(self._come, sock=listener, backlog=_BACKLOG)
        else:
            self._server = await asyncio.start_server(
                self._come, sock=listener, backlog=_BACKLOG
            )

    async def _come(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        session = Session(self, reader, writer)
        if self._most and len(self._sessions) >= self._most:
            session.close()
            return
        task = asyncio.current_task()
        if task is not None:
            self._sessions[session] = task
        try:
            await session.run()
        finally:
            self._sessions.pop(session, None)

    def add(
        self,
        id_: str,
        node: "Node",
        name: str,
        *,
        writable: bool = False,
        description: str = "",
        find_bitmaps: "Callable[[], Sequence[Bitmap]]" = tuple,
        has_depth: bool = False,
    ) -> Export:
        """Export a node.

        Args:
            id_: Its id.
            node: The node.
            name: What clients call it.
            writable: Whether they may write.
            description: For people.
            find_bitmaps: What returns the bitmaps that they may ask for, or raises
                `GenericError`; it is called when all else is right.
            has_depth: Whether they may ask how far behind data are.

        Raises:
            GenericError: There is no server, or the id or the name is taken; a bitmap
                cannot be had, or would change while clients look at it.
        """
        if id_ in self._exports:
            message = f"Block export id '{id_}' is already in use"
            raise GenericError(message)
        if writable and node.read_only:
            message = "Cannot export read-only node as writable"
            raise GenericError(message)
        try:
            self._check(node, name)
            bitmaps = find_bitmaps()
            self._check_bitmaps(bitmaps, is_fixed=not (writable or node.read_only))
        except GenericError:
            self.graph.jobs.drain_above(node, 2)
            raise
        export = Export(id_, name, node, writable, description, bitmaps, has_depth)
        for bitmap in bitmaps:
            bitmap.is_busy = True
        self._exports[id_] = export
        node.uses.append(f"export {id_}")
        node.claims.append(export.claim)
        return export

    def _check(self, node: "Node", name: str) -> None:
        """Make sure that a node can be exported under a name.

        Raises:
            GenericError: It cannot.
        """
        if not self.is_serving:
            message = "NBD server not running"
            raise GenericError(message)
        if self.named(name) is not None:
            message = f"NBD server already has export named '{name}'"
            raise GenericError(message)
        if len(self._exports) >= MAX_EXPORTS:
            message = f"more than {MAX_EXPORTS} exports"
            raise GenericError(message)
        check_target(node, frozenset({READ, WRITE, SAME}), perm=frozenset())

    @staticmethod
    def _check_bitmaps(bitmaps: "Sequence[Bitmap]", *, is_fixed: bool) -> None:
        """Make sure that clients may look at bitmaps.

        Args:
            bitmaps: The bitmaps.
            is_fixed: Whether their node may change, but not by these clients.

        Raises:
            GenericError: They may not.
        """
        for bitmap in bitmaps:
            bitmap.require_usable()
            if is_fixed and bitmap.recording:
                message = f"Enabled bitmap '{bitmap.name}' incompatible with readonly "
                message += "export"
                raise GenericError(message)

    def delete(self, id_: str, *, hard: bool) -> None:
        """Export a node no more.

        Args:
            id_: The export.
            hard: Whether clients that use it are thrown out; else they are in the way.

        Raises:
            GenericError: There is none, or somebody uses it.
        """
        export = self._exports.get(id_)
        if export is None:
            message = f"Export '{id_}' is not found"
            raise GenericError(message)
        users = [each for each in self._sessions if each.export is export]
        if users and not hard:
            message = f"export '{id_}' still in use"
            raise GenericError(message)
        for session in users:
            session.close()
        self._drop(export)

    def move(self, old: "Node", new: "Node") -> None:
        """Export another node where one was exported, as that took its place."""
        for export in self.all:
            if export.node is old:
                old.uses.remove(f"export {export.id}")
                new.uses.append(f"export {export.id}")
                old.claims.remove(export.claim)
                new.claims.append(export.claim)
                export.node = new

    def _drop(self, export: Export) -> None:
        del self._exports[export.id]
        self.graph.jobs.drain_above(export.node, 2)
        export.node.uses.remove(f"export {export.id}")
        export.node.claims.remove(export.claim)
        for bitmap in export.bitmaps:
            bitmap.is_busy = False
        self.graph.release(export.node)
        self.graph.machine.tell(ExportDeleted(export.id))

    def stop(self) -> None:
        """End the server, and all exports.

        Raises:
            GenericError: It does not run.
        """
        if not self.is_serving:
            message = "NBD server not running"
            raise GenericError(message)
        self.close()

    def close(self) -> None:
        """End what there is to end."""
        if self._server is not None:
            self._server.close()
        elif self._listener is not None:
            self._listener.close()
        self._server = self._listener = None
        for session in list(self._sessions):
            session.close()
        for export in reversed(self.all):
            self._drop(export)
        if self._path is not None:
            with contextlib.suppress(OSError):
                Path(self._path).unlink()
            self._path = None
