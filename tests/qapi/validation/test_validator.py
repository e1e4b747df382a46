"""The validator: the fast look, the walk, and what each of them says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from qmpx.errors import CommandNotFound, GenericError, LocalProtocolError
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.model import (
    AlternateType,
    ArrayType,
    Branch,
    BuiltinType,
    Command,
    EnumType,
    EnumValue,
    Event,
    Member,
    ObjectType,
    Schema,
)
from qmpx.qapi.validation import DisabledByPolicy, Policy, Validator
from qmpx.qapi.validation.decoders import Decodables, reachable
from qmpx.qapi.validation.validator import COMPILED_FROM
from tests.qapi.visitors import told, validator, visitors


def wrong(expected: str, path: str) -> str:
    return f"Invalid parameter type for '{path}', expected: {expected}"


def M(name: str, type_: str, *, optional: bool = False) -> Member:
    return Member(name=name, type=type_, optional=optional)


# A union with one branch, one with unions for branches, one without, an alternate with
# a list of itself, an enumeration of nothing: all that is awkward.
AWKWARD = Schema.of(
    [
        *(BuiltinType(name=name, json_type="int") for name in ("int", "size")),
        BuiltinType(name="str", json_type="string"),
        BuiltinType(name="bool", json_type="boolean"),
        BuiltinType(name="any", json_type="value"),
        BuiltinType(name="frob", json_type="string"),
        EnumType(name="Nothing", values=()),
        EnumType(name="One", values=(EnumValue(name="a"),)),
        EnumType(name="Two", values=(EnumValue(name="a"), EnumValue(name="b"))),
        ObjectType(name="q_empty"),
        ObjectType(name="Plain", members=(M("x", "int"), M("y", "str", optional=True))),
        ObjectType(
            name="Single",
            members=(M("t", "One"),),
            discriminator="t",
            branches=(Branch("a", "Plain"),),
        ),
        ObjectType(
            name="Inner",
            members=(M("u", "Two"),),
            discriminator="u",
            branches=(Branch("a", "Plain"), Branch("b", "q_empty")),
        ),
        ObjectType(
            name="Outer",
            members=(M("id", "str"), M("t", "Two")),
            discriminator="t",
            branches=(Branch("a", "Inner"), Branch("b", "Plain")),
        ),
        ObjectType(
            name="Tree",
            members=(
                M("size", "size", optional=True),
                M("kids", "[Tree]", optional=True),
                M("data", "any", optional=True),
            ),
        ),
        ArrayType(name="[Tree]", element="Tree"),
        ArrayType(name="[Nest]", element="Nest"),
        AlternateType(
            name="Nest", branches=(Branch("s", "str"), Branch("l", "[Nest]"))
        ),
        ObjectType(name="q_obj_none-arg", members=(M("n", "Nothing", optional=True),)),
        Command(name="single", arguments="Single"),
        Command(name="outer", arguments="Outer", returns="Plain"),
        Command(name="tree", arguments="Tree", returns="[Tree]"),
        Command(name="none", arguments="q_obj_none-arg"),
        Command(name="nothing"),
        Command(name="free", arguments="Plain", gen=False),
        Command(name="device_add", arguments="Plain"),
        Event(name="GROWN", arguments="Tree"),
        Event(name="STOP"),
    ]
)
HOLDS = Validator(AWKWARD)
for _name in AWKWARD.commands:
    HOLDS.prepare(_name)


@pytest.mark.parametrize(
    ("command", "arguments", "text"),
    [
        ("single", {"t": "a", "x": 1}, None),
        ("single", {}, "Parameter 't' is missing"),
        ("single", {"x": 1}, "Parameter 't' is missing"),
        ("single", {"t": ""}, "Parameter 't' does not accept value ''"),
        ("single", {"t": "b"}, "Parameter 't' does not accept value 'b'"),
        ("single", {"t": None}, wrong("string", "t")),
        ("single", {"t": "a"}, "Parameter 'x' is missing"),
        ("outer", {"id": "", "t": "a", "u": "a", "x": 1, "y": ""}, None),
        ("outer", {"id": "", "t": "a", "u": "b"}, None),
        ("outer", {"id": "", "t": "b", "x": 1}, None),
        ("outer", {"t": "c"}, "Parameter 'id' is missing"),
        ("outer", {"id": "", "t": "a"}, "Parameter 'u' is missing"),
        ("outer", {"id": "", "t": "a", "u": "a"}, "Parameter 'x' is missing"),
        (
            "outer",
            {"id": "", "t": "a", "u": "b", "x": 1},
            "Parameter 'x' is unexpected",
        ),
        (
            "outer",
            {"id": "", "t": "b", "x": 1, "u": "a"},
            "Parameter 'u' is unexpected",
        ),
        ("tree", {"size": 2**64 - 1}, None),
        ("tree", {"size": -1, "data": 2**80}, None),
        ("tree", {"size": 2**64}, "Parameter 'size' expects uint64"),
        ("tree", {"size": -(2**63) - 1}, "Parameter 'size' expects uint64"),
        (
            "tree",
            {"kids": [{}, {"kids": [{"size": 2**64}]}]},
            "Parameter 'kids[1].kids[0].size' expects uint64",
        ),
        ("tree", {"kids": [{}, {"kid": 1}]}, "Parameter 'kids[1].kid' is unexpected"),
        ("tree", {"data": [{"a": [None]}]}, None),
        ("none", {}, None),
        ("none", {"n": "x"}, "Parameter 'n' does not accept value 'x'"),
        ("none", {"n": 1}, wrong("string", "n")),
        ("nothing", {}, None),
        ("nothing", {"x": None}, "Parameter 'x' is unexpected"),
        ("free", {"whatever": 1}, None),
        ("device_add", {"whatever": 1}, None),
    ],
)
def test_what_is_said_of_a_command(
    command: str, arguments: Any, text: str | None
) -> None:
    encoded = json.dumps(arguments).encode()
    assert told(HOLDS.check_command, command, encoded) == text
    assert told(HOLDS.check_command, command, Raw(encoded)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("s", None),
        ([], None),
        (["a", ["b", [[]]]], None),
        (1, "Invalid parameter type for 'null', expected: Nest"),
        (["a", [1]], "Invalid parameter type for 'null', expected: Nest"),
    ],
)
def test_an_alternate_may_hold_lists_of_itself(value: Any, text: str | None) -> None:
    assert told(HOLDS.check_value, "Nest", json.dumps(value).encode()) == text
    assert told(HOLDS.read_value, "Nest", value) == text


def test_arguments_that_are_left_out_are_none() -> None:
    HOLDS.check_command("nothing")
    HOLDS.check_command("tree")
    assert told(HOLDS.check_command, "outer") == "Parameter 'id' is missing"


def test_a_command_that_is_not_there_is_not_found() -> None:
    with pytest.raises(CommandNotFound, match="The command nope has not been found"):
        HOLDS.check_command("nope")


def test_a_decoder_looks_first_once_a_command_is_used_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    walks = []
    walk = Validator.read_value

    def noted(self: Validator, type_name: str, value: object) -> object:
        walks.append(type_name)
        return walk(self, type_name, value)

    monkeypatch.setattr(Validator, "read_value", noted)
    holds = Validator(AWKWARD)
    for _ in range(2 * COMPILED_FROM):
        holds.check_command("tree", b'{"size": 1}')
    assert len(walks) == COMPILED_FROM - 1
    for number in range(2 * COMPILED_FROM):
        wrong_one = told(holds.check_command, "single", b'{"t": ""}')
        assert wrong_one == "Parameter 't' does not accept value ''", number


def test_the_commands_that_check_for_themselves_can_be_named() -> None:
    holds = Validator(AWKWARD, unchecked=["tree"])
    holds.check_command("tree", b'{"x": 1}')
    holds.check_command("free", b'{"z": 1}')
    assert told(holds.check_command, "device_add") == "Parameter 'x' is missing"


def test_an_array_need_not_be_mentioned_by_the_schema() -> None:
    HOLDS.check_value("[Plain]", b'[{"x": 1}]')
    assert told(HOLDS.check_value, "[Plain]", b"[{}]") == "Parameter '[0].x' is missing"
    for name in ("Missing", "[Missing]"):
        with pytest.raises(KeyError):
            HOLDS.check_value(name, b"1")


def test_a_built_in_type_of_tomorrow_is_read_by_its_json_type() -> None:
    assert told(HOLDS.read_value, "frob", 1) == wrong("string", "<anonymous>")
    HOLDS.check_value("frob", b'"x"')


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(GenericError, match="the value cannot be read"):
        HOLDS.check_command("outer", b'{"id": }')


@pytest.mark.parametrize("depth", [10, 150, 900])
def test_deep_values_are_judged_or_refused_but_never_crash(depth: int) -> None:
    inner = b'{"kids":[' * depth
    outer = b"]}" * depth
    text = told(HOLDS.check_command, "tree", inner + b'{"x":1}' + outer)
    if depth < 200:
        HOLDS.check_command("tree", inner + outer)
        assert text == f"Parameter '{'kids[0].' * depth}x' is unexpected"
    else:
        assert text == "the value is nested too deeply to be checked"


# Output.


def test_a_value_that_a_command_should_not_return_is_told_to_its_author() -> None:
    HOLDS.check_return("outer", b'{"x": 1}')
    HOLDS.check_return("nothing", b"{}")
    with pytest.raises(LocalProtocolError) as caught:
        HOLDS.check_return("tree", b'[{"size": "x"}]')
    assert str(caught.value) == (
        "what 'tree' returned is not as declared: Parameter '[0].size' expects uint64"
    )


def test_data_that_an_event_should_not_have_are_told_to_their_author() -> None:
    HOLDS.check_event("STOP")
    HOLDS.check_event("GROWN", b'{"size": 1}')
    with pytest.raises(LocalProtocolError) as caught:
        HOLDS.check_event("GROWN", b'{"bad": 1}')
    assert str(caught.value) == (
        "the data of 'GROWN' are not as declared: Parameter 'bad' is unexpected"
    )
    with pytest.raises(LocalProtocolError, match="no event 'SHRUNK' is declared"):
        HOLDS.check_event("SHRUNK")


# Policies.

REJECTING = "deprecated-input=reject"


@pytest.mark.parametrize(
    ("policy", "type_name", "value", "text"),
    [
        ("", "FeatureStruct1", {"foo": 1}, None),
        (
            REJECTING,
            "FeatureStruct1",
            {"foo": 1},
            "Deprecated parameter foo disabled by policy",
        ),
        (  # before its value is looked at
            REJECTING,
            "FeatureStruct1",
            {"foo": "x"},
            "Deprecated parameter foo disabled by policy",
        ),
        (REJECTING, "FeatureStruct1", {}, "Parameter 'foo' is missing"),
        (REJECTING, "FeatureStruct2", {"foo": 1}, None),
        (
            "unstable-input=reject",
            "[FeatureStruct2]",
            [{"foo": 1}],
            "Unstable parameter foo disabled by policy",
        ),
        (REJECTING, "FeatureUnion1", {"tag": "zwei"}, None),
        (
            REJECTING,
            "FeatureUnion1",
            {"tag": "drei"},
            "Deprecated value drei disabled by policy",
        ),
        (
            REJECTING,
            "FeatureUnion1",
            {"tag": "vier"},
            "Parameter 'tag' does not accept value 'vier'",
        ),
    ],
)
def test_what_a_policy_rejects(
    policy: str, type_name: str, value: Any, text: str | None
) -> None:
    holds = validator(policy)
    assert told(holds.check_value, type_name, json.dumps(value).encode()) == text
    assert told(holds.read_value, type_name, value) == text


def test_a_command_that_a_policy_rejects_is_not_found() -> None:
    info: list[dict[str, Any]] = to_introspection(AWKWARD)
    for each in info:
        if each["name"] == "nothing":
            each["features"] = ["unstable", "deprecated"]
    schema = from_introspection(info)
    Validator(schema).check_command("nothing")
    for policy, word in (
        ("deprecated-input=reject,unstable-input=reject", "Deprecated"),
        ("unstable-input=reject", "Unstable"),
    ):
        with pytest.raises(DisabledByPolicy) as caught:
            Validator(schema, Policy.parse(policy)).check_command("nothing")
        assert caught.value.desc == f"{word} command nothing disabled by policy"
        assert caught.value.error_class == "CommandNotFound"


def test_a_policy_on_input_does_not_look_at_output() -> None:
    schema = visitors()
    marked = Command(name="give", returns="FeatureStruct1")
    holds = Validator(Schema.of([*schema.definitions, marked]), Policy.parse(REJECTING))
    holds.check_return("give", b'{"foo": 1}')


# Both looks agree, on whatever comes.

NAMES = st.sampled_from(
    ["integer", "string", "enum1", "boolean", "intb", "a-b", "alt", "id", "t", "u", "x"]
)
WORDS = st.sampled_from(["value1", "value2", "value4", "a", "b", "", "é", "good"])
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -1, 255, 256]),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=6)
    ),
    max_leaves=12,
)


def fitting(schema: Schema, name: str) -> st.SearchStrategy[Any]:
    """Return values that mostly fit a type, and at times just do not."""
    return st.one_of(
        st.builds(
            dict,
            st.fixed_dictionaries(
                {member.name: JSON for member in schema.members_of(name)}
            ),
        ),
        JSON,
    )


TYPES = [
    *(n for n, t in visitors().types.items() if not isinstance(t, BuiltinType)),
    *("int", "int8", "uint8", "uint32", "size", "number", "str", "bool", "null", "any"),
]


@pytest.mark.slow
@settings(max_examples=500)
@given(data=st.data())
def test_the_fast_look_and_the_walk_say_the_same(data: st.DataObject) -> None:
    schema = visitors()
    name = data.draw(st.sampled_from(TYPES))
    is_object = isinstance(schema.types.get(name), ObjectType)
    value = data.draw(fitting(schema, name) if is_object else JSON)
    policy = data.draw(st.sampled_from(["", REJECTING, "unstable-input=reject"]))
    holds = validator(policy)
    text = json.dumps(value).encode()
    assert told(holds.check_value, name, text) == told(holds.read_value, name, value)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.sampled_from(["Outer", "Tree", "Single", "Inner", "Nest"]), JSON)
def test_the_two_agree_on_what_is_awkward_too(name: str, value: Any) -> None:
    text = json.dumps(value).encode()
    assert told(HOLDS.check_value, name, text) == told(HOLDS.read_value, name, value)


def test_all_types_that_a_value_may_hold_are_found() -> None:
    assert reachable(AWKWARD, "Outer") == {
        *("Outer", "str", "Two", "Inner", "Plain", "int", "q_empty"),
    }
    assert reachable(AWKWARD, "Nest") == {"Nest", "str", "[Nest]"}


def test_types_are_made_once() -> None:
    decodables = Decodables(AWKWARD)
    assert decodables.of("Tree").annotation is decodables.of("Tree").annotation
    assert decodables.of("Outer").is_lax
    assert not decodables.of("Single").is_lax
