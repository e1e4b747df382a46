"""Block nodes made from their options, with all that stands below and behind them.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block import opening
from qmpx.machine.block.format_nodes import FormatNode
from qmpx.machine.block.node_drivers import (
    DRIVERS,
    FILES,
    FILTERS,
    FORMATS,
    PROTOCOLS,
    WRITABLE,
)
from qmpx.machine.block.node_options import (
    check_all,
    check_bounds,
    check_part,
    reason,
    require,
)
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import (
    Claim,
    check_child,
    check_stored,
    stored_edge,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qmpx.machine.block.graph import BlockGraph

_READ_ONLY: Final = frozenset({"bochs", "cloop", "dmg"})
_CHILDREN: Final = frozenset({"file", "image", "raw", "test", "target", "log"})


class Making:
    """A node in the making.

    Args:
        graph: Where it will be.

    Attributes:
        graph: Where it will be.
        made: The nodes that are there already, in the order in which they came.
    """

    def __init__(self, graph: "BlockGraph") -> None:
        self.graph = graph
        self.made: list[Node] = []

    def make(self, options: dict[str, Any], *, read_only: bool, depth: int) -> Node:
        """Make it with all that it needs.

        Args:
            options: As in ``blockdev-add``.
            read_only: Whether it is, if the options do not tell.
            depth: How many images are in front of it.

        Raises:
            OSError: It cannot be opened.
            GenericError: It cannot be made.
        """
        return self._open(
            options.get("node-name"), dict(options), read_only=read_only, depth=depth
        )

    def is_behind(self, name: object) -> bool:
        """Whether a file that was opened for it is that of an image behind another."""
        node = self.graph.nodes.get(str(name))
        while node is not None and node in self.made:
            if any(role == "backing" for _, role in node.parents):
                return True
            node = next((parent for parent, _ in node.parents), None)
        return False

    def undo(self) -> None:
        """Take away what was made."""
        for node in reversed(self.made):
            self.graph.forget(node)

    def _enter(self, node: Node) -> Node:
        self.graph.enter(node)
        self.made.append(node)
        return node

    def _open(
        self,
        given: str | None,
        options: dict[str, Any],
        *,
        read_only: bool,
        depth: int,
    ) -> Node:
        if depth > opening.MAX_DEPTH:
            message = f"more than {opening.MAX_DEPTH} images behind one another"
            raise GenericError(message)
        driver = options["driver"]
        graph = self.graph
        if driver not in DRIVERS:
            raise self._without_driver(options)
        if driver not in (*FORMATS, *FILTERS) or driver == "blkdebug":
            check_all(options, read_only=read_only)
            name = graph.name_for(given)
        read_only = bool(options.get("read-only", read_only))
        if driver == "nbd":
            _refuse_credentials(graph, options)
            from qmpx.machine.block.nbd_client import NbdNode

            return self._enter(NbdNode(name, options, read_only=read_only))
        if (kind := FILES.get(driver)) is not None:
            files = graph.machine.files
            file = kind(name, options, read_only=read_only, files=files)
            return self._enter(file)
        if driver in PROTOCOLS:
            node = PROTOCOLS[driver](name, options, read_only=read_only)
            return self._enter(node)
        wants_write = driver in FORMATS and driver not in WRITABLE and not read_only
        read_only = read_only or wants_write
        key = "image" if driver == "blkdebug" else "file"
        before = len(graph.nodes)
        below = self._child(
            _inheriting(options, options[key]), read_only=read_only, depth=depth
        )
        if key == "file":
            if isinstance(options[key], str) and driver != "throttle":
                graph.jobs.drain_above(below, 2)  # as who looks at it comes and goes
            check_all(options, read_only=read_only)
            name = graph.name_for(given)
        is_refused = wants_write and options.get("auto-read-only") not in (True, "on")
        if is_refused and driver in _READ_ONLY:
            message = "Image is read-only"
            raise GenericError(message)
        group = options.get("throttle-group")
        if driver == "throttle" and group not in graph.machine.objects:
            message = f"Throttle group '{group}' does not exist"
            raise GenericError(message)
        if not read_only and below.read_only and driver in FORMATS:
            if options.get("auto-read-only") not in (True, "on"):
                message = "Block node is read-only"
                raise GenericError(message)
            read_only = True
        if driver == "copy-on-read" and below.read_only and not read_only:
            message = "Block node is read-only"
            raise GenericError(message)
        if driver == "raw":
            check_part(options, below.size)
        if driver == "blkdebug":
            check_bounds(options)
        if driver in FILTERS:
            node = FILTERS[driver](name, options, read_only=read_only)
            check_child(node, "file", below)
            node.set_file(below)
            self._enter(node)
            if driver == "blkdebug":  # it was there before what is below it
                for name in list(graph.nodes)[before:-1]:
                    graph.nodes[name] = graph.nodes.pop(name)
            return node
        check_stored(below, name, read_only=read_only and not wants_write)
        try:
            image = FormatNode(name, driver, options, below, read_only=read_only)
        except (OSError, GenericError):
            graph.try_lock(below, Claim("", stored_edge(read_only=read_only)))
            raise
        if is_refused:
            message = f"Format '{driver}' is read-only here; open it so"
            raise GenericError(message)
        self._enter(image)
        self._open_backing(image, options, depth)
        return image

    def _without_driver(self, options: dict[str, Any]) -> GenericError:
        """Return why there is no node of a driver that QEMU has, and that is not here.

        That is the first node that it refers to and that is not there, if there is one.
        """
        graph = self.graph
        for name in ("image", "raw", "test", "target", "log", *options):
            below = options.get(name)
            if name in _CHILDREN and isinstance(below, str) and not graph.find(below):
                message = f"Cannot find device='{below}' nor node-name='{below}'"
                return GenericError(message)
        try:
            check_all(options)
            if (called := options.get("node-name")) is not None:
                graph.check_name(called)
        except GenericError as error:
            return error
        if options["driver"] == "quorum":
            count, votes = len(options["children"]), options["vote-threshold"]
            if not count:
                return GenericError("Number of provided children must be 1 or more")
            if votes < 1:
                return GenericError("Parameter 'vote-threshold' expects a value >= 1")
            if votes > count:
                return GenericError("threshold may not exceed children count")
        message = f"the block driver {options['driver']} is not carried out here"
        return GenericError(message)

    def _child(
        self,
        reference: Any,
        *,
        read_only: bool,
        depth: int,
    ) -> Node:
        if isinstance(reference, str):
            if (node := self.graph.find(reference)) is None:
                message = (
                    f"Cannot find device='{reference}' nor node-name='{reference}'"
                )
                raise GenericError(message)
            return node
        require(reference)
        given = reference.get("node-name")
        return self._open(given, dict(reference), read_only=read_only, depth=depth)

    def _open_backing(
        self, image: FormatNode, options: dict[str, Any], depth: int
    ) -> None:
        wanted = options.get("backing", "")
        if wanted is None:
            return
        if wanted == image.name:
            message = (
                f"Making '{wanted}' a backing child of '{wanted}' would create a cycle"
            )
            raise GenericError(message)
        if wanted:
            try:
                given = _inheriting(options, wanted)
                node = self._child(given, read_only=True, depth=depth + 1)
            except GenericError as error:
                message = f"Could not open backing file: {error.desc}"
                raise GenericError(message) from error
        elif said := image.full_backing_file:
            driver = image.image.backing_format
            if driver not in (*FORMATS, "raw"):
                below = opening.open_storage(said, read_only=True)
                try:
                    driver = opening.probe(below)
                finally:
                    below.close()
            file = {"driver": "file", "filename": said}
            behind = _inheriting(options, {"driver": driver, "file": file})
            try:
                node = self._child(behind, read_only=True, depth=depth + 1)
            except OSError as error:
                reason = error.strerror
                message = f"Could not open backing file: Could not open '{said}': "
                raise GenericError(message + str(reason)) from error
            image.expected_backing = node.filename
        else:
            return
        image.set_backing(node)


def _refuse_credentials(graph: "BlockGraph", options: dict[str, Any]) -> None:
    """Refuse to be known to a server.

    Raises:
        GenericError: Credentials are named.
    """
    if (name := options.get("tls-creds")) is None:
        return
    message = f"No TLS credentials with id '{name}'"
    if name in graph.machine.objects:
        message = f"Expecting TLS credentials with id '{name}'"
    raise GenericError(message)


def _inheriting(options: dict[str, Any], child: Any) -> Any:
    """Return what a child is made with: much is as with its parent, if it says nothing.

    Args:
        options: The parent's.
        child: The child's, or its name.
    """
    if not isinstance(child, dict):
        return child
    made = dict(child)
    if (cache := options.get("cache")) is not None:
        made["cache"] = {**cache, **child.get("cache", {})}
    if "force-share" in options:
        made.setdefault("force-share", options["force-share"])
    return made


def open_file(
    graph: "BlockGraph",
    filename: str,
    format_: str | None = None,
    *,
    read_only: bool = False,
    node_name: str | None = None,
    has_backing: bool = True,
    more: "Mapping[str, Any] | None" = None,
) -> Node:
    """Make the nodes for an image file.

    Args:
        graph: The graph.
        filename: The file.
        format_: Its format; ``None`` to find it out.
        read_only: Whether it can't be written.
        node_name: What the node is called; ``None``: anything.
        has_backing: Whether what its header names is put behind it.
        more: Other options of the node.

    Raises:
        GenericError: It cannot be opened.
    """
    file: dict[str, Any] = {"driver": "file", "filename": filename}
    if format_ is None:
        try:
            storage = opening.open_storage(
                filename, read_only=True, files=graph.machine.files
            )
            try:
                format_ = opening.probe(storage)
            finally:
                storage.close()
        except OSError as error:
            raise GenericError(reason(error, file)) from error
    options = {"driver": format_, "file": file, "read-only": read_only}
    if format_ == "file":
        options = file | {"read-only": read_only}
    options |= more or {}
    if node_name is not None:
        options["node-name"] = node_name
    if not has_backing and format_ in FORMATS:
        options["backing"] = None
    return graph.open(options)
