"""What the Tab key offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.monitor.human import CommandTable, Completions
from qmpx.monitor.human.completion import complete, complete_files

if TYPE_CHECKING:
    from pathlib import Path

DRIVES = ("ide0-hd0", "ide1-cd0", "floppy0")
KEYS = ("alt", "ctrl", "f1", "f10")


@pytest.fixture
def table() -> CommandTable:
    """Give commands of several kinds of parameters."""
    commands = CommandTable()

    @commands.human("eject", "force:-f,device:B", help="")
    def eject(*, force: bool = False, device: str) -> None: ...

    @commands.human("change", "device:B,target:F,arg:s?", help="")
    def change(*, device: str, target: str, arg: str | None = None) -> None: ...

    @commands.human("x", "fmt:/,file:F", help="")
    def x(*, fmt: Any, file: str) -> None: ...

    @commands.human("c|cont", help="")
    def cont() -> None: ...

    @commands.human("sendkey", "string:s,hold_time:i?", help="")
    def sendkey(*, string: str, hold_time: int | None = None) -> None: ...

    @commands.human("m", "detach:-d,blk:-b,inc:-i,drive:B", help="")
    def m(
        *, detach: bool = False, blk: bool = False, inc: bool = False, drive: str
    ) -> None: ...

    def keys(_: Any, typed: str) -> Completions:
        last = typed.rpartition("-")[2]
        return Completions(len(last), [key for key in KEYS if key.startswith(last)])

    commands.completions["B"] = lambda session, _: session
    commands.completions["sendkey:string"] = keys
    return commands


@pytest.mark.parametrize(
    ("line", "typed", "words"),
    [
        ("", 0, ["eject", "change", "x", "c", "cont", "sendkey", "m"]),
        ("  ", 0, ["eject", "change", "x", "c", "cont", "sendkey", "m"]),
        ("c", 1, ["change", "c", "cont"]),
        (" co", 2, ["cont"]),
        ("z", 1, []),
        ("z ", 0, []),
        ("cont ", 0, []),
        ("eject ", 0, [*DRIVES]),
        ("eject id", 2, ["ide0-hd0", "ide1-cd0"]),
        ('eject "id', 2, ["ide0-hd0", "ide1-cd0"]),
        ("eject -f ", 0, [*DRIVES]),
        ("eject -f f", 1, ["floppy0"]),
        ("eject -", 1, []),
        ("eject floppy0", 7, ["floppy0"]),
        ("eject floppy0 ", 0, []),
        ("change i", 1, ["ide0-hd0", "ide1-cd0"]),
        ("change ide1-cd0 x y", 0, []),
        ("m ", 0, [*DRIVES]),
        ("m -b f", 1, ["floppy0"]),
        ("m -d -i f", 1, ["floppy0"]),
        ("m f", 1, ["floppy0"]),
        ("sendkey ctrl-al", 2, ["alt"]),
        ("sendkey f", 1, ["f1", "f10"]),
        ("sendkey a ", 0, []),
        ("x/4", 0, []),
    ],
)
def test_a_line_may_go_on(
    table: CommandTable, line: str, typed: int, words: list[str]
) -> None:
    offered = complete(table, DRIVES, line)
    assert list(offered.words) == words
    assert not words or offered.typed == typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a current directory with something in it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "cd.iso").touch()
    (tmp_path / "initrd").touch()
    (tmp_path / "kernel").touch()
    (tmp_path / "dead").symlink_to("nowhere")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_files_are_found_where_the_word_says(folder: Path) -> None:
    assert complete_files(None, "") == ["dead", "images/", "initrd", "kernel"]
    assert complete_files(None, "i") == ["images/", "initrd"]
    assert complete_files(None, "images/") == ["images/cd.iso"]
    assert complete_files(None, f"{folder}/k") == [f"{folder}/kernel"]
    assert complete_files(None, "nowhere/") == []
    assert complete_files(None, "kernel/") == []
    assert "/proc/" in complete_files(None, "/pro")


def test_a_file_name_goes_on_as_the_files_do(folder: Path, table: CommandTable) -> None:
    assert (folder / "initrd").exists()
    assert complete(table, (), "change cd im") == (2, ["images/"])
    assert complete(table, (), "change cd images/c") == (8, ["images/cd.iso"])
    assert complete(table, (), "x/4 in") == (2, ["initrd"])
    assert complete(table, (), "x /4 in") == (2, ["initrd"])
    assert complete(table, (), "x in") == (2, ["initrd"])


def test_what_the_table_says_of_files_counts(table: CommandTable) -> None:
    table.completions["F"] = lambda _, typed: [f"{typed}.img", "else"]
    assert complete(table, (), "change cd disk") == (4, ["disk.img"])
