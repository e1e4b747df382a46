"""``qmpx schema``: check, list and look up what a schema says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.programs import qmpx

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # each starts a program: 0.1 s

SCHEMA = """\
{ 'include': 'types.json' }

##
# @go:
#
# Go on.
#
# @where: the place
#
# Features:
# @f: can go
#
# Since: 1.0
##
{ 'command': 'go', 'data': { 'where': 'Place', '*force': 'bool' },
  'returns': [ 'Place' ], 'features': [ 'f' ], 'allow-oob': true }

{ 'command': 'stay', 'if': 'CONFIG_REST' }
{ 'event': 'GONE', 'data': { 'where': 'Place' } }
"""
TYPES = """\
{ 'enum': 'Kind', 'data': [ 'near', { 'name': 'far', 'features': [ 'unstable' ] } ] }
{ 'struct': 'Miles', 'data': { 'miles': 'number' } }
{ 'union': 'Place', 'base': { 'kind': 'Kind' }, 'discriminator': 'kind',
  'data': { 'far': 'Miles' } }
{ 'alternate': 'Where', 'data': { 'name': 'str', 'place': 'Place' } }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "t.json").write_text(SCHEMA)
    (tmp_path / "types.json").write_text(TYPES)
    return tmp_path / "t.json"


def test_a_valid_schema_is_counted(file: Path) -> None:
    ended = qmpx("schema", "check", file)
    expected = f"{file}: commands: 2, events: 1, types: 40\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, expected, "")
    ended = qmpx("schema", "check", "--json", file)
    assert json.loads(ended.stdout) == {"commands": 2, "events": 1, "types": 40}


def test_what_is_wrong_is_told_as_by_qemus_generator(file: Path) -> None:
    types = file.with_name("types.json")
    types.write_text("\n{ 'struct': 'Kind', 'data': { 'a': 'No' } }\n")
    ended = qmpx("schema", "check", file)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"In file included from {file}:1:\n"
        f"{types}: In struct 'Kind':\n"
        f"{types}:2: member 'a' uses unknown type 'No'\n"
    )


def test_a_file_that_is_not_there_is_told_without_a_line(tmp_path: Path) -> None:
    file = tmp_path / "no.json"
    ended = qmpx("schema", "check", file)
    message = f"can't read schema file '{file}': No such file or directory\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", message)


def test_what_a_terminal_would_act_on_is_not_shown_as_it_is(file: Path) -> None:
    file.write_text("{ 'command': \x1b[2J }")
    ended = qmpx("schema", "check", file)
    assert ended.stderr == f"{file}:1:14: stray '\\x1b'\n"


def test_the_rules_of_another_release_can_be_asked_for(file: Path) -> None:
    file.write_text("##\n# @go:\n#\n# Errors: none\n##\n{ 'command': 'go' }\n")
    assert qmpx("schema", "check", file).returncode == 0
    file.write_text("##\n# @go:\n#\n# Note: none\n##\n{ 'command': 'go' }\n")
    assert qmpx("schema", "check", file, "--qemu", "8.2").returncode == 0
    ended = qmpx("schema", "check", file, "--qemu", "9.2")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{file}:4:1: The 'Note' section is no longer")
    ended = qmpx("schema", "check", file, "--qemu", "new")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "qmpx: 'new' is no release of QEMU; such as 9.2 is\n"


def test_commands_and_events_are_listed(file: Path) -> None:
    ended = qmpx("schema", "introspect", file)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        "command go(where: Place, force?: bool) -> [Place]  [f]\n"
        "command stay()  [if CONFIG_REST]\n"
        "event GONE(where: Place)\n"
    )


def test_a_build_has_what_its_symbols_say(file: Path) -> None:
    ended = qmpx("schema", "introspect", file, "-D", "CONFIG_REST")
    assert "command stay()\n" in ended.stdout
    ended = qmpx("schema", "introspect", file, "-D", "OTHER")
    assert "stay" not in ended.stdout
    ended = qmpx("schema", "introspect", "--json", file, "--define", "OTHER")
    assert "stay" not in [info["name"] for info in json.loads(ended.stdout)]


def test_introspection_is_printed_as_qemu_has_it(file: Path) -> None:
    told = json.loads(qmpx("schema", "introspect", "--json", file).stdout)
    assert told[0] == {
        "name": "go",
        "meta-type": "command",
        "arg-type": "0",
        "ret-type": "[1]",
        "allow-oob": True,
        "features": ["f"],
    }
    told = json.loads(qmpx("schema", "introspect", "--json", "--unmasked", file).stdout)
    assert (told[0]["arg-type"], told[0]["ret-type"]) == ("q_obj_go-arg", "[Place]")


def test_saved_introspection_is_read_too(file: Path) -> None:
    saved = file.with_name("saved.json")
    saved.write_text(qmpx("schema", "introspect", "--json", file).stdout)
    ended = qmpx("schema", "introspect", saved)
    assert ended.stdout == (
        "command go(where: {...}, force?: bool) -> [{...}]  [f]\n"
        "command stay()\n"
        "event GONE(where: {...})\n"
    )
    again = qmpx("schema", "introspect", "--json", saved)
    assert json.loads(again.stdout) == json.loads(saved.read_text())
    saved.write_text("[" * 100_000)
    assert qmpx("schema", "introspect", saved).returncode == 1
    saved.write_text("[")
    ended = qmpx("schema", "introspect", saved)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"qmpx: {saved}: neither a schema nor saved intr")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "go",
            """\
command go  [f]
  defined at {file}:15
  since 1.0
  Go on.
  arguments
    where: Place
        the place
    force?: bool
  returns [Place]
  may be executed out of band
""",
        ),
        (
            "stay",
            """\
command stay  [if CONFIG_REST]
  defined at {file}:18
  no arguments
  returns nothing
""",
        ),
        (
            "GONE",
            """\
event GONE
  defined at {file}:19
  data
    where: Place
""",
        ),
        (
            "Place",
            """\
union Place
  defined at {types}:3
  members
    kind: Kind
    if kind is far (Miles)
      miles: number
""",
        ),
        (
            "Kind",
            """\
enum Kind
  defined at {types}:1
  values
    near
    far  [unstable]
""",
        ),
        (
            "Where",
            """\
alternate Where
  defined at {types}:5
  one of
    name: str
    place: Place
""",
        ),
        ("[Place]", "array [Place]\n  of Place\n"),
        ("size", "built-in type size\n  on the wire: int\n"),
        ("q_empty", "struct q_empty\n  no members\n"),
    ],
)
def test_one_definition_is_shown(file: Path, name: str, text: str) -> None:
    ended = qmpx("schema", "show", file, name)
    expected = text.format(file=file, types=file.with_name("types.json"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, expected, "")


def test_one_definition_is_printed_with_what_it_needs(file: Path) -> None:
    ended = qmpx("schema", "show", "--json", file, "Where")
    names = [info["name"] for info in json.loads(ended.stdout)]
    assert names == ["Where", "str", "Place", "Kind", "Miles", "q_empty", "number"]


def test_a_name_that_is_not_there_is_status_1_with_a_hint(file: Path) -> None:
    ended = qmpx("schema", "show", file, "gone")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"qmpx: {file} has no 'gone'; did you mean 'go'?\n"
    ended = qmpx("schema", "show", file, "xyzzy")
    assert ended.stderr == f"qmpx: {file} has no 'xyzzy'\n"


def test_where_nobody_listens_is_status_3(tmp_path: Path) -> None:
    ended = qmpx("schema", "introspect", tmp_path / "no-socket")
    assert (ended.returncode, ended.stdout) == (3, "")
