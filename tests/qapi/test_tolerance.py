"""Replies of peers that are newer or older than the bindings."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from qmpx.errors import RemoteProtocolError
from qmpx.qapi import typed
from qmpx.qapi.tolerance import read_json_as, read_value_as
from qmpx.qapi.typed import Object, unknown_members, widened
from tests.qapi.generated import small

S: Any = small()
CIRCLE: dict[str, Any] = {"kind": "circle", "radius": 1}
COLOURS: Any = list[S.Colour]
REFS: Any = list[S.ShapeRef]

ODD: list[tuple[Any, Any]] = [
    # New members, also within others.
    (S.Named, {"x": 1, "node-name": "n", "new-one": [1, {"a": None}]}),
    (S.Named, {"x": 1, "node-name": "n", "new-one": 1, "new_one": 2}),
    (S.Shape, {**CIRCLE, "colour": "x"}),
    (S.Shape, {"kind": "group", "shapes": [{**CIRCLE, "z": 1}, "a"], "y": 2}),
    # New values.
    (S.Named, {"x": 1, "node-name": "n", "colour": "green"}),
    (COLOURS, ["red", "", "x y"]),
    # New branches.
    (S.Shape, {"kind": "cube", "edge": 3, "label": "l"}),
    (S.Shape, {"kind": "cube"}),
    (REFS, ["a", {"kind": "cube", "edge": 3}]),
    # What an older peer does not have yet.
    (S.Named, {"x": 1}),
    (S.Named, {}),
    (S.Shape, {"radius": 1}),
    (S.Shape, {}),
    # As declared.
    (S.Named, {"x": 1, "y": 1.5, "node-name": "n", "in": True, "notes": []}),
    (S.NumberOrNull, None),
    (S.NumberOrNull, 7),
    (Any, {"x": [1]}),
]


@pytest.mark.parametrize(("annotation", "value"), ODD)
def test_nothing_that_a_peer_says_is_lost(annotation: Any, value: Any) -> None:
    text = json.dumps(value).encode()
    read = read_json_as(annotation, text, "it")
    assert msgspec.json.decode(msgspec.json.encode(read)) == value
    assert msgspec.to_builtins(read_value_as(annotation, value, "it")) == value


def test_what_is_new_is_at_hand() -> None:
    text = b'{"x": 1, "node-name": "n", "new-one": 2, "class": 3, "colour": "pale"}'
    read = read_json_as(S.Named, text, "it")
    assert isinstance(read, S.Named)
    assert unknown_members(read) == {"new-one": 2, "class": 3}
    assert read.new_one == 2
    assert read.colour == "pale"
    assert isinstance(read.colour, S.Colour)
    assert not read.colour.is_known
    assert S.Colour.RED.is_known
    assert {"pale": 1}[read.colour] == 1
    assert unknown_members(S.Named(x=1, node_name="n")) == {}


def test_an_unknown_branch_tells_its_tag_and_what_it_has() -> None:
    read = read_json_as(S.Shape, b'{"kind": "cube", "edge": 3, "label": "l"}', "it")
    assert isinstance(read, S.Shape_unknown)
    assert (read.kind, read.label) == ("cube", "l")
    assert unknown_members(read) == {"edge": 3}


def test_a_mandatory_member_that_is_not_there_is_unset() -> None:
    read = read_json_as(S.Named, b"{}", "it")
    assert read.x is UNSET
    assert read.node_name is UNSET


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, b'"7"', "expected: integer; got: string"),
        (str, b"7", "expected: string; got: integer"),
        (bool, b"1", "expected: boolean; got: integer"),
        (float, b'"x"', "expected: number; got: string"),
        (list[str], b"{}", "expected: array; got: object"),
        (list[str], b"[1]", "expected: string; got: integer"),
        (S.Named, b"[]", "expected: object; got: array"),
        (S.Named, b'{"x": true}', "expected: integer; got: boolean"),
        (S.Named, b'{"colour": 1}', "expected: string; got: integer"),
        (S.Shape, b'{"kind": 1}', "expected: string for 'kind'; got: integer"),
        (S.Shape, b'"x"', "expected: object; got: string"),
        (S.NumberOrNull, b'"x"', "expected: integer or null; got: string"),
    ],
)
def test_a_value_of_another_kind_is_an_error(
    annotation: Any, text: bytes, message: str
) -> None:
    said = f"it is not as its type declares: {message}"
    with pytest.raises(RemoteProtocolError) as caught:
        read_json_as(annotation, text, "it")
    assert str(caught.value) == said
    with pytest.raises(RemoteProtocolError) as caught:
        read_value_as(annotation, json.loads(text), "it")
    assert str(caught.value) == said


@pytest.mark.parametrize("text", [b"", b"{", b'"\xff"', b"[" * 5000])
def test_text_that_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"^it cannot be read: "):
        read_json_as(S.Named, text, "it")


def test_classes_for_what_is_new_are_made_once_and_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(typed, "_widened", {})
    monkeypatch.setattr(typed, "MAX_WIDENED", 2)
    assert widened(S.Named, ["a", "b"]) is widened(S.Named, ["b", "a"])
    widened(S.Named, ["c"])
    with pytest.raises(RemoteProtocolError, match="2 kinds of objects had members"):
        read_json_as(S.Named, b'{"d": 1}', "it")


def test_a_wide_class_of_a_wide_class_keeps_all() -> None:
    wide: type[Any] = widened(widened(S.Named, ["a"]), ["b"])
    made = wide(x=1, node_name="n", a=2, b=3)
    assert isinstance(made, Object)
    assert msgspec.json.encode(made) == b'{"x":1,"node-name":"n","a":2,"b":3}'


JSON = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.text(max_size=4)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["kind", "radius", "shapes", "x", "node-name", "label"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=500)
@given(st.sampled_from(["Named", "Shape", "ShapeRef", "Colour", "Painted"]), JSON)
def test_whatever_comes_is_kept_or_refused(name: str, value: Any) -> None:
    try:
        read = read_json_as(getattr(S, name), json.dumps(value).encode(), "it")
    except RemoteProtocolError:
        return
    assert msgspec.json.decode(msgspec.json.encode(read)) == value
