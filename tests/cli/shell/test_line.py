"""What a line of the shell means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from qmpx.cli.shell.line import (
    OWN,
    Action,
    Command,
    Human,
    Own,
    is_complete,
    read_line,
    recalled,
    statements,
)
from qmpx.errors import LocalProtocolError

if TYPE_CHECKING:
    from qmpx.qapi.model import Schema


@pytest.mark.parametrize(
    ("line", "name", "arguments"),
    [
        ("query-status", "query-status", {}),
        ("  stop  ", "stop", {}),
        ("eject device=cd force=true", "eject", {"device": "cd", "force": True}),
        ("eject device=true force=no", "eject", {"device": "true", "force": False}),
        ("block_resize device=0123 size=4G", "block_resize", "0123"),
        ("cpu-add id=1", "cpu-add", {"id": 1}),
        (
            "blockdev-add driver=qcow2 node-name=1 file.driver=a file.filename='a b'",
            "blockdev-add",
            {
                "driver": "qcow2",
                "node-name": "1",
                "file": {"driver": "a", "filename": "a b"},
            },
        ),
        (
            "blockdev-add driver=qcow2 file=disk0 backing=null",
            "blockdev-add",
            {"driver": "qcow2", "file": "disk0", "backing": None},
        ),
        (
            "block-set-write-threshold node-name=d write-threshold=0x10k",
            "block-set-write-threshold",
            {"node-name": "d", "write-threshold": 16384},
        ),
        (
            "migrate-set-capabilities capabilities.0.capability=x",
            "migrate-set-capabilities",
            {"capabilities": [{"capability": "x"}]},
        ),
        (
            "migrate-set-parameters tls-creds=null",
            "migrate-set-parameters",
            {"tls-creds": None},
        ),
        (
            "qom-set path=/machine property=x value=1",
            "qom-set",
            {"path": "/machine", "property": "x", "value": 1},
        ),
        ('qom-set path=/x property=x value:="1"', "qom-set", None),
        ("send-key keys.0.type=qcode keys.0.data=a", "send-key", None),
        (
            "device_add driver=virtio-net-pci id=n mac=52:54:00:12:34:56",
            "device_add",
            {"driver": "virtio-net-pci", "id": "n", "mac": "52:54:00:12:34:56"},
        ),
        ('frob a=1 b="1" c=True d=None e=[1]', "frob", None),
        ('{"execute": "stop"}', "stop", {}),
        ('{"execute": "x", "arguments": {"a": 1}, "id": 7}', "x", {"a": 1}),
    ],
)
def test_a_command(schema: Schema, line: str, name: str, arguments: Any) -> None:
    more: dict[str, Any] = {
        "block_resize": {"device": "0123", "size": 4 << 30},
        "send-key": {"keys": [{"type": "qcode", "data": "a"}]},
        "frob": {"a": 1, "b": "1", "c": True, "d": None, "e": [1]},
        "qom-set": {"path": "/x", "property": "x", "value": "1"},
    }
    wanted = arguments if isinstance(arguments, dict) else more[name]
    assert read_line(line, schema) == Command(name, wanted)


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("x a=1 b=1.5 c=-2", {"a": 1, "b": 1.5, "c": -2}),
        ("x a=true b=null c=True d=None", {"a": True, "b": None, "c": True, "d": None}),
        ("x a='1' b=\"true\" c=x", {"a": "1", "b": "true", "c": "x"}),
        ("x a={'b': None} c=[1, 'd']", {"a": {"b": None}, "c": [1, "d"]}),
        ("x a.b.c=1 a.d=2", {"a": {"b": {"c": 1}, "d": 2}}),
        ("x a.0=p a.1=q", {"a": ["p", "q"]}),
    ],
)
def test_without_a_schema_values_are_guessed_as_qmp_shell_does(
    line: str, arguments: dict[str, Any]
) -> None:
    assert read_line(line) == Command("x", arguments)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("", None),
        ("# a remark", None),
        ("oob query-yank", Command("query-yank", {}, out_of_band=True)),
        ('{"exec-oob": "a"}', Command("a", {}, out_of_band=True)),
        ("hmp", Human("")),
        ("hmp info  block -v", Human("info  block -v")),
        ("help eject", Own("help", ["eject"])),
        ("events STOP 'BLOCK_*'", Own("events", ["STOP", "BLOCK_*"])),
        ("transaction(", Action("", {}, begins=True)),
        ("transaction (", Action("", {}, begins=True)),
        ("transaction( )", Action("", {}, begins=True, ends=True)),
        (
            "transaction( abort )",
            Action("abort", {}, begins=True, ends=True),
        ),
    ],
)
def test_what_is_no_plain_command(schema: Schema, line: str, meaning: Any) -> None:
    assert read_line(line, schema) == meaning


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (")", Action("", {}, ends=True)),
        (
            "block-dirty-bitmap-add node=d name=7 persistent=on",
            Action(
                "block-dirty-bitmap-add",
                {"node": "d", "name": "7", "persistent": True},
            ),
        ),
        ('{"type": "abort", "data": {}}', Action("abort", {})),
    ],
)
def test_within_a_transaction(schema: Schema, line: str, meaning: Action) -> None:
    assert read_line(line, schema, in_transaction=True) == meaning


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("eject cd", "'cd' is no argument: expected key=value"),
        ("a=b", "'b' is no command; try 'help'"),
        ("block_resize size=big", "'size' is a number, such as 512 or 4G, not 'big'"),
        ("eject force=perhaps", "'force' is true or false, not 'perhaps'"),
        ("x a=1 a=2", "'a' was given before"),
        ("x a=1 a.b=2", "'a.b': 'a' was given a value before"),
        ("x a..b=2", "'a..b': a name is empty"),
        ("x a:=tru", "'a': what follows ':=' is no JSON"),
        ("x a:=NaN", "JSON has no NaN"),
        ('x a="b', "'a': a quote or a bracket is not closed"),
        ("x a.1=2", "the elements of a list are numbered from 0, in order"),
        ("x a={1:", "not closed"),
        ('{"return": 1}', 'expected {"execute": COMMAND'),
        ('{"execute": 1}', 'expected {"execute": COMMAND'),
        ('{"execute"}', "that is no JSON"),
        ("oob", "expected a command behind 'oob'"),
        ("blockdev-add driver=file file={", "not closed"),
    ],
)
def test_what_means_nothing_is_told(schema: Schema, line: str, message: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        read_line(line, schema)
    assert message in str(caught.value)


def test_the_shells_own_words_are_no_commands_of_qmp(schema: Schema) -> None:
    assert OWN.keys() & schema.commands.keys() == set()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a\n\n b ", ["a", "b"]),
        ('{"a": 1}{"b":\n 2}\nc', ['{"a": 1}', '{"b":\n 2}', "c"]),
        ('{"a"', ['{"a"']),
    ],
)
def test_many_lines_are_entered_one_by_one(text: str, parts: list[str]) -> None:
    assert statements(text) == parts


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("!last", "c x"),
        ("!!", "c x"),
        ("!1", "a"),
        ("!b", "b y"),
        ("!", None),
        ("x", None),
    ],
)
def test_former_lines(text: str, line: str | None) -> None:
    assert recalled(text, ["a", "b x", "b y", "c x"]) == line


@pytest.mark.parametrize("text", ["!0", "!9", "!z"])
def test_a_line_that_never_was(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="no line was entered"):
        recalled(text, ["a"])


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("", True),
        ("a b=c", True),
        ("transaction(", True),
        ('{"a":', False),
        ('{"a": 1}', True),
        ('a b="c', False),
        ("a b={", False),
    ],
)
def test_whether_enter_ends_a_line(text: str, whole: bool) -> None:
    assert is_complete(text) is whole
