"""The clock of a machine's board, as ``-rtc`` describes it.

Source: QEMU 7.2.22, observed.
"""

import calendar
import time

from qmpx.machine import Machine
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList


def set_clock(machine: Machine, options: OptionList) -> None:
    """Set the clock.

    Raises:
        StartFailure: There is no such clock, or no such time.
    """
    if (kind := options.get("clock", "host")) not in ("host", "rt", "vm"):
        raise StartFailure(f"invalid option value '{kind}'")
    if (drift := options.get("driftfix", "none")) not in ("slew", "none"):
        raise StartFailure(f"invalid option value '{drift}'")
    base = options.get("base", "utc")
    chip = machine.chipset.clock_chip
    if base == "localtime":
        chip.start_at(None, is_local=True)
    elif base != "utc":
        chip.start_at(_seconds(base))


def _seconds(base: str) -> int:
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"):
        try:
            return calendar.timegm(time.strptime(base, form))
        except ValueError:
            continue
    message = (
        "invalid datetime format\nvalid formats: '2006-06-17T16:01:21' or '2006-06-17'"
    )
    raise StartFailure(message)
