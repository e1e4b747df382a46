"""What expressions define: models, implicit types, names that are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.conditions import AllOf, AnyOf, Defined, Not
from qmpx.qapi.model import (
    EMPTY,
    AlternateType,
    ArrayType,
    Branch,
    Command,
    EnumType,
    EnumValue,
    Event,
    Feature,
    Member,
    ObjectType,
    Position,
)
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

INTEGERS = ["int", "size", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))]
BUILT_IN = ["any", "bool", "null", "number", "str", *INTEGERS]


def test_an_empty_schema_has_the_predefined_types(load: Load) -> None:
    schema = load("")
    arrays = {f"[{name}]" for name in BUILT_IN}
    assert set(schema.types) == {*BUILT_IN, *arrays, EMPTY, "QType"}
    assert (dict(schema.commands), dict(schema.events)) == ({}, {})
    qtype = schema.types["QType"]
    assert isinstance(qtype, EnumType)
    values = ["none", "qnull", "qnum", "qstring", "qdict", "qlist", "qbool"]
    assert [value.name for value in qtype.values] == values


def test_an_enumeration(load: Load) -> None:
    schema = load(
        "\n{ 'enum': 'En', 'prefix': 'P', 'if': 'A', 'features': [ 'f' ],\n"
        "'data': [ 'a', { 'name': 'b', 'if': 'B', 'features': [ 'deprecated' ] } ] }"
    )
    assert schema.types["En"] == EnumType(
        name="En",
        features=(Feature("f"),),
        condition=Defined("A"),
        position=Position("t.json", 2),
        module="t.json",
        prefix="P",
        values=(
            EnumValue(name="a"),
            EnumValue(
                name="b", features=(Feature("deprecated"),), condition=Defined("B")
            ),
        ),
    )


def test_a_struct_and_its_array(load: Load) -> None:
    schema = load(
        "{ 'struct': 'St', 'base': 'Ba', 'data': { '*a': [ 'St' ], 'b': 'Ba' } }\n"
        "{ 'struct': 'Ba', 'data': { } }"
    )
    assert schema.types["St"] == ObjectType(
        name="St",
        base="Ba",
        position=Position("t.json", 1),
        module="t.json",
        members=(
            Member(name="a", type="[St]", optional=True),
            Member(name="b", type="Ba"),
        ),
    )
    assert schema.types["[St]"] == ArrayType(name="[St]", element="St", module="t.json")


def test_a_union_has_a_branch_for_each_value(load: Load) -> None:
    schema = load(
        "{ 'enum': 'En', 'data': [ 'a', { 'name': 'b', 'if': 'B' }, 'c' ] }\n"
        "{ 'union': 'Un', 'base': { 'k': 'En' }, 'discriminator': 'k',\n"
        "  'data': { 'c': { 'type': 'St', 'if': 'C' } } }\n"
        "{ 'struct': 'St', 'data': { 'x': 'int' } }"
    )
    union = schema.object_type("Un")
    assert (union.base, union.discriminator) == ("q_obj_Un-base", "k")
    assert union.branches == (
        Branch("c", "St", Defined("C")),
        Branch("a", EMPTY),
        Branch("b", EMPTY, Defined("B")),
    )
    assert schema.members_of("Un") == (Member(name="k", type="En"),)
    assert schema.members_of_branch("Un", "c") == (Member(name="x", type="int"),)


def test_an_alternate(load: Load) -> None:
    schema = load("{ 'alternate': 'Al', 'data': { 'a': [ 'int' ], 'b': 'null' } }")
    alternate = schema.types["Al"]
    assert isinstance(alternate, AlternateType)
    assert alternate.branches == (Branch("a", "[int]"), Branch("b", "null"))


def test_a_command_with_all_flags(load: Load) -> None:
    schema = load(
        "{ 'command': 'c', 'data': 'St', 'returns': [ 'St' ], 'boxed': true,\n"
        "  'gen': false, 'success-response': false, 'allow-oob': true,\n"
        "  'allow-preconfig': true }\n"
        "{ 'command': 'd', 'coroutine': true }\n"
        "{ 'struct': 'St', 'data': { } }"
    )
    assert schema.commands["c"] == Command(
        name="c",
        position=Position("t.json", 1),
        module="t.json",
        arguments="St",
        returns="[St]",
        boxed=True,
        gen=False,
        success_response=False,
        allow_oob=True,
        allow_preconfig=True,
    )
    assert schema.commands["d"] == Command(
        name="d", position=Position("t.json", 4), module="t.json", coroutine=True
    )


def test_arguments_in_place_are_a_type_of_their_own(load: Load) -> None:
    schema = load(
        "{ 'command': 'c', 'if': 'A', 'data': { 'a': 'int' } }\n"
        "{ 'event': 'EV', 'data': { '*b': 'str' } }\n"
        "{ 'event': 'NO', 'data': { } }"
    )
    assert schema.commands["c"].arguments == "q_obj_c-arg"
    assert schema.types["q_obj_c-arg"].condition == Defined("A")
    assert schema.members_of("q_obj_c-arg") == (Member(name="a", type="int"),)
    assert schema.events["EV"].arguments == "q_obj_EV-arg"
    assert schema.events["NO"] == Event(
        name="NO", position=Position("t.json", 3), module="t.json"
    )
    assert schema.events["NO"].arguments == EMPTY


def test_conditions_are_kept_as_they_are_written(load: Load) -> None:
    text = "{ 'all': [ 'A', { 'any': [ 'B', { 'not': 'C' } ] } ] }"
    schema = load(f"{{ 'command': 'c', 'if': {text} }}")
    condition = schema.commands["c"].condition
    inner = AnyOf((Defined("B"), Not(Defined("C"))))
    assert condition == AllOf((Defined("A"), inner))
    assert str(condition) == "A and (B or not C)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{ 'command': 'go' }\n{ 'command': 'go' }",
            (
                "t.json: In command 'go':\nt.json:2: 'go' is already defined\n"
                "t.json: In command 'go':\nt.json:1: previous definition"
            ),
        ),
        (
            "{ 'enum': 'En', 'data': [] }\n\n{ 'struct': 'En', 'data': {} }",
            (
                "t.json: In struct 'En':\nt.json:3: 'En' is already defined\n"
                "t.json: In enum 'En':\nt.json:1: previous definition"
            ),
        ),
        (
            (
                "{ 'event': 'EV', 'if': 'A', 'data': { 'a': 'int' } }\n"
                "{ 'event': 'EV', 'if': { 'not': 'A' }, 'data': { 'b': 'int' } }"
            ),
            (
                "t.json: In event 'EV':\nt.json:2: 'EV' is already defined\n"
                "t.json: In event 'EV':\nt.json:1: previous definition"
            ),
        ),
        (
            "{ 'command': 'size' }",
            (
                "t.json: In command 'size':\n"
                "t.json:1: built-in type 'size' is already defined"
            ),
        ),
        (
            "{ 'struct': 'QType', 'data': { } }",
            (
                "t.json: In struct 'QType':\n"
                "t.json:1: enum type 'QType' is already defined"
            ),
        ),
        (
            "{ 'command': 'go', 'data': 'No' }\n{ 'command': 'go' }",
            (
                "t.json: In command 'go':\nt.json:2: 'go' is already defined\n"
                "t.json: In command 'go':\nt.json:1: previous definition"
            ),
        ),
    ],
)
def test_a_name_can_be_taken_once(load: Load, text: str, message: str) -> None:
    assert refusal(load, text) == message


def test_names_that_differ_in_case_or_punctuation_only_are_two(load: Load) -> None:
    assert refusal(load, "{ 'command': 'x-a' }{ 'event': 'X_A' }") == ""


def test_the_names_of_arrays_can_be_used_by_accident(load: Load) -> None:
    schema = load("{ 'struct': 'St', 'data': { 'a': 'intList' } }")
    assert schema.members_of("St") == (Member(name="a", type="[int]"),)
    text = "{ 'struct': 'St', 'data': { 'a': 'NoList' } }"
    assert refusal(load, text) == (
        "t.json: In struct 'St':\nt.json:1: member 'a' uses unknown type 'NoList'"
    )


def test_the_names_of_the_model_are_none_in_a_schema(load: Load) -> None:
    assert refusal(load, "{ 'struct': 'St', 'data': { 'a': '[int]' } }") == (
        "t.json: In struct 'St':\nt.json:1: member 'a' uses unknown type '[int]'"
    )
