"""A command of ``qemu-io`` as it was asked, with its options, and what is told of it.

Source: QEMU 7.2.22, observed: the program of that name.
"""

import asyncio
import errno
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from qmpx.machine import Drive, Machine
    from qmpx.machine.block.nodes import Node

_UNITS: Final = ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB")
_SUFFIXES: Final = "BKMGTPE"


class ToldError(Exception):
    """The command is over; its text is what is told of it."""


class MisusedError(Exception):
    """There is no such command, or it cannot be asked so: its text says why."""


class Verb(NamedTuple):
    """A command: its options, how many words it takes, and what is told of it."""

    run: "Callable[[Call], Awaitable[None]]"
    flags: str = ""
    valued: str = ""
    least: int = 0
    most: int = 0
    usage: str = ""
    does: str = ""
    needs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Call:
    """A command as it was asked.

    Attributes:
        machine: The machine.
        drive: Whose back end it goes through, if that of any.
        node: What it is done to; ``None`` for a drive with nothing in it.
        name: What it was called.
        verb: The command.
        options: By letter; flags have an empty text.
        words: What else was said.
        lines: What it tells.
    """

    machine: "Machine"
    drive: "Drive | None"
    node: "Node | None"
    name: str
    verb: Verb
    options: dict[str, str]
    words: list[str]
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Tell something."""
        self.lines.append(line)

    @property
    def is_quiet(self) -> bool:
        """Whether it is to tell nothing of what went well."""
        return "q" in self.options

    def place(self) -> "Node":
        """Return the node.

        Raises:
            OSError: There is none.
        """
        if self.node is None:
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))
        return self.node

    def pattern(self) -> int | None:
        """Return the byte that was given as a pattern."""
        text = self.options.get("P")
        if text is None:
            return None
        try:
            value = int(text, 0)
        except ValueError:
            value = -1
        if not 0 <= value <= 0xFF:
            message = f"{text} is not a valid pattern byte"
            raise ToldError(message)
        return value

    def usage(self) -> ToldError:
        """Return what is told of a command that was asked in another way."""
        return ToldError(f"{self.name} {self.verb.usage} -- {self.verb.does}")

    async def wait(self, count: int, *, is_write: bool) -> None:
        """Wait until the limits let a request through."""
        from qmpx.dialects.modern.block.info import drive_limits

        limits = None if self.drive is None else drive_limits(self.machine, self.drive)
        pacing = self.machine.blocks.pacing
        seconds = pacing.enter(
            self.place(), count, is_write=is_write, limits=limits
        )  # fmt: skip
        if seconds:
            await rest(self.machine, seconds)


def read_words(call: Call, words: list[str]) -> None:
    """Find out which options were given.

    Raises:
        MisusedError: There are none such, or too many or too few words.
    """
    verb, count = call.verb, len(words)
    if not verb.least <= count <= (count if verb.most < 0 else verb.most):
        expected = f"{verb.least}" if verb.most == verb.least else (
            f"at least {verb.least}" if verb.most < 0
            else f"between {verb.least} and {verb.most}"
        )  # fmt: skip
        message = (
            f"bad argument count {count} to {call.name}, expected {expected} arguments"
        )
        raise MisusedError(message)
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "-" or not word.startswith("-"):
            call.words.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in verb.valued and (letters or left):
                call.options[letter] = letters or left.pop(0)
                letters = ""
            elif letter in verb.flags and letter not in verb.valued:
                call.options[letter] = ""
            else:
                sys.stderr.write(f"{call.name}: invalid option -- '{letter}'\n")
                raise call.usage()


def number(text: str) -> int:
    """Return a number of bytes.

    Raises:
        ToldError: It is none.
    """
    scale = _SUFFIXES.find(text[-1:].upper()) if text else -1
    is_hex = text[:2].lower() == "0x"
    digits = text[:-1] if scale >= 0 and not is_hex else text
    try:
        if digits.startswith("-"):
            raise ValueError
        found = int(digits, 16 if is_hex else 10)
    except ValueError:
        message = (
            "Parsing error: non-numeric argument, or extraneous/unrecognized suffix -- "
        )
        raise ToldError(message + text) from None
    return found if is_hex else found << 10 * max(0, scale)


def amount(count: int) -> str:
    """Return bytes in the unit that people read best."""
    for power, unit in zip(range(60, 0, -10), _UNITS, strict=True):
        if count >= 1 << power:
            return f"{count / (1 << power):.3f}".removesuffix(".000") + f" {unit}"
    return f"{count} bytes"


async def rest(machine: "Machine", seconds: float) -> None:
    """Wait, in the machine's time."""
    over = asyncio.Event()
    timer = machine.clock.call_later(seconds, over.set)
    try:
        await over.wait()
    finally:
        timer.cancel()
