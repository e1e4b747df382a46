"""The job that makes images: ``blockdev-create``."""

import errno
import os
import struct
from typing import TYPE_CHECKING, Any, ClassVar, Final

from qmpx.errors import GenericError
from qmpx.machine.block.image import MAX_SIZE
from qmpx.machine.block.jobs import Job
from qmpx.machine.block.nodes import Node
from qmpx.machine.block.qcow2_header import L1_AT, new_image
from qmpx.machine.block.raw import round_up

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
        driver = options["driver"]
        if driver not in DRIVERS and driver not in OTHERS:
            message = "Driver does not support blockdev-create"
            raise GenericError(message)

    def start(self) -> None:
        """Let it run; what fails does so at once."""
        super().start()
        if self.step() is not None and self.error is not None:
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
            self.error = error.desc
        except OSError as error:
            self.error = error.strerror or str(error)
        if self.error is None:
            self.offset = 1
        return 0

    def _create(self) -> None:
        options = self._options
        if options["driver"] not in DRIVERS:
            message = f"images of the format {options['driver']} cannot be made here"
            raise GenericError(message)
        size = int(options["size"])
        if options["driver"] == "file":
            with open(options["filename"], "wb") as file:
                file.truncate(size)
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
        if size % 512:
            message = "Image size must be a multiple of 512 bytes"
            raise GenericError(message)
        for name in ("data-file", "encrypt"):
            if name in options:
                message = f"qcow2 with '{name}' is not supported"
                raise GenericError(message)
        cluster = int(options.get("cluster-size", 65536))
        if cluster & (cluster - 1) or not 512 <= cluster <= 2 << 20:
            message = "Cluster size must be a power of two between 512 and 2048k"
            raise GenericError(message)
        if "backing-fmt" in options and "backing-file" not in options:
            message = "Backing format cannot be used without backing file"
            raise GenericError(message)
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
                cluster_bits=cluster.bit_length() - 1,
                version=2 if options.get("version") == "v2" else 3,
            )
        except ValueError as error:
            raise GenericError(str(error)) from error
        l1_size, l1_offset = struct.unpack_from(">IQ", content, L1_AT)
        node.resize(0)
        node.write(0, content[: l1_offset + max(512, round_up(l1_size * 8))])
        node.flush()


class AmendJob(Job):
    """Changes the options of an image: there is nothing to change."""

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
