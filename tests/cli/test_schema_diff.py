"""``qmpx schema diff``: what it prints, and its exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qmpx.cli.serve import demo_machine
from qmpx.dialects.modern import modern_monitor
from tests.loops import short_directory
from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program: 0.2 s

OLD = """\
{ 'enum': 'Colour', 'data': [ 'red', 'blue' ] }
{ 'struct': 'Shade', 'data': { 'colour': 'Colour' } }
{ 'command': 'paint', 'data': { 'shade': 'Shade', '*coats': 'int' } }
{ 'command': 'scrape', 'allow-oob': true }
{ 'command': 'look', 'returns': 'Shade' }
{ 'event': 'DRY' }
"""
HARMLESS = """\
{ 'enum': 'Colour', 'data': [ 'red', 'blue', 'green' ] }
{ 'struct': 'Shade', 'data': { 'colour': 'Colour' } }
{ 'command': 'paint', 'data': { 'shade': 'Shade', '*coats': 'number' },
  'features': [ 'thick' ] }
{ 'command': 'scrape', 'features': [ 'deprecated' ], 'allow-oob': true }
{ 'command': 'look', 'returns': 'Shade' }
{ 'event': 'DRY', 'data': { 'since': { 'type': 'int', 'features': [ 'f' ] } } }
"""
BREAKING = """\
{ 'enum': 'Colour', 'data': [ 'red' ] }
{ 'struct': 'Shade', 'data': { 'colour': 'Colour' } }
{ 'command': 'paint', 'data': { 'shade': 'Shade', 'coats': 'int' } }
{ 'command': 'scrape' }
{ 'command': 'look' }
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for name, text in (("old", OLD), ("harmless", HARMLESS), ("breaking", BREAKING)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(text)
    return paths


def test_of_the_same_there_is_nothing_to_tell(files: list[Path]) -> None:
    ended = qmpx("schema", "diff", files[0], files[0])
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    ended = qmpx("schema", "diff", "--json", files[0], files[0])
    assert (ended.returncode, ended.stdout) == (0, "[]\n")


def test_what_is_harmless_is_told(files: list[Path]) -> None:
    ended = qmpx("schema", "diff", files[0], files[1])
    assert (ended.returncode, ended.stderr) == (10, "")
    assert (
        ended.stdout
        == """\
  + paint: feature thick
  ~ paint: argument coats: int became number
  + paint: argument shade.colour: value green
  ~ command scrape deprecated
  + look: result colour: value green
  + DRY: data since
differences: 6, breaking callers: 0
"""
    )


def test_what_breaks_callers_is_marked(files: list[Path]) -> None:
    ended = qmpx("schema", "diff", files[0], files[2])
    assert (ended.returncode, ended.stderr) == (11, "")
    assert (
        ended.stdout
        == """\
! ~ paint: argument coats: mandatory now
! - paint: argument shade.colour: value blue
! ~ command scrape: may not run out of band now
! - look: result colour
! - event DRY
differences: 5, breaking callers: 5
"""
    )


def test_programs_are_told_the_same(files: list[Path]) -> None:
    ended = qmpx("schema", "diff", "--json", files[0], files[2])
    assert ended.returncode == 11
    assert json.loads(ended.stdout)[1] == {
        "verb": "removed",
        "kind": "value",
        "of": "paint",
        "role": "argument",
        "path": "shade.colour",
        "name": "blue",
        "breaks": True,
        "detail": "",
    }


def test_releases_can_be_compared() -> None:
    ended = qmpx("schema", "diff", "7.2", "8.2")
    assert (ended.returncode, ended.stderr) == (11, "")
    lines = ended.stdout.splitlines()
    assert "! - command x-query-profile" in lines
    assert "  + blockdev-add: argument driver: value virtio-blk-vfio-pci" not in lines
    assert "  ~ query-migrate: result disk deprecated" in lines


def test_a_running_monitor_can_be_compared(files: list[Path]) -> None:
    monitor = modern_monitor(demo_machine())
    with short_directory() as folder:
        address = f"unix:{folder}/qmp"
        with monitor.serve_in_thread(address):
            ended = qmpx("schema", "diff", address, address)
            assert (ended.returncode, ended.stdout) == (0, "")
            ended = qmpx("schema", "show", address, "eject")
            assert (ended.returncode, ended.stderr) == (0, "")
            assert (
                ended.stdout
                == """\
command eject
  arguments
    device?: str  [deprecated]
    id?: str
    force?: bool
  returns nothing
"""
            )
            ended = qmpx("schema", "diff", address, files[0])
            assert ended.returncode == 11
            assert "! - command query-status\n" in ended.stdout


def test_a_schema_that_cannot_be_had_is_no_difference(tmp_path: Path) -> None:
    ended = qmpx("schema", "diff", "7.2", tmp_path / "no.json")
    assert ended.returncode == 1
    assert "can't read schema file" in ended.stderr
