"""Exports: block nodes that are given to others by NBD.

Source: QEMU 7.2.22, observed.
"""

import contextlib
import socket
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict

from qmpx.errors import GenericError, InvalidParameter, MissingParameter
from qmpx.machine import Machine
from qmpx.machine.block.exports import MAX_CONNECTIONS
from qmpx.monitor import CommandRegistry
from qmpx.monitor.session import Session
from qmpx.qapi import Described
from qmpx.qapi.model import DEPRECATED

commands = CommandRegistry()

BlockExportInfo = TypedDict(
    "BlockExportInfo",
    {"id": str, "type": str, "node-name": str, "shutting-down": bool},
)

_BACKLOG: Final = 16
"""Connections that wait to be accepted: more than clients that come at once."""


def _listen(session: Session, addr: dict[str, Any]) -> tuple[socket.socket, str | None]:
    """Return a socket that listens where an address tells, and a path to remove."""
    for key in ("type", "data"):
        if key not in addr:
            message = f"Parameter 'addr.{key}' is missing"
            raise GenericError(message)
    kind, data = addr["type"], addr["data"]
    try:
        if kind == "unix":
            path = data["path"]
            listener = socket.socket(socket.AF_UNIX)
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
            listener.bind(path)
            listener.listen(_BACKLOG)
            return listener, path
        if kind == "inet":
            place = (data["host"], int(data["port"]))
            return socket.create_server(place, backlog=_BACKLOG), None
        if kind == "fd":
            held = session.frontend.named.take(data["str"])
            return socket.socket(fileno=held), None
    except KeyError as error:
        message = f"Parameter 'addr.data.{error.args[0]}' is missing"
        raise GenericError(message) from error
    except OSError as error:
        where = data.get("path") or f"{data.get('host')}:{data.get('port')}"
        message = f"Failed to bind socket to {where}: {error.strerror}"
        raise GenericError(message) from error
    message = f"Parameter 'addr.type' does not accept value '{kind}'"
    raise GenericError(message)


@commands.command("nbd-server-start")
async def nbd_server_start(
    machine: Machine,
    session: Session,
    *,
    addr: Annotated[dict[str, Any], Described("SocketAddressLegacy")],
    tls_creds: str | None = None,
    tls_authz: str | None = None,  # noqa: ARG001 - nothing without credentials
    max_connections: Annotated[int, Described("uint32")] = MAX_CONNECTIONS,
) -> None:
    """Begin to serve."""
    exports = machine.blocks.exports
    if exports.is_serving:
        message = "NBD server already running"
        raise GenericError(message)
    if tls_creds is not None:
        message = f"No TLS credentials with id '{tls_creds}'"
        raise GenericError(message)
    listener, path = _listen(session, addr)
    await exports.start(listener, max_connections, path)


@commands.command("nbd-server-add", features=(DEPRECATED,))
def nbd_server_add(
    machine: Machine,
    *,
    device: str,
    name: str | None = None,
    description: str = "",
    writable: bool = False,
    bitmap: str | None = None,
) -> None:
    """Export a node under a name."""
    _refuse_bitmap(bitmap)
    graph = machine.blocks
    if not graph.exports.is_serving:
        message = "NBD server not running"
        raise GenericError(message)
    node = graph.node(device)
    id_ = name or device
    graph.exports.add(
        id_,
        node,
        id_,
        writable=writable and not node.read_only,
        description=description,
    )


def _refuse_bitmap(bitmap: object) -> None:
    if bitmap:
        message = "bitmaps of exports are not supported"
        raise GenericError(message)


@commands.command("nbd-server-remove", features=(DEPRECATED,))
def nbd_server_remove(
    machine: Machine, *, name: str, mode: Literal["safe", "hard"] = "safe"
) -> None:
    """Export a node no more."""
    exports = machine.blocks.exports
    if not exports.is_serving:
        message = "NBD server not running"
        raise GenericError(message)
    found = exports.named(name)
    if found is None:
        message = f"Export '{name}' is not found"
        raise GenericError(message)
    exports.delete(found.id, hard=mode == "hard")


@commands.command("nbd-server-stop")
def nbd_server_stop(machine: Machine) -> None:
    """Serve no more."""
    machine.blocks.exports.stop()


@commands.command("block-export-add")
def block_export_add(
    machine: Machine,
    *,
    type_: Literal["nbd", "vhost-user-blk", "fuse"],
    id_: str,
    node_name: str,
    writable: bool = False,
    writethrough: bool = False,  # noqa: ARG001 - the host's cache is ours
    fixed_iothread: bool = False,  # noqa: ARG001 - there is one thread
    iothread: str | None = None,
    name: str | None = None,
    description: str = "",
    bitmaps: list[Annotated[Any, Described("BlockDirtyBitmapOrStr")]] | None = None,
    allocation_depth: bool = False,
    addr: Annotated[dict[str, Any], Described("SocketAddress")] | None = None,
    mountpoint: str | None = None,
) -> None:
    """Export a node; of QEMU's ways there is the one by NBD."""
    for given, name_, kind in (
        (addr, "addr", "vhost-user-blk"),
        (mountpoint, "mountpoint", "fuse"),
    ):
        if type_ == kind and given is None:
            raise MissingParameter(name=name_)
        if type_ != kind and given is not None:
            raise InvalidParameter(name=name_)
    if type_ != "nbd":
        message = f"No driver found for export type '{type_}'"
        raise GenericError(message)
    _refuse_bitmap(bitmaps or allocation_depth)
    if iothread is not None and iothread not in machine.objects:
        message = f'iothread "{iothread}" not found'
        raise GenericError(message)
    if not id_[:1].isalpha():
        message = "Invalid block export id"
        raise GenericError(message)
    graph = machine.blocks
    if id_ in (each.id for each in graph.exports.all):
        message = f"Block export id '{id_}' is already in use"
        raise GenericError(message)
    node = graph.nodes.get(node_name)
    if node is None:
        message = f"Cannot find device='' nor node-name='{node_name}'"
        raise GenericError(message)
    graph.exports.add(
        id_,
        node,
        name or node_name,
        writable=writable,
        description=description,
    )


@commands.command("block-export-del")
def block_export_del(
    machine: Machine, *, id_: str, mode: Literal["safe", "hard"] = "safe"
) -> None:
    """Export a node no more."""
    machine.blocks.exports.delete(id_, hard=mode == "hard")


@commands.command("query-block-exports")
def query_block_exports(machine: Machine) -> list[BlockExportInfo]:
    """Tell of all exports."""
    return [
        {
            "id": export.id,
            "type": "nbd",
            "node-name": export.node.name,
            "shutting-down": False,
        }
        for export in machine.blocks.exports.all
    ]
