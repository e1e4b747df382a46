"""Output without what a policy hides."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    EnumType,
    EnumValue,
    Event,
    Feature,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.validation import Policy, Validator

OLD, NEW = (Feature("deprecated"),), (Feature("unstable"),)
SCHEMA = Schema.of(
    [
        BuiltinType(name="int", json_type="int"),
        BuiltinType(name="str", json_type="string"),
        EnumType(
            name="Kind", values=(EnumValue(name="a", features=OLD), EnumValue(name="b"))
        ),
        ObjectType(
            name="Leaf",
            members=(
                Member(name="n", type="int"),
                Member(name="old", type="int", optional=True, features=OLD),
                Member(name="new", type="int", optional=True, features=NEW),
            ),
        ),
        ArrayType(name="[Leaf]", element="Leaf"),
        ObjectType(
            name="Tree",
            members=(
                Member(name="kind", type="Kind"),
                Member(name="leaves", type="[Leaf]", optional=True),
            ),
            discriminator="kind",
            branches=(Branch("b", "Leaf"),),
        ),
        AlternateType(name="Ref", branches=(Branch("n", "str"), Branch("l", "Leaf"))),
        ArrayType(name="[Ref]", element="Ref"),
        ObjectType(name="q_empty"),
        Command(name="tree", returns="Tree"),
        Command(name="refs", returns="[Ref]"),
        Command(name="count", returns="int"),
        Event(name="OLD", arguments="Leaf", features=OLD),
        Event(name="NOW", arguments="Leaf"),
    ]
)
LEAF = {"n": 1, "old": 2, "new": 3}


@pytest.mark.parametrize(
    ("command", "value", "shown"),
    [
        ("tree", {"kind": "a"}, {"kind": "a"}),
        (
            "tree",
            {"kind": "b", **LEAF, "leaves": [LEAF, {"n": 4}]},
            {
                "kind": "b",
                "n": 1,
                "new": 3,
                "leaves": [{"n": 1, "new": 3}, {"n": 4}],
            },
        ),
        ("refs", ["x", LEAF], ["x", {"n": 1, "new": 3}]),
        ("count", 7, 7),
    ],
)
def test_members_are_hidden_wherever_they_are(
    command: str, value: Any, shown: Any
) -> None:
    hiding = Validator(SCHEMA, Policy(deprecated_output="hide"))
    assert hiding.visible_return(command, value) == shown
    assert Validator(SCHEMA).visible_return(command, value) == value


def test_events_and_their_data_are_hidden() -> None:
    hiding = Validator(SCHEMA, Policy(unstable_output="hide", deprecated_output="hide"))
    assert hiding.hides_event("OLD")
    assert not hiding.hides_event("NOW")
    assert not hiding.hides_event("NEVER_HEARD_OF")
    assert not Validator(SCHEMA).hides_event("OLD")
    assert hiding.visible_data("NOW", LEAF) == {"n": 1}


def test_the_value_itself_is_left_alone() -> None:
    value = {"kind": "b", **LEAF, "leaves": [dict(LEAF)]}
    Validator(SCHEMA, Policy(deprecated_output="hide")).visible_return("tree", value)
    assert value == {"kind": "b", **LEAF, "leaves": [LEAF]}
