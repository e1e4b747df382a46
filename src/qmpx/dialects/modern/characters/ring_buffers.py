"""Writing to ring buffers, and reading what is in them.

Source: QEMU 7.2.22, observed.
"""

import base64
import re
from typing import Annotated, Final

from qmpx.dialects.modern.characters.characters import labels_of_monitors
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.character.ring_buffer import RingBuffer
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\n]*")

DataFormat = Annotated[str, Values("utf8", "base64")]


def _ring(machine: Machine, session: SessionLike, name: str) -> RingBuffer:
    if name not in machine.characters and name not in labels_of_monitors(session):
        message = f"Device '{name}' not found"
        raise GenericError(message)
    for device in machine.characters:
        if device.label == name and isinstance(device, RingBuffer):
            return device
    message = f"{name} is not a ringbuf device"
    raise GenericError(message)


@commands.command("ringbuf-write")
def ringbuf_write(
    machine: Machine,
    session: SessionLike,
    *,
    device: str,
    data: str,
    format: DataFormat | None = None,  # noqa: A002 - its name in QEMU
) -> None:
    """Write to a ring buffer.

    Raises:
        GenericError: There is none of that name, or the data are not base64.
    """
    ring = _ring(machine, session, device)
    if format == "base64":
        ring.write(_decode(data.encode()))
    else:
        # A zero has two bytes in the strings of QEMU.
        ring.write(data.encode("utf-8", "replace").replace(b"\0", b"\xc0\x80"))


def _decode(text: bytes) -> bytes:
    """Decode base64; padding may be anywhere or nowhere, as glib has it."""
    if not _BASE64.fullmatch(text):
        message = "Base64 data contains invalid characters"
        raise GenericError(message)
    digits = text.translate(None, b"=\n")
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]  # six bits are no byte
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


@commands.command("ringbuf-read")
def ringbuf_read(
    machine: Machine,
    session: SessionLike,
    *,
    device: str,
    size: int,
    format: DataFormat | None = None,  # noqa: A002 - its name in QEMU
) -> str:
    """Read from a ring buffer.

    Raises:
        GenericError: There is none of that name, or no such size.
    """
    ring = _ring(machine, session, device)
    if size <= 0:
        message = "size must be greater than zero"
        raise GenericError(message)
    data = ring.take(size)
    if format == "base64":
        return base64.b64encode(data).decode()
    data = data.partition(b"\0")[0].replace(b"\xc0\x80", b"\0")
    return data.decode("utf-8", "replace")
