"""Replies to commands that failed."""

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError, GenericError
from qmpx.wire.server import failure

if TYPE_CHECKING:
    from qmpx.monitor.monitor import Monitor

_USED_UP: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
logger = logging.getLogger("qmpx.monitor")


def failed_reply(
    monitor: "Monitor", id_: Any, error: BaseException, name: str = ""
) -> bytes:
    """Return the reply to a command that failed.

    Anything that a handler raises becomes a reply: a defect of one handler must
    not end the session. What is no `CommandError` is a defect, and is logged; but
    that there is no memory or no descriptor left is nobody's fault.

    Raises:
        KeyboardInterrupt, SystemExit: These are meant for the whole program.
    """
    if isinstance(error, asyncio.CancelledError):
        error = GenericError(f"The command {name} was cancelled")
    elif isinstance(error, (KeyboardInterrupt, SystemExit)):
        raise error
    elif (reason := _what_is_used_up(error)) is not None:
        logger.warning("command %s failed: %s", name, reason)
        error = GenericError(f"The command {name} failed: {reason}")
    elif not isinstance(error, CommandError):
        logger.error("command %s failed", name, exc_info=error)
    return failure(id_, monitor.encode_error(error))


def _what_is_used_up(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return os.strerror(errno.ENOMEM)
    if isinstance(error, OSError) and error.errno in _USED_UP:
        return os.strerror(error.errno)
    return None
