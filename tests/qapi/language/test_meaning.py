"""Each rule for definitions together, broken; messages are compared whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.language.meaning import MAX_INHERITANCE
from qmpx.qapi.model import Branch
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

ENUM = "{ 'enum': 'En', 'data': [ 'a', 'b-c' ] }\n"
BASE = "{ 'struct': 'Base', 'data': { 'k': 'En', '*o': 'int', 's': 'str' } }\n"
TYPES = (
    ENUM
    + BASE
    + "{ 'struct': 'St', 'data': { 'x-y': 'int' } }\n"
    + "{ 'union': 'Un', 'base': 'Base', 'discriminator': 'k', 'data': { 'a': 'St' } }\n"
    + "{ 'alternate': 'Al', 'data': { 'a': 'int', 'b': 'St' } }\n"
)


def union(rest: str) -> str:
    return f"{{ 'union': 'New', 'discriminator': 'k', {rest} }}"


def alternate(*types: str) -> str:
    branches = ", ".join(f"'b{i}': {each}" for i, each in enumerate(types))
    return f"{{ 'alternate': 'New', 'data': {{ {branches} }} }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # references
        (
            "{ 'struct': 'New', 'data': { 'a': 'No' } }",
            "member 'a' uses unknown type 'No'",
        ),
        (
            "{ 'struct': 'New', 'data': { 'a': [ 'No' ] } }",
            "struct uses unknown type 'No'",
        ),
        (
            "{ 'struct': 'New', 'data': { '*a': 'new' } }",
            "member 'a' uses unknown type 'new'",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'No' }",
            "'base' uses unknown type 'No'",
        ),
        (
            "{ 'command': 'new', 'data': 'No' }",
            "command's 'data' uses unknown type 'No'",
        ),
        (
            "{ 'command': 'new', 'data': 'new' }",
            "command's 'data' uses unknown type 'new'",
        ),
        (
            "{ 'command': 'new', 'data': { 'a': 'No' } }",
            "parameter 'a' uses unknown type 'No'",
        ),
        (
            "{ 'command': 'new', 'data': { 'a': [ 'No' ] } }",
            "command uses unknown type 'No'",
        ),
        (
            "{ 'command': 'new', 'returns': 'No' }",
            "command's 'returns' uses unknown type 'No'",
        ),
        ("{ 'command': 'new', 'returns': [ 'No' ] }", "command uses unknown type 'No'"),
        ("{ 'event': 'NEW', 'data': 'No' }", "event's 'data' uses unknown type 'No'"),
        (
            "{ 'event': 'NEW', 'data': { 'a': 'No' } }",
            "parameter 'a' uses unknown type 'No'",
        ),
        (union("'base': 'No', 'data': {}"), "'base' uses unknown type 'No'"),
        (
            union("'base': { 'k': 'No' }, 'data': {}"),
            "base member 'k' uses unknown type 'No'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'No' }"),
            "branch 'a' uses unknown type 'No'",
        ),
        (alternate("'No'"), "branch 'b0' uses unknown type 'No'"),
        (alternate("[ 'No' ]"), "alternate uses unknown type 'No'"),
        (
            "{ 'struct': 'New', 'data': { 'a': [ 'intList' ] } }",
            "struct uses an array of array type ['int']",
        ),
        # bases
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'Un' }",
            "'base' requires a struct type, union type 'Un' isn't",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'int' }",
            "'base' requires a struct type, built-in type 'int' isn't",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'En' }",
            "'base' requires a struct type, enum type 'En' isn't",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'Al' }",
            "'base' requires a struct type, alternate type 'Al' isn't",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'strList' }",
            "'base' requires a struct type, array type ['str'] isn't",
        ),
        (
            union("'base': 'Un', 'data': {}"),
            "'base' requires a struct type, union type 'Un' isn't",
        ),
        (
            union("'base': 'any', 'data': {}"),
            "'base' requires a struct type, built-in type 'any' isn't",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'base': 'New' }",
            "object New contains itself",
        ),
        # clashes
        (
            "{ 'struct': 'New', 'data': { 'o': 'int' }, 'base': 'Base' }",
            "member 'o' collides with member 'o' of type 'Base'",
        ),
        (
            "{ 'struct': 'New', 'data': { 'o': 'int', '*o': 'int' } }",
            "member 'o' collides with member 'o'",
        ),
        (
            "{ 'command': 'new', 'data': { '*o': 'int', 'o': 'int' } }",
            "parameter 'o' collides with parameter 'o'",
        ),
        (
            union("'base': { 'k': 'En', '*k': 'int' }, 'data': {}"),
            "base member 'k' collides with base member 'k'",
        ),
        (
            union("'base': { 'k': 'En', 'x-y': 'str' }, 'data': { 'a': 'St' }"),
            "member 'x-y' of type 'St' collides with base member 'x-y'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'St', 'b-c': 'Base' }"),
            "member 'k' of type 'Base' collides with member 'k' of type 'Base'",
        ),
        (
            "{ 'enum': 'New', 'data': [ 'a', 'b', 'a' ] }",
            "value 'a' collides with value 'a'",
        ),
        (
            "{ 'enum': 'New', 'data': [ 'a', { 'name': 'a', 'if': 'X' } ] }",
            "value 'a' collides with value 'a'",
        ),
        (
            "{ 'alternate': 'New', 'data': { '__a.b_c': 'int', '__a-b_c': 'St' } }",
            "branch '__a-b_c' collides with branch '__a.b_c'",
        ),
        (
            "{ 'command': 'new', 'features': [ 'f', 'f' ] }",
            "feature 'f' collides with feature 'f'",
        ),
        (
            "{ 'event': 'NEW', 'features': [ 'f', { 'name': 'f', 'if': 'X' } ] }",
            "feature 'f' collides with feature 'f'",
        ),
        (
            "{ 'struct': 'New', 'data': {}, 'features': [ 'f', 'f' ] }",
            "feature 'f' collides with feature 'f'",
        ),
        (
            (
                "{ 'struct': 'New', 'data': { 'a': { 'type': 'int',"
                " 'features': [ 'f', 'f' ] } } }"
            ),
            "feature 'f' of type 'a' collides with feature 'f' of type 'a'",
        ),
        # special features
        (
            "{ 'struct': 'New', 'data': {}, 'features': [ 'deprecated' ] }",
            "feature 'deprecated' is not supported for types",
        ),
        (
            "{ 'enum': 'New', 'data': [], 'features': [ 'f', 'unstable' ] }",
            "feature 'unstable' is not supported for types",
        ),
        (
            "{ 'alternate': 'New', 'data': { 'a': 'No' }, 'features': [ 'unstable' ] }",
            "feature 'unstable' is not supported for types",
        ),
        # unions
        (
            union("'base': {}, 'data': {}"),
            "discriminator 'k' is not a member of 'base'",
        ),
        (
            union("'base': 'St', 'data': {}"),
            "discriminator 'k' is not a member of 'base'",
        ),
        (
            (
                "{ 'union': 'New', 'base': { '*k': 'En' }, 'discriminator': '*k',"
                " 'data': {} }"
            ),
            "discriminator '*k' is not a member of 'base'",
        ),
        (
            "{ 'union': 'New', 'base': 'St', 'discriminator': 'x_y', 'data': {} }",
            "discriminator 'x_y' is not a member of 'base'",
        ),
        (
            union("'base': { 'k': 'str' }, 'data': {}"),
            "discriminator member 'k' of 'base' must be of enum type",
        ),
        (
            "{ 'union': 'New', 'base': 'Base', 'discriminator': 's', 'data': {} }",
            "discriminator member 's' of base type 'Base' must be of enum type",
        ),
        (
            union("'base': { '*k': 'En' }, 'data': {}"),
            "discriminator member 'k' of 'base' must not be optional",
        ),
        (
            union("'base': { 'k': { 'type': 'En', 'if': 'X' } }, 'data': {}"),
            "discriminator member 'k' of 'base' must not be conditional",
        ),
        (
            "{ 'enum': 'No', 'data': [] }" + union("'base': { 'k': 'No' }, 'data': {}"),
            "union has no branches",
        ),
        (
            union("'base': 'Base', 'data': { 'd': 'St' }"),
            "branch 'd' is not a value of enum type 'En'",
        ),
        (
            union("'base': 'Base', 'data': { 'b_c': 'St' }"),
            "branch 'b_c' is not a value of enum type 'En'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'int' }"),
            "branch 'a' cannot use built-in type 'int'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'En' }"),
            "branch 'a' cannot use enum type 'En'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'Al' }"),
            "branch 'a' cannot use alternate type 'Al'",
        ),
        (
            union("'base': 'Base', 'data': { 'a': 'Un' }"),
            "branch 'a' cannot use union type 'Un'",
        ),
        # alternates
        (alternate("'any'"), "branch 'b0' cannot use built-in type 'any'"),
        (alternate("'int'", "'Al'"), "branch 'b1' cannot use alternate type 'Al'"),
        (alternate("'str'", "'En'"), "branch 'b1' can't be distinguished from 'b0'"),
        (
            alternate("'int'", "'number'"),
            "branch 'b1' can't be distinguished from 'b0'",
        ),
        (alternate("'int'", "'str'"), "branch 'b1' can't be distinguished from 'b0'"),
        (alternate("'str'", "'size'"), "branch 'b1' can't be distinguished from 'b0'"),
        (
            alternate("'null'", "'bool'", "'str'"),
            "branch 'b2' can't be distinguished from 'b1'",
        ),
        (alternate("'St'", "'Un'"), "branch 'b1' can't be distinguished from 'b0'"),
        (
            alternate("[ 'int' ]", "'St'", "[ 'str' ]"),
            "branch 'b2' can't be distinguished from 'b0'",
        ),
        (alternate("'null'", "'null'"), "branch 'b1' can't be distinguished from 'b0'"),
        (
            "{ 'enum': 'On', 'data': [ 'on' ] }" + alternate("'bool'", "'On'"),
            "branch 'b1' can't be distinguished from 'b0'",
        ),
        (
            "{ 'enum': 'On', 'data': [ 'x', 'off' ] }" + alternate("'On'", "'bool'"),
            "branch 'b1' can't be distinguished from 'b0'",
        ),
        (
            "{ 'enum': 'On', 'data': [ 'x', '4' ] }" + alternate("'int8'", "'On'"),
            "branch 'b1' can't be distinguished from 'b0'",
        ),
        # commands and events
        (
            "{ 'command': 'new', 'data': 'int' }",
            "command's 'data' cannot take built-in type 'int'",
        ),
        (
            "{ 'command': 'new', 'data': 'str', 'boxed': true }",
            "command's 'data' cannot take built-in type 'str'",
        ),
        (
            "{ 'command': 'new', 'data': 'En' }",
            "command's 'data' cannot take enum type 'En'",
        ),
        (
            "{ 'command': 'new', 'data': 'Al' }",
            "command's 'data' cannot take alternate type 'Al'",
        ),
        (
            "{ 'command': 'new', 'data': 'intList' }",
            "command's 'data' cannot take array type ['int']",
        ),
        (
            "{ 'command': 'new', 'data': 'Un' }",
            "command's 'data' can take union type 'Un' only with 'boxed': true",
        ),
        (
            "{ 'event': 'NEW', 'data': 'Al', 'boxed': true }",
            "event's 'data' cannot take alternate type 'Al'",
        ),
        (
            "{ 'event': 'NEW', 'data': 'Un' }",
            "event's 'data' can take union type 'Un' only with 'boxed': true",
        ),
        (
            "{ 'command': 'new', 'returns': 'str' }",
            "command's 'returns' cannot take built-in type 'str'",
        ),
        (
            "{ 'command': 'new', 'returns': [ 'En' ] }",
            "command's 'returns' cannot take array type ['En']",
        ),
        (
            "{ 'command': 'new', 'returns': 'Al' }",
            "command's 'returns' cannot take alternate type 'Al'",
        ),
        (
            "{ 'command': 'new', 'returns': [ 'any' ] }",
            "command's 'returns' cannot take array type ['any']",
        ),
    ],
)
def test_what_does_not_fit_is_refused(load: Load, text: str, message: str) -> None:
    said = refusal(load, TYPES + text)
    head, line = said.splitlines()
    assert head.lower().endswith(" 'new':")
    assert line == f"t.json:6: {message}"


@pytest.mark.parametrize(
    "text",
    [
        "{ 'struct': 'New', 'data': { '*n': 'New', 'l': [ 'New' ] } }",
        (
            "{ 'struct': 'New', 'base': 'St', 'data': { 'a': 'any', 'Al': 'Al' } }"
            "{ 'pragma': { 'member-name-exceptions': [ 'New' ] } }"
        ),
        union("'base': 'Base', 'data': {}"),
        union("'base': 'Base', 'data': { 'a': 'St', 'b-c': 'St' }"),
        "{ 'struct': 'Mid', 'base': 'Base', 'data': {} }"
        + union("'base': 'Mid', 'data': { 'a': 'St' }"),
        alternate("'null'", "'bool'", "'int'", "'En'", "'Un'", "[ 'any' ]"),
        alternate("'null'", "'str'", "'St'"),
        "{ 'enum': 'On', 'data': [ 'on' ] }" + alternate("'int'", "'On'"),
        "{ 'enum': 'On', 'data': [ 'x-1' ] }" + alternate("'bool'", "'number'", "'On'"),
        "{ 'command': 'new', 'data': 'St', 'returns': [ 'Un' ] }",
        "{ 'command': 'new', 'data': 'Un', 'boxed': true }",
        "{ 'command': 'new', 'data': 'St', 'boxed': true, 'returns': 'Un' }",
        (
            "{ 'pragma': { 'command-returns-exceptions': [ 'new' ] } }"
            "{ 'command': 'new', 'returns': [ 'Al' ] }"
        ),
        "{ 'event': 'NEW', 'data': 'Un', 'boxed': true }",
        (
            "{ 'enum': 'New', 'data': [ 'a', 'A' ] }"
            "{ 'pragma': { 'member-name-exceptions': [ 'New' ] } }"
        ),
    ],
)
def test_what_fits_is_accepted(load: Load, text: str) -> None:
    assert refusal(load, TYPES + text) == ""


def test_names_that_differ_only_in_c_do_not_clash_but_those_that_are_equal_there(
    load: Load,
) -> None:
    text = (
        "{ 'pragma': { 'member-name-exceptions': [ 'En', 'St' ] } }\n"
        "{ 'struct': 'St', 'data': { 'a': 'int', 'A': 'int' } }\n"
        "{ 'enum': 'En', 'data': [ 'one-two', 'one_two' ] }"
    )
    assert refusal(load, text) == (
        "t.json: In enum 'En':\nt.json:3: value 'one_two' collides with value 'one-two'"
    )


def test_a_type_cannot_be_its_own_base_by_way_of_others(load: Load) -> None:
    text = (
        "{ 'struct': 'One', 'base': 'Two', 'data': {} }\n"
        "{ 'struct': 'Two', 'base': 'Three', 'data': {} }\n"
        "{ 'struct': 'Three', 'base': 'Two', 'data': {} }"
    )
    assert refusal(load, text) == (
        "t.json: In struct 'Two':\nt.json:2: object Two contains itself"
    )


def test_what_is_wrong_with_a_base_is_told_of_the_base(load: Load) -> None:
    text = (
        "{ 'struct': 'One', 'base': 'Two', 'data': { 'a': 'No' } }\n"
        "{ 'struct': 'Two', 'data': { 'a': 'Never' } }"
    )
    assert refusal(load, text) == (
        "t.json: In struct 'Two':\nt.json:2: member 'a' uses unknown type 'Never'"
    )


def test_a_clash_with_what_a_base_inherits_names_where_it_is_from(load: Load) -> None:
    text = (
        "{ 'struct': 'One', 'data': { 'a': 'int' } }\n"
        "{ 'struct': 'Two', 'base': 'One', 'data': {} }\n"
        "{ 'struct': 'Three', 'base': 'Two', 'data': { '*a': 'int' } }"
    )
    assert refusal(load, text) == (
        "t.json: In struct 'Three':\n"
        "t.json:3: member 'a' collides with member 'a' of type 'One'"
    )


def test_inheritance_is_bounded(load: Load) -> None:
    def chain(length: int) -> str:
        return (
            "".join(
                f"{{ 'struct': 'Struct{i}', 'base': 'Struct{i + 1}', 'data': {{}} }}\n"
                for i in range(length)
            )
            + f"{{ 'struct': 'Struct{length}', 'data': {{}} }}"
        )

    assert refusal(load, chain(MAX_INHERITANCE)) == ""
    assert f"is nested deeper than {MAX_INHERITANCE} types" in refusal(
        load, chain(MAX_INHERITANCE + 1)
    )


def test_definitions_on_one_line_share_the_name_that_errors_tell(load: Load) -> None:
    # As by QEMU's own generator: it is the line that knows what it defines.
    text = "{ 'struct': 'One', 'data': { 'a': 'No' } } { 'command': 'two' }"
    assert refusal(load, text) == (
        "t.json: In command 'two':\n"
        "t.json:1: member 'a' of type 'One' uses unknown type 'No'"
    )


# What QEMU 8.1 changed.


def test_since_8_1_a_branch_may_be_a_union(load: Load) -> None:
    text = (
        ENUM
        + "{ 'union': 'In', 'base': { 'i': 'En' }, 'discriminator': 'i', 'data': {} }\n"
        + union("'base': { 'k': 'En' }, 'data': { 'a': 'In' }")
    )
    assert "branch 'a' cannot use union type 'In'" in refusal(load, text, (8, 0))
    schema = load(text, (8, 1))
    assert schema.object_type("New").branch("a") == Branch("a", "In")


def test_since_8_1_members_of_inner_branches_may_not_clash(load: Load) -> None:
    text = (
        ENUM
        + "{ 'struct': 'St', 'data': { 'k': 'int' } }\n"
        + "{ 'union': 'In', 'base': { 'i': 'En' }, 'discriminator': 'i',"
        " 'data': { 'a': 'St' } }\n"
        + union("'base': { 'k': 'En' }, 'data': { 'a': 'In' }")
    )
    assert refusal(load, text, (9, 2)) == (
        "t.json: In union 'New':\n"
        "t.json:4: member 'k' of type 'St' collides with base member 'k'"
    )


def test_unions_in_unions_are_looked_at_once(load: Load) -> None:
    # Each holds the next twice: by paths there would be 2 to the power of 60 of them.
    text = "{ 'enum': 'En', 'data': [ 'a', 'b' ] }\n" + "".join(
        f"{{ 'union': 'Un{i}', 'base': {{ 'k{i}': 'En' }}, 'discriminator': 'k{i}',"
        f" 'data': {{ 'a': 'Un{i + 1}', 'b': 'Un{i + 1}' }} }}\n"
        for i in range(60)
    )
    last = "{ 'struct': 'Un60', 'data': { 'KEY': 'int' } }"
    assert refusal(load, text + last.replace("KEY", "x"), (9, 2)) == ""
    assert refusal(load, text + last.replace("KEY", "k0"), (9, 2)) == (
        "t.json: In union 'Un0':\n"
        "t.json:2: member 'k0' of type 'Un60' collides with base member 'k0'"
    )


def test_since_8_1_a_union_cannot_be_its_own_branch(load: Load) -> None:
    text = ENUM + union("'base': { 'k': 'En' }, 'data': { 'a': 'New' }")
    assert refusal(load, text, (8, 1)) == (
        "t.json: In union 'New':\nt.json:2: object New contains itself"
    )


@pytest.mark.parametrize(
    "text",
    [
        "{ 'command': 'new', 'data': { 'a': { 'type': 'int', 'if': 'X' } } }",
        "{ 'command': 'new', 'data': 'Cond' }",
        "{ 'command': 'new', 'data': 'Sub' }",
    ],
)
def test_since_8_1_conditional_arguments_have_to_be_boxed(
    load: Load, text: str
) -> None:
    types = (
        "{ 'struct': 'Cond', 'data': { 'a': { 'type': 'int', 'if': 'X' } } }"
        "{ 'struct': 'Sub', 'base': 'Cond', 'data': {} }\n"
    )
    assert refusal(load, types + text, (8, 0)) == ""
    assert refusal(load, types + text, (8, 1)) == (
        "t.json: In command 'new':\n"
        "t.json:2: conditional command arguments require 'boxed': true"
    )
    event = types + text.replace("command", "event").replace("new", "NEW")
    assert refusal(load, event, (8, 1)) == (
        "t.json: In event 'NEW':\n"
        "t.json:2: conditional event arguments require 'boxed': true"
    )
    if "Cond" in text or "Sub" in text:
        assert refusal(load, types + text[:-1] + ", 'boxed': true }", (8, 1)) == ""


def test_since_8_1_a_clash_elsewhere_names_the_command(load: Load) -> None:
    text = (
        "{ 'command': 'one', 'data': { 'a': 'int' } }\n"
        "{ 'struct': 'Two', 'base': 'q_obj_one-arg', 'data': { 'a': 'int' } }"
    )
    head = "t.json: In struct 'Two':\nt.json:2: member 'a' collides with parameter 'a'"
    assert refusal(load, text) == head
    assert refusal(load, text, (8, 1)) == f"{head} of command 'one'"
