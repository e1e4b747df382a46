"""Image files that are made, or taken, for copies of a node.

Source: QEMU 7.2.22, observed.
"""

from typing import TYPE_CHECKING

from qmpx.errors import GenericError

if TYPE_CHECKING:
    from qmpx.machine.block.graph import BlockGraph
    from qmpx.machine.block.nodes import Node


def new_target(
    graph: "BlockGraph",
    source: "Node",
    filename: str,
    format_: str | None,
    node_name: str | None,
    *,
    mode: str,
    behind: "Node | None",
    has_backing: bool = False,
    finds_zeros: bool = False,
) -> "Node":
    """Return a node for an image file that is made for a copy, or there already.

    Args:
        graph: Where it will be.
        source: What is to be copied.
        filename: The file.
        format_: Its format; ``None`` for that of the source.
        node_name: What the node is called; ``None`` for anything.
        mode: ``existing`` for a file that is there.
        behind: What the header of a new image is to name.
        has_backing: Whether what it names is opened.
        finds_zeros: Whether zeros are not stored in it.

    Raises:
        GenericError: It cannot be made or opened.
    """
    from qmpx.machine.block.creation import OTHERS
    from qmpx.machine.block.making import open_file
    from qmpx.machine.block.new_files import make_file
    from qmpx.machine.block.node_drivers import DRIVERS, PROTOCOLS
    from qmpx.machine.block.qcow2_header import new_image

    driver = format_ or (source.driver if mode != "existing" else None)
    if driver is None and source.driver in PROTOCOLS:
        driver = "file"  # it is opened as what is copied is
    if mode != "existing":
        known = driver in DRIVERS or driver in OTHERS
        can_be_made = driver in ("raw", "file") or driver in OTHERS - {"qed"}
        if can_be_made and behind is not None:
            message = f"Backing file not supported for file format '{driver}'"
            raise GenericError(message)
        try:
            if driver == "qcow2":
                content = new_image(
                    source.size,
                    backing_file="" if behind is None else behind.filename,
                    backing_format="" if behind is None else behind.driver,
                    version=3,
                )
                make_file(filename, content)
            elif driver in ("raw", "file"):
                make_file(filename, size=source.size)
            elif known:
                message = f"Format driver '{driver}' does not support image creation"
                raise GenericError(message)
            else:
                message = f"Unknown file format '{driver}'"
                raise GenericError(message)
        except OSError as error:
            message = f"Could not create '{filename}': {error.strerror}"
            raise GenericError(message) from error
    return open_file(
        graph,
        filename,
        driver,
        read_only=False,
        node_name=node_name,
        has_backing=has_backing,
        more={"detect-zeroes": "unmap", "discard": "unmap"} if finds_zeros else None,
    )
