"""The schema of one build."""

from __future__ import annotations

from qmpx.qapi.builds import resolved
from qmpx.qapi.conditions import Defined, Not
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    EnumType,
    EnumValue,
    Event,
    Feature,
    Member,
    ObjectType,
    Schema,
)

A = Defined("A")
SCHEMA = Schema.of(
    (
        Event(name="GONE", condition=A),
        ObjectType(name=EMPTY),
        BuiltinType(name="int", json_type="int"),
        EnumType(
            name="Kind",
            values=(EnumValue(name="one"), EnumValue(name="two", condition=A)),
        ),
        ObjectType(
            name="More",
            condition=Not(A),
            members=(Member(name="n", type="int", optional=True, condition=A),),
        ),
        ObjectType(
            name="Union",
            members=(
                Member(name="k", type="Kind", features=(Feature("f", A), Feature("g"))),
            ),
            discriminator="k",
            branches=(Branch("one", "More"), Branch("two", EMPTY, A)),
        ),
        ArrayType(name="[More]", element="More"),
        AlternateType(
            name="Either", branches=(Branch("i", "int"), Branch("o", "More", A))
        ),
    )
)


def test_a_build_has_what_its_symbols_say_and_no_conditions() -> None:
    without = resolved(SCHEMA, ())
    assert without.find("GONE") is None
    kind = without.types["Kind"]
    assert isinstance(kind, EnumType)
    assert [value.name for value in kind.values] == ["one"]
    assert without.members_of("More") == ()
    assert without.types["More"].condition is None
    union = without.object_type("Union")
    assert [branch.name for branch in union.branches] == ["one"]
    assert union.members[0].features == (Feature("g"),)
    either = without.types["Either"]
    assert isinstance(either, AlternateType)
    assert either.branches == (Branch("i", "int"),)


def test_an_array_goes_with_its_element() -> None:
    assert {"More", "[More]"} & resolved(SCHEMA, ()).types.keys() == {"More", "[More]"}
    assert {"More", "[More]"} & resolved(SCHEMA, {"A"}).types.keys() == set()
    branches = resolved(SCHEMA, {"A"}).object_type("Union").branches
    assert branches == (Branch("one", "More"), Branch("two", EMPTY))


def test_a_build_of_a_build_is_the_same() -> None:
    build = resolved(SCHEMA, {"A"})
    assert resolved(build, {"B"}) == build
