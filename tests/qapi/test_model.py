"""The model: looking things up."""

from __future__ import annotations

import pickle

import pytest

from qmpx.qapi.conditions import Defined, Not
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    Documentation,
    EnumType,
    EnumValue,
    Event,
    Feature,
    Member,
    ObjectType,
    Position,
    Schema,
    Section,
)

A = Defined("A")
EMPTY_TYPE = ObjectType(name=EMPTY)
INT = BuiltinType(name="int", json_type="int")
BASE = ObjectType(name="Base", members=(Member(name="k", type="Kind"),))
KIND = EnumType(
    name="Kind",
    values=(
        EnumValue(name="one"),
        EnumValue(name="two", condition=A, features=(Feature("unstable"),)),
    ),
)
MORE = ObjectType(
    name="More",
    condition=Not(A),
    members=(Member(name="n", type="int", optional=True, condition=A),),
)
UNION = ObjectType(
    name="Union",
    base="Base",
    members=(
        Member(name="x", type="int", features=(Feature("f", A), Feature("deprecated"))),
    ),
    discriminator="k",
    branches=(Branch("one", "More"), Branch("two", EMPTY, A)),
)
GO = Command(name="go", arguments="Union", features=(Feature("deprecated"),))
GONE = Event(name="GONE", condition=A)
MANY = ArrayType(name="[More]", element="More")
EITHER = AlternateType(
    name="Either", branches=(Branch("i", "int"), Branch("o", "More", A))
)
ALL = (GO, GONE, EMPTY_TYPE, INT, BASE, KIND, MORE, UNION, MANY, EITHER)
SCHEMA = Schema.of(ALL)


def test_definitions_are_found_by_name_and_kind() -> None:
    assert SCHEMA.definitions == ALL
    assert dict(SCHEMA.commands) == {"go": GO}
    assert dict(SCHEMA.events) == {"GONE": GONE}
    assert tuple(SCHEMA.types.values()) == ALL[2:]
    assert SCHEMA.find("go") is GO
    assert SCHEMA.find("GONE") is GONE
    assert SCHEMA.find("Kind") is KIND
    assert SCHEMA.find("none") is None


def test_schemas_are_equal_if_their_definitions_are() -> None:
    assert Schema.of(ALL) == SCHEMA
    assert Schema.of(reversed(ALL)) != SCHEMA


def test_a_schema_goes_between_processes() -> None:
    assert pickle.loads(pickle.dumps(SCHEMA)) == SCHEMA  # noqa: S301


def test_inherited_members_come_first() -> None:
    assert SCHEMA.members_of("Union") == (*BASE.members, *UNION.members)
    assert SCHEMA.members_of_branch("Union", "one") == MORE.members
    assert SCHEMA.members_of_branch("Union", "two") == ()


@pytest.mark.parametrize("name", ["none", "Kind", "go"])
def test_what_is_no_object_type_has_no_members(name: str) -> None:
    with pytest.raises(KeyError):
        SCHEMA.members_of(name)
    with pytest.raises(KeyError):
        SCHEMA.members_of_branch("Union", name)


def test_parts_are_found_by_name() -> None:
    assert KIND.value("two") is KIND.values[1]
    assert KIND.value("three") is None
    assert UNION.branch("one") is UNION.branches[0]
    assert UNION.branch("three") is None
    assert (UNION.is_union, BASE.is_union) == (True, False)


def test_special_features_are_told() -> None:
    assert (GO.deprecated, GO.unstable) == (True, False)
    assert (KIND.values[1].deprecated, KIND.values[1].unstable) == (False, True)
    assert (UNION.members[0].deprecated, BASE.members[0].deprecated) == (True, False)


def test_positions_are_told_as_by_compilers() -> None:
    assert str(Position("a.json", 3)) == "a.json:3"
    assert str(Position("a.json", 3, 7)) == "a.json:3:7"


def test_sections_are_found_by_tag() -> None:
    documentation = Documentation(
        sections=(Section("Since", "1.0"), Section("", "x"), Section("Since", "2.0"))
    )
    assert documentation.section("Since") == "1.0"
    assert documentation.section("Note") == ""
