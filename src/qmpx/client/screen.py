"""A picture of the guest's screen, as steps.

QEMU writes it to a file: one on disk, if QEMU can; if it runs as somebody else, or sees
other files than we do, one in our memory, which is handed over as a descriptor.
"""

import os
import tempfile
from typing import Any

from qmpx.client.pictures import as_png
from qmpx.client.steps import Run, Steps
from qmpx.errors import CommandError, LocalProtocolError


def screendump(device: str | None, head: int | None) -> Steps[bytes]:
    """Return what is on the screen, as PNG.

    Raises:
        CommandError: There is no such screen, or no file for it.
        RemoteProtocolError: It is no picture.
    """
    arguments: dict[str, Any] = {}
    if device is not None:
        arguments = {"device": device, "head": head or 0}
    try:
        picture = yield from _through_disk(arguments)
    except _NoFileError as error:
        # Not at first: a QEMU whose guest does not run keeps the descriptor.
        through_memory = yield from _through_memory(arguments)
        if through_memory is None:
            raise error.reason from None
        picture = through_memory
    return as_png(picture)


class _NoFileError(Exception):
    """QEMU cannot write to a file on disk, or we cannot read it."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def _through_memory(arguments: dict[str, Any]) -> Steps[bytes | None]:
    """Return the picture; ``None`` if it cannot be had in this way."""
    if not hasattr(os, "memfd_create"):
        return None
    memory = os.memfd_create("screendump")
    try:
        # QEMU takes a descriptor of a set only if it is open for just what it wants.
        writing = _open_for_writing(memory)
        if writing is None:
            return None
        try:
            added = yield Run("add-fd", {}, fds=[writing])
        except (CommandError, LocalProtocolError):
            return None  # it knows no sets, or this is no unix socket
        finally:
            os.close(writing)
        file = f"/dev/fdset/{added['fdset-id']}"
        try:
            yield from _dump(file, arguments)
        except CommandError as error:
            if file not in str(error):
                raise
            return None
        finally:
            yield Run("remove-fd", {"fdset-id": added["fdset-id"]})
        picture = os.pread(memory, os.fstat(memory).st_size, 0)
        os.truncate(memory, 0)
        return picture
    finally:
        os.close(memory)


def _open_for_writing(memory: int) -> int | None:
    try:
        return os.open(f"/proc/self/fd/{memory}", os.O_WRONLY)
    except OSError:  # there is no /proc here
        return None


def _through_disk(arguments: dict[str, Any]) -> Steps[bytes]:
    with tempfile.TemporaryDirectory(prefix="qmpx-") as folder:
        file = os.path.join(folder, "screen")
        try:
            yield from _dump(file, arguments)
        except CommandError as error:
            if file not in str(error):
                raise
            raise _NoFileError(error) from error
        try:
            with open(file, "rb") as picture:
                return picture.read()
        except OSError as error:
            raise _NoFileError(error) from error


def _dump(file: str, arguments: dict[str, Any]) -> Steps[None]:
    wanted = {"filename": file, **arguments}
    try:
        yield Run("screendump", {**wanted, "format": "png"})
    except CommandError as error:
        if "'format'" not in str(error) and "PNG" not in str(error):
            raise
        yield Run("screendump", wanted)  # before 7.1, or built without PNG
