"""Transcripts that cannot be read, and places in those that can."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.errors import SchemaError
from qmpx.qapi.lint import uses_in_transcript
from qmpx.qapi.lint.uses import Place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{}\n{"execute": }', r"talk\.jsonl:2: not read as JSON: .*"),
        ("[" * 100000, r"talk\.jsonl:1: not read as JSON: .*"),
    ],
)
def test_what_is_no_json_is_told(text: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        list(uses_in_transcript(text, "talk.jsonl"))


def test_a_name_that_is_escaped_is_where_the_message_is() -> None:
    (use,) = uses_in_transcript('{"execute": "st\\u006fp"}')
    assert (use.name, use.place) == ("stop", Place(1, 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["execute", "arguments", "event", "timestamp", "x"]),
            inner,
            max_size=3,
        )
    ),
)


@given(JSON)
def test_any_json_is_read(value: object) -> None:
    for use in uses_in_transcript(json.dumps(value)):
        assert use.kind in ("command", "event")
