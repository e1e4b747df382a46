"""Data copied from one node to another, as jobs do it."""

from qmpx.machine.block.job_errors import as_source_error
from qmpx.machine.block.nodes import PIECE, Node


def copy(
    source: Node,
    target: Node,
    offset: int,
    length: int,
    base: Node | None = None,
) -> None:
    """Copy data from one node to another, zeros as zeros.

    Args:
        source: From where.
        target: Where to.
        offset: The first byte.
        length: How many.
        base: What is behind the images whose areas are asked for first.

    Raises:
        OSError: It cannot be read or written; those of the source are marked as such.
    """
    end = min(offset + length, source.size)
    while offset < end:
        try:
            kind, run = source.status_above(offset, base)
            run = min(run, end - offset, PIECE)
            data = b"" if kind == "zero" else source.read(offset, run)
        except OSError as error:
            raise as_source_error(error) from None
        if data:
            target.write(offset, data)
        else:
            target.write_zeroes(offset, run)
        offset += run
