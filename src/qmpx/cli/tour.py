"""``qmpx tour``: the talk of 2010, played on the embedded machine.

Its chapters are those of *A Quick Tour of the QEMU Monitor Protocol* (August 2010); the
words are ours. Every line that is shown has crossed a socket.
"""

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from qmpx.cli.output import has_colour, printable
from qmpx.cli.serve import make_monitor
from qmpx.dialects.v2010.assembly import assemble
from qmpx.dialects.v2010.options import parse_options
from qmpx.errors import CommandError, RemoteProtocolError

PAUSE: Final = 1.2
"""Seconds after a step, to read it in."""

TIMEOUT: Final = 10.0
"""Seconds that the embedded machine has for an answer."""

PROMPT: Final = b"(qemu) "
_STYLES: Final = {"->": "36", "<-": "32", "event": "33", "#": "2", "=": "1"}
_IMAGES: Final = {"disk.img": 4 << 20, "install.iso": 1 << 20, "floppy.img": 1_474_560}


def run(arguments: argparse.Namespace) -> None:
    """Play the tour."""
    with tempfile.TemporaryDirectory(prefix="qmpx-") as directory:
        here = Path(directory)
        for name, size in _IMAGES.items():
            with here.joinpath(name).open("wb") as image:
                image.truncate(size)
        screen = Screen(pause=0 if arguments.fast else PAUSE)
        words = ["-name", "tour", "-m", "64", "-hda", str(here / "disk.img")]
        words += ["-cdrom", str(here / "install.iso"), "-fda", str(here / "floppy.img")]
        machine = asyncio.run(assemble(parse_options(words)))
        qmp, hmp = str(here / "qmp.sock"), str(here / "hmp.sock")
        monitor = make_monitor(machine, "2010", offers_async=True)
        with (
            monitor.serve_in_thread(qmp, human=[hmp]) as server,
            Program(qmp, screen) as program,
            Person(hmp, screen) as person,
        ):
            server.call(machine.cont)
            for number, (title, play) in enumerate(CHAPTERS, 1):
                screen.chapter(number, title)
                play(program, person, here)


