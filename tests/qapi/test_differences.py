"""Differences of schemas: what is told, and whether it breaks a caller."""

from __future__ import annotations

import pytest

from qmpx.qapi.differences import Change, differences
from qmpx.qapi.introspection.reading import from_introspection
from qmpx.qapi.introspection.telling import to_introspection
from qmpx.qapi.shipped import RELEASES, shipped_schema
from tests.qapi.generated import schema_of, small_schema


def changes(old: str, new: str) -> list[str]:
    """Return the differences in short, with an exclamation mark for what breaks."""
    return [short(each) for each in differences(schema_of(old), schema_of(new))]


def short(change: Change) -> str:
    mark = "!" if change.breaks else ""
    words = (mark, change.verb, change.kind, change.of, change.role, change.path)
    return " ".join(filter(None, (*words, change.name, change.detail)))


def arguments(text: str) -> str:
    return f"{{ 'command': 'go', 'data': {text} }}"


def result(text: str) -> str:
    return (
        f"{{ 'struct': 'Rr', 'data': {text} }} {{ 'command': 'go', 'returns': 'Rr' }}"
    )


def data(text: str) -> str:
    return f"{{ 'event': 'GONE', 'data': {text} }}"


def taking(kind: str, types: str) -> str:
    """Return a schema whose command takes, or returns, something of the type Xx."""
    use = "{ 'command': 'go', 'data': { 'x': 'Xx' } }"
    if kind == "result":
        use = result("{ 'x': 'Xx' }")
    return f"{types} {use}"


ENUM = "{ 'enum': 'Xx', 'data': [ 'a', 'b' ] }"
MORE = "{ 'enum': 'Xx', 'data': [ 'a', 'b', 'c' ] }"
OLD_B = """{ 'enum': 'Xx', 'data': [ 'a',
             { 'name': 'b', 'features': [ 'deprecated' ] } ] }"""
