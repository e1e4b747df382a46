"""Where monitors are found."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from qmpx.cli.discovery import Found, discover, monitors_in
from tests.loops import short_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (
            [
                "-name",
                "guest=web,debug-threads=on",
                "-qmp",
                "unix:q,server=on,wait=off",
            ],
            [Found("unix:q", "web", "")],
        ),
        (
            [
                *("-chardev", "socket,id=mon0,path=/run/q,server=on,wait=off"),
                *("-mon", "chardev=mon0,mode=control"),
            ],
            [Found("unix:/run/q", "", "")],
        ),
        (
            ["-chardev", "socket,id=m,host=localhost,port=4444", "-mon", "m"],
            [Found("tcp:localhost:4444", "", "", is_human=True)],
        ),
        (["-monitor", "tcp:127.0.0.1:1,server", "-name", "x"], None),
        (["--qmp", "unix:/a"], [Found("unix:/a", "", "")]),
        (["-monitor", "stdio", "-qmp", "none", "-mon", "gone"], []),
        (["-chardev", "socket,id=m,fd=3", "-mon", "chardev=m,mode=control"], []),
    ],
)
def test_a_command_line_names_monitors(
    words: list[str], found: list[Found] | None
) -> None:
    if found is None:
        found = [Found("tcp:127.0.0.1:1", "x", "", is_human=True)]
    assert list(monitors_in(["qemu-system-x86_64", *words])) == found


def process(proc: Path, pid: int, folder: Path, *words: str) -> None:
    """Make a process."""
    place = proc / str(pid)
    place.mkdir(parents=True)
    (place / "cmdline").write_bytes(b"\0".join(map(os.fsencode, words)) + b"\0")
    (place / "cwd").symlink_to(folder)


def test_what_runs_is_found_with_relative_paths_made_whole(folder: Path) -> None:
    proc = folder / "proc"
    for name in ("sock", "x", "y"):
        (folder / name).touch()
    here = f"unix:{folder}"
    process(proc, 7, folder, "/usr/bin/qemu-system-arm", "-qmp", "unix:sock")
    process(proc, 8, folder, "vim", "-qmp", f"{here}/x")
    process(proc, 9, folder, "python3", "/bin/qmpx", "serve", "--qmp", f"{here}/y")
    process(proc, 10, folder, "qemu-kvm", "-qmp", "unix:gone")
    assert discover(str(proc), root=str(folder)) == [
        Found(f"{here}/sock", "qemu-system-arm", "pid 7"),
        Found(f"{here}/y", "qmpx", "pid 9"),
    ]


def test_the_usual_places_are_looked_at(folder: Path) -> None:
    path = folder / "run/vc/vm/abc/qmp.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        (folder / "var/run/qemu-server").mkdir(parents=True)
        (folder / "var/run/qemu-server/100.qmp").touch()  # no socket
        found = discover(str(folder / "proc"), root=str(folder))
    assert found == [Found(f"unix:{path}", "abc", "kata")]
