"""Scalars that are written as strings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.qapi.visitors import told, validator

READ = validator().read_keyval


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("int", "0", 0),
        ("int", "-42", -42),
        ("int", " +7", 7),
        ("int", "0x1F", 31),
        ("int", "-0x10", -16),
        ("int", "017", 15),
        ("int", "-9223372036854775808", -(2**63)),
        ("uint64", "18446744073709551615", 2**64 - 1),
        ("uint64", "-1", 2**64 - 1),
        ("uint8", "255", 255),
        ("size", "1k", 1024),
        ("size", "1.5M", 3 * 2**19),
        ("size", "0.5K", 512),
        ("size", "7E", 7 * 2**60),
        ("size", "5B", 5),
        ("size", "1.0", 1),
        ("size", "0x10", 16),
        ("size", "007", 7),
        ("bool", "on", True),
        ("bool", "y", True),
        ("bool", "false", False),
        ("number", "1e3", 1000.0),
        ("number", ".5", 0.5),
        ("number", "-2.", -2.0),
        ("str", "", ""),
        ("EnumOne", "value1", "value1"),
        ("AltEnumBool", "value1", "value1"),
        ("any", {"a": ["x"]}, {"a": ["x"]}),
        ("[int]", ["1", "0x2"], [1, 2]),
        (
            "TestStruct",
            {"integer": "1", "boolean": "no", "string": "s"},
            {"integer": 1, "boolean": False, "string": "s"},
        ),
    ],
)
def test_what_a_string_stands_for(type_name: str, text: Any, value: Any) -> None:
    read = READ(type_name, text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("type_name", "text", "says"),
    [
        *(
            ("int", text, "Parameter '<anonymous>' expects integer")
            for text in ("", "x", "1 ", "1.0", "08", "0x", "--1", "9" * 5000, "\u0661")
        ),
        ("uint8", "256", "Parameter 'null' expects uint8_t"),
        ("int8", "-129", "Parameter 'null' expects int8_t"),
        *(
            ("size", text, "Parameter '<anonymous>' expects size")
            for text in ("", "-1", "1.5", "1e3", "1KB", "16E", "0x", ".5M", "9" * 5000)
        ),
        *(
            ("bool", text, "Parameter '<anonymous>' expects 'on' or 'off'")
            for text in ("", "ON", "1", "true ")
        ),
        *(
            (
                "number",
                text,
                "Invalid parameter type for '<anonymous>', expected: number",
            )
            for text in ("", "inf", "nan", "1e999", "1_0", "0x", "1 ")
        ),
        ("int", {}, "Parameters '<anonymous>.*' are unexpected"),
        ("str", [], "Parameters '<anonymous>.*' are unexpected"),
        ("str", 1, "Internal error: parameter <anonymous> invalid"),
        (
            "[TestStruct]",
            [{"integer": {}}],
            "Parameters '0.integer.*' are unexpected",
        ),
        ("[EnumOne]", ["x"], "Parameter 'null' does not accept value 'x'"),
        (
            "TestStruct",
            "x",
            "Invalid parameter type for '<anonymous>', expected: object",
        ),
    ],
)
def test_what_is_said_of_a_string_that_stands_for_nothing(
    type_name: str, text: Any, says: str
) -> None:
    assert told(READ, type_name, text) == says


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["d", "#x", "#o"]))
def test_any_integer_can_be_written_in_three_ways(value: int, form: str) -> None:
    text = format(value, form).replace("0o", "0")
    assert READ("int", text) == value


@given(st.text())
def test_no_string_is_too_odd(text: str) -> None:
    for name in ("int", "uint64", "size", "number", "bool", "int8"):
        told(READ, name, text)  # raises nothing else