UNION = """
{ 'enum': 'Ee', 'data': [ 'p', 'q' ] }
{ 'struct': 'Pp', 'data': { 'one': 'int' } }
{ 'union': 'Xx', 'base': { 'tag': 'Ee' }, 'discriminator': 'tag',
  'data': { 'p': 'Pp' } }
"""
BOTH = """
{ 'enum': 'Ee', 'data': [ 'p', 'q' ] }
{ 'struct': 'Pp', 'data': { 'one': 'int', 'two': 'int' } }
{ 'struct': 'Qq', 'data': { 'two': 'int' } }
{ 'union': 'Xx', 'base': { 'tag': 'Ee' }, 'discriminator': 'tag',
  'data': { 'p': 'Pp', 'q': 'Qq' } }
"""
IN_BASE = """
{ 'enum': 'Ee', 'data': [ 'p', 'q' ] }
{ 'struct': 'Pp', 'data': { 'one': 'int' } }
{ 'union': 'Xx', 'base': { 'tag': 'Ee', 'two': 'int' }, 'discriminator': 'tag',
  'data': { 'p': 'Pp' } }
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{ 'command': 'a' }",
            "{ 'command': 'b' }",
            "! removed command a a; added command b b",
        ),
        ("", "{ 'command': 'b' }", "added command b b"),
        ("{ 'event': 'A' }", "", "! removed event A A"),
        ("", "{ 'event': 'B' }", "added event B B"),
        (
            "{ 'command': 'a' }",
            "{ 'command': 'a', 'features': [ 'deprecated' ] }",
            "deprecated command a a",
        ),
        (
            "{ 'command': 'a', 'features': [ 'deprecated', 'unstable' ] }",
            "{ 'command': 'a' }",
            "removed feature a deprecated command; removed feature a unstable command",
        ),
        (
            "{ 'command': 'a', 'features': [ 'f' ] }",
            "{ 'command': 'a', 'features': [ 'g' ] }",
            "! removed feature a f command; added feature a g command",
        ),
        (
            "{ 'command': 'a', 'allow-oob': true }",
            "{ 'command': 'a' }",
            "! changed command a a may not run out of band now",
        ),
        (
            "{ 'command': 'a' }",
            "{ 'command': 'a', 'allow-oob': true }",
            "changed command a a may run out of band now",
        ),
        # Arguments.
        (
            arguments("{ 'a': 'int' }"),
            "{ 'command': 'go' }",
            "! removed argument go argument a",
        ),
        (
            "{ 'command': 'go' }",
            arguments("{ '*a': 'int' }"),
            "added argument go argument a",
        ),
        (
            "{ 'command': 'go' }",
            arguments("{ 'a': 'int' }"),
            "! added argument go argument a mandatory",
        ),
        (
            arguments("{ '*a': 'int' }"),
            arguments("{ 'a': 'int' }"),
            "! changed argument go argument a mandatory now",
        ),
        (
            arguments("{ 'a': 'int' }"),
            arguments("{ '*a': 'int' }"),
            "changed argument go argument a optional now",
        ),
        (
            arguments("{ 'a': 'int' }"),
            arguments("{ 'a': 'str' }"),
            "! changed argument go argument a int became str",
        ),
        (
            arguments("{ 'a': 'int' }"),
            arguments("{ 'a': 'number' }"),
            "changed argument go argument a int became number",
        ),
        (
            arguments("{ 'a': 'number' }"),
            arguments("{ 'a': 'int' }"),
            "! changed argument go argument a number became int",
        ),
        (
            arguments("{ 'a': 'int32' }"),
            arguments("{ 'a': 'int8' }"),
            "! changed argument go argument a int32 became int8",
        ),
        (
            arguments("{ 'a': 'uint8' }"),
            arguments("{ 'a': 'uint32' }"),
            "changed argument go argument a uint8 became uint32",
        ),
        (arguments("{ 'a': 'uint8' }"), arguments("{ 'a': 'int' }"), ""),
        (arguments("{ 'a': 'size' }"), arguments("{ 'a': 'uint64' }"), ""),
        (
            arguments("{ 'a': 'int' }"),
            arguments("{ 'a': 'any' }"),
            "changed argument go argument a int became any",
        ),
        (
            arguments("{ 'a': 'any' }"),
            arguments("{ 'a': 'int' }"),
            "! changed argument go argument a any became int",
        ),
        (
            arguments("{ 'a': 'int' }"),
            arguments("{ 'a': { 'type': 'int', 'features': [ 'deprecated' ] } }"),
            "deprecated argument go argument a",
        ),
        (
            arguments("{ 'a': [ 'int' ] }"),
            arguments("{ 'a': [ 'str' ] }"),
            "! changed argument go argument a[] int became str",
        ),
        # Results and data: the other way about.
        (
            result("{ 'a': 'int' }"),
            result("{ 'a': 'int', 'b': 'int' }"),
            "added result go result b",
        ),
        (
            result("{ 'a': 'int', 'b': 'int' }"),
            result("{ 'a': 'int' }"),
            "! removed result go result b",
        ),
        (
            result("{ 'a': 'int' }"),
            result("{ '*a': 'int' }"),
            "! changed result go result a optional now",
        ),
        (
            result("{ '*a': 'int' }"),
            result("{ 'a': 'int' }"),
            "changed result go result a mandatory now",
        ),
        (
            result("{ 'a': 'int' }"),
            result("{ 'a': 'number' }"),
            "! changed result go result a int became number",
        ),
        (
            result("{ 'a': 'int32' }"),
            result("{ 'a': 'int8' }"),
            "changed result go result a int32 became int8",
        ),
        (
            result("{ 'a': 'int' }"),
            "{ 'command': 'go' }",
            "! removed result go result a",
        ),
        (
            data("{ 'a': 'int' }"),
            data("{ '*a': 'int' }"),
            "! changed data GONE data a optional now",
        ),
        # Values.
        (
            taking("argument", ENUM),
            taking("argument", MORE),
            "added value go argument x c",
        ),
        (
            taking("argument", MORE),
            taking("argument", ENUM),
            "! removed value go argument x c",
        ),
        (taking("result", ENUM), taking("result", MORE), "added value go result x c"),
        (taking("result", MORE), taking("result", ENUM), "removed value go result x c"),
        (
            taking("argument", ENUM),
            taking("argument", OLD_B),
            "deprecated value go argument x b",
        ),
        (
            taking("argument", ENUM),
            arguments("{ 'x': 'str' }"),
            "changed argument go argument x Xx became str",
        ),
        (
            arguments("{ 'x': 'str' }"),
            taking("argument", ENUM),
            "! changed argument go argument x str became Xx",
        ),
        (
            taking("result", ENUM),
            result("{ 'x': 'str' }"),
            "! changed result go result x Xx became str",
        ),
        # Unions and alternates.
        (
            taking("argument", UNION),
            taking("argument", BOTH),
            (
                "! added argument go argument x(tag=p) two mandatory; "
                "! added argument go argument x(tag=q) two mandatory"
            ),
        ),
        (
            taking("argument", BOTH),
            taking("argument", UNION),
            (
                "! removed argument go argument x(tag=p) two; "
                "! removed argument go argument x(tag=q) two"
            ),
        ),
        (taking("argument", BOTH), taking("argument", IN_BASE), ""),
        (taking("result", IN_BASE), taking("result", BOTH), ""),
        (
            arguments("{ 'x': 'int' }"),
            taking(
                "argument", "{ 'alternate': 'Xx', 'data': { 'i': 'int', 'b': 'bool' } }"
            ),
            "changed argument go argument x int became Xx",
        ),
        (
            taking(
                "result", "{ 'alternate': 'Xx', 'data': { 'i': 'int', 'b': 'bool' } }"
            ),
            result("{ 'x': 'int' }"),
            "changed result go result x Xx became int",
        ),
    ],
)
def test_a_difference_is_told(old: str, new: str, told: str) -> None:
    assert "; ".join(changes(old, new)) == told


def test_a_type_that_is_met_often_is_told_of_where_it_is_nearest() -> None:
    def schema(values: str) -> str:
        return f"""
        {{ 'enum': 'Ee', 'data': [ {values} ] }}
        {{ 'struct': 'Deep', 'data': {{ 'e': 'Ee', '*deep': 'Deep' }} }}
        {{ 'command': 'a', 'data': {{ 'deep': 'Deep', 'e': 'Ee' }}, 'returns': 'Deep' }}
        {{ 'command': 'b', 'data': 'Deep' }}
        """

    assert changes(schema("'x', 'y'"), schema("'x'")) == [
        "! removed value a argument e y",
        "removed value a result e y",
    ]


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_is_the_same_as_what_its_monitor_tells(release: str) -> None:
    schema = shipped_schema(release)
    told = from_introspection(to_introspection(schema))
    assert differences(schema, told) == differences(told, schema) == []


@pytest.mark.slow
def test_what_was_added_is_removed_on_the_way_back() -> None:
    old, new = shipped_schema("6.2"), shipped_schema("9.2")
    there = [(c.kind, c.of, c.name) for c in differences(old, new) if c.verb == "added"]
    back = {
        (c.kind, c.of, c.name) for c in differences(new, old) if c.verb == "removed"
    }
    assert len(there) > 100
    assert [each for each in there if each[0] in {"command", "event"}] == [
        each for each in there if each in back and each[0] in {"command", "event"}
    ]


def test_a_schema_is_the_same_as_what_introspection_tells_of_it() -> None:
    schema = small_schema()
    told = from_introspection(to_introspection(schema))
    assert differences(schema, told) == differences(told, schema) == []
