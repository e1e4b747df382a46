"""Which names each kind of definition may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.language.names import in_c
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

LOWER = "name of {} must not use uppercase or '_'"
UPPER = "name of {} must not use lowercase or '-'"
CAMEL = "name of {} must use CamelCase"
INVALID = "{} has an invalid name"
LIST = "{} name should not end in 'List'"
REST = {
    "enum": ", 'data': []",
    "struct": ", 'data': {}",
    "alternate": ", 'data': { 'a': 'int' }",
    "command": "",
    "event": "",
}


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("command", "Go", LOWER),
        ("command", "go_on", LOWER),
        ("command", "x-go_on", LOWER),
        ("command", "__com_Go", LOWER),
        ("command", "", INVALID),
        ("command", "1go", INVALID),
        ("command", "-go", INVALID),
        ("command", "go on", INVALID),
        ("command", "go.on", INVALID),
        ("command", "*go", INVALID),
        ("command", "q-go", INVALID),
        ("command", "q_go", INVALID),
        ("command", "__com.go", INVALID),
        ("command", "___go", INVALID),
        ("command", "x-", None),
        ("command", "x-1", None),
        ("command", "Q-go", LOWER),
        ("command", "goList", LOWER),
        ("command", "go-List", LOWER),
        ("event", "go", UPPER),
        ("event", "GO-ON", UPPER),
        ("event", "x-GO", None),
        ("event", "q_GO", INVALID),
        ("event", "Q_GO", None),
        ("event", "__com_GO_ON2", None),
        ("struct", "foo", CAMEL),
        ("struct", "FOO", CAMEL),
        ("struct", "F", CAMEL),
        ("struct", "Foo_Bar", CAMEL),
        ("struct", "Foo-Bar", CAMEL),
        ("struct", "x_Foo", CAMEL),
        ("struct", "q_obj_go-arg", INVALID),
        ("struct", "q_empty", INVALID),
        ("struct", "Foo Bar", INVALID),
        ("struct", "FooList", LIST),
        ("struct", "List", LIST),
        ("struct", "FooKind", None),
        ("struct", "X0y", None),
        ("enum", "EnumList", LIST),
        ("enum", "eNum", CAMEL),
        ("alternate", "xAlt", CAMEL),
        ("alternate", "x-Alt", None),
    ],
)
def test_a_definition_has_a_name_after_its_kind(
    load: Load, kind: str, name: str, message: str | None
) -> None:
    said = refusal(load, f"{{ '{kind}': '{name}'{REST[kind]} }}")
    if message is None:
        assert said == ""
    else:
        expected = f"t.json: In {kind} '{name}':\nt.json:1: {message.format(kind)}"
        assert said == expected


def test_commands_named_by_a_pragma_may_have_an_underscore_but_no_upper_case(
    load: Load,
) -> None:
    pragma = "{ 'pragma': { 'command-name-exceptions': [ 'go_on', 'Go' ] } }\n"
    assert refusal(load, pragma + "{ 'command': 'go_on' }") == ""
    assert refusal(load, pragma + "{ 'command': 'Go' }") == (
        "t.json: In command 'Go':\n"
        "t.json:2: name of command must not use uppercase or '_'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{ 'struct': 'Foo', 'data': { 'A_b': 'int', 'U': 'int' } }",
        "{ 'enum': 'Foo', 'data': [ 'A_b', '1_2', 'Z' ] }",
        (
            "{ 'union': 'Foo', 'base': { 'A_b': 'QType' }, 'discriminator': 'A_b',"
            " 'data': {} }"
        ),
    ],
)
def test_members_of_types_named_by_a_pragma_may_have_upper_case_and_underscores(
    load: Load, text: str
) -> None:
    pragma = "{ 'pragma': { 'member-name-exceptions': [ 'Foo' ] } }\n"
    assert refusal(load, pragma + text) == ""
    assert "must not use uppercase or '_'" in refusal(load, text)


def test_a_pragma_does_not_lift_what_is_reserved(load: Load) -> None:
    pragma = "{ 'pragma': { 'member-name-exceptions': [ 'Foo', 'go' ] } }\n"
    text = pragma + "{ 'struct': 'Foo', 'data': { 'has_x': 'int' } }"
    assert "'data' member 'has_x' uses reserved name" in refusal(load, text)
    text = pragma + "{ 'command': 'go', 'data': { 'a_b': 'int' } }"
    assert "must not use uppercase or '_'" in refusal(load, text)


def test_names_are_the_same_in_c_if_they_differ_in_punctuation_only() -> None:
    assert in_c("__com.a-b_c") == in_c("__com_a_b-c") == "__com_a_b_c"
    assert in_c("ab") != in_c("aB")
