"""Plain values as bytes and back; and what is none is refused."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.machine.migration.values import (
    MAX_DEPTH,
    StreamError,
    dump_value,
    load_value,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(VALUES)
def test_a_value_comes_back_as_it_was(value: Any) -> None:
    assert load_value(dump_value(value)) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "6e"),
        (True, "74"),
        (False, "66"),
        (0, "690100"),
        (-1, "6901ff"),
        (128, "69020080"),
        (1.5, "723ff8000000000000"),
        ("é", "7300000002c3a9"),
        (b"\x00", "620000000100"),
        ([1], "6c00000001690101"),
        ({"a": None}, "64000000017300000001616e"),
    ],
)
def test_each_kind_looks_as_the_page_says(value: Any, data: str) -> None:
    assert dump_value(value).hex() == data


@pytest.mark.parametrize("value", [(1, 2), bytearray(b"x"), memoryview(b"x")])
def test_what_is_as_good_as_a_list_or_bytes_comes_back_as_such(value: Any) -> None:
    assert load_value(dump_value(value)) in ([1, 2], b"x")


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({1: 2}, TypeError, "a key of a state is no string: 1"),
        ({1}, TypeError, "a state holds a set, which cannot be moved"),
        (nested(MAX_DEPTH + 1), ValueError, "a state is nested deeper than 32"),
        (1 << 2040, ValueError, "an integer of a state has more than 255 bytes"),
    ],
)
def test_what_cannot_be_moved_is_refused_with_its_reason(
    value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        dump_value(value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a value wants 1 bytes where 0 are left"),
        (b"nn", "1 bytes follow a value"),
        (b"x", "there is no value with the tag b'x'"),
        (b"i\x02\x00", "a value wants 2 bytes where 1 are left"),
        (b"s\x00\x00\x00\x01\xff", "a text is no UTF-8"),
        (b"b\xff\xff\xff\xffx", "a value wants 4294967295 bytes where 1 are left"),
        (b"l\xff\xff\xff\xffn", "a value wants 1 bytes where 0 are left"),
        (b"d\x00\x00\x00\x01n", "a key is no text"),
        (b"l\x00\x00\x00\x01" * 40, "a value is nested deeper than 32"),
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(StreamError, match=f"^{re.escape(message)}$"):
        load_value(data)


@given(st.binary(max_size=64))
def test_whatever_comes_only_a_stream_error_escapes(data: bytes) -> None:
    with contextlib.suppress(StreamError):
        load_value(data)
