"""Draw the pictures of the documentation: screens of real programs, as SVG.

Each picture is what a terminal showed after some keys, so that it cannot show what is
not so. tmux is the terminal; rich draws what it holds. One of the machines is a QEMU,
so that and qemu-img have to be there::

    python tools/shell_pictures.py            # all of them
    python tools/shell_pictures.py top.svg    # only these
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
from typing import Final, NamedTuple

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
QMPX = Path(sys.executable).parent / "qmpx"
COLUMNS = 116
THEME: Final = TerminalTheme(
    (41, 41, 41),
    (230, 230, 230),
    [
        *((75, 78, 85), (240, 120, 120), (152, 168, 75), (208, 179, 68)),
        *((120, 165, 215), (190, 145, 200), (104, 160, 179), (197, 200, 198)),
    ],
    [
        *((154, 155, 153), (255, 110, 110), (90, 190, 120), (225, 160, 90)),
        *((100, 170, 240), (255, 120, 170), (90, 180, 178), (255, 255, 255)),
    ],
)
"""Colours of which all but black are 4.5 times as bright as the ground: so they can be
read, and what is faint, too."""
PAUSE: Final = 1.0  # seconds until a screen is as it will be
PATIENCE: Final = 30.0  # seconds for a program to show something at all

BOOT_SECTOR: Final = b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa"
"""A guest that keeps its processor busy: it jumps to where it is."""


class Picture(NamedTuple):
    """What is on a picture.

    Attributes:
        words: The command; names stand for machines.
        keys: What is typed, each when the screen has settled; an empty one is a second.
        is_screen: Whether the command fills the screen; if not, it is shown, too.
        rows: How high the screen is.
    """

    words: list[str]
    keys: tuple[str, ...] = ()
    is_screen: bool = False
    rows: int = 22


BACKUP: Final = ["device=disk", "target=copy", "sync=full"]

PICTURES: Final[dict[str, Picture]] = {
    "shell-completion.svg": Picture(
        ["shell", "{web}"],
        ("query-name", "Enter", "blockdev-add driver=qcow2 file."),
        is_screen=True,
    ),
    "shell-answers.svg": Picture(
        ["shell", "{web}"],
        (
            *("query-block", "Enter", "stop", "Enter"),
            *("eject device=cd9", "Enter", "hmp info status", "Enter", "quit", "Enter"),
        ),
        is_screen=True,
        rows=28,
    ),
    "shell-help.svg": Picture(
        ["shell", "{web}"], ("help block_resize", "Enter", "hmp dr"), is_screen=True
    ),
    "shell-refusal.svg": Picture(
        ["shell", "{look}"],
        ("query-status", "Enter", "stop", "Enter"),
        is_screen=True,
        rows=19,
    ),
    "top.svg": Picture(
        ["top", "{db}", "{web}", "{mail}", "{gone}"],
        ("", "", "", "", "", "", "", ""),
        is_screen=True,
    ),
    "tree.svg": Picture(["tree", "{db}", "block"]),
    "doctor.svg": Picture(["doctor", "{web}"]),
    "doctor-held.svg": Picture(["doctor", "{held}", "--timeout", "0.5"]),
    "job.svg": Picture(
        ["job", "{db}", "run", "blockdev-backup", *BACKUP, "speed:=5000000"], ("",) * 4
    ),
    "tour.svg": Picture(["tour", "--fast"]),
}
"""The pictures of terminals, by the names of their files."""

GRAPH: Final = "block-graph.svg"
"""The picture that ``qmpx tree --svg`` draws itself."""


class Screen:
    """A terminal.

    Args:
        folder: Where it may keep its socket.
        words: What runs on it.
        rows: How high it is.
    """

    def __init__(self, folder: Path, words: list[str], rows: int) -> None:
        self._tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
        size = ["-x", str(COLUMNS), "-y", str(rows)]
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
        return self._run("capture-pane", "-p", "-e", "-N")

    def end(self) -> None:
        """End it."""
        self._run("kill-server")


@contextlib.contextmanager
def running(words: list[str]) -> Iterator[None]:
    """Run a program until the end of the block; it says when it is ready."""
    with subprocess.Popen(words, stderr=subprocess.PIPE) as process:  # noqa: S603
        try:
            if process.stderr is not None:
                process.stderr.readline()
            yield
        finally:
            process.terminate()


def qmpx(*words: str) -> list[str]:
    """Return the words of one of our commands."""
    return [str(QMPX), *words]


@contextlib.contextmanager
def qemu(folder: Path, name: str) -> Iterator[None]:
    """Run a QEMU with a chain of images, and a node to copy to."""
    boot, disk, copy = (folder / f"{each}" for each in ("boot.raw", "disk", "copy"))
    boot.write_bytes(BOOT_SECTOR.ljust(2**20, b"\0"))
    base = folder / "base.qcow2"
    for words in (
        ["-f", "qcow2", str(base), "64M"],
        ["-f", "qcow2", "-b", str(base), "-F", "qcow2", str(disk)],
        ["-f", "raw", str(copy), "64M"],
    ):
        command = ["qemu-img", "create", "-q", *words]
        subprocess.run(command, check=True)  # noqa: S603 - words of ours
    place = folder / f"{name}.sock"
    words = ["qemu-system-x86_64", "-display", "none", "-m", "64", "-name", name]
    words += ["-nodefaults", "-qmp", f"unix:{place},server=on,wait=off"]
    words += ["-drive", f"file={boot},format=raw,if=ide,id=boot"]
    words += ["-drive", f"file={disk},format=qcow2,if=virtio,id=disk"]
    words += ["-blockdev", f"raw,node-name=copy,file.driver=file,file.filename={copy}"]
    words += ["-netdev", "user,id=net", "-device", "e1000,netdev=net"]
    with subprocess.Popen(words) as process:  # noqa: S603 - words of ours
        try:
            while not place.exists() and process.poll() is None:
                time.sleep(PAUSE / 10)
            yield
        finally:
            process.terminate()


@contextlib.contextmanager
def machines(folder: Path) -> Iterator[dict[str, str]]:
    """Give the addresses of machines until the end of the block, by their names."""
    names = ("web", "mail", "db", "look", "held", "gone")
    places = {name: f"unix:{folder / name}.sock" for name in names}
    with contextlib.ExitStack() as stack:
        for name in ("web", "mail", "held"):
            more = ("--clients", "1") if name == "held" else ()
            serve = qmpx("serve", "--qmp", places[name], "--name", name, *more)
            stack.enter_context(running(serve))
        stack.enter_context(qemu(folder, "db"))
        share = qmpx("share", places["web"], "--listen", places["look"])
        stack.enter_context(running([*share, "--role", "observe"]))
        share = qmpx("share", places["held"], "--listen", f"unix:{folder / 'other'}")
        stack.enter_context(running(share))
        yield places


def settle(screen: Screen, before: str) -> None:
    """Wait until a screen has changed, and changes no more."""
    end = time.monotonic() + PATIENCE
    last = before
    while time.monotonic() < end:
        now = screen.contents()
        if now not in (before, last):
            last = now
        elif now != before:
            return
        time.sleep(PAUSE)


def draw(name: str, picture: Picture, folder: Path, places: dict[str, str]) -> None:
    """Draw one picture."""
    words = [each.format(**places) for each in picture.words]
    screen = Screen(folder, on_screen(words, is_screen=picture.is_screen), picture.rows)
    try:
        begin = time.monotonic()
        while not screen.contents().strip() and time.monotonic() < begin + PATIENCE:
            time.sleep(PAUSE / 10)
        time.sleep(2 * PAUSE)
        for key in picture.keys:
            before = screen.contents()
            if key:
                screen.press(key)
            time.sleep(PAUSE)
            if key:
                settle(screen, before)
        time.sleep(2 * PAUSE)
        shown = screen.contents().replace(str(folder), "/run/vm")
    finally:
        screen.end()
    with open("/dev/null", "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(shown.rstrip("\n")), end="", crop=False)
        title = f"qmpx {picture.words[0]}"
        # Always the same names within, so that a new picture differs where it differs.
        svg = console.export_svg(
            title=title, unique_id=name.removesuffix(".svg"), theme=THEME
        )
    # The reader's own fonts: the site asks no other host for anything.
    (ASSETS / name).write_text(re.sub(r"@font-face \{[^}]*\}\s*", "", svg))


def on_screen(words: list[str], *, is_screen: bool) -> list[str]:
    """Return what runs a command on a terminal, and leaves what it printed there."""
    if is_screen:
        return qmpx(*words)
    typed = shlex.join(["qmpx", *words])
    script = f"printf '$ %s\\n' {shlex.quote(typed)}; {shlex.join(qmpx(*words))}; cat"
    return ["sh", "-c", script]


def main(wanted: list[str]) -> None:
    """Draw the pictures that are wanted, or all."""
    for name, picture in PICTURES.items():
        if wanted and name not in wanted:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="vm-") as directory,
            machines(Path(directory)) as places,
        ):
            draw(name, picture, Path(directory), places)
    if not wanted or GRAPH in wanted:
        with (
            tempfile.TemporaryDirectory(prefix="vm-") as directory,
            machines(Path(directory)) as places,
        ):
            words = qmpx("tree", places["db"], "block", "--svg")
            svg = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603
            (ASSETS / GRAPH).write_text(svg.stdout.replace(directory, "/run/vm"))


if __name__ == "__main__":
    main(sys.argv[1:])
