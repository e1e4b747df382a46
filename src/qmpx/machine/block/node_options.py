"""Options of block nodes: what they must have, and why a node cannot be had.

Source: QEMU 7.2.22, observed.
"""

import errno
import os
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block.image import ImageError
from qmpx.machine.block.node_drivers import FILTERS, FORMATS
from qmpx.machine.block.raw import SECTOR
from qmpx.machine.files import NotLent

_LARGEST: Final = 2**31 - 1
_BOUNDS: Final = (
    *("max-transfer", "opt-write-zero", "max-write-zero", "opt-discard"),
    "max-discard",
)


def require(options: dict[str, Any]) -> None:
    """Make sure that there are a driver and what it cannot do without.

    Raises:
        GenericError: There are not.
    """
    if "driver" not in options:
        message = "Parameter 'driver' is missing"
        raise GenericError(message)
    driver = options["driver"]
    needed = ["file"] if driver in (*FORMATS, *FILTERS) else []
    if driver == "blkdebug":
        needed = ["image"]
    elif driver in ("file", "host_device"):
        needed = ["filename"]
    elif driver == "nbd":
        needed = ["server"]
    elif driver == "throttle":
        needed = ["throttle-group", "file"]
    for key in needed:
        if key not in options:
            message = f"Parameter '{key}' is missing"
            raise GenericError(message)


def check_all(options: dict[str, Any], *, read_only: bool = False) -> None:
    """Check options that all drivers have.

    Args:
        options: The node's.
        read_only: Whether it is, if they do not say.

    Raises:
        GenericError: They contradict one another.
    """
    if options.get("force-share") is True and not options.get("read-only", read_only):
        message = "force-share=on can only be used with read-only images"
        raise GenericError(message)
    if options.get("detect-zeroes") == "unmap" and options.get("discard") != "unmap":
        message = (
            "setting detect-zeroes to unmap is not allowed without setting discard "
            "operation to unmap"
        )
        raise GenericError(message)


def check_bounds(options: dict[str, Any]) -> None:
    """Check how large requests may be that a node of the driver ``blkdebug`` takes.

    Raises:
        GenericError: There are no such requests.
    """
    align = int(options.get("align", 0))
    if align & (align - 1) or not 0 <= align <= _LARGEST:
        message = f"Cannot meet constraints with align {align}"
        raise GenericError(message)
    for name in _BOUNDS:
        most = int(options.get(name, 0))
        if most % max(align, 1) or not 0 <= most <= _LARGEST:
            message = f"Cannot meet constraints with {name} {most}"
            raise GenericError(message)


def check_part(options: dict[str, Any], whole: int) -> None:
    """Check which part of a file a node of the driver ``raw`` shows.

    Args:
        options: The node's.
        whole: Bytes of the file.

    Raises:
        GenericError: There is no such part.
    """
    offset, size = int(options.get("offset", 0)), options.get("size")
    if offset > whole:
        message = (
            f"Offset ({offset}) cannot be greater than size of the containing "
            f"file ({whole})"
        )
        raise GenericError(message)
    if size is not None and whole - offset < size:
        message = (
            f"The sum of offset ({offset}) and size ({size}) has to be smaller or "
            f"equal to the  actual size of the containing file ({whole})"
        )
        raise GenericError(message)
    if size is not None and size % SECTOR:
        message = f"Specified size is not multiple of {SECTOR}"
        raise GenericError(message)


def reason(error: OSError, options: dict[str, Any]) -> str:
    """Return what QEMU says of a file that cannot be opened, or an image."""
    if isinstance(error, ImageError):
        return str(error.strerror)
    if isinstance(error.filename, str) and error.errno:
        name = error.filename
        reason = os.strerror(error.errno)
        if error.errno == errno.EISDIR:
            reason = "Is a directory"
        if isinstance(error, NotLent):
            return f"Could not dup FD for {name} flags {error.access:x}: {reason}"
        return f"Could not open '{name}': {reason}"
    return error.strerror or str(error) or str(options.get("driver"))
