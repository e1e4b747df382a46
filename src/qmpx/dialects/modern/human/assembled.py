"""All commands and items in one table, in the order of their names."""

from qmpx.dialects.modern.human import (
    address_space,
    block,
    block_info,
    built_in,
    characters,
    completing,
    devices,
    dirty_rates,
    disk_io,
    display,
    drives,
    facts,
    hardware,
    memory,
    migration,
    migration_settings,
    nbd,
    network,
    pci,
    qtree,
    status,
    virtio,
)
from qmpx.dialects.modern.human.declared_commands import COMMANDS, EARLY
from qmpx.dialects.modern.human.declared_items import ITEMS
from qmpx.monitor.human import CommandTable


def assemble() -> CommandTable:
    """Return the table.

    Raises:
        KeyError: A declared line is carried out by nobody.
    """
    table = CommandTable(
        built_in.commands,
        address_space.commands,
        status.commands,
        block.commands,
        block_info.commands,
        characters.commands,
        completing.commands,
        devices.commands,
        dirty_rates.commands,
        disk_io.commands,
        display.commands,
        drives.commands,
        facts.commands,
        hardware.commands,
        memory.commands,
        migration.commands,
        migration_settings.commands,
        nbd.commands,
        network.commands,
        pci.commands,
        qtree.commands,
        virtio.commands,
    )
    table.is_modern, table.early = True, EARLY
    table.sort(sorted(COMMANDS), sorted(ITEMS))
    return table
