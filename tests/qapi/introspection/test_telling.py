"""What `query-qmp-schema` tells of a schema."""

from __future__ import annotations

import pytest

from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.model import ArrayType
from tests.qapi.introspection.told import TEXT, TOLD, read


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
