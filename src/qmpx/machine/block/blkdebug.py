"""Storage that fails as it is told: QEMU's ``blkdebug:RULES:IMAGE``.

RULES is a file of sections. A format tells what it is about to do, as an event; a rule
that waits for the event makes the requests that follow it fail, or moves the state that
other rules wait for::

    [inject-error]
    event = "read_aio"
    errno = "5"
    once = "off"

    [set-state]
    event = "l2_update"
    state = "1"
    new_state = "2"

Source: QEMU 0.13, ``block/blkdebug.c`` read for its options and events.
"""

import os
import re
from pathlib import Path
from typing import Final

from qmpx.machine.block.image import ImageError
from qmpx.machine.block.storage import Storage
from qmpx.machine.values import Value

PREFIX: Final = "blkdebug:"

MAX_RULES_SIZE: Final = 65536
"""Bytes of a file of rules: a thousand times what one rule takes."""

EVENTS: Final = frozenset(
    {
        *("l1_update", "l1_grow.alloc_table", "l1_grow.write_table"),
        *("l1_grow.activate_table", "l2_load", "l2_update", "l2_update_compressed"),
        *("l2_alloc.cow_read", "l2_alloc.write", "read", "read_aio", "read_backing"),
        *("read_backing_aio", "read_compressed", "write_aio", "write_compressed"),
        *("vmstate_load", "vmstate_save", "cow_read", "cow_write", "reftable_load"),
        *("reftable_grow", "reftable_update", "refblock_load", "refblock_update"),
        *("refblock_update_part", "refblock_alloc", "refblock_alloc.hookup"),
        *("refblock_alloc.write", "refblock_alloc.write_blocks"),
        *("refblock_alloc.write_table", "refblock_alloc.switch_table"),
        *("cluster_alloc", "cluster_alloc_bytes", "cluster_free"),
    }
)
"""What a rule may wait for. Formats here tell those of them that they have."""

_SECTION: Final = re.compile(r"\[([a-z-]+)\]")
_OPTION: Final = re.compile(r"""([a-z_]+)\s*=\s*"([^"]*)\"""")
_OPTIONS: Final = {
    "inject-error": {"event", "state", "errno", "once", "immediately"},
    "set-state": {"event", "state", "new_state"},
}


class Rule(Value, frozen=True):
    """What happens at an event.

    Attributes:
        event: One of `EVENTS`.
        state: The state in which the rule counts; 0 for every state.
        error: The error number that requests then fail with; 0 for a rule that moves
            the state.
        once: Whether only one request fails.
        new_state: The state that it moves to.
    """

    event: str
    state: int = 0
    error: int = 0
    once: bool = False
    new_state: int = 0


def parse_rules(text: str) -> list[Rule]:
    """Read rules.

    Raises:
        ValueError: They are none; the message tells the line.
    """
    sections = list[tuple[int, str, dict[str, str]]]()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].strip()
        if match := _SECTION.fullmatch(words):
            if match[1] not in _OPTIONS:
                message = f"line {number}: unknown section {match[1]!r}"
                raise ValueError(message)
            sections.append((number, match[1], {}))
        elif match := _OPTION.fullmatch(words):
            if not sections or match[1] not in _OPTIONS[sections[-1][1]]:
                message = f"line {number}: unknown option {match[1]!r}"
                raise ValueError(message)
            sections[-1][2][match[1]] = match[2]
        elif words:
            message = f"line {number}: neither a section nor an option: {words!r}"
            raise ValueError(message)
    return [_rule(*section) for section in sections]


def _rule(number: int, section: str, options: dict[str, str]) -> Rule:
    try:
        event = options.get("event", "")
        if event not in EVENTS:
            message = f"unknown event {event!r}"
            raise ValueError(message)
        state = int(options.get("state", "0"), 0)
        if section == "set-state":
            return Rule(event, state, new_state=int(options.get("new_state", "0"), 0))
        error = int(options.get("errno", "5"), 0)
        return Rule(event, state, error, options.get("once") == "on")
    except ValueError as error_in_rule:
        message = f"section at line {number}: {error_in_rule}"
        raise ValueError(message) from None


class DebugStorage(Storage):
    """Storage in another storage, with rules.

    Args:
        filename: ``blkdebug:``, the name of the rules, ``:``, the name of the image.
        below: The opened image file.

    Raises:
        OSError: The rules cannot be read, or are none.
    """

    def __init__(self, filename: str, below: Storage) -> None:
        self._lower = below
        super().__init__(filename, read_only=below.read_only)
        self.below = below
        self._state = 0
        self._error = 0
        self._once = False
        rules, _ = split_name(filename)
        with Path(rules).open("rb") as file:
            raw = file.read(MAX_RULES_SIZE + 1)
        try:
            if len(raw) > MAX_RULES_SIZE:
                message = f"rules of more than {MAX_RULES_SIZE} bytes"
                raise ValueError(message)
            self._rules = parse_rules(raw.decode())
        except ValueError as error:
            raise ImageError(rules, str(error)) from error

    def _open(self, filename: str) -> int:  # noqa: ARG002 - the one below is open
        return -1

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._lower.size

    @property
    def allocated(self) -> int:
        """Bytes that it takes on the host."""
        return self._lower.allocated

    def event(self, name: str) -> None:
        """Follow the rules that wait for this event."""
        state = self._state  # rules see the state as it was before the event
        for rule in self._rules:
            if rule.event != name or rule.state not in (0, state):
                continue
            if rule.error:
                self._error, self._once = rule.error, rule.once
            else:
                self._state = rule.new_state

    def _fail(self) -> None:
        if error := self._error:
            if self._once:
                self._error = 0
            raise OSError(error, os.strerror(error), self.filename)

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes; fewer at the end of the file.

        Raises:
            OSError: The rules say so, or the host cannot read them.
        """
        self._fail()
        data = self._lower.read(offset, size)
        self.statistics.count_read(size)
        return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write bytes; behind the end of the file it grows.

        Raises:
            OSError: The rules say so, or the host cannot write them.
        """
        self._fail()
        self._lower.write(offset, data)
        self.statistics.count_write(offset, len(data))

    def truncate(self, size: int) -> None:
        """Make the file that long.

        Raises:
            OSError: The host cannot.
        """
        self._lower.truncate(size)

    def flush(self) -> None:
        """Let the host write down what was written.

        Raises:
            OSError: It could not.
        """
        self._lower.flush()

    def close(self) -> None:
        """Close what is below."""
        self._lower.close()


def split_name(filename: str) -> tuple[str, str]:
    """Return the name of the rules and the name of the image.

    Raises:
        ImageError: There are not two names behind the prefix.
    """
    rules, colon, image = filename.removeprefix(PREFIX).partition(":")
    if not (filename.startswith(PREFIX) and rules and colon and image):
        raise ImageError(filename, "not of the form blkdebug:RULES:IMAGE")
    return rules, image
