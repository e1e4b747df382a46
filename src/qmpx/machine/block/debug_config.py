"""The file that tells a ``blkdebug`` node how to fail: its option ``config``.

It may be a pipe, and nobody may be writing to it yet: then it is waited for, and all
else goes on meanwhile.

Source of the errors: QEMU 7.2.22, observed.
"""

import asyncio
import os
import re
import stat
from typing import Any, Final

from qmpx.errors import GenericError
from qmpx.machine.block.blkdebug import EVENTS, MAX_RULES_SIZE

_GROUPS: Final = {
    "inject-error": frozenset(
        {"event", "state", "iotype", "errno", "sector", "once", "immediately"}
    ),
    "set-state": frozenset({"event", "state", "new_state"}),
}
_GROUP: Final = re.compile(r"\[([^\]\s]+)(?: \"[^\"]*\")?\]\s*")
_VALUE: Final = re.compile(r'\s*([^\s="]+)\s*=\s*"([^"]*)"\s*')
_CHUNK: Final = 1 << 16


def parse_config(text: str) -> dict[str, list[dict[str, Any]]]:
    """Return rules by their groups, as the node's options have them.

    Raises:
        GenericError: A line is none, or says what there is not.
    """
    groups: dict[str, list[dict[str, Any]]] = {name: [] for name in _GROUPS}
    known: frozenset[str] = frozenset()
    rule: dict[str, Any] | None = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if (found := _GROUP.fullmatch(line)) is not None:
            if found[1] not in groups:
                message = f"There is no option group '{found[1]}'"
                raise GenericError(message)
            rule, known = {}, _GROUPS[found[1]]
            groups[found[1]].append(rule)
            continue
        if rule is None:
            message = "no group defined"
            raise GenericError(message)
        value = _VALUE.fullmatch(line)
        if value is None:
            message = "parse error"
            raise GenericError(message)
        if value[1] not in known:
            message = f"Invalid parameter '{value[1]}'"
            raise GenericError(message)
        rule[value[1]] = _value(value[2])
    for each in (*groups["inject-error"], *groups["set-state"]):
        if "event" not in each:
            message = "Missing event name for rule"
            raise GenericError(message)
        if each["event"] not in EVENTS:
            message = f"invalid parameter value: {each['event']}"
            raise GenericError(message)
    return groups


def _value(text: str) -> Any:
    if text in ("on", "off"):
        return text == "on"
    try:
        return int(text, 0)
    except ValueError:
        return text


async def read_config(path: str) -> str:
    """Return what is in the file; what is in a pipe, when its writer has closed it.

    Cancelling is safe.

    Raises:
        GenericError: It cannot be read, or is too large.
    """
    try:
        # A pipe without a writer would hold up all else here.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        message = f"Could not read blkdebug config file: {reason}"
        raise GenericError(message) from None
    data = bytearray()
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
        while True:
            if is_pipe:
                await _readable(fd)
            chunk = os.read(fd, _CHUNK)
            data += chunk
            if not chunk or len(data) > MAX_RULES_SIZE:
                break
    except OSError as error:
        message = f"Cannot read config file: {os.strerror(error.errno or 0)}"
        raise GenericError(message) from None
    finally:
        os.close(fd)
    if len(data) > MAX_RULES_SIZE:
        message = f"Cannot read config file: more than {MAX_RULES_SIZE} bytes"
        raise GenericError(message)
    return data.decode(errors="replace")


async def _readable(fd: int) -> None:
    """Wait until there is something to read, or a writer has come and gone."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def note() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(fd, note)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def read_configs(options: Any) -> None:
    """Put the rules of all files that options name into the options.

    Args:
        options: Of a node, as ``blockdev-add`` has them; nodes within it, too.

    Raises:
        GenericError: A file cannot be read, or a line of it is none.
    """
    if not isinstance(options, dict):
        return
    for below in list(options.values()):
        await read_configs(below)
    if options.get("driver") == "blkdebug" and isinstance(options.get("config"), str):
        options[CONFIG_RULES] = parse_config(await read_config(options["config"]))


CONFIG_RULES: Final = "\0rules"
"""The key of the rules: no option can be called like that."""
