"""Paths of unix sockets, however long: the way around the kernel's short field.

The address of a unix socket holds at most 107 bytes of path, and directories of virtual
machines, containers and test runs are often deeper than that. On Linux a directory that
is held open has a second, short name under ``/proc/self/fd``.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from qmpx.errors import AddressError

SUN_PATH = 108 if sys.platform == "linux" else 104
"""Bytes in the kernel's ``sun_path``, the NUL at the end of a path included."""


@contextmanager
def short_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield a name for *path* that `bind` and `connect` take, while the block runs.

    A short path is yielded as it is. The yielded name is good for this process and this
    block only: show *path* to users, and unlink *path*.

    Raises:
        AddressError: No shorter name can be had; the message gives the lengths.
        OSError: The directory of a long path cannot be opened.
    """
    text = os.fspath(path)
    length = len(os.fsencode(text))
    if length < SUN_PATH:
        yield text
        return
    too_long = (
        f"the path of the socket has {length} bytes, and this system takes at most "
        f"{SUN_PATH - 1}: {text!r}"
    )
    directory, name = os.path.split(text)
    if sys.platform != "linux" or not os.path.isdir("/proc/self/fd"):
        raise AddressError(f"{too_long}; choose a shorter directory")
    # O_PATH asks for the right to search the directory only, not for that to list it.
    opened = os.open(directory or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        short = f"/proc/self/fd/{opened}/{name}"
        if len(os.fsencode(short)) >= SUN_PATH:
            raise AddressError(
                f"{too_long}; its last part alone has {len(os.fsencode(name))}, "
                "choose a shorter name"
            )
        yield short
    finally:
        os.close(opened)
