"""Files that are made for images, or made anew: never while somebody uses them.

Source: QEMU 7.2.22, observed: texts, and what a file is locked for.
"""

import os
from typing import Final

from qmpx.errors import GenericError
from qmpx.machine.block import locks

_DOES: Final = frozenset({locks.WRITE, locks.RESIZE})
_AGAINST: Final = frozenset({locks.RESIZE})
_MODE: Final = 0o644


def make_file(path: str, content: bytes = b"", *, size: int | None = None) -> None:
    """Make a file; what was in it is lost.

    Args:
        path: The file.
        content: What it begins with.
        size: Its bytes, the rest being zeros; ``None`` for those of the content.

    Raises:
        GenericError: It cannot be made, or somebody uses it.
        OSError: It cannot be that long.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    except OSError as error:
        message = f"Could not create '{path}': {error.strerror}"
        raise GenericError(message) from error
    with open(fd, "r+b", closefd=True) as file:
        try:
            locks.take(fd, _DOES, _AGAINST)
        except OSError as error:
            raise GenericError(error.strerror or str(error)) from error
        try:
            file.truncate(0)
            file.write(content)
            if size is not None:
                file.truncate(size)
        except OSError as error:
            message = f"Could not resize file: {error.strerror}"
            raise OSError(error.errno, message) from error
