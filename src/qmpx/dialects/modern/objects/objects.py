"""Objects that users create, and what takes them up."""

import asyncio
import base64
import errno
import os
import re
import stat
import struct
from typing import Annotated, Any, Final

from qmpx.dialects.modern.objects.user_creatable import (
    check_object,
    complete,
    make_object,
)
from qmpx.dialects.modern.replies import IOThreadInfo
from qmpx.errors import GenericError
from qmpx.machine import Machine
from qmpx.machine.objects import IOThread, Secret, UserObject
from qmpx.machine.qom.child_order import as_listed
from qmpx.monitor import CommandRegistry
from qmpx.qapi import Boxed, Described

commands = CommandRegistry(reads_late=True)

MAX_SECRET: Final = 1024 * 1024
"""Most bytes of a secret that is read from a file: keys and passwords are short."""

_KEY: Final = 32
_IV: Final = 16
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\n]*")


Options = Annotated[dict[str, Any], Boxed(), Described("ObjectOptions")]


@commands.command("object-add", holds_monitor=True)
async def object_add(machine: Machine, *, options: Options) -> None:
    """Create an object. A secret in a FIFO waits for its writer, as it does in QEMU."""
    kind, id_ = options["qom-type"], options["id"]
    given = {n: v for n, v in options.items() if n not in ("qom-type", "id")}
    machine.objects.check_id(id_)
    if kind == "secret":
        check_object(machine, kind, given)
        made: UserObject = Secret(await _read_secret(machine, given), given)
        machine.objects.create(id_, made)
        return
    made = make_object(machine, kind, given)
    machine.objects.check_free(id_)
    complete(machine, id_, made)
    machine.objects.create(id_, made)


async def _read_secret(machine: Machine, options: dict[str, Any]) -> bytes:
    path, text = options.get("file"), options.get("data")
    if text is not None and path is not None:
        message = "'file' and 'data' are mutually exclusive"
        raise GenericError(message)
    if path is not None:
        data = await _read_file(path)
    elif text is not None:
        data = text.encode()
    else:
        message = "Either 'file' or 'data' must be provided"
        raise GenericError(message)
    if "keyid" in options:
        return _decrypt(machine, data, options)
    if options.get("format") == "base64":
        return _decode(data, from_file=path is not None)
    return data


def _decrypt(machine: Machine, data: bytes, options: dict[str, Any]) -> bytes:
    """Decrypt what was encrypted with another secret: AES, 256 bits, in CBC.

    Raises:
        GenericError: There is no such secret; key, IV or data are none; there is
            nothing here that could decrypt.
    """
    key = machine.objects.get(options["keyid"])
    if not isinstance(key, Secret):
        message = f"No secret with id '{options['keyid']}'"
        raise GenericError(message)
    try:
        key_data = key.data if len(key.data) == _KEY else _decode(key.data)
    except GenericError:
        key_data = key.data
    if len(key_data) != _KEY:
        message = "Key should be 32 bytes in length"
        raise GenericError(message)
    if "iv" not in options:
        message = "IV is required to decrypt secret"
        raise GenericError(message)
    iv = _decode(options["iv"].encode())
    if len(iv) != _IV:
        message = f"IV should be {_IV} bytes in length not {len(iv)}"
        raise GenericError(message)
    if options.get("format") == "base64":
        data = _decode(data)
    from qmpx.machine.block.cipher import decrypt_padded

    try:
        return decrypt_padded(key_data, iv, data)
    except (ValueError, struct.error):
        message = "Incorrect number of padding bytes found on decrypted data"
        raise GenericError(message) from None


def _decode(data: bytes, *, from_file: bool = False) -> bytes:
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
    made = machine.objects.get(id_)
    if made is not None and made.kind == "main-loop":
        message = f"object '{id_}' is in use, can not be deleted"
        raise GenericError(message)
    machine.objects.remove(id_)


@commands.command("query-iothreads")
def query_iothreads(machine: Machine) -> list[IOThreadInfo]:
    """Tell of the I/O threads; each has a thread of its own, which does nothing."""
    made = machine.objects
    return [
        {
            "id": id_,
            "thread-id": thread.thread_id,
            "poll-max-ns": thread.poll_max_ns,
            "poll-grow": thread.poll_grow,
            "poll-shrink": thread.poll_shrink,
            "aio-max-batch": thread.aio_max_batch,
        }
        for id_ in reversed(as_listed(made))
        if isinstance(thread := made[id_], IOThread)
    ]