class Screen:
    """Shows what is said, in colour on a terminal.

    Args:
        pause: Seconds to wait after each step.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._has_colour = has_colour(sys.stdout)

    def chapter(self, number: int, title: str) -> None:
        """Begin a chapter."""
        self._print("=", f"{'' if number == 1 else chr(10)}{number}. {title}")

    def note(self, text: str) -> None:
        """Explain what comes."""
        time.sleep(self._pause)
        self._print("#", f"# {text}")

    def line(self, arrow: str, text: str) -> None:
        """Show a line that crossed the wire."""
        is_event = arrow == "<-" and '"event": ' in text
        self._print("event" if is_event else arrow, f"{arrow} {printable(text)}")

    def _print(self, style: str, text: str) -> None:
        if self._has_colour:
            text = f"\x1b[{_STYLES[style]}m{text}\x1b[0m"
        print(text, flush=True)


class _Connection:
    """A plain socket, and the screen that shows what crosses it."""

    def __init__(self, path: str, screen: Screen) -> None:
        self.screen = screen
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect(path)
        self._data = b""

    def __enter__(self) -> "Any":
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def _read_to(self, end: bytes) -> str:
        while end not in self._data:
            more = self._socket.recv(65536)
            if not more:
                message = "the embedded machine closed the conversation"
                raise RemoteProtocolError(message)
            self._data += more
        text, _, self._data = self._data.partition(end)
        return text.decode()


class Program(_Connection):
    """A client of QMP."""

    def hear(self) -> Any:
        """Show the next message, and return it."""
        text = self._read_to(b"\r\n")
        self.screen.line("<-", text)
        return json.loads(text)

    def say(self, note: str, message: Any, answers: int = 1) -> None:
        """Send a message, and show it and what comes back."""
        self.screen.note(note)
        text = json.dumps(message)
        self.screen.line("->", text)
        self._socket.sendall(text.encode() + b"\n")
        for _ in range(answers):
            self.hear()


class Person(_Connection):
    """Somebody at the human monitor."""

    def __init__(self, path: str, screen: Screen) -> None:
        super().__init__(path, screen)
        self._read_to(PROMPT)

    def types(self, note: str, line: str) -> None:
        """Type a line, and show it and what is printed."""
        self.screen.note(note)
        self.screen.line("->", f"(qemu) {line}")
        self._socket.sendall(line.encode() + b"\n")
        self._read_to(b"\r\n")  # the echo
        for answer in self._read_to(PROMPT).splitlines():
            self.screen.line("<-", answer)


def _format(program: Program, *_: object) -> None:
    program.screen.note("a client connects; the server greets: who it is, what it can")
    program.hear()
    program.say(
        "a message is one JSON object; before the negotiation no command is known",
        {"execute": "query-status"},
    )
    program.say(
        "the client says what it will use; from now on it may command",
        {"execute": "qmp_capabilities", "arguments": {"enable": ["async"]}},
    )
    program.say(
        "a command may carry an id, any JSON value; its reply brings it back",
        {"execute": "query-version", "id": ["first", 1]},
    )


def _eject_works(program: Program, *_: object) -> None:
    program.say(
        "arguments are an object; success returns a value, here an empty one",
        {"execute": "eject", "arguments": {"device": "ide1-cd0"}, "id": 2},
    )


def _eject_fails(program: Program, *_: object) -> None:
    program.say(
        "an error has a class for programs, a text for people, and data",
        {"execute": "eject", "arguments": {"device": "foobar"}, "id": 3},
    )
    program.say(
        "another cause is another class: nobody has to read the text",
        {"execute": "eject", "arguments": {"device": "ide0-hd0"}, "id": 4},
    )


def _event(program: Program, *_: object) -> None:
    program.say(
        "what happens is told to every client: STOP, and then the reply to 'stop'",
        {"execute": "stop", "id": 5},
        answers=2,
    )
    program.say("RESUME likewise", {"execute": "cont", "id": 6}, answers=2)


def _two_monitors(program: Program, person: Person, *_: object) -> None:
    person.types("a person types a line; the handler is the same", "info status")
    program.say(
        "the program gets the object, the person what is made of it for reading",
        {"execute": "query-status", "id": 7},
    )
    person.types("what the person ejects ...", "eject floppy0")
    program.say("... the program misses", {"execute": "query-block", "id": 8})


def _errors(program: Program, person: Person, *_: object) -> None:
    person.types("one error: the person reads its text", "eject foobar")
    program.say(
        "the program gets its class and data",
        {"execute": "eject", "arguments": {"device": "foobar"}, "id": 9},
    )
    program.say(
        "a handler that fails without saying why has a class, too",
        {"execute": "migrate", "arguments": {"uri": "nowhere:"}, "id": 10},
    )
    count = len(CommandError.catalogue) - 1  # GenericError came later
    program.screen.note(f"there are {count} classes: 'qmpx errors' lists them")


def _asynchronous(program: Program, _: Person, here: Path) -> None:
    program.say(
        "this takes a while: with execute_async the client does not wait for it",
        {
            "execute_async": "migrate",
            "arguments": {"uri": f"exec:cat > {here / 'moved'}"},
            "id": "slow",
        },
        answers=0,
    )
    program.say(
        "a later command is answered first; each reply has its own id",
        {"execute": "query-status", "id": "quick"},
    )
    while program.hear().get("id") != "slow":
        pass
    program.say("and the work is done", {"execute": "query-migrate", "id": 11})


CHAPTERS: Final[list[tuple[str, Callable[[Program, Person, Path], None]]]] = [
    ("The format", _format),
    ("An eject that works", _eject_works),
    ("An eject that fails", _eject_fails),
    ("An event", _event),
    ("The old monitor and the new, over one object", _two_monitors),
    ("How errors are reported", _errors),
    ("Asynchronous commands", _asynchronous),
]
