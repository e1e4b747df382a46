"""Each rule for expressions by themselves, broken; messages are compared whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from qmpx.qapi.language import Release
    from tests.qapi.language.schemas import Load

KINDS = (
    "expression must have exactly one key 'enum', 'struct', 'union', 'alternate', "
    "'command', 'event'"
)
MEMBER_KEYS = "Valid keys are 'features', 'if', 'type'."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ }", KINDS),
        ("{ 'data': { } }", KINDS),
        ("{ 'enum': 'E', 'struct': 'S', 'data': [ ] }", KINDS),
        ("{ 'Enum': 'E', 'data': [ ] }", KINDS),
        ("{ 'enum': true, 'data': [ ] }", "'enum' requires a string name"),
        ("{ 'struct': { }, 'data': { } }", "'struct' requires a string name"),
        ("{ 'command': [ 'c' ] }", "'command' requires a string name"),
    ],
)
def test_what_has_no_kind_or_name_is_refused(
    load: Load, text: str, message: str
) -> None:
    assert refusal(load, f"\n{text}") == f"t.json:2: {message}"


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        # keys
        ("enum En", "", "enum misses key 'data'"),
        ("struct St", "'base': 'B'", "struct misses key 'data'"),
        ("union Un", "", "union misses keys 'base', 'data', 'discriminator'"),
        ("union Un", "'base': {}, 'data': {}", "union misses key 'discriminator'"),
        ("alternate Al", "'if': 'X'", "alternate misses key 'data'"),
        (
            "enum En",
            "'data': [], 'base': 'B'",
            (
                "enum has unknown key 'base'\n"
                "Valid keys are 'data', 'enum', 'features', 'if', 'prefix'."
            ),
        ),
        (
            "struct St",
            "'data': {}, 'z': true, 'boxed': true",
            (
                "struct has unknown keys 'boxed', 'z'\n"
                "Valid keys are 'base', 'data', 'features', 'if', 'struct'."
            ),
        ),
        (
            "union Un",
            "'base': {}, 'discriminator': 'x', 'data': {}, 'prefix': ''",
            (
                "union has unknown key 'prefix'\n"
                "Valid keys are 'base', 'data', 'discriminator', 'features', 'if', "
                "'union'."
            ),
        ),
        (
            "alternate Al",
            "'data': {}, 'base': {}",
            (
                "alternate has unknown key 'base'\n"
                "Valid keys are 'alternate', 'data', 'features', 'if'."
            ),
        ),
        (
            "command c",
            "'base': 'B'",
            (
                "command has unknown key 'base'\n"
                "Valid keys are 'allow-oob', 'allow-preconfig', 'boxed', 'command', "
                "'coroutine', 'data', 'features', 'gen', 'if', 'returns', "
                "'success-response'."
            ),
        ),
        (
            "event E",
            "'returns': 'B'",
            (
                "event has unknown key 'returns'\n"
                "Valid keys are 'boxed', 'data', 'event', 'features', 'if'."
            ),
        ),
        # enumerations
        ("enum En", "'data': { 'a': 'b' }", "'data' must be an array"),
        ("enum En", "'data': 'F'", "'data' must be an array"),
        ("enum En", "'data': [], 'prefix': [ 'x' ]", "'prefix' must be a string"),
        ("enum En", "'data': [ true ]", "'data' member requires a string name"),
        ("enum En", "'data': [ [ 'a' ] ]", "'data' member requires a string name"),
        (
            "enum En",
            "'data': [ { 'name': { } } ]",
            "'data' member requires a string name",
        ),
        ("enum En", "'data': [ { 'if': 'X' } ]", "'data' member misses key 'name'"),
        (
            "enum En",
            "'data': [ { 'name': 'a', 'type': 'int' } ]",
            (
                "'data' member has unknown key 'type'\n"
                "Valid keys are 'features', 'if', 'name'."
            ),
        ),
        ("enum En", "'data': [ 'a^b' ]", "'data' member 'a^b' has an invalid name"),
        ("enum En", "'data': [ '' ]", "'data' member '' has an invalid name"),
        ("enum En", "'data': [ '-a' ]", "'data' member '-a' has an invalid name"),
        ("enum En", "'data': [ 'q-a' ]", "'data' member 'q-a' has an invalid name"),
        ("enum En", "'data': [ 'q_a' ]", "'data' member 'q_a' has an invalid name"),
        (
            "enum En",
            "'data': [ 'aB' ]",
            "name of 'data' member 'aB' must not use uppercase or '_'",
        ),
        (
            "enum En",
            "'data': [ '1_2' ]",
            "name of 'data' member '1_2' must not use uppercase or '_'",
        ),
        (
            "enum En",
            "'data': [ { 'name': 'a', 'if': [ 'X' ] } ]",
            "'if' condition of 'data' member 'a' must be a string or an object",
        ),
        (
            "enum En",
            "'data': [ { 'name': 'a', 'features': 'f' } ]",
            "'features' must be an array",
        ),
        # structs
        ("struct St", "'data': [ 'a' ]", "'data' cannot be an array"),
        ("struct St", "'data': true", "'data' should be an object or type name"),
        ("struct St", "'data': 'T'", "'data' should be an object or type name"),
        ("struct St", "'data': {}, 'base': [ 'B' ]", "'base' cannot be an array"),
        (
            "struct St",
            "'data': {}, 'base': { 'a': 'int' }",
            "'base' should be a type name",
        ),
        ("struct St", "'data': {}, 'base': true", "'base' should be a type name"),
        (
            "struct St",
            "'data': { 'a': { 'b': 'int' } }",
            "'data' member 'a' misses key 'type'",
        ),
        (
            "struct St",
            "'data': { '*a': { 'type': 'int', 'default': 'x' } }",
            f"'data' member '*a' has unknown key 'default'\n{MEMBER_KEYS}",
        ),
        (
            "struct St",
            "'data': { 'a': true }",
            "'data' member 'a' should be a type name",
        ),
        (
            "struct St",
            "'data': { 'a': { 'type': { 'type': 'int' } } }",
            "'data' member 'a' should be a type name",
        ),
        (
            "struct St",
            "'data': { 'a': [ ] }",
            "'data' member 'a': array type must contain single type name",
        ),
        (
            "struct St",
            "'data': { 'a': [ 'int', 'int' ] }",
            "'data' member 'a': array type must contain single type name",
        ),
        (
            "struct St",
            "'data': { 'a': [ [ 'int' ] ] }",
            "'data' member 'a': array type must contain single type name",
        ),
        ("struct St", "'data': { '': 'int' }", "'data' member '' has an invalid name"),
        (
            "struct St",
            "'data': { '*': 'int' }",
            "'data' member '*' has an invalid name",
        ),
        (
            "struct St",
            "'data': { '**a': 'int' }",
            "'data' member '**a' has an invalid name",
        ),
        (
            "struct St",
            "'data': { '1': 'int' }",
            "'data' member '1' has an invalid name",
        ),
        (
            "struct St",
            "'data': { '_a': 'int' }",
            "'data' member '_a' has an invalid name",
        ),
        (
            "struct St",
            "'data': { '__com_a': 'int', '__.b': 'int' }",
            "'data' member '__.b' has an invalid name",
        ),
        (
            "struct St",
            "'data': { 'q_a': 'int' }",
            "'data' member 'q_a' has an invalid name",
        ),
        (
            "struct St",
            "'data': { 'A': 'int' }",
            "name of 'data' member 'A' must not use uppercase or '_'",
        ),
        (
            "struct St",
            "'data': { '*x_a': 'int' }",
            "name of 'data' member '*x_a' must not use uppercase or '_'",
        ),
        (
            "struct St",
            "'data': { '*u': 'int' }",
            "'data' member '*u' uses reserved name",
        ),
        (
            "struct St",
            "'data': { 'has-a': 'int' }",
            "'data' member 'has-a' uses reserved name",
        ),
        (
            "struct St",
            "'data': { 'a': { 'type': 'int', 'if': { } } }",
            "'if' condition of 'data' member 'a' has conflicting keys",
        ),
        # unions
        (
            "union Un",
            "'base': [ 'B' ], 'discriminator': 'x', 'data': {}",
            "'base' cannot be an array",
        ),
        (
            "union Un",
            "'base': true, 'discriminator': 'x', 'data': {}",
            "'base' should be an object or type name",
        ),
        (
            "union Un",
            "'base': { 'x': { 'y': 'E' } }, 'discriminator': 'x', 'data': {}",
            "'base' member 'x' misses key 'type'",
        ),
        (
            "union Un",
            (
                "'base': { 'x': { 'type': 'E', 'z': 'E' } }, 'discriminator': 'x', "
                "'data': {}"
            ),
            f"'base' member 'x' has unknown key 'z'\n{MEMBER_KEYS}",
        ),
        (
            "union Un",
            "'base': {}, 'discriminator': [ 'x' ], 'data': {}",
            "'discriminator' requires a string name",
        ),
        (
            "union Un",
            "'base': {}, 'discriminator': 'x', 'data': [ 'S' ]",
            "'data' must be an object",
        ),
        (
            "union Un",
            "'base': {}, 'discriminator': 'x', 'data': { 'a': { 'b': 'S' } }",
            "'data' member 'a' misses key 'type'",
        ),
        (
            "union Un",
            (
                "'base': {}, 'discriminator': 'x', "
                "'data': { 'a': { 'type': 'S', 'features': [] } }"
            ),
            (
                "'data' member 'a' has unknown key 'features'\n"
                "Valid keys are 'if', 'type'."
            ),
        ),
        (
            "union Un",
            (
                "'base': {}, 'discriminator': 'x', "
                "'data': { 'a': { 'type': 'S', 'if': { 'any': [] } } }"
            ),
            "'if' condition [] of 'data' member 'a' is useless",
        ),
        (
            "union Un",
            "'base': {}, 'discriminator': 'x', 'data': { 'a': [ 'S' ] }",
            "'data' member 'a' cannot be an array",
        ),
        # alternates
        ("alternate Al", "'data': 'T'", "'data' must be an object"),
        ("alternate Al", "'data': [ 'T' ]", "'data' must be an object"),
        ("alternate Al", "'data': { }", "'data' must not be empty"),
        (
            "alternate Al",
            "'data': { '*a': 'int' }",
            "'data' member '*a' has an invalid name",
        ),
        (
            "alternate Al",
            "'data': { 'a_b': 'int' }",
            "name of 'data' member 'a_b' must not use uppercase or '_'",
        ),
        (
            "alternate Al",
            "'data': { 'a': { } }",
            "'data' member 'a' misses key 'type'",
        ),
        (
            "alternate Al",
            "'data': { 'a': { 'type': 'int', 'features': [] } }",
            (
                "'data' member 'a' has unknown key 'features'\n"
                "Valid keys are 'if', 'type'."
            ),
        ),
        (
            "alternate Al",
            "'data': { 'a': { 'type': 'int', 'if': 'x' } }",
            "'if' condition 'x' of 'data' member 'a' is not a valid identifier",
        ),
        (
            "alternate Al",
            "'data': { 'a': [ 'int', 'str' ] }",
            "'data' member 'a': array type must contain single type name",
        ),
        # commands and events
        ("command c", "'data': [ 'S' ]", "'data' cannot be an array"),
        ("command c", "'data': false", "'data' should be an object or type name"),
        (
            "command c",
            "'data': { 'a': { 'int': 'int' } }",
            "'data' member 'a' misses key 'type'",
        ),
        (
            "command c",
            "'data': { 'A': 'int' }",
            "name of 'data' member 'A' must not use uppercase or '_'",
        ),
        (
            "command c",
            "'boxed': true, 'data': { 'a': 'int' }",
            "'data' should be a type name",
        ),
        ("command c", "'boxed': true", "'boxed': true requires 'data'"),
        ("command c", "'returns': { 'a': 'int' }", "'returns' should be a type name"),
        ("command c", "'returns': true", "'returns' should be a type name"),
        (
            "command c",
            "'returns': [ 'int', 'str' ]",
            "'returns': array type must contain single type name",
        ),
        ("event E", "'boxed': true", "'boxed': true requires 'data'"),
        (
            "event E",
            "'boxed': true, 'data': [ 'S' ]",
            "'data' cannot be an array",
        ),
        ("event E", "'data': true", "'data' should be an object or type name"),
        # flags
        ("command c", "'gen': true", "flag 'gen' may only use false value"),
        ("command c", "'gen': 'no'", "flag 'gen' may only use false value"),
        (
            "command c",
            "'success-response': true",
            "flag 'success-response' may only use false value",
        ),
        ("command c", "'boxed': false", "flag 'boxed' may only use true value"),
        (
            "command c",
            "'boxed': 'x', 'data': 'S'",
            "flag 'boxed' may only use true value",
        ),
        ("event E", "'boxed': []", "flag 'boxed' may only use true value"),
        ("command c", "'allow-oob': 'a'", "flag 'allow-oob' may only use true value"),
        (
            "command c",
            "'allow-preconfig': false",
            "flag 'allow-preconfig' may only use true value",
        ),
        ("command c", "'coroutine': false", "flag 'coroutine' may only use true value"),
        (
            "command c",
            "'allow-oob': true, 'coroutine': true",
            "flags 'allow-oob' and 'coroutine' are incompatible",
        ),
        # features
        ("command c", "'features': 'f'", "'features' must be an array"),
        (
            "command c",
            "'features': [ { 'if': 'X' } ]",
            "'features' member misses key 'name'",
        ),
        (
            "command c",
            "'features': [ { 'name': 'f', 'since': 'X' } ]",
            "'features' member has unknown key 'since'\nValid keys are 'if', 'name'.",
        ),
        (
            "command c",
            "'features': [ { 'name': [ 'f' ] } ]",
            "'features' member requires a string name",
        ),
        ("event E", "'features': [ true ]", "'features' member requires a string name"),
        (
            "struct St",
            "'data': {}, 'features': [ 'f', 'F' ]",
            "name of 'features' member 'F' must not use uppercase or '_'",
        ),
        (
            "struct St",
            "'data': {}, 'features': [ { 'name': '1' } ]",
            "'features' member '1' has an invalid name",
        ),
        (
            "struct St",
            "'data': { 'a': { 'type': 'int', 'features': [ 'a b' ] } }",
            "'features' member 'a b' has an invalid name",
        ),
        (
            "struct St",
            "'data': {}, 'features': [ { 'name': 'f', 'if': true } ]",
            "'if' condition of 'features' member 'f' must be a string or an object",
        ),
        # conditions
        (
            "command c",
            "'if': ''",
            "'if' condition '' of command is not a valid identifier",
        ),
        (
            "command c",
            "'if': 'defined(X)'",
            "'if' condition 'defined(X)' of command is not a valid identifier",
        ),
        (
            "command c",
            "'if': 'X '",
            "'if' condition 'X ' of command is not a valid identifier",
        ),
        (
            "command c",
            "'if': '_X'",
            "'if' condition '_X' of command is not a valid identifier",
        ),
        (
            "command c",
            "'if': [ 'X' ]",
            "'if' condition of command must be a string or an object",
        ),
        (
            "enum En",
            "'data': [], 'if': { 'none': [] }",
            (
                "'if' condition of enum has unknown key 'none'\n"
                "Valid keys are 'all', 'any', 'not'."
            ),
        ),
        (
            "event E",
            "'if': { 'any': [ 'X' ], 'all': [ 'Y' ] }",
            "'if' condition of event has conflicting keys",
        ),
        ("event E", "'if': { }", "'if' condition of event has conflicting keys"),
        (
            "event E",
            "'if': { 'not': { } }",
            "'if' condition of event has conflicting keys",
        ),
        (
            "event E",
            "'if': { 'all': 'X' }",
            "'all' condition of event must be an array",
        ),
        (
            "event E",
            "'if': { 'any': { 'all': [] } }",
            "'any' condition of event must be an array",
        ),
        (
            "event E",
            "'if': { 'all': [ 'X', { 'any': [] } ] }",
            "'if' condition [] of event is useless",
        ),
        (
            "event E",
            "'if': { 'not': [ 'X' ] }",
            "'if' condition of event must be a string or an object",
        ),
        (
            "event E",
            "'if': { 'all': [ 'X', { 'not': 'y' } ] }",
            "'if' condition 'y' of event is not a valid identifier",
        ),
    ],
)
def test_a_wrong_shape_is_refused_at_the_line_of_the_expression(
    load: Load, kind: str, rest: str, message: str
) -> None:
    word, name = kind.split()
    text = f"\n\n{{ '{word}': '{name}'{', ' * bool(rest)}\n{rest} }}"
    expected = f"t.json: In {word} '{name}':\nt.json:3: {message}"
    assert refusal(load, text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Each of these has two things wrong.
        ("{ 'enum': 'e', 'data': true }", "name of enum must use CamelCase"),
        (
            "{ 'enum': 'E0', 'data': true, 'x': true }",
            "name of enum must use CamelCase",
        ),
        (
            "{ 'enum': 'En', 'x': true }",
            "enum misses key 'data'",
        ),
        (
            "{ 'enum': 'En', 'data': [], 'if': 'x', 'features': true }",
            "'if' condition 'x' of enum is not a valid identifier",
        ),
        ("{ 'enum': 'En', 'data': true, 'if': 'x' }", "'data' must be an array"),
        (
            "{ 'command': 'c', 'features': true, 'gen': true }",
            "'features' must be an array",
        ),
        (
            "{ 'command': 'c', 'returns': true, 'data': true }",
            "'data' should be an object or type name",
        ),
    ],
)
def test_what_is_checked_first_is_told(load: Load, text: str, message: str) -> None:
    assert refusal(load, text).splitlines()[1] == f"t.json:1: {message}"


def test_shapes_are_checked_before_names_are_looked_up(load: Load) -> None:
    text = "{ 'command': 'c', 'data': 'None' }\n{ 'command': 'd', 'gen': true }"
    assert refusal(load, text) == (
        "t.json: In command 'd':\nt.json:2: flag 'gen' may only use false value"
    )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("'data': [ 'S' ]", "'data' should be an object or type name"),
        ("'data': { 'a': true }", "'data' member 'a' should be a type name or array"),
        ("'returns': true", "'returns' should be a type name or array"),
        ("'boxed': true, 'data': [ 'S' ]", "'data' should be a type name"),
    ],
)
@pytest.mark.parametrize("release", [(8, 1), (9, 2)])
def test_newer_qemus_have_other_words_for_types(
    load: Load, release: Release, rest: str, message: str
) -> None:
    text = f"{{ 'command': 'c', {rest} }}"
    expected = f"t.json: In command 'c':\nt.json:1: {message}"
    assert refusal(load, text, release) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{ 'enum': 'En', 'data': [], 'prefix': '' }",
        "{ 'enum': 'En', 'data': [ '0', '1-a', 'x-b', 'u', 'has-c', '__com.x_d' ] }",
        "{ 'enum': 'En', 'data': [ { 'name': 'a', 'features': [ 'f', 'f' ] } ] }",
        "{ 'struct': 'St', 'data': {} }",
        (
            "{ 'struct': 'St', 'data': { '*a': { 'type': [ 'int' ], 'if': 'X',"
            " 'features': [ 'has-a', { 'name': 'x', 'if': { 'not': 'Y0_' } } ] } } }"
        ),
        (
            "{ 'struct': '__org.x-y_x-St', 'data': { '__com_aB': 'str' } }"
            "{ 'pragma': { 'member-name-exceptions': [ '__org.x-y_x-St' ] } }"
        ),
        "{ 'alternate': 'Al', 'data': { 'u': 'null', 'has-x': 'int' } }",
        (
            "{ 'command': 'c', 'data': {}, 'gen': false, 'success-response': false,"
            " 'allow-preconfig': true, 'coroutine': true }"
        ),
        "{ 'event': 'EV_1', 'data': {}, 'features': [ 'deprecated', 'unstable' ] }",
        "{ 'if': { 'all': [ 'A', { 'any': [ 'B' ] } ] }, 'event': 'E' }",
    ],
)
def test_what_is_allowed_is_accepted(load: Load, text: str) -> None:
    assert refusal(load, text) == ""
