"""Exports: block nodes that are given to others by NBD.

Source: QEMU 7.2.22, observed.
"""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypedDict

from qmpx.dialects.modern.block.export_kinds import refuse_kind
from qmpx.dialects.modern.block.transaction import check_bitmap
from qmpx.errors import FdNotFound, GenericError
from qmpx.machine import Machine
from qmpx.machine.block.exports import MAX_CONNECTIONS
from qmpx.machine.block.file_nodes import FileNode
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.permissions import (
    READ,
    RESIZE,
    SAME,
    WRITE,
    check_target,
    of_export,
)
from qmpx.machine.identifiers import is_identifier
from qmpx.machine.objects import IOThread
from qmpx.machine.runstate import RunState
from qmpx.monitor import CommandRegistry
from qmpx.monitor.session import Session
from qmpx.qapi import Boxed, Described
from qmpx.qapi.model import DEPRECATED

if TYPE_CHECKING:
    from qmpx.machine.block.bitmaps import Bitmap
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node

commands = CommandRegistry(reads_late=True)

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
            if data.get("abstract"):
                listener.bind(f"\0{path}")
                listener.listen(_BACKLOG)
                return listener, None
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                listener.close()
                message = f"Failed to unlink socket {path}: {error.strerror}"
                raise GenericError(message) from error
            listener.bind(path)
            listener.listen(_BACKLOG)
            return listener, path
        if kind == "inet":
            if not data["port"].isdecimal():
                message = (
                    f"address resolution failed for {data['host']}:{data['port']}: "
                    "Servname not supported for ai_socktype"
                )
                raise GenericError(message)
            return _listen_at(data["host"], int(data["port"])), None
        if kind == "vsock":
            raise _vsock_failure(data)
        if kind == "fd":
            held = session.frontend.named.take(data["str"])
            return socket.socket(fileno=held), None
    except KeyError as error:
        message = f"Parameter 'addr.data.{error.args[0]}' is missing"
        raise GenericError(message) from error
    except FdNotFound as error:
        message = f"File descriptor named '{data['str']}' has not been found"
        raise GenericError(message) from error
    except OSError as error:
        where = data.get("path") or f"{data.get('host')}:{data.get('port')}"
        message = f"Failed to bind socket to {where}: {error.strerror}"
        raise GenericError(message) from error
    message = f"Parameter 'addr.type' does not accept value '{kind}'"
    raise GenericError(message)


def _listen_at(host: str, port: int) -> socket.socket:
    """Return a socket that listens at a name or a number of either family.

    Raises:
        OSError: None can be had there.
    """
    kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
    found = socket.getaddrinfo(host or None, port, type=kind, flags=flags)
    family, _, _, _, place = found[0]
    is_any = family == socket.AF_INET6 and host in ("", "::")
    return socket.create_server(
        place[:2],
        family=family,
        backlog=_BACKLOG,
        dualstack_ipv6=is_any and socket.has_dualstack_ipv6(),
    )


def _vsock_failure(data: dict[str, Any]) -> GenericError:
    """Return why nothing listens on a socket between machines and their host."""
    for name in ("cid", "port"):
        if not data[name].isdecimal():
            return GenericError(f"Failed to parse {name} '{data[name]}'")
    return GenericError("sockets between machines and their host are not supported")


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
    listener, path = _listen(session, addr)
    if tls_creds is not None:
        listener.close()
        message = f"No TLS credentials with id '{tls_creds}'"
        if tls_creds in machine.objects:
            message = f"Object with id '{tls_creds}' is not TLS credentials"
        raise GenericError(message)
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
    graph = machine.blocks
    node = graph.node(device)
    id_ = device if name is None else name
    _check_id(machine, id_)
    _check_use(machine, node, writable=writable and not node.read_only)
    graph.exports.add(
        id_,
        node,
        id_,
        writable=writable and not node.read_only,
        description=description,
        find_bitmaps=lambda: _bitmaps(graph, node, [] if bitmap is None else [bitmap]),
    )


def _check_use(machine: Machine, node: "Node", *, writable: bool) -> None:
    """Make sure that clients may read a node, or write to it.

    Raises:
        GenericError: Something else that uses it does not let them.
    """
    # A guest that has not come yet needs nothing of its disks, which may be filled.
    if machine.state is not RunState.INMIGRATE:
        perm = of_export(writable=writable).perm
        check_target(node, frozenset({READ, WRITE, SAME, RESIZE}), perm=perm)


