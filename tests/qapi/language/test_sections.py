"""Documentation comments up to QEMU 8.2: each rule, broken; and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.qapi.model import Documentation, Section
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from tests.qapi.language.schemas import Load

COMMAND = "{ 'command': 'go', 'data': { 'foo': 'int', '*bar': 'int' } }"


def comment(*lines: str, definition: str = COMMAND) -> str:
    """Return a comment, which begins on line 2, and a definition behind it."""
    body = "".join(f"# {line}".rstrip(" ") + "\n" for line in lines)
    return f"\n##\n{body}##\n{definition}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # the comment itself
        (
            "\n## \n# @go:\n##\n" + COMMAND,
            "t.json:2:1: junk after '##' at start of documentation comment",
        ),
        ("  ###\n", "t.json:1:3: junk after '##' at start of documentation comment"),
        (
            "##\n# @go:\n## end\n" + COMMAND,
            "t.json:3:1: junk after '##' at end of documentation comment",
        ),
        (
            "##\n# @go:\n  ##x\n",
            "t.json:3:3: junk after '##' at end of documentation comment",
        ),
        (
            "##\n# @go:\n" + COMMAND,
            "t.json:3:1: documentation comment must end with '##'",
        ),
        ("##\n# @go:\n", "t.json:2:7: documentation comment must end with '##'"),
        ("##\n", "t.json:1:3: documentation comment must end with '##'"),
        ("## ##\n", "t.json:1:1: junk after '##' at start of documentation comment"),
        ("##\n# @go:\n ?\n##\n", "t.json:3:2: stray '?'"),
        ("##\n#@go:\n##\n" + COMMAND, "t.json:2:1: missing space after #"),
        ("##\n# @go:\n  #go\n##\n" + COMMAND, "t.json:3:3: missing space after #"),
        ("##\n# @go:\n#\tgo\n##\n" + COMMAND, "t.json:3:1: missing space after #"),
        # the symbol
        (comment("@go"), "t.json:3:1: line should end with ':'"),
        ("\n##\n# @go: \n##\n" + COMMAND, "t.json:3:1: line should end with ':'"),
        (comment("@go: goes"), "t.json:3:1: line should end with ':'"),
        (comment("@:"), "t.json:3:1: name required after '@'"),
        (
            comment("@gone:"),
            "t.json: In command 'go':\nt.json:5: documentation comment is for 'gone'",
        ),
        (
            comment("@go on:"),
            "t.json: In command 'go':\nt.json:5: documentation comment is for 'go on'",
        ),
        (
            comment("", "@go:"),
            "t.json:4:1: '@go:' not allowed in free-form documentation",
        ),
        (comment("go"), "t.json:2: definition documentation required"),
        ("##\n##\n" + COMMAND, "t.json:1: definition documentation required"),
        (
            comment("@go:", definition=""),
            "t.json:2: documentation for 'go' is not followed by the definition",
        ),
        (
            comment("@go:", definition=comment("@go:")),
            "t.json:2: documentation for 'go' is not followed by the definition",
        ),
        (
            comment("@go:", definition="##\n# = Title\n##\n" + COMMAND),
            "t.json:2: documentation for 'go' is not followed by the definition",
        ),
        # free-form
        (
            comment("Text", "@foo: x"),
            "t.json:4:1: '@foo:' not allowed in free-form documentation",
        ),
        (
            comment("= T", "@foo:bar"),
            "t.json:4:1: '@foo:' not allowed in free-form documentation",
        ),
        # the text
        (
            comment("@go:", "= Title"),
            "t.json:4:1: unexpected '=' markup in definition documentation",
        ),
        (
            comment("@go:", "@foo: x", "", "=Title"),
            "t.json:6:1: unexpected '=' markup in definition documentation",
        ),
        (
            comment("@go:", "@foo:x"),
            "t.json:4:1: '@foo:' not allowed in free-form documentation",
        ),
        (comment("@go:", "@:x"), ""),
        # descriptions
        (comment("@go:", "@: x"), "t.json:4:1: invalid parameter name"),
        (comment("@go:", "@foo: x", "@:"), "t.json:5:1: invalid parameter name"),
        (
            comment("@go:", "@foo: x", "@foo: y"),
            "t.json:5:1: 'foo' parameter name duplicated",
        ),
        (
            comment("@go:", "@foo: x", "     y"),
            "t.json:5:1: unexpected de-indent (expected at least 6 spaces)",
        ),
        (
            comment("@go:", "@foo:  x", "", "      y"),
            "t.json:6:1: unexpected de-indent (expected at least 7 spaces)",
        ),
        (comment("@go:", "@foo:", "@bar: y"), "t.json:5:1: empty doc section 'foo'"),
        (comment("@go:", "@foo:"), "t.json:5:1: empty doc section 'foo'"),
        (comment("@go:", "@foo:", "", ""), "t.json:7:1: empty doc section 'foo'"),
        (comment("@go:", "@foo:", "", "text"), "t.json:6:1: empty doc section 'foo'"),
        (
            "##\n# @go:\n# @foo:\n\n   ##\n" + COMMAND,
            "t.json:5:4: empty doc section 'foo'",
        ),
        # features
        (
            comment("@go:", "Features:", "@f: x", "@f: y"),
            "t.json:6:1: 'f' parameter name duplicated",
        ),
        (comment("@go:", "Features:", "@: y"), "t.json:5:1: invalid parameter name"),
        (comment("@go:", "Features:", "@f:"), "t.json:6:1: empty doc section 'f'"),
        (
            comment("@go:", "Features:", "@f: x", "  y"),
            "t.json:6:1: unexpected de-indent (expected at least 4 spaces)",
        ),
        # sections
        (
            comment("@go:", "Returns: x", "Returns: y"),
            "t.json:5:1: duplicated 'Returns' section",
        ),
        (
            comment("@go:", "Since: 1", "", "Note: x", "Since: 2"),
            "t.json:7:1: duplicated 'Since' section",
        ),
        (
            comment("@go:", "Note:", "", "@foo:"),
            "t.json:6:1: '@foo:' can't follow 'Note' section",
        ),
        (
            comment("@go:", "Since: 1", "Note: x", "@foo: x"),
            "t.json:6:1: '@foo:' can't follow 'Since' section",
        ),
        (
            comment("@go:", "@foo: x", "", "text", "Note: x", "@bar: x"),
            "t.json:8:1: '@bar:' can't follow 'None' section",
        ),
        (comment("@go:", "Note:"), "t.json:5:1: empty doc section 'Note'"),
        (comment("@go:", "Note:", "Since: 1"), "t.json:5:1: empty doc section 'Note'"),
        (
            comment("@go:", "Example: x", "       y"),
            "t.json:5:1: unexpected de-indent (expected at least 9 spaces)",
        ),
        (
            comment("@go:", "TODO: x", "@f:y"),
            "t.json:5:1: '@f:' not allowed in free-form documentation",
        ),
        # against the definition
        (
            comment("@EV:", "Returns: x", definition="{ 'event': 'EV' }"),
            "t.json:2: 'Returns:' is only valid for commands",
        ),
        (comment("@go:", "@fo: x"), "t.json:2: documented member 'fo' does not exist"),
        (
            comment("@go:", "@b: x", "@foo: x", "@a: x"),
            "t.json:2: documented members 'b', 'a' do not exist",
        ),
        (
            comment(
                "@go:",
                "@x: x",
                definition="{ 'command': 'go', 'data': 'St',"
                " 'boxed': true }\n{ 'struct': 'St', 'data': { 'x': 'int' } }",
            ),
            "t.json:2: documented member 'x' does not exist",
        ),
        (
            comment(
                "@Su:",
                "@x: x",
                definition="{ 'struct': 'Su', 'data': {},"
                " 'base': 'St' }\n{ 'struct': 'St', 'data': { 'x': 'int' } }",
            ),
            "t.json:2: documented member 'x' does not exist",
        ),
        (
            comment(
                "@Un:",
                "@k: k",
                "@none: x",
                definition="{ 'union': 'Un',"
                " 'discriminator': 'k', 'data': {}, 'base': { 'k': 'QType' } }",
            ),
            "t.json:2: documented member 'none' does not exist",
        ),
        (
            comment(
                "@En:", "@a: x", "@c: x", definition="{ 'enum': 'En', 'data': [ 'a' ] }"
            ),
            "t.json:2: documented member 'c' does not exist",
        ),
        (
            comment(
                "@EV:", "@a: x", definition="{ 'event': 'EV', 'data': { 'b': 'int' } }"
            ),
            "t.json:2: documented member 'a' does not exist",
        ),
        (
            comment(
                "@Al:",
                "@a: x",
                "@b: x",
                definition="{ 'alternate': 'Al', 'data': { 'b': 'int' } }",
            ),
            "t.json:2: documented member 'a' does not exist",
        ),
        (
            comment("@go:", "Features:", "@f: x", "@g: x"),
            "t.json:2: documented features 'f', 'g' do not exist",
        ),
        (
            comment("@go:", definition="{ 'command': 'go', 'features': [ 'f' ] }"),
            "t.json: In command 'go':\nt.json:5: feature 'f' lacks documentation",
        ),
        (
            comment(
                "@go:",
                definition="{ 'command': 'go', 'data': { 'a': {"
                " 'type': 'int', 'features': [ 'f' ] } } }",
            ),
            "t.json: In command 'go':\nt.json:5: feature 'f' lacks documentation",
        ),
        (
            comment(
                "@En:",
                definition="{ 'enum': 'En', 'data': [ {"
                " 'name': 'a', 'features': [ 'f' ] } ] }",
            ),
            "t.json: In enum 'En':\nt.json:5: feature 'f' lacks documentation",
        ),
    ],
)
def test_wrong_documentation_is_refused(load: Load, text: str, message: str) -> None:
    assert refusal(load, text) == message


@pytest.mark.parametrize(
    "text",
    [
        comment("@go:", "Text.", " @foo:", "@foo is fine, and so is Since:"),
        comment("@go:", "Features:", "Since:", "1.0", "", "Features:"),
        comment("@go:", "Returns: x", "         y", "Note:", "z", "", "Features:"),
        comment("@go:", "@foo: x", "", "      y", "  ".strip()),
        comment("@go:", "@foo:", "y", " z", "Since: 1"),
        comment("@go:", "@foo: x", "Features:", definition="").replace(
            "Fea", "      Fea"
        )
        + COMMAND,
        comment("@go:", "Note:", " x", "", "@ y", "Note: again", "Examples:", "- 1"),
        "##\n\n  # @go:\nxyz".replace("xyz", "\n ##\n# between\n\n" + COMMAND),
        "##\n# = T\n# a\n# == U\n##\n##\n##\n##\n# @go:\n##\n" + COMMAND,
        comment(
            "@Al:", "@a: x", definition="{ 'alternate': 'Al', 'data': { 'a': 'int' } }"
        ),
        comment(
            "@Un:",
            "@k: x",
            definition="{ 'union': 'Un', 'discriminator': 'k',"
            " 'data': {}, 'base': { 'k': 'QType' } }",
        ),
        comment(
            "@go:",
            "Features:",
            "@f: x",
            definition="{ 'command': 'go', 'data': {"
            " 'a': { 'type': 'int', 'features': [ 'f' ] } } }",
        ),
    ],
)
def test_what_is_allowed_is_accepted(load: Load, text: str) -> None:
    assert refusal(load, text) == ""


def test_the_parts_of_a_comment_are_kept(load: Load) -> None:
    schema = load(
        comment(
            "@go:",
            "",
            "Go on.",
            "",
            "Or stay.",
            "",
            "@foo: first",
            "",
            "      - more",
            "        of it",
            "@bar:",
            "second",
            "",
            "Features:",
            "@f: a feature",
            "",
            "Without a tag.",
            "",
            "Returns: nothing",
            "         at all",
            "Example:",
            "  -> go",
            "Since: 1.0",
            definition=COMMAND[:-1] + ", 'features': [ 'f' ] }",
        )
    )
    documentation = schema.commands["go"].documentation
    assert documentation == Documentation(
        text="Go on.\n\nOr stay.",
        members={"foo": "first\n\n- more\n  of it", "bar": "second"},
        features={"f": "a feature"},
        sections=(
            Section("", "Without a tag."),
            Section("Returns", "nothing\nat all"),
            Section("Example", "-> go"),
            Section("Since", "1.0"),
        ),
    )
    assert documentation.section("Since") == "1.0"
    assert documentation.section("TODO") == ""


def test_since_8_1_the_second_line_says_how_far_a_description_is_indented(
    load: Load,
) -> None:
    text = comment("@go:", "@foo: x", "    y", "     z", "Since: 1", "  a", "   b")
    assert "unexpected de-indent (expected at least 6" in refusal(load, text, (8, 0))
    documentation = load(text, (8, 1)).commands["go"].documentation
    assert documentation is not None
    assert documentation.members == {"foo": "x\ny\n z"}
    assert documentation.section("Since") == "1\na\n b"
    text = comment("@go:", "@foo: x", "    y", "   z")
    assert refusal(load, text, (8, 1)) == (
        "t.json:6:1: unexpected de-indent (expected at least 4 spaces)"
    )
