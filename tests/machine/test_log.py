"""The log file, and the one item that this machine has to tell of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import OpenFileFailed
from qmpx.machine import Machine
from qmpx.machine.log import LOG_ITEMS
from qmpx.machine.register_dump import dump

if TYPE_CHECKING:
    from pathlib import Path


def test_the_items_are_those_of_0_13() -> None:
    names = "out_asm in_asm op op_opt int exec cpu pcall cpu_reset"
    assert [*LOG_ITEMS] == names.split()


def test_a_reset_logs_the_registers_that_were(tmp_path: Path) -> None:
    machine = Machine(processor_count=2)
    machine.log.write_to(str(tmp_path / "log"))
    assert not (tmp_path / "log").exists()
    machine.log.log(["cpu_reset"])
    machine.processors[0].registers.eax = 0x1234
    first, second = (dump(processor) for processor in machine.processors)
    machine.reset(reason="why")
    text = f"CPU Reset (CPU 0)\n{first}CPU Reset (CPU 1)\n{second}"
    assert (tmp_path / "log").read_text() == text
    assert "EAX=00001234" in first
    assert machine.processors[0].registers.eax == 0


def test_other_items_have_nothing_to_tell(tmp_path: Path) -> None:
    machine = Machine()
    machine.log.write_to(str(tmp_path / "log"))
    machine.log.log(["int", "exec"])
    machine.reset(reason="why")
    assert (tmp_path / "log").read_text() == ""


def test_the_first_file_begins_anew_and_later_ones_go_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old\n")
    second.write_text("old\n")
    machine = Machine()
    machine.log.write_to(str(first))
    machine.log.log(["cpu_reset"])
    assert first.read_text() == ""
    machine.log.write_to(str(second))
    assert second.read_text() == "old\n"
    machine.reset(reason="why")
    assert second.read_text().startswith("old\nCPU Reset (CPU 0)\n")
    machine.log.log([])
    machine.reset(reason="why")
    assert second.read_text().count("CPU Reset") == 1


def test_a_file_that_cannot_be_made_is_named_and_nothing_is_logged() -> None:
    machine = Machine()
    machine.log.write_to("/nonexistent/log")
    with pytest.raises(OpenFileFailed) as caught:
        machine.log.log(["int"])
    assert caught.value.data == {"filename": "/nonexistent/log"}
    assert machine.log.items == frozenset()


def test_another_file_is_made_at_once_while_something_is_logged(
    tmp_path: Path,
) -> None:
    machine = Machine()
    machine.log.write_to(str(tmp_path / "first"))
    machine.log.log(["int"])
    machine.log.write_to(str(tmp_path / "second"))
    assert (tmp_path / "second").read_text() == ""
    with pytest.raises(OpenFileFailed):
        machine.log.write_to("/nonexistent/log")


def test_an_unknown_item_changes_nothing() -> None:
    machine = Machine()
    with pytest.raises(KeyError):
        machine.log.log(["foo"])
    assert machine.log.items == frozenset()


def test_a_log_that_went_away_does_not_hinder_a_reset(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    machine = Machine()
    machine.log.write_to(str(folder / "log"))
    machine.log.log(["cpu_reset"])
    (folder / "log").unlink()
    folder.rmdir()
    machine.reset(reason="why")
    assert machine.log.items == frozenset()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("kept")
    machine = Machine()
    machine.log.write_to(str(tmp_path / "link"))
    with pytest.raises(OpenFileFailed):
        machine.log.log(["int"])
    assert (tmp_path / "precious").read_text() == "kept"
