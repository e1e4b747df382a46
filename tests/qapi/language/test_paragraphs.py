"""Documentation comments since QEMU 9.0: each rule, broken; and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.model import Documentation, Section
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

COMMAND = "{ 'command': 'go' }"
WITH_FOO = "{ 'command': 'go', 'data': { 'foo': 'int' }, 'returns': 'St' }"
STRUCT = "{ 'struct': 'St', 'data': { } }"


def comment(*lines: str, definition: str = COMMAND) -> str:
    """Return a comment, which begins on line 2, and a definition behind it."""
    body = "".join(f"# {line}".rstrip(" ") + "\n" for line in lines)
    return f"\n##\n{body}##\n{definition}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\n## \n# @go:\n##\n" + COMMAND,
            "t.json:2:1: junk after '##' at start of documentation comment",
        ),
        (
            "##\n# @go:\n##x\n" + COMMAND,
            "t.json:3:1: junk after '##' at end of documentation comment",
        ),
        (
            "##\n# @go:\n" + COMMAND,
            "t.json:3:1: documentation comment must end with '##'",
        ),
        ("##\n#x\n##\n", "t.json:2:1: missing space after #"),
        (comment("@go"), "t.json:3:1: line should end with ':'"),
        (comment("@:"), "t.json:3:1: name required after '@'"),
        (comment("text"), "t.json:2: definition documentation required"),
        (
            comment("text", "@foo: x"),
            "t.json:4:1: '@foo:' not allowed in free-form documentation",
        ),
        (
            comment("text", "= Title"),
            "t.json:4:1: '=' heading must come first in a comment block",
        ),
        (
            comment("@go:", "", "= Title"),
            "t.json:5:1: unexpected '=' markup in definition documentation",
        ),
        (comment("@go:", "@: x"), "t.json:4: invalid parameter name"),
        (
            comment("@go:", "@foo: x", "@foo: y"),
            "t.json:5: 'foo' parameter name duplicated",
        ),
        (
            comment("@go:", "@foo: x", "     y", "    z"),
            "t.json:6:1: unexpected de-indent (expected at least 5 spaces)",
        ),
        (comment("@go:", "@foo:"), "t.json:4: text required after '@foo:'"),
        (comment("@go:", "@foo:", "", "text"), "t.json:4: text required after '@foo:'"),
        (comment("@go:", "Since:"), "t.json:4: text required after 'Since:'"),
        (
            comment("@go:", "Since: 1", "", "@foo: x"),
            "t.json:6:1: description of '@foo:' follows a section",
        ),
        (
            comment("@go:", "@bar: x", "", "text", "", "@foo: x"),
            "t.json:8:1: description of '@foo:' follows a section",
        ),
        (
            comment("@go:", "Features:", "@f: x", "", "text", "", "@foo: x"),
            "t.json:9:1: description of '@foo:' follows a section",
        ),
        (comment("@go:", "Features:"), "t.json:5:1: feature descriptions expected"),
        (
            comment("@go:", "Features:", "", "text"),
            "t.json:6:1: feature descriptions expected",
        ),
        (
            comment("@go:", "Features:", "@f: x", "", "Features:"),
            "t.json:7:1: duplicated 'Features:' line",
        ),
        (
            comment("@go:", "Since: 1", "Since: 2"),
            "t.json:5: duplicated 'Since' section",
        ),
        (
            comment("@go:", "Errors: 1", "Errors: 2"),
            "t.json:5: duplicated 'Errors' section",
        ),
        (
            comment("@go:", "Returns: 1", "Returns: 2"),
            "t.json:5: duplicated 'Returns' section",
        ),
        (
            comment("@go:", "Returns: x"),
            "t.json:4: 'Returns' section, but command doesn't return anything",
        ),
        (
            comment("@St:", "Returns: x", definition=STRUCT),
            "t.json:4: 'Returns' section is only valid for commands",
        ),
        (
            comment("@St:", "", "Errors: x", definition=STRUCT),
            "t.json:5: 'Errors' section is only valid for commands",
        ),
        (
            comment("@St:", "@a: x", "", "@b: x", definition=STRUCT),
            "t.json:4: documented members 'a', 'b' do not exist",
        ),
        (
            comment("@St:", "Features:", "@f: x", definition=STRUCT),
            "t.json:5: documented feature 'f' does not exist",
        ),
        (
            comment("@go:", definition="{ 'command': 'go', 'features': [ 'f' ] }"),
            "t.json: In command 'go':\nt.json:5: feature 'f' lacks documentation",
        ),
        (
            comment("@St:", definition="{ 'struct': 'St', 'data': { 'a': 'int' } }"),
            "t.json: In struct 'St':\nt.json:5: member 'a' lacks documentation",
        ),
        (
            comment(
                "@En:", "@a: x", definition="{ 'enum': 'En', 'data': [ 'a', 'b' ] }"
            ),
            "t.json: In enum 'En':\nt.json:6: value 'b' lacks documentation",
        ),
        (
            comment("@go:", definition="{ 'command': 'go', 'data': { 'a': 'int' } }"),
            "t.json: In command 'go':\nt.json:5: parameter 'a' lacks documentation",
        ),
        (
            comment("@Al:", definition="{ 'alternate': 'Al', 'data': { 'a': 'int' } }"),
            "t.json: In alternate 'Al':\nt.json:5: branch 'a' lacks documentation",
        ),
    ],
)
def test_wrong_documentation_is_refused(load: Load, text: str, message: str) -> None:
    assert refusal(load, text, (9, 0)) == message


@pytest.mark.parametrize(
    ("tag", "instead"),
    [
        (
            "Note",
            (
                "Please use rST's '.. note::' or '.. admonition:: notes' directives, "
                "or another suitable admonition instead."
            ),
        ),
        (
            "Examples",
            (
                "Please use the '.. qmp-example::' directive, or other suitable markup "
                "instead."
            ),
        ),
    ],
)
def test_since_9_1_notes_and_examples_are_no_sections(
    load: Load, tag: str, instead: str
) -> None:
    text = comment("@go:", f"{tag}: x")
    assert refusal(load, text, (9, 0)) == ""
    assert refusal(load, text, (9, 1)) == (
        f"t.json:4:1: The '{tag}' section is no longer supported. {instead}"
    )
    assert refusal(load, comment("@go:", f"{tag}::", "", " x"), (9, 1)) == ""


def test_a_pragma_lets_definitions_have_members_without_documentation(
    load: Load,
) -> None:
    pragma = "{ 'pragma': { 'documentation-exceptions': [ 'St' ] } }"
    text = comment("@St:", definition="{ 'struct': 'St', 'data': { 'a': 'int' } }")
    assert refusal(load, text + pragma) == ""
    assert "member 'a' lacks documentation" in refusal(
        load, (text + pragma).replace("St", "Su", 1).replace("'St',", "'Su',")
    )


def test_that_pragma_is_new(load: Load) -> None:
    pragma = "{ 'pragma': { 'documentation-exceptions': [ ] } }"
    assert refusal(load, pragma, (9, 0)) == ""
    assert refusal(load, pragma, (8, 2)) == (
        "t.json:1: unknown pragma 'documentation-exceptions'"
    )


def test_the_parts_of_a_comment_are_kept(load: Load) -> None:
    schema = load(
        comment(
            "@go:",
            "",
            "Go on.",
            "And on.",
            "",
            "Or stay.",
            "",
            "@foo: first",
            "    of all",
            "",
            "      - more",
            "",
            "Features:",
            "",
            "@f:",
            "  a feature",
            "",
            "Without a tag.",
            "",
            "Still.",
            "",
            "Returns: a thing",
            "",
            "Errors:",
            "    - no",
            "    - never",
            "",
            "Since: 1.0",
            definition=WITH_FOO[:-1] + ", 'features': [ 'f' ] }" + STRUCT,
        ),
        (9, 2),
    )
    assert schema.commands["go"].documentation == Documentation(
        text="Go on.\nAnd on.\n\nOr stay.",
        members={"foo": "first\nof all\n\n  - more"},
        features={"f": "a feature"},
        sections=(
            Section("", "Without a tag.\n\nStill."),
            Section("Returns", "a thing"),
            Section("Errors", "- no\n- never"),
            Section("Since", "1.0"),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "##\n# = Title\n#\n# text\n##\n",
        "##\n##\n",
        comment("@go:"),
        comment("@go:", "Text", "", "", "Since: 1"),
        comment("@go:", "TODO: x", "TODO: y"),
    ],
)
def test_what_is_allowed_is_accepted(load: Load, text: str) -> None:
    assert refusal(load, text, (9, 2)) == ""
