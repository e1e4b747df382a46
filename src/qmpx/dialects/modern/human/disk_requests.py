"""What each command of ``qemu-io`` does to a node.

Source: QEMU 7.2.22, observed: the program of that name.
"""

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qmpx.dialects.modern.human.disk_calls import (
    Call,
    ToldError,
    Verb,
    amount,
    number,
    rest,
)
from qmpx.machine.block.nodes import PIECE
from qmpx.machine.block.permissions import RESIZE, WRITE

if TYPE_CHECKING:
    from qmpx.machine.block.nodes import Node

LARGEST_REQUEST: Final = 2147483136
"""Bytes of one request: QEMU's figure."""

_SECTOR: Final = 512
_ORDINARY: Final = 0xCD  # what is written, if nothing is said
_PER_LINE: Final = 16
_COMPRESSING: Final = frozenset({"qcow2"})


def _extent(call: Call, *, is_many: bool = False) -> tuple[int, int]:
    """Return where and how much.

    Raises:
        ToldError: It was not said so.
    """
    if len(call.words) != 2 and not (is_many and len(call.words) > 2):
        raise call.usage()
    offset, *counts = map(number, call.words)
    for count, text in zip(counts, call.words[1:], strict=True):
        if count > LARGEST_REQUEST:
            message = f"length cannot exceed {LARGEST_REQUEST}, given {text}"
            raise ToldError(message)
    return offset, sum(counts)


