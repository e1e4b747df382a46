"""Dumps of the memory: the same requests to a real QEMU and to our machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from qmpx.machine import Machine
from tests.peers.twins import Twins, twins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.peer("qemu"), pytest.mark.slow]

STOP = {"event": "STOP"}
FIGURES = {"total": 134479872, "status": "completed", "completed": 134479872}
COMPLETED = {"event": "DUMP_COMPLETED", "data": {"result": FIGURES}}


@pytest.fixture(scope="module")
def both() -> Iterator[Twins]:
    """Keep one running pair."""
    with twins() as pair:
        alike(pair.run("query-dump"))
        alike(pair.run("cont"))
        yield pair


def alike(told: tuple[Any, Any]) -> Any:
    """Look whether both said the same, and return it."""
    theirs, ours = told
    assert ours == theirs
    return ours


ROWS: list[dict[str, Any]] = [
    {},
    {"paging": 0, "protocol": "file:/nope/x"},
    {"paging": False},
    {"paging": False, "protocol": "x"},
    {"paging": False, "protocol": "tcp:1"},
    {"paging": False, "protocol": "file:/nope/x"},
    {"paging": False, "protocol": "fd:nope"},
    {"paging": False, "protocol": "file:/dev/null", "begin": 0},
    {"paging": False, "protocol": "file:/dev/null", "length": 5},
    {"paging": False, "protocol": "file:/dev/null", "begin": 2**40, "length": 4096},
    {"paging": False, "protocol": "file:/dev/null", "begin": -1, "length": 10},
    {"paging": False, "protocol": "file:/dev/null", "format": "kdump-lzo"},
    {"paging": False, "protocol": "file:/dev/null", "format": "kdump-snappy"},
    {"paging": False, "protocol": "file:/dev/null", "format": "zip"},
    {"paging": True, "protocol": "file:/dev/null", "format": "kdump-zlib"},
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_dumps_are_refused_alike(both: Twins, row: dict[str, Any]) -> None:
    name = "dump-guest-memory"
    alike((both.theirs.run(name, row), both.ours.run(name, row)))


def program_headers(path: Path) -> list[list[str]]:
    """Return what readelf says of the parts of a core file."""
    if shutil.which("readelf") is None:
        pytest.skip("readelf (binutils) is not installed")
    told = subprocess.run(
        ["readelf", "-hlnW", path], capture_output=True, text=True, check=True
    )
    assert told.stderr == ""
    lines = [line.split() for line in told.stdout.splitlines()]
    kinds = ("NOTE", "LOAD", "CORE", "Machine:", "Class:", "Type:")
    return [line for line in lines if line and line[0] in kinds]


@pytest.mark.parametrize(
    "part", [{}, {"begin": 4096, "length": 8192}, {"begin": 2**32 - 4096, "length": 9}]
)
def test_a_core_file_is_laid_out_alike(
    both: Twins, tmp_path: Path, part: dict[str, int]
) -> None:
    heard, laid_out = [], []
    for number, talk in enumerate((both.theirs, both.ours)):
        path = tmp_path / str(number)
        row = {"paging": False, "protocol": f"file:{path}", **part}
        heard.append(talk.run("dump-guest-memory", row))
        laid_out.append(
            (program_headers(path), path.stat().st_size, path.stat().st_mode)
        )
    assert heard[1] == heard[0]
    assert laid_out[1] == laid_out[0]
    alike(both.run("query-dump"))


def test_a_detached_dump_tells_when_it_is_done(both: Twins, tmp_path: Path) -> None:
    for number, talk in enumerate((both.theirs, both.ours)):
        path = tmp_path / str(number)
        row = {"paging": False, "protocol": f"file:{path}", "detach": True}
        assert talk.run("dump-guest-memory", row) == [STOP, {"return": {}}]
        assert talk.until("DUMP_COMPLETED", result=FIGURES) == [COMPLETED]
        talk.until("RESUME")
    alike(both.run("query-dump"))


def test_while_it_is_written_nothing_else_is_alike(both: Twins) -> None:
    for talk in (both.theirs, both.ours):
        reader, writer = os.pipe()
        talk.run("getfd", {"fdname": "dump"}, fds=[writer])
        os.close(writer)
        row = {"paging": False, "protocol": "fd:dump", "detach": True}
        assert talk.run("dump-guest-memory", row) == [STOP, {"return": {}}]
        (told,) = talk.run("query-dump")
        assert told["return"]["status"] == "active"
        busy = "There is a dump in process, please wait."
        for name in ("dump-guest-memory", "cont"):
            arguments = row if name == "dump-guest-memory" else {}
            (refused,) = talk.run(name, arguments)
            assert refused == {"error": {"class": "GenericError", "desc": busy}}
        read: list[int] = []
        thread = threading.Thread(target=drain, args=(reader, read))
        thread.start()
        talk.until("DUMP_COMPLETED", result=FIGURES)
        thread.join(20)
        os.close(reader)
        talk.until("RESUME")
        assert read == [134480867]


def drain(fd: int, counts: list[int]) -> None:
    """Read to the end, and enter how much it was."""
    count = 0
    while data := os.read(fd, 1 << 20):
        count += len(data)
    counts.append(count)


def test_gdb_reads_what_is_in_the_memory(tmp_path: Path) -> None:
    if shutil.which("gdb") is None:
        pytest.skip("gdb is not installed")
    machine = Machine()
    machine.memory.write(0x1234, b"qmpx was here\0")
    with twins(machine=machine) as pair:
        path = tmp_path / "core"
        told = pair.ours.run(
            "dump-guest-memory", {"paging": False, "protocol": f"file:{path}"}
        )
    assert told == [COMPLETED, {"return": {}}]
    shown = subprocess.run(
        ["gdb", "-nx", "-batch", "-ex", f"core-file {path}", "-ex", "x/s 0x1234"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert '"qmpx was here"' in shown.stdout
