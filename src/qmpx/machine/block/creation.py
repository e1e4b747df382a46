"""The job that makes images: ``blockdev-create``."""

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, ClassVar, Final

from qmpx.errors import GenericError
from qmpx.machine.block.image import MAX_SIZE
from qmpx.machine.block.job import Job
from qmpx.machine.block.new_files import make_file
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.permissions import ALL, RESIZE, WRITE, check_target
from qmpx.machine.block.qcow2_header import MAGIC, new_image

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph

DRIVERS: Final = ("file", "qcow2")
"""Formats that can be made."""

OTHERS: Final = frozenset(
    {
        *("qcow", "qed", "vdi", "vpc", "vmdk", "vhdx", "parallels", "luks"),
        *("ssh", "nfs", "gluster", "rbd"),
    }
)
"""Formats that QEMU can make, and that fail here."""


class CreateJob(Job):
    """Makes an image in a node, or a file.

    Args:
        graph: The graph.
        id_: Its id.
        options: As in ``blockdev-create``.

    Raises:
        GenericError: Images of that format cannot be made.
    """

    type = "create"
    is_block_job: ClassVar[bool] = False

    def __init__(self, graph: "BlockGraph", id_: str, options: dict[str, Any]) -> None:
        super().__init__(graph, id_, auto_dismiss=False)
        self._options = options
        self._is_early = False  # before anything is written
        driver = options["driver"]
        if driver not in DRIVERS and driver not in OTHERS:
            message = "Driver does not support blockdev-create"
            raise GenericError(message)

    def start(self) -> None:
        """Let it run; what fails does so at once."""
        super().start()
        if self.step() is not None and self.error is not None and self._is_early:
            self.abort()

    def prepare(self) -> None:
        """There is one thing to do."""
        self.total = 1

    def step(self) -> int | None:
        """Make the image."""
        if self.offset:
            return None
        try:
            self._create()
        except GenericError as error:
            self.error, self._is_early = error.desc, True
        except OSError as error:
            self.error = error.strerror or str(error)
        self.offset = 1  # what has failed is over, too
        return 0

    def _create(self) -> None:
        options = self._options
        if options["driver"] not in DRIVERS:
            message = f"images of the format {options['driver']} cannot be made here"
            raise GenericError(message)
        size = int(options["size"])
        if options["driver"] == "file":
            make_file(options["filename"], size=size)
            if options.get("preallocation") == "metadata":
                message = "Unsupported preallocation mode: metadata"
                raise OSError(errno.ENOTSUP, message)
            return
        node = self._target(options["file"])
        try:
            self._create_qcow2(node, size)
        finally:
            self.graph.release(node)

    def _target(self, reference: Any) -> Node:
        if isinstance(reference, str):
            return self.graph.node(reference)
        return self.graph.open(reference)

    def _create_qcow2(self, node: Node, size: int) -> None:
        options = self._options
        _check_qcow2(options)
        for name in ("data-file", "encrypt", "extended-l2"):
            if options.get(name):
                message = f"qcow2 with '{name}' is not supported"
                raise GenericError(message)
        check_target(node, frozenset(ALL), perm=frozenset({WRITE, RESIZE}))
        if node.read_only:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        if size > MAX_SIZE:
            message = "Image is too big"
            raise GenericError(message)
        try:
            content = new_image(
                size,
                backing_file=options.get("backing-file", ""),
                backing_format=options.get("backing-fmt", ""),
                cluster_bits=_cluster_size(options).bit_length() - 1,
                version=2 if options.get("version") == "v2" else 3,
                refcount_bits=int(options.get("refcount-bits", 16)),
                is_lazy=bool(options.get("lazy-refcounts")),
                uses_zstd=options.get("compression-type") == "zstd",
            )
        except ValueError as error:
            raise GenericError(str(error)) from error
        with contextlib.suppress(OSError):  # what cannot be cut is written over
            node.resize(0)
        node.write(0, content)
        node.flush()
        if node.read(0, len(MAGIC)) != MAGIC:
            raise OSError(errno.EINVAL, "Image is not in qcow2 format")


def _cluster_size(options: dict[str, Any]) -> int:
    return int(options.get("cluster-size", 65536))


def _check_qcow2(options: dict[str, Any]) -> None:
    """Check what is asked for of a new image, in QEMU's order.

    Raises:
        GenericError: There are no such images.
    """
    is_old = options.get("version") == "v2"
    cluster, bits = _cluster_size(options), options.get("refcount-bits", 16)
    has_backing = "backing-file" in options
    newer = "compatibility level 1.1 {} above (use version=v3 or greater)"
    if int(options["size"]) % 512:
        message = "Image size must be a multiple of 512 bytes"
    elif cluster & (cluster - 1) or not 512 <= cluster <= 2 << 20:
        message = "Cluster size must be a power of two between 512 and 2048k"
    elif has_backing and options.get("preallocation", "off") != "off":
        message = (
            "Backing file and preallocation can only be used at the same time if "
            "extended_l2 is on"
        )
    elif "backing-fmt" in options and not has_backing:
        message = "Backing format cannot be used without backing file"
    elif is_old and options.get("lazy-refcounts"):
        message = f"Lazy refcounts only supported with {newer.format('and')}"
    elif bits > 64 or bits <= 0 or bits & (bits - 1):
        message = "Refcount width must be a power of two and may not exceed 64 bits"
    elif is_old and bits != 16:
        message = f"Different refcount widths than 16 bits require {newer.format('or')}"
    elif options.get("data-file-raw") and "data-file" not in options:
        message = "data-file-raw requires data-file"
    elif is_old and options.get("compression-type") == "zstd":
        message = (
            f"Non-zlib compression type is only supported with {newer.format('and')}"
        )
    else:
        return
    raise GenericError(message)


class AmendJob(Job):
    """Changes the options of an image: there is nothing to change."""

    starts_at_once = True

    type = "amend"
    is_block_job: ClassVar[bool] = False

    def prepare(self) -> None:
        """There is one thing to do."""
        self.total = 1

    def step(self) -> int | None:
        """Do it."""
        if self.offset:
            return None
        self.offset = 1
        return 0
