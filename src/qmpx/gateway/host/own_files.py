"""Opening files that are the gateway's own, where others may have put something."""

import errno
import fcntl
import os
import stat
from typing import Final

_MODE: Final = 0o600  # who may read what was done is its owner's to say


def open_own(path: str | os.PathLike[str], flags: int) -> int:
    """Return a descriptor of a regular file, made if *flags* say so, with mode 0600.

    A symbolic link is not followed, and nothing that is no file is waited for, as a
    pipe without a reader would be.

    Raises:
        OSError: There is something else, or it cannot be opened.
    """
    more = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, flags | more, _MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link") from None
        if error.errno == errno.ENXIO:
            raise OSError(error.errno, "it is no regular file") from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file")
    return fd


def try_to_lock(fd: int) -> bool:
    """Let no other process have a file's lock; tell whether none has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
