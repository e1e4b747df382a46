"""What a schema with documentation adds to what the monitor says of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.cli.shell.prose import (
    explained,
    first_file,
    names_explained,
    place_explained,
)
from qmpx.errors import SchemaError
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import load_schema

if TYPE_CHECKING:
    from pathlib import Path

    from qmpx.qapi.model import Schema

TEXT = """\
##
# @Speed:
#
# How fast. There is more to say.
#
# @slow: takes its time
#
# @fast: is soon done
##
{ 'enum': 'Speed', 'data': [ 'slow', 'fast' ] }

##
# @Base:
#
# @speed: how fast it goes. Mostly.
##
{ 'struct': 'Base', 'data': { 'speed': 'Speed' } }

##
# @Fast:
#
# @limit: the most
##
{ 'struct': 'Fast', 'data': { 'limit': 'int' } }

##
# @Slow:
##
{ 'struct': 'Slow', 'data': {} }

##
# @Trip:
#
# A trip.
##
{ 'union': 'Trip', 'base': 'Base', 'discriminator': 'speed',
  'data': { 'fast': 'Fast', 'slow': 'Slow' } }

##
# @go:
#
# Go somewhere. It may take a while.
#
# @where: the place
#
# @trip: how to go
##
{ 'command': 'go', 'data': { 'where': 'str', 'trip': 'Trip' } }

##
# @travel:
#
# Go anywhere.
##
{ 'command': 'travel', 'data': 'Trip', 'boxed': true }
"""


MOSTLY = "how fast it goes."


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Give sources of a monitor."""
    (tmp_path / "qapi").mkdir()
    (tmp_path / "qapi" / "qapi-schema.json").write_text(TEXT)
    return tmp_path


@pytest.fixture
def prose(sources: Path) -> Schema:
    """Give what is said there."""
    return load_schema(first_file(str(sources)))


@pytest.mark.parametrize("place", ["", "qapi", "qapi/qapi-schema.json"])
def test_sources_their_folder_and_the_file_will_do(sources: Path, place: str) -> None:
    found = first_file(str(sources / place))
    assert found == str(sources / "qapi" / "qapi-schema.json")


def test_a_folder_without_a_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"there is no qapi-schema\.json in it"):
        first_file(str(tmp_path))


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("g", {"go": "Go somewhere.", "travel": "Go anywhere."}),
        ("go ", {"where": "the place", "trip": "how to go"}),
        ("go trip.", {"speed": MOSTLY}),
        (
            "go trip.speed=fast trip.",
            {"speed": MOSTLY, "limit": "the most"},
        ),
        ("go trip.speed=", {"slow": "takes its time", "fast": "is soon done"}),
        ("travel speed=fast ", {"speed": MOSTLY, "limit": "the most"}),
        ("nosuch ", {}),
    ],
)
def test_each_name_is_explained(
    prose: Schema, line: str, names: dict[str, str]
) -> None:
    assert names_explained(line, prose) == names


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("go", "Go somewhere."),
        ("g", ""),
        ("go wh", "Go somewhere."),
        ("go where=", "the place"),
        ("go trip.speed=fa", MOSTLY),
        ("travel speed=", MOSTLY),
    ],
)
def test_what_is_being_typed_is_explained(prose: Schema, line: str, text: str) -> None:
    assert place_explained(line, prose) == text


def test_a_monitors_own_definition_gets_what_is_said_of_it(prose: Schema) -> None:
    told = from_introspection(to_introspection(prose))  # types have numbers only
    travel = explained(told.commands["travel"], prose)
    assert travel.documentation is not None
    assert travel.documentation.text == "Go anywhere."
    assert travel.documentation.members == {"speed": "how fast it goes. Mostly."}
    assert travel.arguments == told.commands["travel"].arguments
