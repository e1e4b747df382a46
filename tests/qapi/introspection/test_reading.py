"""The schema that `query-qmp-schema` tells of."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmpx.cli.schema_text import details, outline
from qmpx.errors import SchemaError
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
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
)
from tests.qapi.introspection.told import TEXT, TOLD, read


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
