"""Memory: how much there is, what is in it, and the balloon.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import Final

from qmpx.dialects.modern.memory.reachable import segments
from qmpx.dialects.modern.replies import BalloonInfo, MemoryInfo
from qmpx.errors import GenericError, InvalidParameterValue, OpenFileFailed
from qmpx.errors import UndefinedError as NotWritten
from qmpx.machine import Machine
from qmpx.machine.memory_file import write_file
from qmpx.machine.qom import memory_devices
from qmpx.monitor import CommandRegistry
from qmpx.monitor.registry import SessionLike

commands = CommandRegistry(reads_late=True)

_LAST_ADDRESS: Final = 2**64 - 1


def _save(filename: str, pieces: Iterator[tuple[int, bytes]], size: int) -> None:
    """Write memory to a file, and word a failure as QEMU does.

    Raises:
        GenericError: The file cannot be made, or not be written to its end.
    """
    try:
        write_file(filename, pieces, size)
    except OpenFileFailed as error:
        cause = error.__cause__
        why = cause.strerror if isinstance(cause, OSError) else str(cause)
        message = f"Could not open '{filename}': {why}"
        raise GenericError(message) from cause
    except NotWritten as error:
        message = "An IO error has occurred"
        raise GenericError(message) from error.__cause__


def _check_size(size: int) -> None:
    if size < 0:
        raise InvalidParameterValue(name="size", expected="a size")


@commands.command("memsave")
def memsave(
    machine: Machine, *, val: int, size: int, filename: str, cpu_index: int = 0
) -> None:
    """Save virtual memory, as a processor sees it, to a file.

    Args:
        machine: The machine.
        val: The first address.
        size: How many bytes.
        filename: The file.
        cpu_index: Whose memory.

    Raises:
        InvalidParameterValue: There is no such processor, or no such size.
        GenericError: Not all of it is mapped; or the file cannot be written.
    """
    processor = machine.qom.processors.numbered().get(cpu_index)
    if processor is None:
        raise InvalidParameterValue(name="cpu-index", expected="a CPU number")
    _check_size(size)
    val &= _LAST_ADDRESS

    def pieces() -> Iterator[tuple[int, bytes]]:
        for done, start, part in segments(machine, processor, val, size):
            if start is None:
                message = f"Invalid addr 0x{val:016x}/size {size} specified"
                raise GenericError(message)
            for offset, data in machine.memory.pieces(start, part):
                yield done + offset, data

    _save(filename, pieces(), size)


@commands.command("pmemsave")
def pmemsave(machine: Machine, *, val: int, size: int, filename: str) -> None:
    """Save physical memory to a file.

    Raises:
        InvalidParameterValue: There is no such size.
        GenericError: The file cannot be written.
    """
    _check_size(size)
    _save(filename, machine.memory.pieces(val & (1 << 64) - 1, size), size)


@commands.command("query-memory-size-summary")
def query_memory_size_summary(machine: Machine) -> MemoryInfo:
    """Tell how much memory the machine was made with, and how much was plugged in."""
    plugged = memory_devices.plugged_size(machine) if "qom" in machine.__dict__ else 0
    return {"base-memory": machine.memory_size, "plugged-memory": plugged}


@commands.command("balloon", asynchronous=True)
async def balloon(machine: Machine, session: SessionLike, *, value: int) -> None:
    """Ask the guest to leave itself so many bytes of memory.

    The guest may take its time; by ``execute_async`` the reply comes when it is done.

    Raises:
        GenericError: By ``execute_async``: it came to nothing.
        KVMMissingCap: KVM would not notice what the guest gives back.
        DeviceNotActive: There is no balloon.
        InvalidParameterValue: A guest cannot do with so little.
    """
    machine.balloon.check()
    if value <= 0:
        raise InvalidParameterValue(name="target", expected="a size")
    answers_later = session.answers_later
    machine.balloon.set_target(value)
    if answers_later:
        await machine.balloon.wait()


@commands.command("query-balloon")
def query_balloon(machine: Machine) -> BalloonInfo:
    """Tell how much memory the guest has.

    Raises:
        KVMMissingCap: KVM would not notice what the guest gives back.
        DeviceNotActive: There is no balloon.
    """
    machine.balloon.check()
    return {"actual": machine.balloon.actual}
