"""A stream is cut into its values, wherever it was cut before."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qmpx.transcript.splitter import Splitter

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
MESSAGES = st.lists(st.dictionaries(st.text(), VALUES), max_size=5)
ENDS = st.sampled_from([b"", b"\n", b"\r\n", b"  "])


@settings(max_examples=40)  # to think values up takes long
@given(MESSAGES, ENDS, st.integers(1, 40))
def test_however_it_is_cut_the_values_are_the_same(
    messages: list[dict[str, Any]], end: bytes, size: int
) -> None:
    stream = b"".join(json.dumps(each).encode() + end for each in messages)
    splitter = Splitter()
    pieces = []
    for start in range(0, len(stream), size):
        pieces += splitter.feed(stream[start : start + size])
    assert splitter.rest() == b""
    assert [json.loads(piece) for piece in pieces] == messages


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"{'a': '}'}{}", [b"{'a': '}'}", b"{}"]),
        (b'{"a": "\\"}"} {}', [b'{"a": "\\"}"}', b"{}"]),
        (b"GET / HTTP/1.1\r\n{}", [b"GET / HTTP/1.1", b"{}"]),
        (b"junk {}", [b"junk", b"{}"]),
        (b"]]}\n{}", [b"]]}", b"{}"]),
        (b'it"s\n{}', [b'it"s', b"{}"]),
    ],
)
def test_garbage_comes_out_as_it_is(
    stream: bytes, expected: list[bytes], size: int
) -> None:
    splitter = Splitter()
    pieces = []
    for start in range(0, len(stream), size):
        pieces += splitter.feed(stream[start : start + size])
    assert pieces == expected
    assert splitter.rest() == b""


def test_what_is_left_at_the_end_comes_out() -> None:
    splitter = Splitter()
    assert splitter.feed(b'{"return": ') == []
    assert splitter.rest() == b'{"return":'
    assert splitter.feed(b"{}") == [b"{}"]
