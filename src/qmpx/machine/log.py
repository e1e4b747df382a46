"""The machine's log file: what people switch on to see what goes on inside.

Of QEMU's items this machine has one to tell of, the registers before each reset; the
others concern the execution of code, of which there is none here.
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from qmpx.errors import OpenFileFailed
from qmpx.machine.processor import Processors
from qmpx.machine.register_dump import dump

LOG_ITEMS: Final = {
    "out_asm": "the host's code that was made",
    "in_asm": "the guest's code that was read",
    "op": "the steps between the two",
    "op_opt": "the same, after optimisation",
    "int": "interrupts and exceptions, in short",
    "exec": "each block of code before it is run; that is much",
    "cpu": "the registers before each block of code",
    "pcall": "far calls, returns and exceptions of protected mode",
    "cpu_reset": "the registers before a processor is reset",
}
"""What can be logged, by QEMU 0.13's names for i386."""

ALL: Final = "all"


class MachineLog:
    """The log.

    Attributes:
        filename: Where it is written.
        items: What is written.
        traced_events: The trace events that are on; nothing is written for them.
    """

    def __init__(self) -> None:
        self.filename = str(Path(tempfile.gettempdir(), "qemu.log"))
        self.items: frozenset[str] = frozenset()
        self.traced_events: set[str] = set()
        self._was_opened = False

    def write_to(self, filename: str) -> None:
        """Write to another file from now on.

        Raises:
            OpenFileFailed: Something is logged, and the file cannot be made.
        """
        self.filename = filename
        self.log(self.items)

    def log(self, items: Iterable[str]) -> None:
        """Log these items and no others.

        The first file that is opened begins anew; to others it is appended.

        Raises:
            OpenFileFailed: The file cannot be made; nothing has changed.
            KeyError: One of them is no item.
        """
        wanted = frozenset(items)
        for name in wanted:
            LOG_ITEMS[name]
        if wanted:
            self._append("", is_new=not self._was_opened)
            self._was_opened = True
        self.items = wanted

    def note_reset(self, processors: Processors) -> None:
        """Log the registers, if that is wanted; a file that went away is lost."""
        if "cpu_reset" not in self.items:
            return
        text = "".join(
            f"CPU Reset (CPU {processor.index})\n{dump(processor)}"
            for processor in processors
        )
        try:
            self._append(text)
        except OpenFileFailed:
            self.items = frozenset()  # there is nobody to tell it to

    def _append(self, text: str, *, is_new: bool = False) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if is_new else os.O_APPEND)
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            fd = os.open(self.filename, flags | getattr(os, "O_CLOEXEC", 0), 0o666)
            with open(fd, "w", encoding="ascii") as file:
                file.write(text)
        except (OSError, ValueError) as error:
            raise OpenFileFailed(filename=self.filename) from error
