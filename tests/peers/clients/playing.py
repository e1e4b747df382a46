"""What every script here shares: it plays scenes with a client, and tells what it saw.

A script is run by a Python that has the client, as ``script.py QMP HMP FOLDER``, once
before a real QEMU and once before the stand-in. It prints a JSON object: of each scene
what was noted. It imports nothing of the project but its neighbours.
"""

import json
import os
import pathlib
import re
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

SECONDS = 10.0  # for what takes some tenths

# Some clients write on standard output what they do; that goes elsewhere.
_NOTED = os.dup(sys.stdout.fileno())
os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

Note = Callable[[Any], None]
Scene = Callable[["Place", Note], None]


class Place:
    """Where a client finds the machine.

    Attributes:
        qmp: The path of the QMP socket.
        hmp: The path of the human monitor's.
        folder: A folder for files; it is empty at first.
        opened: What is closed when a scene ends.
    """

    def __init__(self, qmp: str, hmp: str, folder: str) -> None:
        self.qmp = qmp
        self.hmp = hmp
        self.folder = pathlib.Path(folder)
        self.opened: list[Any] = []

    def file(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return str(self.folder / name)

    def is_served(self) -> bool:
        """Tell whether somebody listens on the QMP socket."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.qmp) == 0

    def image(self, name: str, size: int) -> str:
        """Make a raw image, and return its path."""
        path = self.folder / name
        with path.open("wb") as file:
            file.truncate(size)
        return str(path)


class Script:
    """The scenes of one client, in their order."""

    def __init__(self) -> None:
        self._scenes: list[Scene] = []

    def scene(self, function: Scene) -> Scene:
        """Add a scene."""
        self._scenes.append(function)
        return function

    def play(self) -> None:
        """Play the scenes that are named, or all, and print what they noted."""
        place = Place(*sys.argv[1:4])
        noted: dict[str, list[Any]] = {}
        for scene in self._scenes:
            name = scene.__name__
            if sys.argv[4:] and name not in sys.argv[4:]:
                continue
            notes = noted[name] = list[Any]()
            try:
                scene(place, notes.append)
            except Exception as error:  # noqa: BLE001 - it is what was seen
                notes.append(refusal(error))
            while place.opened:
                place.opened.pop().close()
        with os.fdopen(_NOTED, "w") as output:
            json.dump(noted, output, default=str)


def refusal(error: BaseException) -> str:
    """Return what a client made of a failure."""
    return f"{type(error).__name__}: {error}"


def tried(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Return what a call returned, or how it failed."""
    try:
        return function(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - it is what was seen
        return refusal(error)


def until(what: Callable[[], Any]) -> Any:
    """Return what a function returns as soon as that is something.

    Raises:
        TimeoutError: It never was.
    """
    deadline = time.monotonic() + SECONDS
    while not (found := what()):
        if time.monotonic() > deadline:
            raise TimeoutError(found)
        time.sleep(0.02)
    return found


def shape(value: Any) -> Any:
    """Return the kinds of values, and their names, for what differs from run to run."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, str):
        return re.sub("^#block[0-9]+$", "#block", value)
    return "number" if isinstance(value, int | float) else value
