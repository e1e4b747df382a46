"""Objects that users create, and what takes them up."""

import asyncio
import base64
import binascii
import os
import stat
from typing import Annotated, Any, Final, Literal

from msgspec import Struct

from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import IOThread, MemoryBackend, Secret
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Size

commands = CommandRegistry()

MAX_SECRET: Final = 1024 * 1024
"""Most bytes of a secret that is read from a file: keys and passwords are short."""


class _Options(
    Struct, tag_field="qom-type", rename="kebab", forbid_unknown_fields=True
):
    id: str


class SecretOptions(_Options, tag="secret"):
    """A secret, given in clear, in base64, or in a file."""

    data: str | None = None
    file: str | None = None
    format: Literal["raw", "base64"] = "raw"


class IOThreadOptions(_Options, tag="iothread"):
    """An I/O thread."""

    poll_max_ns: int = 32768


class MemoryBackendRamOptions(_Options, tag="memory-backend-ram", kw_only=True):
    """Anonymous memory."""

    size: Size
    share: bool = False
    prealloc: bool = False


ObjectOptions = SecretOptions | IOThreadOptions | MemoryBackendRamOptions


@commands.command("object-add", holds_monitor=True)
async def object_add(
    machine: Machine, *, options: Annotated[ObjectOptions, Boxed()]
) -> None:
    """Create an object. A secret in a FIFO waits for its writer, as it does in QEMU."""
    match options:
        case SecretOptions():
            machine.objects.create(options.id, Secret(await _read_secret(options)))
        case IOThreadOptions():
            machine.objects.create(options.id, IOThread(options.poll_max_ns))
        case MemoryBackendRamOptions():
            if options.size == 0:
                message = "property 'size' of memory-backend-ram doesn't take value '0'"
                raise GenericError(message)
            machine.objects.create(options.id, MemoryBackend(options.size))


async def _read_secret(options: SecretOptions) -> bytes:
    if options.data is not None and options.file is not None:
        message = "'file' and 'data' are mutually exclusive"
        raise GenericError(message)
    if options.file is not None:
        try:
            data = await _read_file(options.file)
        except OSError as error:
            # The message is glib's.
            message = f"Failed to open file “{options.file}”: {error.strerror}"
            raise GenericError(message) from error
    elif options.data is not None:
        data = options.data.encode()
    else:
        message = "Must provide 'file' or 'data'"
        raise GenericError(message)
    if options.format == "base64":
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error:
            message = "Base64 data is not valid"
            raise GenericError(message) from None
    return data


async def _read_file(path: str) -> bytes:
    """Read a file, or a FIFO once somebody has written it, without a thread."""
    # A FIFO opened like this gives no end of file before its first writer came.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return _read_all(os.read(fd, MAX_SECRET + 1))
        data = b""
        while True:
            await _readable(fd)
            piece = os.read(fd, MAX_SECRET + 1)
            data = _read_all(data + piece)
            if not piece:
                return data
    finally:
        os.close(fd)


def _read_all(data: bytes) -> bytes:
    if len(data) > MAX_SECRET:
        message = f"A secret may have at most {MAX_SECRET} bytes"
        raise GenericError(message)
    return data


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


@commands.command("object-del")
def object_del(machine: Machine, *, id_: str) -> None:
    """Remove an object."""
    machine.objects.remove(id_)


@commands.command("query-iothreads")
def query_iothreads(machine: Machine) -> list[dict[str, Any]]:
    """Tell of the I/O threads."""
    return [
        {
            "id": id_,
            "thread-id": os.getpid(),
            "poll-max-ns": thread.poll_max_ns,
            "poll-grow": 0,
            "poll-shrink": 0,
            "aio-max-batch": 0,
        }
        for id_, thread in machine.objects.items()
        if isinstance(thread, IOThread)
    ]
