"""Drives that ``-drive`` and its kin describe, and those that a board has anyhow.

Source: QEMU 7.2.22, observed.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.machine.block.described import node_options, plug_described
from qmpx.machine.block.drives import OPTIONS, UNITS
from qmpx.machine.drive import Drive, Interface
from qmpx.standin.defaults import board_of
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList

_FOUND: Final = (Interface.IDE, Interface.SCSI, Interface.SD, Interface.MTD)
"""What the board looks for drives by, or does not have."""

_WITH_IDE: Final = ("pc-", "isapc")


class PluggedDrives(NamedTuple):
    """What became of drives.

    Attributes:
        kept: Those of which something is not carried out here.
        made: The drives by the options that describe them, but for those that a board
            has by default.
    """

    kept: list[OptionList]
    made: list[tuple[OptionList, Drive]]


def plug_drives(
    machine: Machine, drives: list[OptionList], defaults: Sequence[OptionList] = ()
) -> PluggedDrives:
    """Plug drives in.

    Args:
        machine: The machine.
        drives: The drives.
        defaults: Those that the board has if their places are free.

    Raises:
        StartFailure: One cannot be.
    """
    kept: list[OptionList] = []
    plugged: list[tuple[OptionList, Drive]] = []
    board = machine.qom.board
    units = {**UNITS, Interface.IDE: board_of(board).units}
    usual = Interface.IDE if board.startswith(_WITH_IDE) else Interface.NONE
    for number, drive in enumerate([*drives, *defaults]):
        if "file" not in drive and "driver" not in drive:
            if drive.get("media") == "cdrom":
                pass
            elif drive.pairs and not drive.keys() & {"if", "id", "index"}:
                raise drive.failure("Must specify either driver or file")
        described = _expanded(drive)
        path = described.get("file", "")
        if path and ":" not in path and not os.path.lexists(path):
            message = f"Could not open '{path}': No such file or directory"
            raise drive.failure(message)
        values = {k: v for k, v in described.items() if k in OPTIONS}
        try:
            nodes = node_options(described)
            made = (
                machine.drives.plug(values, interface=usual, units=units)
                if nodes is None
                else plug_described(
                    machine, described, nodes, interface=usual, units=units
                )
            )
            if made is not None:
                made.id, made.removable = "", True  # until a device has it
                made.has_tray = False
            if made is not None and not drive.switch("snapshot") and ":" not in path:
                machine.blocks.drives.adopt(made, drive.get("node-name"))
            if number < len(drives):
                plugged.append((drive, _unless_taken(made, drive, units)))
        except ValueError as error:
            raise drive.failure(str(error)) from None
        except CommandError as error:
            raise drive.failure(error.desc) from None
        if len(values) < len(drive) and nodes is None:
            kept.append(drive)
    return PluggedDrives(kept, plugged)


def _expanded(options: OptionList) -> Mapping[str, str]:
    """Return the options of a drive, with those that its file name has.

    Raises:
        StartFailure: The name describes no node.
    """
    if not options.get("file", "").startswith("json:"):
        return options
    from qmpx.dialects.modern.block.file_names import expand  # few are named so

    try:
        return expand(options)
    except CommandError as error:
        raise options.failure(error.desc) from None


def _unless_taken(
    made: Drive | None, options: OptionList, units: Mapping[Interface, int]
) -> Drive:
    """Return a drive.

    Raises:
        ValueError: There is none, for its place is taken.
    """
    if made is not None:
        return made
    index = int(options.get("index", "-1"), 0)
    bus, unit = (int(options.get(name, "0"), 0) for name in ("bus", "unit"))
    if index >= 0:
        most = units.get(Interface(options.get("if", Interface.IDE)))
        bus, unit = divmod(index, most) if most is not None else (0, index)
    message = f"drive with bus={bus}, unit={unit} (index={index}) exists"
    raise ValueError(message)


def check_found(made: Sequence[tuple[OptionList, Drive]], flashes: int) -> None:
    """Make sure that the board has what each drive is connected by.

    Args:
        made: The drives with the options that describe them.
        flashes: How many of the firmware's flashes the board has.

    Raises:
        StartFailure: It has not.
    """
    for options, drive in made:
        is_lost = drive.interface in _FOUND and not drive.id
        is_no_flash = drive.interface is Interface.PFLASH and (
            drive.bus != 0 or drive.unit >= flashes
        )
        if is_lost or is_no_flash:
            message = (
                "machine type does not support "
                f"if={drive.interface},bus={drive.bus},unit={drive.unit}"
            )
            raise options.failure(message)
    units = {drive.unit for _, drive in made if drive.interface is Interface.PFLASH}
    if units == {1}:
        message = "pflash1 requires pflash0"
        raise StartFailure(message)
