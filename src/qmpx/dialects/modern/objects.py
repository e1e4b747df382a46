"""Objects that users create, and what takes them up."""

import asyncio
import base64
import errno
import os
import re
import stat
from typing import Annotated, Any, Final, Literal

from msgspec import Struct

from qmpx.dialects.modern.replies import IOThreadInfo
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import Created, IOThread, MemoryBackend, Secret
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Size
from qmpx.qapi.visitor import INT64_MAX

commands = CommandRegistry()

MAX_SECRET: Final = 1024 * 1024
"""Most bytes of a secret that is read from a file: keys and passwords are short."""

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\n]*")


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


class ThrottleGroupOptions(_Options, tag="throttle-group"):
    """Limits that block nodes share."""

    limits: dict[str, Any] | None = None


ObjectOptions = (
    SecretOptions | IOThreadOptions | MemoryBackendRamOptions | ThrottleGroupOptions
)


@commands.command("object-add", holds_monitor=True)
async def object_add(
    machine: Machine, *, options: Annotated[ObjectOptions, Boxed()]
) -> None:
    """Create an object. A secret in a FIFO waits for its writer, as it does in QEMU."""
    match options:
        case SecretOptions():
            machine.objects.create(options.id, Secret(await _read_secret(options)))
        case ThrottleGroupOptions():
            group = Created("throttle-group", {"limits": options.limits or {}})
            machine.objects.create(options.id, group)
        case IOThreadOptions():
            if options.poll_max_ns < 0:
                message = f"poll-max-ns value must be in range [0, {INT64_MAX}]"
                raise GenericError(message)
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
        data = await _read_file(options.file)
    elif options.data is not None:
        data = options.data.encode()
    else:
        message = "Either 'file' or 'data' must be provided"
        raise GenericError(message)
    if options.format == "base64":
        return _decode(data, from_file=options.file is not None)
    return data


def _decode(data: bytes, *, from_file: bool) -> bytes:
    """Decode base64; padding may be anywhere or nowhere, as glib has it."""
    if from_file and b"\0" in data:
        message = "Base64 data contains embedded NUL characters"
        raise GenericError(message)
    if not _BASE64.fullmatch(data):
        message = "Base64 data contains invalid characters"
        raise GenericError(message)
    digits = data.translate(None, b"=\n")
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]  # six bits are no byte
    return base64.b64decode(digits + b"=" * (-len(digits) % 4))


async def _read_file(path: str) -> bytes:
    try:
        # A FIFO opened like this gives no end of file before its first writer came.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        # A name with a NUL in it is no file's.
        number = error.errno if isinstance(error, OSError) else errno.ENOENT
        message = f"Unable to read {path}: Failed to open file “{path}”: "
        raise GenericError(message + os.strerror(number or 0)) from error
    try:
        return await _read_to_end(fd)
    except OSError as error:
        message = f"Unable to read {path}: Error reading file “{path}”: "
        raise GenericError(message + os.strerror(error.errno or 0)) from error


async def _read_to_end(fd: int) -> bytes:
    """Read a file, or a FIFO once somebody has written it, without a thread."""
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
    if "blocks" in machine.__dict__ and any(
        node.driver == "throttle" and node.options.get("throttle-group") == id_
        for node in machine.blocks.nodes.values()
    ):
        message = f"object '{id_}' is in use, can not be deleted"
        raise GenericError(message)
    machine.objects.remove(id_)


@commands.command("query-iothreads")
def query_iothreads(machine: Machine) -> list[IOThreadInfo]:
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
