"""Options as text, and errors as text."""

from __future__ import annotations

from typing import Any

import pytest

from qmpx.dialects.v2010.option_values import explain, option_texts
from qmpx.errors import DeviceInitFailed, GenericError, InvalidParameterValue


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("", ""),
        (5, "5"),
        (-5, "-5"),
        (1.5, "1.500000"),
        (True, "on"),
        (False, "off"),
    ],
)
def test_values_become_text(value: Any, text: str) -> None:
    assert option_texts({"x": value}) == {"x": text}


@pytest.mark.parametrize("value", [None, [], [1], {}, {"a": 1}])
def test_other_values_are_dropped(value: Any) -> None:
    assert option_texts({"x": value, "driver": "d"}) == {"driver": "d"}


def test_an_id_is_a_string_or_none() -> None:
    assert option_texts({"id": 5}) == {}
    assert option_texts({"id": "5"}) == {"id": "5"}


def test_options_are_in_the_order_of_0_13_s_dictionaries() -> None:
    names = ["driver", "id", "mac", "vlan", "netdev", "foo"]
    given = [option_texts(dict.fromkeys(o, "1")) for o in (names, names[::-1])]
    assert list(given[0]) == list(given[1]) != names


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (GenericError("so"), "so\n"),
        (ValueError("so"), "so\n"),
        (ValueError(), ""),
        (
            InvalidParameterValue(name="n", expected="x").hinting("a\nb"),
            "Parameter 'n' expects x\na\nb\n",
        ),
    ],
)
def test_an_error_is_explained_in_whole_lines(error: Exception, text: str) -> None:
    assert explain(error) == text


def test_notes_come_first() -> None:
    error = DeviceInitFailed(device="d")
    error.add_note("why")
    assert explain(error) == "why\nDevice 'd' could not be initialized\n"
