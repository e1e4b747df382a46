"""QEMU's two languages for what stands after an option."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.standin.failure import StartFailure
from qmpx.standin.option_lists import OptionList, parse_keyval, read_size, split

TYPES = {"path": "str", "server": "bool", "to": "number", "size": "size"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        ("a,,b", ["a,b"]),
        ("a,,,b", ["a,", "b"]),
        ("", [""]),
        ("a,", ["a", ""]),
    ],
)
def test_two_commas_stand_for_one(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_a_list_gives_values_by_name_and_the_last_counts() -> None:
    options = OptionList("-x", "id=a,path=1,path=2,,3,server=on", TYPES)
    assert options == {"id": "a", "path": "2,3", "server": "on"}
    assert options.id == "a"
    assert options.pairs[1:3] == [("path", "1"), ("path", "2,3")]
    assert options.switch("server")
    assert options.number("to", 7) == 7


def test_the_first_value_may_stand_alone() -> None:
    assert OptionList("-x", "p,to=0x10", TYPES, "path").number("to") == 16
    assert OptionList("-x", "p", TYPES, "path") == {"path": "p"}


def test_short_switches_are_taken_and_told_of() -> None:
    told: list[str] = []
    options = OptionList("-x", "server,noserver", TYPES, warn=told.append)
    assert options == {"server": "off"}
    assert told == [
        (
            "-x server,noserver: warning: short-form boolean option "
            "'server' deprecated\nPlease use server=on instead"
        ),
        (
            "-x server,noserver: warning: short-form boolean option "
            "'noserver' deprecated\nPlease use server=off instead"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo=1", "-x foo=1: Invalid parameter 'foo'"),
        ("server=x", "-x server=x: Parameter 'server' expects 'on' or 'off'"),
        ("to=-1", "-x to=-1: Parameter 'to' expects a number"),
        (
            "size=1x",
            (
                "-x size=1x: Parameter 'size' expects a non-negative number below "
                "2^64\nOptional suffix k, M, G, T, P or E means kilo-, mega-, giga-, "
                "tera-, peta-\nand exabytes, respectively."
            ),
        ),
        (
            "id=1",
            (
                "-x id=1: Parameter 'id' expects an identifier\n"
                "Identifiers consist of letters, digits, '-', '.', '_', starting with "
                "a letter."
            ),
        ),
    ],
)
def test_what_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        OptionList("-x", text, TYPES)
    assert caught.value.text == message


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64", 64),
        ("1k", 1024),
        ("1.5G", 3 * 2**29),
        ("0x10", 16),
        ("16E", None),
        ("1x", None),
        ("", None),
        ("-1", None),
    ],
)
def test_sizes_have_units(text: str, size: int | None) -> None:
    assert read_size(text) == size


def test_a_size_alone_may_be_in_another_unit() -> None:
    assert read_size("64", "M") == 64 * 2**20


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("secret,id=a,data=x,,y", {"type": "secret", "id": "a", "data": "x,y"}),
        ("a.b=1,a.c=2", {"a": {"b": "1", "c": "2"}}),
        ("a.0=x,a.1.b=y", {"a": ["x", {"b": "y"}]}),
        ("a=1,", {"a": "1"}),
    ],
)
def test_keys_with_dots_make_objects_and_lists(text: str, value: Any) -> None:
    assert parse_keyval("-x", text, "type") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1,b", "Expected '=' after parameter 'b'"),
        ("a..b=1", "Invalid parameter 'a..b'"),
        ("a=1,a.b=2", "Parameters 'a.*' used inconsistently"),
        ("a.b=2,a=1", "Parameters 'a.*' used inconsistently"),
        ("a.0=1,a.b=2", "Parameters 'a.*' used inconsistently"),
        ("a.1=1", "Parameter 'a.0' missing"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(text: str, message: str) -> None:
    with pytest.raises(StartFailure) as caught:
        parse_keyval("-x", text)
    assert caught.value.text == f"-x {text}: {message}"
