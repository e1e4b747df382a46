"""Schemas that are read piece by piece, beside those that are read at once."""

from __future__ import annotations

import msgspec
import pytest

from qmpx.errors import SchemaError
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.piecemeal import schema_in_pieces
from qmpx.qapi.shipped import RELEASES, shipped_introspection
from qmpx.qapi.validation import Validator

SMALL = b"""[
    {"meta-type": "command", "name": "a", "arg-type": "o", "ret-type": "e"},
    {"meta-type": "event", "name": "B", "arg-type": "o"},
    {"meta-type": "object", "name": "o", "members": [{"name": "m", "type": "e"}]},
    {"meta-type": "enum", "name": "e", "values": ["x", "y"]}
]"""


@pytest.mark.parametrize("release", RELEASES)
def test_both_ways_give_the_same_schema(release: str) -> None:
    told = shipped_introspection(release)
    whole, pieces = (
        from_introspection(told),
        schema_in_pieces(msgspec.json.encode(told)),
    )
    assert pieces == whole
    assert whole == pieces
    assert list(pieces.types) == list(whole.types)
    assert hash(pieces.definitions) == hash(whole.definitions)
    assert len(pieces.definitions) == len(whole.definitions)


def test_a_kind_has_only_its_own_names() -> None:
    schema = schema_in_pieces(SMALL)
    assert list(schema.commands) == ["a"]
    assert list(schema.events) == ["B"]
    assert list(schema.types) == ["o", "e"]
    assert "a" not in schema.types
    assert schema.types.get("a") is None
    assert schema.find("B") is schema.definitions[1]
    assert len(schema.types) == 2


def test_a_definition_that_is_wrong_shows_when_it_is_asked_for() -> None:
    text = SMALL.replace(b'"values": ["x", "y"]', b'"values": 1')
    schema = schema_in_pieces(text)
    assert schema.commands["a"].arguments == "o"
    with pytest.raises(SchemaError, match="Expected `array`, got `int`"):
        Validator(schema).check_command("a", b'{"m": "x"}')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(b"{}", "Expected `array`, got `object`", id="no list"),
        pytest.param(b"[{}]", "missing required field `name`", id="no name"),
        pytest.param(SMALL.replace(b'"B"', b'"a"'), "a name twice", id="twice"),
    ],
)
def test_what_is_no_introspection_is_refused_at_once(text: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        schema_in_pieces(text)
