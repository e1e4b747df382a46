"""Draw the pictures of the documentation: screens of real programs, as SVG.

Each picture is what a terminal showed after some keys, so that it cannot show what is
not so. tmux is the terminal; rich draws what it holds::

    python tools/shell_pictures.py
"""

import contextlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
QMPX = Path(sys.executable).parent / "qmpx"
COLUMNS, ROWS = 116, 26
PAUSE: Final = 1.0  # seconds until a screen is as it will be

PICTURES: Final[dict[str, tuple[list[str], list[str]]]] = {
    "shell-completion.svg": (
        ["shell", "{web}"],
        ["query-name", "Enter", "blockdev-add driver=qcow2 file."],
    ),
    "shell-answers.svg": (
        ["shell", "{web}"],
        [
            *("query-block", "Enter", "stop", "Enter"),
            *("eject device=cd9", "Enter", "hmp info status", "Enter", "quit", "Enter"),
        ],
    ),
    "top.svg": (["top", "{web}", "{mail}"], []),
}
"""For each picture: a command, and what is typed. Names stand for machines."""


class Screen:
    """A terminal.

    Args:
        folder: Where it may keep its socket.
        words: What runs on it.
    """

    def __init__(self, folder: Path, words: list[str]) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        state = f"XDG_STATE_HOME={folder}"
        self._run("new-session", "-d", *size, shlex.join(["env", state, *words]))

    def _run(self, *words: str) -> str:
        return subprocess.run(  # noqa: S603 - tmux, and words of ours
            [*self._tmux, *words], capture_output=True, text=True, check=True
        ).stdout

    def press(self, key: str) -> None:
        """Press a key, or type a text."""
        self._run("send-keys", key)

    def contents(self) -> str:
        """Return what is shown, with its colours."""
        return self._run("capture-pane", "-p", "-e")

    def end(self) -> None:
        """End it."""
        self._run("kill-server")


@contextlib.contextmanager
def machine(folder: Path, name: str) -> Iterator[str]:
    """Serve a machine until the end of the block."""
    address = f"unix:{folder / name}.sock"
    words = [str(QMPX), "serve", "--qmp", address, "--name", name]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            if process.stderr is not None:
                process.stderr.readline()  # it serves
            yield address
        finally:
            process.terminate()


def draw(name: str, words: list[str], keys: list[str]) -> None:
    """Draw one picture."""
    with tempfile.TemporaryDirectory(prefix="vm-") as directory:
        folder = Path(directory)
        with machine(folder, "web") as web, machine(folder, "mail") as mail:
            places = {"web": web, "mail": mail}
            screen = Screen(folder, [str(QMPX), *(w.format(**places) for w in words)])
            try:
                time.sleep(2 * PAUSE)
                for key in keys:
                    screen.press(key)
                    time.sleep(PAUSE)
                time.sleep(2 * PAUSE)
                shown = screen.contents().replace(directory, "/run/vm")
            finally:
                screen.end()
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(shown.rstrip("\n")), end="")
        title = f"qmpx {words[0]}"
        # Always the same names within, so that a new picture differs where it differs.
        svg = console.export_svg(title=title, unique_id=name.removesuffix(".svg"))
    # The reader's own fonts: the site asks no other host for anything.
    (ASSETS / name).write_text(re.sub(r"@font-face \{[^}]*\}\s*", "", svg))


if __name__ == "__main__":
    for each, (command, typed) in PICTURES.items():
        draw(each, command, typed)