def _pieces(node: "Node", offset: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of a request, so that others have their turn between them.

    Raises:
        OSError: It goes beyond the end.
    """
    if offset + count > node.size:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    for at in range(offset, offset + count, PIECE):
        yield at, min(PIECE, offset + count - at)


def _tell(call: Call, did: str, offset: int, count: int) -> None:
    if not call.is_quiet:
        call.say(f"{did} {count}/{count} bytes at offset {offset}")
        call.say(f"{amount(count)}, 1 ops; 00.00 sec (0 bytes/sec and 0.0000 ops/sec)")


async def _read(call: Call) -> None:
    pattern = call.pattern()
    offset, count = _extent(call, is_many=call.name != "read")
    start, length = number(call.options.get("s", "0")), count
    if "l" in call.options:
        length = number(call.options["l"])
    elif start:
        length = count - start
    if ("s" in call.options or "l" in call.options) and pattern is None:
        raise call.usage()
    if start + length > count:
        message = "pattern verification range exceeds end of read data"
        raise ToldError(message)
    differs = False
    try:
        node = call.place()
        await call.wait(count, is_write=False)
        for at, size in _pieces(node, offset, count):
            data = node.read(at, size)
            first = max(0, offset + start - at)
            wanted = data[first : max(first, offset + start + length - at)]
            if pattern is not None and wanted.strip(bytes([pattern])):
                differs = True
            if "v" in call.options:
                _dump(call, at, data)
            await asyncio.sleep(0)
    except OSError as error:
        message = f"{_failing(call)} failed: {os.strerror(error.errno or errno.EIO)}"
        raise ToldError(message) from error
    if call.name.startswith("aio") and call.drive is not None:
        call.drive.statistics.count_read(count)
    if differs:
        call.lines.insert(
            0,
            f"Pattern verification failed at offset {offset + start}, {length} bytes",
        )
    _tell(call, "read", offset, count)


def _failing(call: Call) -> str:
    return call.name.replace("aio_", "aio ")


def _dump(call: Call, offset: int, data: bytes) -> None:
    for at in range(0, len(data), _PER_LINE):
        row = data[at : at + _PER_LINE]
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in row)
        call.say(f"{offset + at:08x}:  {row.hex(' ')}  {text}")


async def _write(call: Call) -> None:
    options, pattern = call.options, call.pattern()
    if sum(letter in options for letter in "zPs") > 1:
        message = "Only one of -z, -P, and -s can be specified at the same time"
        if call.name == "aio_write":
            message = "-z and -P cannot be specified at the same time"
        raise ToldError(message)
    for letter in "un":
        if letter in options and "z" not in options:
            message = f"-{letter} requires -z to be specified"
            raise ToldError(message)
    offset, count = _extent(call, is_many=call.name != "write")
    filler = _filler(options.get("s"), _ORDINARY if pattern is None else pattern)
    try:
        node = call.place()
        if "c" in options and node.driver not in _COMPRESSING:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        await call.wait(count, is_write=True)
        for at, size in _pieces(node, offset, count):
            if "z" in options:
                node.write_zeroes(at, size)
            else:
                begin = (at - offset) % len(filler)
                repeated = filler * (-(-(begin + size) // len(filler)))
                node.write(at, repeated[begin : begin + size])
            await asyncio.sleep(0)
        if "f" in options:
            node.flush()
    except OSError as error:
        message = f"{_failing(call)} failed: {os.strerror(error.errno or errno.EIO)}"
        raise ToldError(message) from error
    if call.name.startswith("aio") and call.drive is not None:
        call.drive.statistics.count_write(offset, count)
    _tell(call, "wrote", offset, count)


def _filler(path: str | None, pattern: int) -> bytes:
    """Return what is written again and again.

    Raises:
        ToldError: The file that holds it cannot be read.
    """
    if path is None:
        return bytes([pattern])
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        message = f"{path}: {error.strerror}"
        raise ToldError(message) from error
    if not content:
        message = f"{path}: file empty"
        raise ToldError(message)
    return content


async def _flush(call: Call) -> None:
    try:
        call.place().flush()
    except OSError as error:
        raise ToldError(os.strerror(error.errno or errno.EIO)) from error


async def _discard(call: Call) -> None:
    offset, count = _extent(call)
    try:
        node = call.place()
        for at, size in _pieces(node, offset, count):
            if node.options.get("discard") in ("unmap", "on"):
                node.write_zeroes(at, size)
            await asyncio.sleep(0)
    except OSError as error:
        message = f"discard failed: {os.strerror(error.errno or errno.EIO)}"
        raise ToldError(message) from error
    _tell(call, "discard", offset, count)


async def _truncate(call: Call) -> None:
    if len(call.words) != 1:
        raise call.usage()
    size = number(call.words[0])
    if call.node is not None:
        call.machine.blocks.resize(call.node, size)


async def _length(call: Call) -> None:
    call.say(amount(0 if call.node is None else call.node.size))


async def _alloc(call: Call) -> None:
    offset = number(call.words[0])
    count = number(call.words[1]) if len(call.words) > 1 else _SECTOR
    held = sum(run for at, run, is_own in _runs(call, offset, count) if is_own)
    call.say(f"{held}/{count} bytes allocated at offset {amount(offset)}")


def _runs(call: Call, offset: int, count: int) -> Iterator[tuple[int, int, bool]]:
    """Yield what a node has of its own, and what it has not."""
    node = call.place()
    end = min(node.size, offset + count)
    while offset < end:
        kind, run = node.status(offset)
        run = min(run, end - offset)
        yield offset, run, kind != "behind"
        offset += run


async def _map(call: Call) -> None:
    parts: list[tuple[int, int, bool]] = []
    for at, run, is_own in _runs(call, 0, call.place().size):
        if parts and parts[-1][2] is is_own:
            at, run = parts[-1][0], parts.pop()[1] + run
        parts.append((at, run, is_own))
    for at, run, is_own in parts:
        said = "    allocated" if is_own else "not allocated"
        call.say(
            f"{amount(run)} ({run:#x}) bytes {said} at offset {amount(at)} ({at:#x})"
        )


async def _sleep(call: Call) -> None:
    text = call.words[0]
    if not text.isdecimal():
        message = f"{text} is not a valid number"
        raise ToldError(message)
    await rest(call.machine, int(text) / 1000)


async def _settle(call: Call) -> None:
    """Do nothing: what is begun is done at once."""


_READS: Final = "reads a number of bytes at a specified offset"
_WRITES: Final = "writes a number of bytes at a specified offset"
_WRITING: Final = frozenset({WRITE})
VERBS: Final = {
    "read": Verb(
        *(_read, "Cqv", "Psl", 2, -1),
        *("[-abCqv] [-P pattern [-s off] [-l len]] off len", _READS),
    ),
    "readv": Verb(
        _read, "Cqv", "P", 2, -1, "[-Cqv] [-P pattern] off len [len..]", _READS
    ),
    "write": Verb(
        *(_write, "cCfnquz", "Ps", 2, -1),
        *("[-bcCfnquz] [-P pattern | -s source_file] off len", _WRITES, _WRITING),
    ),
    "writev": Verb(
        *(_write, "Cfq", "P", 2, -1, "[-Cfq] [-P pattern] off len [len..]", _WRITES),
        _WRITING,
    ),
    "aio_read": Verb(
        *(_read, "Ciqv", "P", 2, -1, "[-Ciqv] [-P pattern] off len [len..]"),
        "asynchronously reads a number of bytes",
    ),
    "aio_write": Verb(
        *(_write, "Cfiquz", "P", 2, -1, "[-Cfiquz] [-P pattern] off len [len..]"),
        *("asynchronously writes a number of bytes", _WRITING),
    ),
    "aio_flush": Verb(_settle),
    "flush": Verb(_flush),
    "discard": Verb(
        *(_discard, "Cq", "", 2, -1, "[-Cq] off len"),
        *("discards a number of bytes at a specified offset", _WRITING),
    ),
    "truncate": Verb(
        *(_truncate, "", "m", 1, 3, "[-m prealloc_mode] off"),
        *("truncates the current file at the given offset", _WRITING | {RESIZE}),
    ),
    "length": Verb(_length),
    "alloc": Verb(_alloc, least=1, most=2),
    "map": Verb(_map),
    "sleep": Verb(_sleep, least=1, most=1),
}
LONG: Final = {
    "r": "read",
    "w": "write",
    "f": "flush",
    "d": "discard",
    "t": "truncate",
    "l": "length",
    "a": "alloc",
}
"""Short names."""

OTHERS: Final = frozenset(
    {
        *("info", "i", "help", "break", "remove_break", "resume", "wait_break"),
        *("reopen", "sigraise", "abort"),
    }
)
"""Commands that are not for data, or that end QEMU."""
