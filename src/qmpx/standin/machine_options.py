"""The properties of the machine itself: ``-machine NAME,PROPERTY=VALUE,...``.

What ``-smp``, ``-boot`` and ``-m`` say can be said here, too: ``smp.cpus=2``.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qmpx.errors import CommandError
from qmpx.machine.qom.values import read_text
from qmpx.standin.failure import StartFailure

if TYPE_CHECKING:
    from qmpx.machine import Machine
    from qmpx.standin.command_line import CommandLine

_NOT_PROPERTIES: Final = frozenset({"type", "accel"})
_ELSEWHERE: Final = frozenset({"memory-backend"})  # whoever makes the RAM looks at it
_THREADS: Final = ("single", "multi")
_REFUSED: Final = {
    "nvdimm-persistence": ("cpu", "mem-ctrl"),
}


def check_accelerators(machine: Machine, line: CommandLine) -> None:
    """Check what ``-accel`` says beside the accelerator's name.

    Raises:
        StartFailure: There is no such property, or it takes no such value.
    """
    for options in line.accelerator_options:
        kind = f"{options['accel']}-accel"
        known = machine.qom.types.properties(kind)
        for name, text in options.items():
            if name == "accel" or not known:
                continue
            if name not in known:
                message = f"Property '{kind}.{name}' not found"
                raise options.failure(message)
            if name == "thread" and text not in _THREADS:
                message = f"Invalid 'thread' setting {text}"
                raise options.failure(message)
            try:
                read_text(name, known[name].type, text)
            except CommandError as error:
                desc = error.desc.replace("expects integer", "expects uint64")
                raise options.failure(desc) from None


def read_machine_options(machine: Machine, line: CommandLine) -> dict[str, Any]:
    """Return the values of the machine's properties that were given.

    Raises:
        StartFailure: There is no such property, or it takes no such value.
    """
    kind = f"{machine.qom.board}-machine"
    known = machine.qom.types.properties(kind)
    values: dict[str, Any] = {}
    for name, text in line.machine.items():
        if name in _NOT_PROPERTIES:
            continue
        item = known.get(name)
        if item is None and len(known) > 1:  # the profile knows the type
            message = f"Property '{kind}.{name}' not found"
            raise StartFailure(message)
        if item is None or name in _ELSEWHERE:
            continue
        if not isinstance(text, str):
            message = f"Parameter '{name}' is unexpected"
            raise StartFailure(message)
        if text not in _REFUSED.get(name, (text,)):
            message = f"-machine {name}={text}: unsupported option"
            raise StartFailure(message)
        try:
            values[name] = read_text(name, item.type, text)
        except CommandError as error:
            raise StartFailure(error.desc) from None
    return values
