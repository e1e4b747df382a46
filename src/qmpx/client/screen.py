"""A picture of the guest's screen, as steps.

QEMU writes it to a file. That may be one in our memory, which is handed over as a
descriptor: then it does not matter as whom QEMU runs, and what it may write. Where no
descriptor can be passed it is a file on disk, which both have to be able to open.
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
    picture = yield from _through_memory(arguments)
    if picture is None:
        picture = yield from _through_disk(arguments)
    return as_png(picture)


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
        return os.pread(memory, os.fstat(memory).st_size, 0)
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
        yield from _dump(file, arguments)
        with open(file, "rb") as picture:
            return picture.read()


def _dump(file: str, arguments: dict[str, Any]) -> Steps[None]:
    wanted = {"filename": file, **arguments}
    try:
        yield Run("screendump", {**wanted, "format": "png"})
    except CommandError as error:
        if "'format'" not in str(error) and "PNG" not in str(error):
            raise
        yield Run("screendump", wanted)  # before 7.1, or built without PNG