def _bitmaps(graph: "BlockGraph", node: "Node", wanted: list[Any]) -> "list[Bitmap]":
    """Return the bitmaps of an export, by name or by node and name.

    Raises:
        GenericError: There is no such bitmap.
    """
    found = list["Bitmap"]()
    for number, each in enumerate(wanted):
        check_bitmap(each, f"bitmaps[{number}]")
        if isinstance(each, str):
            behind = (n.bitmaps[each] for n in graph.chain(node) if each in n.bitmaps)
            bitmap = next(behind, None)
            if bitmap is None:
                message = f"Bitmap '{each}' is not found"
                raise GenericError(message)
        else:
            bitmap = graph.node(each["node"]).bitmaps.get(each["name"])
            if bitmap is None:
                message = f"Dirty bitmap '{each['name']}' not found"
                raise GenericError(message)
        found.append(bitmap)
    return found


@commands.command("nbd-server-remove", features=(DEPRECATED,))
def nbd_server_remove(
    machine: Machine, *, name: str, mode: Literal["safe", "hard"] = "safe"
) -> None:
    """Export a node no more."""
    exports = machine.blocks.exports
    found = exports.get(name)
    if found is None:
        message = f"Export '{name}' is not found"
        raise GenericError(message)
    exports.delete(found.id, hard=mode == "hard")


@commands.command("nbd-server-stop")
def nbd_server_stop(machine: Machine) -> None:
    """Serve no more."""
    machine.blocks.exports.stop()


def _check_id(machine: Machine, id_: str) -> None:
    if not is_identifier(id_):
        message = "Invalid block export id"
        raise GenericError(message)
    if id_ in (each.id for each in machine.blocks.exports.all):
        message = f"Block export id '{id_}' is already in use"
        raise GenericError(message)


@commands.command("block-export-add")
def block_export_add(
    machine: Machine,
    *,
    options: Annotated[dict[str, Any], Boxed(), Described("BlockExportOptions")],
) -> None:
    """Export a node; of QEMU's ways there is the one by NBD.

    Raises:
        GenericError: There is no such node, it cannot be exported so, or the id is
            taken.
    """
    graph = machine.blocks
    _check_id(machine, options["id"])
    name, writable = options["node-name"], options.get("writable", False)
    node = graph.nodes.get(name)
    if node is None:
        message = f"Cannot find device='' nor node-name='{name}'"
        raise GenericError(message)
    if node.read_only and writable:
        message = "Cannot export read-only node as writable"
        raise GenericError(message)
    thread = options.get("iothread")
    if thread is not None and not is_thread(machine, thread):
        message = f'iothread "{thread}" not found'
        raise GenericError(message)
    if thread is not None and options.get("fixed-iothread") and _has_device(node):
        message = "Cannot change iothread of active block backend"
        raise GenericError(message)
    _check_use(machine, node, writable=writable)
    if options["type"] != "nbd":
        refuse_kind(options)
    if writable:
        _own(machine, node)
    graph.exports.add(
        options["id"],
        node,
        options.get("name", name),
        writable=writable,
        description=options.get("description", ""),
        find_bitmaps=lambda: _bitmaps(graph, node, options.get("bitmaps", [])),
        has_depth=options.get("allocation-depth", False),
    )


def _has_device(node: "Node") -> bool:
    """Whether a device uses a node, or one that is joined with it."""
    seen, left = [node], [node]
    while left:
        each = left.pop()
        if any(drive.id for drive in each.drives):
            return True
        near = [*(above for above, _ in each.parents), each.file, each.backing]
        new = [other for other in near if other is not None and other not in seen]
        seen += new
        left += new
    return False


def _own(machine: Machine, node: "Node") -> None:
    """Lock what is to be written before its guest has come.

    Raises:
        GenericError: Somebody else has it still.
    """
    below = node.file if isinstance(node, FormatNode) else node
    if machine.state is not RunState.INMIGRATE or not isinstance(below, FileNode):
        return
    try:
        below.lock()
    except OSError:
        message = "Block node is read-only"
        raise GenericError(message) from None


def is_thread(machine: Machine, name: str) -> bool:
    """Whether an object is a thread for input and output."""
    return isinstance(machine.objects.get(name), IOThread)


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
        for export in reversed(machine.blocks.exports.all)
    ]
