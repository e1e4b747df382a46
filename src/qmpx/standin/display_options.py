"""Where the screen is shown: ``-vnc``.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterable

from qmpx.errors import CommandError
from qmpx.machine import Machine
from qmpx.standin.option_lists import OptionList


async def open_vnc(machine: Machine, texts: Iterable[str]) -> None:
    """Open VNC servers.

    Args:
        machine: Whose screen they show.
        texts: What stands after each ``-vnc``.

    Raises:
        StartFailure: One cannot be had.
    """
    for text in texts:
        if text == "none":
            continue
        options = OptionList("-vnc", text, None, "vnc")
        where = options["vnc"]
        if ":" not in where:
            message = "no vnc port specified"
            raise options.failure(message)
        if options.switch("password"):
            where += ",password"
        try:
            await machine.display.start_vnc(where)
        except CommandError as error:
            raise options.failure(error.desc) from None
