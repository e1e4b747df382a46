"""The files of the guest.

Names, members and the texts of errors: QEMU's guest agent 7.2.22, observed.
"""

import base64
import binascii
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.guest_system import GuestSystem
from qmpx.monitor.registry import CommandRegistry

commands: Final = CommandRegistry()

READ_SIZE: Final = 4096
"""Bytes of one read, unless the client says."""

MAX_READ: Final = 48 * 2**20
"""Bytes that one read may ask for: QEMU's figure."""

_WHENCE: Final = {"set": 0, "cur": 1, "end": 2}


def _unknown(handle: int) -> GenericError:
    return GenericError(f"handle '{handle}' has not been found")


@commands.command("guest-file-open")
def guest_file_open(system: GuestSystem, *, path: str, mode: str = "r") -> int:
    """Open a file; return its handle."""
    try:
        return system.files.open(path, mode)
    except ValueError:
        message = f"invalid file open mode '{mode}'"
        raise GenericError(message) from None
    except OSError as error:
        message = f"failed to open file '{path}' (mode: '{mode}'): {error.strerror}"
        raise GenericError(message) from None


@commands.command("guest-file-close")
def guest_file_close(system: GuestSystem, *, handle: int) -> None:
    """Close a file."""
    try:
        system.files.close(handle)
    except KeyError:
        raise _unknown(handle) from None


@commands.command("guest-file-read")
def guest_file_read(
    system: GuestSystem, *, handle: int, count: int = READ_SIZE
) -> dict[str, Any]:
    """Read a piece of a file."""
    try:
        file = system.files.find(handle)
        if not 0 <= count < MAX_READ:
            message = f"value '{count}' is invalid for argument count"
            raise GenericError(message)
        data = system.files.read(handle, count)
    except KeyError:
        raise _unknown(handle) from None
    except OSError as error:
        message = f"failed to read file: {error.strerror}"
        raise GenericError(message) from None
    text = base64.b64encode(data).decode()
    return {"count": len(data), "buf-b64": text, "eof": file.at_end}


@commands.command("guest-file-write")
def guest_file_write(
    system: GuestSystem, *, handle: int, buf_b64: str, count: int | None = None
) -> dict[str, Any]:
    """Write a piece of a file."""
    try:
        system.files.find(handle)
        data = base64.b64decode(buf_b64, validate=True)
        if count is not None and not 0 <= count <= len(data):
            message = f"value '{count}' is invalid for argument count"
            raise GenericError(message)
        data = data if count is None else data[:count]
        system.files.write(handle, data)
    except KeyError:
        raise _unknown(handle) from None
    except binascii.Error:
        message = "Base64 data contains invalid characters"
        raise GenericError(message) from None
    except OSError as error:
        message = f"failed to write to file: {error.strerror}"
        raise GenericError(message) from None
    return {"count": len(data), "eof": False}


@commands.command("guest-file-seek")
def guest_file_seek(
    system: GuestSystem, *, handle: int, offset: int, whence: Any
) -> dict[str, Any]:
    """Move to another place of a file; tell which."""
    try:
        system.files.find(handle)
        number = _read_whence(whence)
        position = system.files.seek(handle, offset, number)
    except KeyError:
        raise _unknown(handle) from None
    except OSError as error:
        message = f"failed to seek file: {error.strerror}"
        raise GenericError(message) from None
    return {"position": position, "eof": False}


def _read_whence(whence: Any) -> int:
    """Return what a name or a number stands for.

    Raises:
        GenericError: Neither.
    """
    if isinstance(whence, str) and whence not in _WHENCE:
        message = f"Parameter 'whence' does not accept value '{whence}'"
        raise GenericError(message)
    if isinstance(whence, bool) or not isinstance(whence, (int, str)):
        message = "Invalid parameter type for 'whence', expected: GuestFileWhence"
        raise GenericError(message)
    number = _WHENCE[whence] if isinstance(whence, str) else whence
    if number not in _WHENCE.values():
        message = f"invalid whence code {number}"
        raise GenericError(message)
    return number


@commands.command("guest-file-flush")
def guest_file_flush(system: GuestSystem, *, handle: int) -> None:
    """Have what was written reach the file."""
    try:
        system.files.find(handle)
    except KeyError:
        raise _unknown(handle) from None
