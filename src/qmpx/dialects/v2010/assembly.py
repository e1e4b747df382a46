"""From a command line of QEMU 0.13 to a machine: what `options` read is put together.

Source: QEMU 0.13.0.
"""

from qmpx.dialects.v2010.options import Options
from qmpx.machine import Clock, Machine


def assemble(options: Options, clock: Clock | None = None) -> Machine:
    """Return the machine that *options* describe; it does not run yet.

    Args:
        options: What the command line said.
        clock: Its time; real time unless given.

    Raises:
        OptionError: A device, an image or a back end cannot be had.
    """
    machine = Machine(
        options.name,
        uuid=options.uuid,
        clock=clock,
        memory_size=options.memory_size,
        processor_count=options.processors,
    )
    machine.restarts = options.restarts
    machine.ends = options.ends
    machine.is_single_stepping = options.is_single_stepping
    return machine


async def start(machine: Machine, options: Options) -> None:
    """Open the machine to the world, and let it run unless it is to wait.

    Raises:
        OptionError: An address cannot be had.
    """
    if not options.is_paused and options.incoming is None:
        machine.cont()
