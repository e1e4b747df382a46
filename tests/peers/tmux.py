"""A terminal of tmux, for programs that people use."""

from __future__ import annotations

import shlex
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.programs import ENVIRONMENT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminal:
    """A terminal of tmux, and a program on it.

    Args:
        folder: Where tmux may have its socket.
        command: What to run.
        columns: How wide it is.
    """

    def __init__(self, folder: Path, command: list[str], columns: int = 100) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        self._folder = folder
        size = ["-x", str(columns), "-y", "30"]
        self._run("new-session", "-d", *size, shlex.join(command))

    def _run(self, *words: str) -> str:
        return subprocess.run(
            [*self._tmux, *words],
            env={**ENVIRONMENT, "HOME": str(self._folder), "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        ).stdout

    def press(self, *keys: str) -> None:
        """Press keys: texts, or names of keys such as ``Enter``."""
        self._run("send-keys", *keys)

    def paste(self, text: str) -> None:
        """Paste a text, as a terminal does that says so to the program."""
        self._run("set-buffer", text)
        self._run("paste-buffer", "-p")

    def wait_for(self, text: str) -> str:
        """Wait until the screen ends with a text, blanks aside; return the screen."""
        deadline = time.monotonic() + SECONDS
        while True:
            screen = self._run("capture-pane", "-p", "-J")
            if without_blanks(screen).endswith(without_blanks(text)):
                return screen
            assert time.monotonic() < deadline, screen
            time.sleep(0.02)

    @property
    def contents(self) -> str:
        """What the screen shows now."""
        return self._run("capture-pane", "-p", "-J")

    @property
    def everything(self) -> str:
        """What the screen has shown, what was scrolled away included."""
        return self._run("capture-pane", "-p", "-J", "-S", "-")

    @property
    def cursor(self) -> int:
        """The column of the cursor, from 0."""
        return int(self._run("display-message", "-p", "#{cursor_x}"))

    def end(self) -> None:
        """End it all."""
        self._run("kill-server")


def without_blanks(text: str) -> str:
    """Return a text without what cannot be seen at the ends of its lines."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@contextmanager
def terminal(
    folder: Path, command: list[str], columns: int = 100
) -> Iterator[Terminal]:
    """Run a program on a terminal until the end of the block."""
    screen = Terminal(folder, command, columns)
    try:
        yield screen
    finally:
        screen.end()
