"""What a crash left of a line: it is kept beside the audit."""

import os
from pathlib import Path
from typing import Any

from qmpx.gateway.audit.chain import digest_of
from qmpx.gateway.host.own_files import open_own


def place_of(path: str, number: int) -> str:
    """Return where a torn line is kept.

    Args:
        path: The audit's file.
        number: Of the last whole line before it.
    """
    return f"{path}.torn-{number}"


def put_aside(path: str, number: int, torn: bytes) -> None:
    """Keep what is torn in a file of its own, for good.

    Args:
        path: The audit's file.
        number: Of the last whole line before it.
        torn: What stands behind that.

    Raises:
        OSError: It cannot be written.
    """
    fd = open_own(place_of(path, number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        os.write(fd, torn)
        os.fsync(fd)
    finally:
        os.close(fd)


def told_aside(path: str, number: int) -> dict[str, Any] | None:
    """Return what the chain says of a torn line that is kept; ``None``: none is.

    Raises:
        OSError: It cannot be read.
    """
    place = place_of(path, number)
    if not os.path.exists(place):
        return None
    torn = Path(place).read_bytes()
    return {
        "file": os.path.basename(place),
        "bytes": len(torn),
        "sha256": digest_of(torn),
    }
