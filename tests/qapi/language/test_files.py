"""Files: includes, pragmas, modules, what cannot be read, real schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qmpx.errors import SchemaError
from qmpx.qapi.language import files, load_schema
from qmpx.qapi.model import Position
from tests.qapi.language.schemas import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.qapi.language.schemas import Load

A = "{ 'include': 'a.json' }\n"
B = "{ 'include': 'b.json' }\n"


@pytest.mark.parametrize(
    ("text", "files", "message"),
    [
        (
            "{ 'include': 'a.json', 'if': 'X' }",
            {},
            "t.json:1: invalid 'include' directive",
        ),
        (
            "\n{ 'include': [ 'a.json' ] }",
            {},
            "t.json:2: value of 'include' must be a string",
        ),
        (
            A,
            {},
            "t.json:1: can't read include file 'a.json': No such file or directory",
        ),
        (
            "{ 'include': '.' }",
            {},
            "t.json:1: can't read include file '.': Is a directory",
        ),
        ("{ 'include': 't.json' }", {}, "t.json:1: inclusion loop for t.json"),
        ("{ 'include': './t.json' }", {}, "t.json:1: inclusion loop for ./t.json"),
        (
            A,
            {"a": "\n" + B, "b": "{ 'include': 't.json' }"},
            (
                "In file included from t.json:1:\nIn file included from a.json:2:\n"
                "b.json:1: inclusion loop for t.json"
            ),
        ),
        (
            A,
            {"a": A},
            "In file included from t.json:1:\na.json:1: inclusion loop for a.json",
        ),
        (
            f"\n{A}?",
            {"a": "{ 'command' }"},
            "t.json:3:1: stray '?'",
        ),
        (
            f"\n{A}{{ ?",
            {"a": "{ 'command' }"},
            "In file included from t.json:2:\na.json:1:13: expected ':'",
        ),
        (
            A + "{ 'command' }",
            {"a": "{ 'command': 'a', 'data': 'No' }"},
            "t.json:2:13: expected ':'",
        ),
        (
            A + B,
            {"a": B, "b": "{ 'command': 'b', 'gen': true }"},
            (
                "In file included from t.json:1:\nIn file included from a.json:1:\n"
                "b.json: In command 'b':\nb.json:1: flag 'gen' may only use false value"
            ),
        ),
        (
            "{ 'command': 'a' }\n" + A,
            {"a": "{ 'command': 'a' }"},
            (
                "In file included from t.json:2:\n"
                "a.json: In command 'a':\na.json:1: 'a' is already defined\n"
                "t.json: In command 'a':\nt.json:1: previous definition"
            ),
        ),
        (
            A + "{ 'command': 'a' }\n",
            {"a": "{ 'command': 'a' }"},
            (
                "t.json: In command 'a':\nt.json:2: 'a' is already defined\n"
                "In file included from t.json:1:\n"
                "a.json: In command 'a':\na.json:1: previous definition"
            ),
        ),
        (
            "##\n# @x:\n##\n" + A,
            {"a": ""},
            "t.json:1: documentation for 'x' is not followed by the definition",
        ),
        (
            "##\n# @x:\n##\n{ 'pragma': { } }",
            {},
            "t.json:1: documentation for 'x' is not followed by the definition",
        ),
        (
            A + "{ 'command': 'x' }",
            {"a": "##\n# @x:\n##\n"},
            (
                "In file included from t.json:1:\n"
                "a.json:1: documentation for 'x' is not followed by the definition"
            ),
        ),
        (
            "{ 'pragma': { }, 'x': true }",
            {},
            "t.json:1: invalid 'pragma' directive",
        ),
        ("{ 'pragma': [ ] }", {}, "t.json:1: value of 'pragma' must be an object"),
        ("{ 'pragma': { 'x': true } }", {}, "t.json:1: unknown pragma 'x'"),
        (
            "{ 'pragma': { 'documentation-exceptions': [] } }",
            {},
            "",  # it shows that the schema is of 9.0
        ),
        (
            "{ 'pragma': { 'doc-required': 'yes' } }",
            {},
            "t.json:1: pragma 'doc-required' must be boolean",
        ),
        (
            "{ 'pragma': { 'doc-required': { } } }",
            {},
            "t.json:1: pragma 'doc-required' must be boolean",
        ),
        (
            "{ 'pragma': { 'command-name-exceptions': 'x' } }",
            {},
            "t.json:1: pragma command-name-exceptions must be a list of strings",
        ),
        (
            "{ 'pragma': { 'command-returns-exceptions': [ true ] } }",
            {},
            "t.json:1: pragma command-returns-exceptions must be a list of strings",
        ),
        (
            "{ 'pragma': { 'member-name-exceptions': { } } }",
            {},
            "t.json:1: pragma member-name-exceptions must be a list of strings",
        ),
        ("{ 'pragma': { } }", {}, ""),
        (A + A + B, {"a": B, "b": "{ 'command': 'b' }"}, ""),
        (
            A,
            {"a": "{ 'command': 'a', 'returns': 'St' }"},
            (
                "In file included from t.json:1:\n"
                "a.json: In command 'a':\n"
                "a.json:1: command's 'returns' uses unknown type 'St'"
            ),
        ),
        (
            A + "{ 'struct': 'St', 'data': {} }",
            {"a": "{ 'command': 'a', 'returns': 'St' }"},
            "",
        ),
    ],
)
def test_directives(load: Load, text: str, files: dict[str, str], message: str) -> None:
    assert refusal(load, text, None, **files) == message


def test_pragmas_hold_for_all_files_wherever_they_stand(load: Load) -> None:
    text = "{ 'command': 'a_b', 'returns': 'int' }\n" + A
    pragma = (
        "{ 'pragma': { 'command-name-exceptions': [ 'x' ] } }"
        "{ 'pragma': { 'command-name-exceptions': [ 'a_b' ],"
        " 'command-returns-exceptions': [ 'a_b' ] } }"
    )
    assert refusal(load, text, a=pragma) == ""


def test_the_last_setting_of_a_pragma_replaces_earlier_ones(load: Load) -> None:
    text = (
        "{ 'pragma': { 'command-name-exceptions': [ 'a_b' ] } }\n"
        "{ 'pragma': { 'command-name-exceptions': [] } }\n"
        "{ 'command': 'a_b' }"
    )
    assert refusal(load, text) == (
        "t.json: In command 'a_b':\n"
        "t.json:3: name of command must not use uppercase or '_'"
    )
    text = (
        "{ 'pragma': { 'doc-required': true } }\n{ 'command': 'a' }\n"
        "{ 'pragma': { 'doc-required': false } }"
    )
    assert refusal(load, text) == ""


def test_any_file_may_show_by_whose_rules_all_are_read(load: Load) -> None:
    text = "##\n# @go:\n#\n# @x: y\n##\n{ 'command': 'go', 'data': { 'x': 'int' } }\n"
    # Only the older grammar knows sections of notes; only the newer one has errors.
    old = text.replace("# @x: y", "# @x: long\n#    z")
    assert "unexpected de-indent" in refusal(load, old + A, a=B, b="")
    new = "##\n# @do:\n#\n# Errors: none\n##\n{ 'command': 'do' }"
    assert refusal(load, old + A, a=B, b=new) == ""
    assert refusal(load, old + f"# {A}", b=new).endswith("(expected at least 4 spaces)")


def test_documentation_can_be_required(load: Load) -> None:
    text = "{ 'pragma': { 'doc-required': true } }\n{ 'command': 'a' }"
    assert refusal(load, text) == (
        "t.json: In command 'a':\nt.json:2: documentation comment required"
    )


def test_paths_are_relative_to_the_file_that_includes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "t.json").write_text("{ 'include': 'sub/a.json' }")
    (tmp_path / "sub/a.json").write_text("{ 'include': '../b.json' }")
    (tmp_path / "b.json").write_text("\n{ 'command': 'b' }")
    schema = load_schema(tmp_path / "t.json")
    command = schema.commands["b"]
    assert command.position == Position(f"{tmp_path}/sub/../b.json", 2)
    assert command.module == "b.json"
    monkeypatch.chdir(tmp_path / "sub")
    assert load_schema("../t.json").commands["b"].module == "b.json"


def test_definitions_come_module_by_module_as_these_are_first_included(
    load: Load,
) -> None:
    schema = load(
        "{ 'command': 't1' }\n" + A + "{ 'command': 't2' }\n" + B,
        a="{ 'command': 'a1' }\n" + B + "{ 'event': 'A2' }",
        b="{ 'command': 'b1' }",
    )
    modules = [(item.name, item.module) for item in schema.definitions if item.module]
    assert modules == [
        ("t1", "t.json"),
        ("t2", "t.json"),
        ("a1", "a.json"),
        ("A2", "a.json"),
        ("b1", "b.json"),
    ]


def test_a_file_that_is_not_there_has_no_line(tmp_path: Path) -> None:
    path = tmp_path / "no.json"
    with pytest.raises(SchemaError) as caught:
        load_schema(path)
    reason = "No such file or directory"
    assert str(caught.value) == f"can't read schema file '{path}': {reason}"


def test_what_is_not_utf_8_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"{ } \xff")
    assert refusal(load, A) == (
        "t.json:1: can't read include file 'a.json': it is not UTF-8: byte 5"
    )
    with pytest.raises(SchemaError, match="it is not UTF-8"):
        load_schema("a.json")


def test_the_size_of_a_file_is_bounded(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_SIZE", 24)
    assert refusal(load, A, a="# 89012345678901234567890") == (
        "t.json:1: can't read include file 'a.json': larger than 24 characters"
    )
    assert refusal(load, A, a="# 8901234567890123456789") == ""


def test_the_number_of_files_is_bounded(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 2)
    assert refusal(load, A, a="") == ""
    assert refusal(load, A, a=B, b="") == (
        "In file included from t.json:1:\n"
        "a.json:1: can't read include file 'b.json': more than 2 files"
    )


def test_the_depth_of_includes_is_bounded(tmp_path: Path) -> None:
    for i in range(files.MAX_INCLUDES + 2):
        include = f"{{ 'include': '{i + 1}.json' }}"
        (tmp_path / f"{i}.json").write_text(include)
    (tmp_path / f"{files.MAX_INCLUDES + 2}.json").write_text("")
    assert load_schema(tmp_path / "2.json").commands == {}
    with pytest.raises(SchemaError) as caught:
        load_schema(tmp_path / "1.json")
    assert caught.value.message == f"included more than {files.MAX_INCLUDES} deep"


def test_an_error_is_data_too(load: Load) -> None:
    with pytest.raises(SchemaError) as caught:
        load(A, a="\n{ 'command': 'c', 'gen': true }")
    error = caught.value
    assert (error.file, error.line, error.column) == ("a.json", 2, None)
    assert (error.definition, error.includes) == ("command 'c'", ("t.json:1",))
    assert error.message == "flag 'gen' may only use false value"
    assert error.exit_status == 1
