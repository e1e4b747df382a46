"""Values to bytes, against a writer that is plain and slow."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Struct, UnsetType

from qmpx.wire.encode import (
    encode,
    encode_exactly,
    encode_plainly,
    encode_string,
    spell_double,
)

SHORT = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def spelled(value: Any) -> str:
    """Return *value* as QEMU writes it, by another way than the module."""
    match value:
        case None | bool():
            return json.dumps(value)
        case int():
            return str(value)
        case float():
            return f"{value:.17g}"
        case str():
            units = memoryview(value.encode("utf-16-le")).cast("H")
            return '"' + "".join(map(spelled_unit, units)) + '"'
        case list():
            return "[" + ", ".join(map(spelled, value)) + "]"
        case _:
            pairs = (
                f"{spelled(name)}: {spelled(each)}" for name, each in value.items()
            )
            return "{" + ", ".join(pairs) + "}"


def spelled_unit(unit: int) -> str:
    """Return a unit of UTF-16 as it stands in a string."""
    if unit in SHORT:
        return SHORT[unit]
    return chr(unit) if 0x20 <= unit < 0x7F else f"\\u{unit:04X}"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(st.sampled_from('"\\/bu0aA\x00\x1f\x7f\x80é😀\n: ,{}e1')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
@settings(max_examples=50)
def test_all_writers_spell_a_value_as_qemu_does(value: Any) -> None:
    expected = spelled(value).encode()
    assert encode(value) == expected
    assert encode_exactly(value) == expected
    assert expected.isascii()
    assert b"\n" not in expected


@given(json_values)
@settings(max_examples=50)
def test_a_value_that_was_written_reads_back_as_the_same(value: Any) -> None:
    assert json.loads(encode(value)) == value
    assert json.loads(encode_exactly(value)) == value
    plain = json.loads(encode_plainly(value))
    assert repr(plain) == repr(value)  # 1.0 stays 1.0, and -0.0 as well


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, b"null"),
        (True, b"true"),
        (0, b"0"),
        (2**64 - 1, b"18446744073709551615"),
        (-(2**63), b"-9223372036854775808"),
        ("", b'""'),
        ("plain", b'"plain"'),
        ("a/b'c", b'"a/b\'c"'),
        ('"\\', b'"\\"\\\\"'),
        ("\b\f\n\r\t", b'"\\b\\f\\n\\r\\t"'),
        ("\0\x01\x1f", b'"\\u0000\\u0001\\u001F"'),
        ("\x7f", b'"\\u007F"'),
        ("\x80é", b'"\\u0080\\u00E9"'),
        ("\uabcd\uffff", b'"\\uABCD\\uFFFF"'),
        ("\U00010000", b'"\\uD800\\uDC00"'),
        ("😀\U0010ffff", b'"\\uD83D\\uDE00\\uDBFF\\uDFFF"'),
        # What looks like an escape, a number or a separator within a string.
        ("\\u00e9", b'"\\\\u00e9"'),
        ("\\u00e9\xe9", b'"\\\\u00e9\\u00E9"'),
        ("\\\\uabcd\x7f", b'"\\\\\\\\uabcd\\u007F"'),
        ("\\n\x1f", b'"\\\\n\\u001F"'),
        ('1.0,"1.0:', b'"1.0,\\"1.0:"'),
        ('\\"1.50', b'"\\\\\\"1.50"'),
        ({"1.0": 1.0}, b'{"1.0": 1}'),
        ({"é": {"\x7f": "ü"}}, b'{"\\u00E9": {"\\u007F": "\\u00FC"}}'),
        ([], b"[]"),
        ({}, b"{}"),
        ([[], {}, [{}]], b"[[], {}, [{}]]"),
        ({"a": [1, 2], "b": {"c": None}}, b'{"a": [1, 2], "b": {"c": null}}'),
    ],
)
def test_a_value_is_spelled(value: Any, text: bytes) -> None:
    assert encode(value) == text
    assert encode_exactly(value) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.10000000000000001"),
        (-1.5, "-1.5"),
        (1e16, "10000000000000000"),
        (1e17, "1e+17"),
        (1e22, "1e+22"),
        (1e-5, "1.0000000000000001e-05"),
        (5e-324, "4.9406564584124654e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2.0**64, "1.8446744073709552e+19"),
    ],
)
def test_a_double_has_17_digits(number: float, text: str) -> None:
    assert spell_double(number) == text
    assert encode(number) == text.encode()
    assert encode([number, {"a": number}]) == f'[{text}, {{"a": {text}}}]'.encode()
    assert encode_exactly([number]) == f"[{text}]".encode()
    assert json.loads(encode_plainly(number)) == number


@pytest.mark.parametrize(
    ("number", "text"), [(math.inf, b"1e999"), (-math.inf, b"-1e999")]
)
def test_an_infinity_is_a_number_too_large(number: float, text: bytes) -> None:
    assert encode_exactly([number]) == b"[%b]" % text
    assert encode_plainly([number]) == b"[%b]" % text
    assert json.loads(text) == number


def test_without_doubles_there_is_no_look_for_them() -> None:
    assert (
        encode({"a": 1, "b": "é"}, may_hold_doubles=False)
        == b'{"a": 1, "b": "\\u00E9"}'
    )
    assert encode(1.0, may_hold_doubles=False) == b"1.0"


class State(enum.Enum):
    RUNNING = "running"


class Status(Struct, rename="kebab"):
    run_state: State
    single_step: bool = False
    name: str | UnsetType = UNSET


def test_structs_and_enums_are_encoded() -> None:
    status = Status(State.RUNNING)
    assert encode(status) == b'{"run-state": "running", "single-step": false}'
    status.name = "é"
    assert encode([status]) == (
        b'[{"run-state": "running", "single-step": false, "name": "\\u00E9"}]'
    )


@pytest.mark.parametrize("value", [object(), {"a": object()}, 1j, [print]])
def test_what_json_cannot_hold_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(value)


@pytest.mark.parametrize("write", [encode_exactly, encode_plainly])
@pytest.mark.parametrize("depth", [2000, 5000])
def test_any_depth_can_be_written(write: Any, depth: int) -> None:
    arrays: Any = 7
    objects: Any = "x"
    for _ in range(depth):
        arrays, objects = [arrays], {"a": objects}
    assert write(arrays) == b"[" * depth + b"7" + b"]" * depth
    assert write(objects) == b'{"a": ' * depth + b'"x"' + b"}" * depth


@given(st.text())
def test_a_string_alone_is_spelled_in_the_same_way(text: str) -> None:
    assert encode_string(text).encode() == encode(text)


def test_a_lone_surrogate_can_be_spelled() -> None:
    assert encode_string("a\udc80") == '"a\\uDC80"'
