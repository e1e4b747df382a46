"""``-readconfig``: options in a file, by groups.

::

    [chardev "mon0"]
      backend = "socket"
      path = "qmp.sock"

Source: QEMU 7.2.22, observed.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from qmpx.standin.failure import StartFailure

MAX_FILE: Final = 2**20
"""Bytes of a file of options: they are written by hand, or by short scripts."""

_GROUP_WITH_ID: Final = re.compile(r'\[(\w[\w-]*) "([^"]*)"\]\s*')
_GROUP: Final = re.compile(r"\[([^\]\s]+)\]\s*")
_VALUE: Final = re.compile(r'\s*([^\s="]+)\s*=\s*"([^"]*)"\s*')

_OPTIONS: Final = {"memory": "m", "smp-opts": "smp", "boot-opts": "boot"}
"""Groups that are not called like their options."""


def read_config(option: str, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the options of a file, each with what would stand after it, and its place.

    The place is as QEMU tells it: the line at which the group is known to have ended.

    Args:
        option: ``-readconfig``, for messages.
        path: The file.

    Raises:
        StartFailure: It cannot be read, or a line of it not be understood.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        message = f"Could not open '{path}': {os.strerror(error.errno or 0)}"
        raise StartFailure(message, option, path) from None
    if len(data) > MAX_FILE:
        message = f"Could not read '{path}': more than {MAX_FILE} bytes"
        raise StartFailure(message, option, path)
    group: str | None = None
    values: list[str] = []
    number = 0
    for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _GROUP_WITH_ID.fullmatch(line) or _GROUP.fullmatch(line)
        if found is not None:
            if group is not None:
                yield _OPTIONS.get(group, group), ",".join(values), f"{path}:{number}"
            group = found[1]
            values = [f"id={found[2]}"] if found.re is _GROUP_WITH_ID else []
            continue
        if group is None:
            raise _at(path, number, "no group defined")
        value = _VALUE.fullmatch(line)
        if value is None:
            raise _at(path, number, "parse error")
        values.append(f"{value[1]}={value[2].replace(',', ',,')}")
    if group is not None:
        yield _OPTIONS.get(group, group), ",".join(values), f"{path}:{number}"


def _at(path: str, number: int, message: str) -> StartFailure:
    return StartFailure(message).moved(f"{path}:{number}")
