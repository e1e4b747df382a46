"""What `query-qmp-schema` tells: from a model and to one."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.cli.schema_text import details, outline
from qmpx.errors import SchemaError
from qmpx.qapi.introspection import from_introspection, to_introspection
from qmpx.qapi.language import load_schema
from qmpx.qapi.model import (
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
    Schema,
)

TEXT = """
{ 'command': 'go', 'data': 'Un', 'boxed': true, 'returns': [ 'St' ],
  'allow-oob': true, 'features': [ 'deprecated', { 'name': 'f', 'if': 'A' } ] }
{ 'event': 'EV', 'data': { '*sizes': [ 'uint8' ], 'any': 'any' } }
{ 'command': 'only-a', 'if': 'A', 'data': { 'a': 'OnlyA' } }
{ 'struct': 'OnlyA', 'data': { '*self': 'OnlyA' } }
{ 'enum': 'En', 'data': [ 'x', { 'name': 'y', 'features': [ 'unstable' ] },
                          { 'name': 'z', 'if': 'A' } ] }
{ 'struct': 'Base', 'data': { 'k': 'En' } }
{ 'struct': 'St', 'base': 'Base', 'data': { 'more': 'Al' } }
{ 'struct': 'Br', 'data': { 'n': { 'type': 'size', 'features': [ 'deprecated' ] },
                            '*o': { 'type': [ 'Al' ], 'if': 'A' } } }
{ 'union': 'Un', 'base': 'Base', 'discriminator': 'k', 'data': { 'y': 'Br' } }
{ 'alternate': 'Al', 'data': { 'l': [ 'intList' ], 's': { 'type': 'str', 'if': 'A' } } }
""".replace("[ 'intList' ]", "[ 'int64' ]")


def read(text: str) -> Schema:
    return load_schema("t.json", read=lambda _: text)


TOLD: list[dict[str, Any]] = [
    {
        "name": "go",
        "meta-type": "command",
        "arg-type": "0",
        "ret-type": "[1]",
        "allow-oob": True,
        "features": ["deprecated", "f"],
    },
    {"name": "EV", "meta-type": "event", "arg-type": "2"},
    {"name": "only-a", "meta-type": "command", "arg-type": "3", "ret-type": "4"},
    {
        "name": "0",
        "meta-type": "object",
        "members": [{"name": "k", "type": "5"}],
        "tag": "k",
        "variants": [
            {"case": "y", "type": "6"},
            {"case": "x", "type": "4"},
            {"case": "z", "type": "4"},
        ],
    },
    {"name": "[1]", "meta-type": "array", "element-type": "1"},
    {
        "name": "1",
        "meta-type": "object",
        "members": [{"name": "k", "type": "5"}, {"name": "more", "type": "7"}],
    },
    {
        "name": "2",
        "meta-type": "object",
        "members": [
            {"name": "sizes", "type": "[int]", "default": None},
            {"name": "any", "type": "any"},
        ],
    },
    {"name": "3", "meta-type": "object", "members": [{"name": "a", "type": "8"}]},
    {"name": "4", "meta-type": "object", "members": []},
    {
        "name": "5",
        "meta-type": "enum",
        "members": [
            {"name": "x"},
            {"name": "y", "features": ["unstable"]},
            {"name": "z"},
        ],
        "values": ["x", "y", "z"],
    },
    {
        "name": "6",
        "meta-type": "object",
        "members": [
            {"name": "n", "type": "int", "features": ["deprecated"]},
            {"name": "o", "type": "[7]", "default": None},
        ],
    },
    {
        "name": "7",
        "meta-type": "alternate",
        "members": [{"type": "[int]"}, {"type": "str"}],
    },
    {"name": "[int]", "meta-type": "array", "element-type": "int"},
    {"name": "int", "meta-type": "builtin", "json-type": "int"},
    {"name": "any", "meta-type": "builtin", "json-type": "value"},
    {
        "name": "8",
        "meta-type": "object",
        "members": [{"name": "self", "type": "8", "default": None}],
    },
    {"name": "[7]", "meta-type": "array", "element-type": "7"},
    {"name": "str", "meta-type": "builtin", "json-type": "string"},
]


def test_a_schema_is_told_as_qemu_tells_it() -> None:
    told = to_introspection(read(TEXT))
    assert sorted(told, key=str) == sorted(TOLD, key=str)
    commands_and_events = [info["name"] for info in told[:3]]
    assert commands_and_events == ["go", "EV", "only-a"]


def test_types_come_as_they_are_first_needed() -> None:
    names = [info["name"] for info in to_introspection(read(TEXT))[3:]]
    # The array before its element; what is inside something behind it.
    assert names == [
        *("0", "[1]", "1", "2", "3", "4", "5", "6", "7"),
        *("[int]", "int", "any", "8", "[7]", "str"),
    ]


def test_names_can_be_kept() -> None:
    told = to_introspection(read(TEXT), masked=False)
    names = {info["name"] for info in told}
    assert {"Un", "[St]", "q_obj_EV-arg", "q_empty", "[int]", "En"} <= names
    assert len(told) == len(TOLD)


def test_a_build_is_told_with_the_numbers_of_the_whole() -> None:
    told = {info["name"]: info for info in to_introspection(read(TEXT), symbols=())}
    whole = {info["name"]: info for info in TOLD}
    # The type that only a switched-off command refers to stays behind.
    assert whole.keys() - told.keys() == {"only-a", "3"}
    changed = {name for name in told if told[name] != whole[name]}
    assert changed == {"go", "0", "5", "6", "7"}
    assert told["go"]["features"] == ["deprecated"]
    assert [each["case"] for each in told["0"]["variants"]] == ["y", "x"]
    assert told["5"]["values"] == ["x", "y"]
    assert [each["name"] for each in told["6"]["members"]] == ["n"]
    assert told["7"]["members"] == [{"type": "[int]"}]
    assert to_introspection(read(TEXT), symbols={"A"}) == to_introspection(read(TEXT))


def test_what_is_in_no_build_is_not_told() -> None:
    text = (
        "{ 'command': 'go', 'returns': [ 'St' ], 'if': 'A' }\n"
        "{ 'struct': 'St', 'if': 'A', 'data': { } }"
    )
    told = to_introspection(read(text), symbols=())
    assert told == [{"name": "0", "meta-type": "object", "members": []}]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("En", ["En"]),
        ("Al", ["Al", "[int]", "int", "str"]),
        ("[St]", ["[St]", "St", "En", "Al", "[int]", "int", "str"]),
        ("EV", ["EV", "q_obj_EV-arg", "[int]", "int", "any"]),
        ("uint8", ["int"]),
    ],
)
def test_one_definition_can_be_told_with_what_it_needs(
    name: str, names: list[str]
) -> None:
    schema = read(TEXT)
    only = schema.find(name) or (ArrayType(name=name, element="St"))
    told = to_introspection(schema, masked=False, only=only)
    assert sorted(info["name"] for info in told) == sorted(names)


def test_the_model_of_what_is_told() -> None:
    schema = from_introspection(TOLD)
    assert schema.commands["go"] == Command(
        name="go",
        features=(Feature("deprecated"), Feature("f")),
        arguments="0",
        returns="[1]",
        allow_oob=True,
    )
    assert schema.events["EV"] == Event(name="EV", arguments="2")
    assert schema.types["0"] == ObjectType(
        name="0",
        members=(Member(name="k", type="5"),),
        discriminator="k",
        branches=(Branch("y", "6"), Branch("x", "4"), Branch("z", "4")),
    )
    assert schema.types["5"] == EnumType(
        name="5",
        values=(
            EnumValue(name="x"),
            EnumValue(name="y", features=(Feature("unstable"),)),
            EnumValue(name="z"),
        ),
    )
    assert schema.types["7"] == AlternateType(
        name="7", branches=(Branch("", "[int]"), Branch("", "str"))
    )
    assert schema.types["[7]"] == ArrayType(name="[7]", element="7")
    member = schema.members_of("6")[1]
    assert (member.name, member.optional) == ("o", True)


def test_what_was_told_is_told_again() -> None:
    told = to_introspection(read(TEXT))
    assert to_introspection(from_introspection(told)) == told
    assert to_introspection(from_introspection(told), masked=False) == told
    names = to_introspection(read(TEXT), masked=False)
    assert to_introspection(from_introspection(names), masked=False) == names
    assert to_introspection(from_introspection(names)) == told


def test_before_6_2_values_had_no_features() -> None:
    schema = from_introspection([{"name": "0", "meta-type": "enum", "values": ["a"]}])
    assert schema.types["0"] == EnumType(name="0", values=(EnumValue(name="a"),))


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(TOLD) - 1),
            st.sampled_from(["name", "meta-type", "arg-type", "members", "tag", "x"]),
            st.sampled_from(["0", "[1]", "str", "go", "object", None, 1, [], [{}]]),
        ),
        max_size=4,
    )
)
def test_whatever_a_peer_tells_is_a_schema_or_refused(
    damage: list[tuple[int, str, Any]],
) -> None:
    infos = copy.deepcopy(TOLD)
    for index, key, value in damage:
        infos[index][key] = value
    try:
        schema = from_introspection(infos)
    except SchemaError:
        return
    for only in schema.definitions:
        to_introspection(schema, only=only)
        list(details(schema, only))
    list(outline(schema))
    told = to_introspection(schema)
    assert to_introspection(from_introspection(told)) == told


OBJECT = {"name": "0", "meta-type": "object", "members": []}


@pytest.mark.parametrize(
    ("infos", "message"),
    [
        (
            [{"name": "a"}],
            (
                "not what query-qmp-schema returns: Object missing required field "
                "`meta-type` - at `$[0]`"
            ),
        ),
        (
            [{"name": "a", "meta-type": "module"}],
            (
                "not what query-qmp-schema returns: Invalid value 'module' - at "
                "`$[0].meta-type`"
            ),
        ),
        (
            [{"name": "a", "meta-type": "event", "arg-type": None}],
            (
                "not what query-qmp-schema returns: Expected `str`, got `null` - at "
                "`$[0].arg-type`"
            ),
        ),
        (
            [{"name": "0", "meta-type": "enum"}],
            "enum '0' has neither members nor values",
        ),
        ([OBJECT, OBJECT], "introspection has '0' twice"),
        (
            [{"name": "a", "meta-type": "event", "arg-type": "1"}],
            (
                "introspection of 'a' refers to '1', which is not there or of the "
                "wrong kind"
            ),
        ),
        (
            [
                {"name": "a", "meta-type": "event", "arg-type": "str"},
                {"name": "str", "meta-type": "builtin", "json-type": "string"},
            ],
            (
                "introspection of 'a' refers to 'str', which is not there or of the "
                "wrong kind"
            ),
        ),
        (
            [{"name": "[0]", "meta-type": "array", "element-type": "[0]"}],
            (
                "introspection of '[0]' refers to '[0]', which is not there or of the "
                "wrong kind"
            ),
        ),
        (
            [{"name": "0", "meta-type": "alternate", "members": [{"type": "0"}]}],
            (
                "introspection of '0' refers to '0', which is not there or of the "
                "wrong kind"
            ),
        ),
    ],
)
def test_what_is_no_introspection_is_refused(
    infos: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(SchemaError) as caught:
        from_introspection(infos)
    assert str(caught.value) == message
