"""``qemu-io``: reading drives and nodes and writing them by hand.

What it tells goes to the program's own standard output, and what it complains of to
standard error, as QEMU's does: the monitor shows only why something is not permitted.

Source: QEMU 7.2.22, observed: the monitor's command.
"""

import sys
from typing import TYPE_CHECKING

from qmpx.dialects.modern.human.declaring import HumanTable
from qmpx.dialects.modern.human.disk_calls import (
    Call,
    MisusedError,
    ToldError,
    Verb,
    read_words,
)
from qmpx.dialects.modern.human.disk_requests import LONG, OTHERS, VERBS
from qmpx.errors import CommandError, GenericError
from qmpx.machine import Drive, Machine
from qmpx.machine.block.permissions import ALL, check_target, of_drive

if TYPE_CHECKING:
    from qmpx.machine.block.nodes import Node

commands = HumanTable()


@commands.does("qemu-io")
async def qemu_io(
    machine: Machine, *, qdev: bool = False, device: str, command: str
) -> str | None:
    """Do something to a drive, or to a node, as the program ``qemu-io`` does.

    Raises:
        GenericError: There is no such drive or node.
    """
    drive, node = _found(machine, device, qdev=qdev)
    name, *words = command.split() or [""]
    if not name:
        return None
    call = None
    try:
        verb = _verb(name)
        call = Call(machine, drive, node, LONG.get(name, name), verb, {}, [])
        read_words(call, words)
        if node is not None and verb.needs:
            _permit(node, drive, verb.needs)
        await verb.run(call)
    except CommandError as error:
        return f"{error.desc}\n"
    except MisusedError as error:
        sys.stderr.write(f"{error}\n")
    except ToldError as error:
        if call is not None:
            call.say(str(error))
    if call is not None and call.lines:
        sys.stdout.write("".join(f"{line}\n" for line in call.lines))
        sys.stdout.flush()
    return None


def _found(
    machine: Machine, name: str, *, qdev: bool
) -> "tuple[Drive | None, Node | None]":
    graph = machine.blocks
    drive = graph.drives.find(name) if qdev else machine.drives.get(name)
    if drive is not None and (qdev or drive.device == name):
        graph.drives.adopt(drive)
        return drive, graph.drives.node_in(drive)
    if (node := graph.nodes.get(name)) is None:
        message = f"Cannot find device='' nor node-name='{name}'"
        raise GenericError(message)
    return None, node


def _permit(node: "Node", drive: Drive | None, needs: frozenset[str]) -> None:
    """Make sure that something may be done to a node.

    Raises:
        GenericError: What else uses it does not let us, or it can't be written.
    """
    if drive is not None and needs <= of_drive(drive).perm:
        return
    drives, node.drives = node.drives, [each for each in node.drives if each != drive]
    try:  # what needs more is the drive itself
        check_target(node, frozenset(ALL), perm=needs)
    finally:
        node.drives = drives
    if node.read_only:
        message = "Block node is read-only"
        raise GenericError(message)


def _verb(name: str) -> Verb:
    verb = VERBS.get(LONG.get(name, name))
    if verb is None and name in OTHERS:
        message = f"'{name}' of qemu-io is not carried out here"
        raise GenericError(message)
    if verb is None:
        message = f'command "{name}" not found'
        raise MisusedError(message)
    return verb
