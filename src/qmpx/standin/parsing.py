"""The command line of ``qemu-system-x86_64``, read.

::

    line = parse_command_line(["-S", "-machine", "none", "-qmp", "unix:qmp.sock,..."])

It is only read here: options and values are told apart, each is read by itself, and
then they are held against each other.

Source: QEMU 7.2.22, observed.
"""

from __future__ import annotations

from qmpx.standin.command_line import CommandLine, Place
from qmpx.standin.failure import StartFailure
from qmpx.standin.option_readers import take
from qmpx.standin.options import FLAGS, STAND_IN_FLAGS, STAND_IN_VALUES, VALUES

TYPE_CHECKING = False  # what `typing` would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final

MAX_WORDS: Final = 100_000
"""Words of a command line: a kernel allows some 2 MiB, and so fewer than that."""


def parse_command_line(
    words: Sequence[str], line: CommandLine | None = None
) -> CommandLine:
    """Read the words after the program's name.

    ``-version`` and ``-help`` end the reading, as in QEMU: what comes after them is
    only looked at for options that there are not.

    Args:
        words: The words.
        line: What to read them into: its warnings are good also if that fails.

    Raises:
        StartFailure: One is no option, lacks its value, or has one that cannot be.
    """
    line = CommandLine() if line is None else line
    line.words = _pair(words)
    for option, value in line.words:
        take(line, option, value)
        if line.asks_version or line.asks_help:
            break
    _settle(line)
    return line


def _pair(words: Sequence[str]) -> list[tuple[str, str]]:
    """Put options and their values together."""
    if len(words) > MAX_WORDS:
        message = f"more than {MAX_WORDS} words"
        raise StartFailure(message)
    pairs = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            pairs.append(("", word))
            continue
        name = word[1:].removeprefix("-")
        is_ours = word.startswith("--") and name in STAND_IN_VALUES
        is_our_flag = word.startswith("--") and name in STAND_IN_FLAGS
        if name in FLAGS or is_our_flag:
            pairs.append((name, ""))
        elif name in VALUES or is_ours:
            value = next(rest, None)
            if value is None:
                raise StartFailure("requires an argument", f"-{name}")
            pairs.append((name, value))
        else:
            raise StartFailure("invalid option", word)
    return pairs


def _settle(line: CommandLine) -> None:
    """Hold options against each other."""
    accelerators = line.machine.pop("accel", None)
    if accelerators is not None:
        if line.accelerators:
            message = 'The -accel and "-machine accel=" options are incompatible'
            raise StartFailure(message)
        line.accelerators = [part for part in accelerators.split(":") if part]
    if line.is_daemon:
        _refuse_stdio(line)
    if line.has_defaults and not line.has_graphics:
        _lead_to_stdio(line)


def _lead_to_stdio(line: CommandLine) -> None:
    """Lead port and monitor of a machine without graphics to standard output."""
    from qmpx.standin.defaults import wants

    has_monitor = bool(line.monitor_places or line.monitors)
    given = {place.option for place in line.ports}
    if "-serial" not in given and wants(line, "serial"):
        text = "stdio" if has_monitor else "mon:stdio"
        line.ports.append(Place("-serial", text, is_default=True))
    elif not has_monitor:
        line.monitor_places.append(Place("-monitor", "stdio", is_default=True))
    if "-parallel" not in given and wants(line, "parallel"):
        line.ports.append(Place("-parallel", "null", is_default=True))


def _refuse_stdio(line: CommandLine) -> None:
    for place in (*line.monitor_places, *line.ports):
        if place.text in ("stdio", "mon:stdio"):
            message = "cannot use stdio with -daemonize"
            raise StartFailure(message, place.option, place.text)
    for device in line.character_devices:
        if device.get("backend") == "stdio":
            raise device.failure("cannot use stdio with -daemonize")
