"""The last step of a start: the machine runs, or waits for what it is to become."""

import asyncio
from collections.abc import Callable

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.standin.command_line import CommandLine
from qmpx.standin.failure import StartFailure


async def start(
    machine: Machine, line: CommandLine, tell: Callable[[str], None]
) -> None:
    """Let the machine run, unless it is to wait, or to be sent from elsewhere.

    Args:
        machine: The machine, put together.
        line: What was asked for.
        tell: Is told what fails later.

    Raises:
        StartFailure: There is no such snapshot; the address cannot be had.
    """
    if line.load is not None:
        try:
            await machine.snapshots.load(line.load)
        except CommandError as error:
            raise StartFailure(error.desc) from None
    if line.incoming is not None:
        _await_machine(machine, line.incoming, may_run=not line.is_paused)
        return
    if not line.is_paused and not line.is_preconfig:
        machine.cont()
    await asyncio.sleep(0)
    if machine.state.value == "io-error":
        tell("warning: a drive failed at the start")


def _await_machine(machine: Machine, uri: str, *, may_run: bool) -> None:
    if uri == "defer":
        machine.migration.may_run = may_run
        return
    try:
        machine.migration.expect(uri, may_run=may_run)
    except CommandError as error:
        raise StartFailure(error.desc, "-incoming", uri) from None
