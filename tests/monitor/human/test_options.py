"""Option lists: which keys and values they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.monitor.human.options import MAX_KEY, parse_options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("e1000", {"driver": "e1000"}),
        ("e1000,foo=bar", {"driver": "e1000", "foo": "bar"}),
        ("driver=e1000", {"driver": "e1000"}),
        ("foo=bar,e1000", {"foo": "bar", "e1000": "on"}),
        ("e1000,multifunction", {"driver": "e1000", "multifunction": "on"}),
        ("e1000,nomultifunction", {"driver": "e1000", "multifunction": "off"}),
        ("e1000,no", {"driver": "e1000", "": "off"}),
        ("?", {"driver": "?"}),
        ("e1000,?", {"driver": "e1000", "?": "on"}),
        ("a,,b", {"driver": "a,b"}),
        ("a,,b,c=1,,2,,,d=3", {"driver": "a,b", "c": "1,2,", "d": "3"}),
        ("e1000,a=1,a=2", {"driver": "e1000", "a": "2"}),
        ("e1000,a=", {"driver": "e1000", "a": ""}),
        ("e1000,a=b=c", {"driver": "e1000", "a": "b=c"}),
        ("e1000,", {"driver": "e1000"}),
        (",a=1", {"driver": "", "a": "1"}),
        ("id=x,e1000", {"id": "x", "e1000": "on"}),
        ("e1000,id=x", {"id": "x", "driver": "e1000"}),
        ("e1000,id=x,id=y", {"id": "x", "driver": "e1000"}),
        ("e1000,id=x,,y,a=1", {"id": "x,y", "driver": "e1000", "a": "1"}),
        ("e1000,myid=x", {"driver": "e1000", "myid": "x"}),
        ("e1000," + "k" * 200 + "=v", {"driver": "e1000", "k" * MAX_KEY: "v"}),
    ],
)
def test_a_list_holds(text: str, options: dict[str, str]) -> None:
    assert parse_options(text, "driver") == options


def test_without_an_implied_key_the_first_word_is_a_flag() -> None:
    assert parse_options("nofoo,bar") == {"foo": "off", "bar": "on"}


KEYS = st.text("abcdefgh_-.", min_size=1, max_size=9).filter(
    lambda key: not key.startswith("no")
)
VALUES = st.text("abc,=? \"'é", max_size=9)


@given(st.dictionaries(KEYS, VALUES))
def test_what_is_written_as_a_list_is_read_back(options: dict[str, str]) -> None:
    text = ",".join(f"{k}={v.replace(',', ',,')}" for k, v in options.items())
    assert parse_options(text, "driver") == options
