"""Drives that ``-drive`` and its kin describe, and those that a board has anyhow.

Source: QEMU 7.2.22, observed.
"""

import os

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.block.described import node_options, plug_described
from qmpx.machine.block.drives import OPTIONS, UNITS
from qmpx.machine.drive import Interface
from qmpx.standin.defaults import board_of
from qmpx.standin.option_lists import OptionList


def plug_drives(machine: Machine, drives: list[OptionList]) -> list[OptionList]:
    """Plug drives in.

    Args:
        machine: The machine.
        drives: The drives.

    Returns:
        Those of which something is not carried out here.

    Raises:
        StartFailure: One cannot be.
    """
    kept: list[OptionList] = []
    units = {**UNITS, Interface.IDE: board_of(machine.qom.board).units}
    for drive in drives:
        if "file" not in drive and "driver" not in drive:
            if drive.get("media") == "cdrom":
                pass
            elif drive.pairs and not drive.keys() & {"if", "id", "index"}:
                raise drive.failure("Must specify either driver or file")
        path = drive.get("file", "")
        if path and ":" not in path and not os.path.lexists(path):
            message = f"Could not open '{path}': No such file or directory"
            raise drive.failure(message)
        values = {k: v for k, v in drive.items() if k in OPTIONS}
        try:
            nodes = node_options(drive)
            made = (
                machine.drives.plug(values, units=units)
                if nodes is None
                else plug_described(machine, drive, nodes, units=units)
            )
            if made is not None:
                made.id, made.removable = "", True  # until a device has it
            if made is not None and not drive.switch("snapshot") and ":" not in path:
                machine.blocks.drives.adopt(made, drive.get("node-name"))
        except ValueError as error:
            raise drive.failure(str(error)) from None
        except CommandError as error:
            raise drive.failure(error.desc) from None
        if len(values) < len(drive) and nodes is None:
            kept.append(drive)
    return kept
