"""qmp-shell, with its options, on a pipe."""

import json
import pathlib
import subprocess
import sys
from typing import Any

from tests.peers.clients.playing import SECONDS, Note, Place, Script

SHELL = (
    "import sys; from qemu.qmp.qmp_shell import main; sys.argv[0] = 'qmp-shell'; "
    "sys.exit(main())"
)
script = Script()


def typed(place: Place, *lines: str, options: tuple[str, ...] = ()) -> list[str]:
    """Type lines into the shell; return what it says to each, and its first words."""
    address = place.hmp if "-H" in options else place.qmp
    ended = subprocess.run(
        [sys.executable, "-c", SHELL, *options, address],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
        env={"HOME": str(place.folder), "PYTHONPATH": ":".join(sys.path)},
        check=False,
    )
    prompt = "(QEMU) "
    if ended.returncode:
        return [ended.stderr]
    return ended.stdout.split(prompt)


def answers(place: Place, *lines: str, options: tuple[str, ...] = ()) -> list[Any]:
    """Return the answers to lines, as values where they are JSON."""
    found: list[Any] = []
    for text in typed(place, *lines, options=options)[1:-1]:
        try:
            found.append(json.loads(text))
        except ValueError:
            found.append(text)
    return found


@script.scene
def greeting(place: Place, note: Note) -> None:
    note(typed(place, "query-name")[0])
    note(typed(place, "query-name", options=("-N",))[1:])


@script.scene
def commands(place: Place, note: Note) -> None:
    note(
        answers(
            place,
            "query-name",
            "qom-list path=/machine/peripheral",
            "qom-list-types implements=iothread",
            "nosuch",
            "qom-list",
            "qom-list path=1",
            "blockdev-add driver=null-co node-name=n0 size=1024",
            'blockdev-add driver=raw node-name=r0 file={"driver":"null-co"}',
            "blockdev-add driver=raw node-name=r1 file.driver=null-co",
            "blockdev-del node-name=r0",
            "blockdev-del node-name=r1",
            "blockdev-del node-name=n0",
            "blockdev-del node-name=n0",
            "block_resize node-name=a size=0x10",
            "stop",
            "cont",
            "bad line here",
            'x="',
        )
    )


@script.scene
def transactions(place: Place, note: Note) -> None:
    note(
        answers(
            place,
            "blockdev-add driver=null-co node-name=n0",
            "transaction(",
            "block-dirty-bitmap-add node=n0 name=b0",
            "block-dirty-bitmap-add node=n0 name=b1",
            ")",
            "transaction( abort )",
            "block-dirty-bitmap-remove node=n0 name=b0",
            "block-dirty-bitmap-remove node=n0 name=b1",
            "blockdev-del node-name=n0",
        )
    )


@script.scene
def pretty_and_verbose(place: Place, note: Note) -> None:
    note(typed(place, "query-name", "stop", "cont", options=("-p",))[1:])
    note(typed(place, "query-name", options=("-v",))[1:])
    note(typed(place, "query-name", options=("-v", "-p"))[1:])


@script.scene
def people(place: Place, note: Note) -> None:
    hmp = ("-H",)
    # With -H the shell talks QMP, and sends people's lines through it.
    through = Place(place.qmp, place.qmp, str(place.folder))
    note(typed(through, "info name", options=hmp)[0])
    lines = (
        *("info status", "info version", "info name", "nosuch", "cpu 1", "cpu 9"),
        *("info nosuch", "stop", "info status", "cont", "print 1+1", "sum 0 0"),
    )
    note(answers(through, *lines, options=hmp))
    said = answers(through, "help stop", "info", options=hmp)
    note([said[0].split(" -- ")[0], len(said[1].splitlines()) > 40])


@script.scene
def a_log(place: Place, note: Note) -> None:
    log = pathlib.Path(place.file("log"))
    note(answers(place, "query-name", options=("-l", str(log))))
    note(log.exists())


@script.scene
def quits(place: Place, note: Note) -> None:
    note(answers(place, "quit"))


script.play()
