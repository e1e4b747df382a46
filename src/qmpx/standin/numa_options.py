"""What stands after ``-numa``: an option list in which ``cpus`` is a list of ranges.

Source: QEMU 7.2.22, observed.
"""

from collections.abc import Iterator
from typing import Any, Final

from qmpx.standin.option_lists import OptionList

MAX_CPUS_RANGE: Final = 65535
"""The highest number of a processor in a range: the wire has 16 bits for it."""


def node_values(options: OptionList) -> dict[str, Any]:
    """Return what an option says as ``set-numa-node`` has it, all scalars as texts.

    Raises:
        StartFailure: A number of a processor is none.
    """
    values: dict[str, Any] = dict(options)
    if "cpus" in options:
        values["cpus"] = list(_ranges(options))
    if values.get("mem", "")[-1:].isdecimal():
        values["mem"] += "M"  # a number alone is in mebibytes
    return values


def _ranges(options: OptionList) -> Iterator[str]:
    """Yield the numbers of ``cpus=0-3,cpus=5``.

    Raises:
        StartFailure: One is no number.
    """
    for name, text in options.pairs:
        if name != "cpus":
            continue
        first, dash, last = text.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            message = "Parameter 'cpus' expects an uint64 value or range"
            raise options.failure(message)
        highest = int(last or first)
        if highest > MAX_CPUS_RANGE:
            message = "Parameter 'cpus' expects uint16_t"
            raise options.failure(message)
        yield from (str(number) for number in range(int(first), highest + 1))
