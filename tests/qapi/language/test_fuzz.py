"""Whatever a file holds: it is a schema, or a `SchemaError` says why not."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from qmpx.errors import SchemaError
from qmpx.qapi.builds import resolved
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.language import Release, load_schema
from qmpx.qapi.model import Schema

pytestmark = pytest.mark.slow

SAMPLE = """\
{ 'pragma': { 'doc-required': false, 'member-name-exceptions': [ 'En' ] } }
##
# = Title
##

##
# @go:
#
# Go on.
#
# @foo: first
#       second
# @bar: other
#
# Features:
# @f: feature
#
# Returns: nothing
# Since: 1.0
##
{ 'command': 'go', 'data': { 'foo': 'int', '*bar': [ 'St' ] }, 'returns': 'Un',
  'features': [ 'f', { 'name': 'deprecated', 'if': { 'not': 'X' } } ] }
{ 'include': 'a.json' }
{ 'enum': 'En', 'data': [ 'a', 'B_c', { 'name': '1', 'if': 'A' } ] } # comment
{ 'struct': 'St', 'data': { 'x': 'str', '*s': 'St' } }
{ 'union': 'Un', 'base': { 'k': 'En' }, 'discriminator': 'k', 'data': { 'a': 'St' } }
{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': [ 'Al' ], 'c': 'null' } }
{ 'event': 'EV', 'data': 'St', 'if': { 'all': [ 'A', { 'any': [ 'B' ] } ] } }
"""
WORDS = [
    *("{", "}", "[", "]", ":", ",", "'", "#", "##\n", "# ", "\n", "\\", '"', " "),
    *("# @go:\n", "# @foo: x\n", "#     y\n", "# Features:\n", "# Since: 9.2\n", "#\n"),
    *(
        "# Errors:\n",
        "# = T\n",
        "# Note: x\n",
        "true",
        "'go'",
        "'St'",
        "'data'",
        "'if'",
    ),
]
LAYOUT = re.compile(r"(t\.json: In \w+ '.*':\n)?t\.json:\d+(:\d+)?: .")
RELEASES = st.sampled_from([None, (7, 2), (8, 1), (9, 0), (9, 2)])


def load(text: str, release: Release | None) -> Schema | SchemaError:
    def read(path: str) -> str:
        if path != "t.json":
            raise OSError(2, os.strerror(2))
        return text

    result: Schema | SchemaError
    try:
        result = load_schema("t.json", release=release, read=read)
    except SchemaError as error:
        result = error
    if isinstance(result, SchemaError):
        assert LAYOUT.match(str(result))
    return result


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=3)).map("".join), RELEASES)
def test_of_any_text(text: str, release: Release | None) -> None:
    load(text, release)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SAMPLE)),
            st.integers(0, 12),
            st.sampled_from(WORDS) | st.text(max_size=2),
        ),
        min_size=1,
        max_size=3,
    ),
    RELEASES,
)
def test_of_a_schema_with_some_damage(
    damage: list[tuple[int, int, str]], release: Release | None
) -> None:
    text = SAMPLE
    for start, length, instead in damage:
        text = text[:start] + instead + text[start + length :]
    load(text, release)


@pytest.mark.parametrize(
    "text", ["[", "{", "{'a':", "[[{'a':", "#", "##\n", "'", "# @a:"]
)
def test_of_much_of_the_same(text: str) -> None:
    load(text * 20_000, None)
    load("##\n" + (text + "\n") * 20_000, None)


# Expressions of the right vocabulary, but put together at random.

NAMES = st.sampled_from(
    ["a", "b", "*a", "*b-c", "k", "u", "En", "St", "Un", "go", "EV"]
)
TYPES = st.sampled_from(["int", "str", "any", "En", "St", "Un", "Al", "No", "intList"])
REFERENCES = TYPES | TYPES.map(lambda name: [name])
SYMBOLS = st.sampled_from(["A", "B", "c"])
CONDITIONS = st.recursive(
    SYMBOLS,
    lambda inner: st.one_of(
        inner.map(lambda each: {"not": each}),
        st.lists(inner, max_size=2).map(lambda each: {"all": each}),
        st.lists(inner, max_size=2).map(lambda each: {"any": each}),
    ),
    max_leaves=4,
)
FEATURES = st.lists(
    st.sampled_from(["deprecated", "f"])
    | st.fixed_dictionaries({"name": st.just("g")}, optional={"if": CONDITIONS}),
    max_size=2,
)
MEMBERS = st.dictionaries(
    NAMES,
    REFERENCES
    | st.fixed_dictionaries(
        {"type": REFERENCES}, optional={"if": CONDITIONS, "features": FEATURES}
    ),
    max_size=3,
)
VALUES = st.lists(
    NAMES
    | st.fixed_dictionaries(
        {"name": NAMES}, optional={"if": CONDITIONS, "features": FEATURES}
    ),
    max_size=3,
)
COMMON = {"if": CONDITIONS, "features": FEATURES}
EXPRESSIONS = st.one_of(
    st.fixed_dictionaries({"enum": st.just("En"), "data": VALUES}, optional=COMMON),
    st.fixed_dictionaries(
        {"struct": st.just("St"), "data": MEMBERS},
        optional={"base": TYPES, **COMMON},
    ),
    st.fixed_dictionaries(
        {
            "union": st.just("Un"),
            "base": TYPES | MEMBERS,
            "discriminator": NAMES,
            "data": st.dictionaries(NAMES, TYPES, max_size=2),
        },
        optional=COMMON,
    ),
    st.fixed_dictionaries(
        {"alternate": st.just("Al"), "data": MEMBERS}, optional=COMMON
    ),
    st.fixed_dictionaries(
        {"command": st.sampled_from(["go", "do"])},
        optional={
            "data": TYPES | MEMBERS,
            "returns": REFERENCES,
            "boxed": st.just(value=True),
            "allow-oob": st.just(value=True),
            **COMMON,
        },
    ),
    st.fixed_dictionaries(
        {"event": st.just("EV")},
        optional={"data": TYPES | MEMBERS, "boxed": st.just(value=True), **COMMON},
    ),
)


def spelled(value: Any) -> str:
    """Return a value as a schema spells it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'"
        case list():
            return "[ " + ", ".join(map(spelled, value)) + " ]"
        case _:
            members = (f"'{key}': {spelled(each)}" for key, each in value.items())
            return "{ " + ", ".join(members) + " }"


@settings(max_examples=400)
@given(st.lists(EXPRESSIONS, max_size=6), RELEASES)
def test_of_random_expressions_and_what_is_told_of_them_is_told_again(
    expressions: list[Any], release: Release | None
) -> None:
    schema = load("\n".join(map(spelled, expressions)), release)
    if isinstance(schema, Schema):
        told = to_introspection(schema)
        assert to_introspection(from_introspection(told)) == told
        names = to_introspection(schema, masked=False)
        assert to_introspection(from_introspection(names), masked=False) == names


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(["a", "*b", "c-d"]), REFERENCES, max_size=3),
    st.lists(st.sampled_from(["x", "y", "0"]), min_size=1, max_size=3, unique=True),
    st.sets(st.sampled_from(["A", "B", "C"])),
    CONDITIONS,
)
def test_of_a_valid_schema_and_a_build_of_it(
    members: dict[str, Any], values: list[str], symbols: set[str], condition: Any
) -> None:
    text = "\n".join(
        map(
            spelled,
            [
                {"struct": "St", "data": members, "if": condition},
                {"enum": "En", "data": [*values, {"name": "z", "if": "C"}]},
                {
                    "union": "Un",
                    "base": {"k": "En"},
                    "discriminator": "k",
                    "data": {values[0]: "St"},
                },
                {"alternate": "Al", "data": {"o": "Un", "l": ["int"], "n": "null"}},
                {"struct": "No", "data": {"a": "Al"}},
                {"command": "go", "data": "Un", "boxed": True, "returns": ["No"]},
                {"event": "EV", "data": {"a": "Al", "n": "int"}, "if": "B"},
            ],
        )
    )
    schema = load(text, None)
    assume(isinstance(schema, Schema))
    assert isinstance(schema, Schema)
    told = to_introspection(schema, symbols=symbols)
    assert ("EV" in {info["name"] for info in told}) == ("B" in symbols)
    assert ("EV" in resolved(schema, symbols).events) == ("B" in symbols)
    full = to_introspection(schema)
    assert to_introspection(from_introspection(full)) == full
