"""Values of properties, from texts and from JSON."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.errors import GenericError
from qmpx.machine.qom.values import option_text, read_json, read_text


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("bool", "on", True),
        ("bool", "n", False),
        ("uint32", "0x10", 16),
        ("uint32", "010", 8),
        ("int32", "-1", -1),
        ("uint64", "-1", 2**64 - 1),
        ("size", "2K", 2048),
        ("size", "1.5G", 3 * 2**29),
        ("str", "", ""),
        ("OnOffAuto", "auto", "auto"),
    ],
)
def test_a_text_is_read_as_its_type_says(type_: str, text: str, value: Any) -> None:
    assert read_text("p", type_, text) == value


@pytest.mark.parametrize(
    ("type_", "text", "desc"),
    [
        ("bool", "maybe", "Parameter 'p' expects 'on' or 'off'"),
        ("uint32", "x", "Parameter 'p' expects integer"),
        ("uint32", "-3", "Parameter 'p' expects uint32_t"),
        ("uint8", "256", "Parameter 'p' expects uint8_t"),
        ("OnOffAuto", "x", "Parameter 'p' does not accept value 'x'"),
        ("size", "x", "Parameter 'p' expects size"),
    ],
)
def test_a_text_that_is_none_of_its_type_is_refused(
    type_: str, text: str, desc: str
) -> None:
    with pytest.raises(GenericError) as caught:
        read_text("p", type_, text)
    assert caught.value.desc == desc


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("bool", 3, "boolean"),
        ("int", "5", "integer"),
        ("int", 5.0, "integer"),
        ("int", True, "integer"),
        ("str", 5, "string"),
        ("link<device>", 5, "string"),
    ],
)
def test_json_of_another_type_is_refused(type_: str, value: Any, expected: str) -> None:
    with pytest.raises(GenericError) as caught:
        read_json("p", type_, value)
    assert caught.value.desc == (
        f"Invalid parameter type for 'p', expected: {expected}"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "on"),
        (False, "off"),
        (5, "5"),
        (1.5, "1.5"),
        ("x", "x"),
        (None, None),
        ([1], None),
        ({}, None),
    ],
)
def test_options_are_texts_inside(value: Any, text: str | None) -> None:
    assert option_text(value) == text
