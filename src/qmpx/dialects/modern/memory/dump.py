"""Writing the memory of the machine into a file, for a debugger.

Source: QEMU 7.2.22, observed.
"""

import os
from typing import Annotated, TypedDict

from qmpx.dialects.modern.replies import DumpQueryResult
from qmpx.errors import FdNotFound, GenericError
from qmpx.machine import Machine
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike
from qmpx.qapi import Values

commands = CommandRegistry(reads_late=True)

DumpFormat = Annotated[
    str, Values("elf", "kdump-zlib", "kdump-lzo", "kdump-snappy", "win-dmp")
]

_ONLY_FOR_OWNER = 0o400


class DumpCapability(TypedDict):
    """The formats that there are."""

    formats: list[DumpFormat]


@commands.command("dump-guest-memory", holds_monitor=True)
async def dump_guest_memory(
    machine: Machine,
    session: SessionLike,
    *,
    paging: bool,
    protocol: str,
    detach: bool | None = None,
    begin: int | None = None,
    length: int | None = None,
    format: DumpFormat | None = None,  # noqa: A002 - its name in QEMU
) -> None:
    """Write a core file; the machine stands still meanwhile.

    Args:
        machine: The machine.
        session: Who asks; its named descriptors are at hand.
        paging: Whether virtual addresses are wanted; there are only physical ones.
        protocol: ``file:PATH`` or ``fd:NAME``.
        detach: Whether the reply comes at once; an event tells of the end.
        begin: The first physical address, if not all is wanted.
        length: How many bytes, if not all is wanted.
        format: ELF is what there is.

    Raises:
        GenericError: It cannot be begun or, unless detached, it came to nothing.
    """
    dump = machine.dump
    if dump.is_active:
        message = "There is a dump in process, please wait."
        raise GenericError(message)
    if format not in (None, "elf"):
        if format != "win-dmp" and (paging or begin is not None or length is not None):
            message = "kdump-compressed format doesn't support paging or filter"
            raise GenericError(message)
        message = f"{format} is not available now"
        raise GenericError(message)
    for here, there, name in ((begin, length, "length"), (length, begin, "begin")):
        if here is not None and there is None:
            message = f"Parameter '{name}' is missing"
            raise GenericError(message)
    fd = _open(machine, session, protocol)
    if machine.is_bare:
        os.close(fd)
        message = "dump: no guest memory to dump"
        raise GenericError(message)
    if detach:
        dump.write_later(fd, begin=begin, length=length)
    else:
        await dump.write(fd, begin=begin, length=length)


def _open(machine: Machine, session: SessionLike, protocol: str) -> int:
    kind, _, rest = protocol.partition(":")
    if kind == "fd" and rest:
        try:
            return session.frontend.named.take(rest)
        except FdNotFound:
            message = f"File descriptor named '{rest}' has not been found"
            raise GenericError(message) from None
    if kind == "file" and rest:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            return machine.files.open(rest, flags, _ONLY_FOR_OWNER)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            message = f"Could not open '{rest}': {why}"
            raise GenericError(message) from error
    message = "Invalid parameter 'protocol'"
    raise GenericError(message)


@commands.command("query-dump")
def query_dump(machine: Machine) -> DumpQueryResult:
    """Tell how far a dump is, or how the last one went."""
    dump = machine.dump
    return {"status": dump.status, "completed": dump.completed, "total": dump.total}


@commands.command("query-dump-guest-memory-capability")
def query_dump_guest_memory_capability(
    machine: Machine,  # noqa: ARG001
) -> DumpCapability:
    """Tell which formats there are."""
    return {"formats": ["elf"]}
