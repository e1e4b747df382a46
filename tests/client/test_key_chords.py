from __future__ import annotations

import string

import pytest

from qmpx.client.key_chords import chords
from qmpx.errors import LocalProtocolError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", []),
        ("aZ9", [("a",), ("shift", "z"), ("9",)]),
        ("\n\t\b ", [("ret",), ("tab",), ("backspace",), ("spc",)]),
        ("-_", [("minus",), ("shift", "minus")]),
        ("~|", [("shift", "grave_accent"), ("shift", "backslash")]),
        ("!)", [("shift", "1"), ("shift", "0")]),
    ],
)
def test_a_text_is_keys(text: str, keys: list[tuple[str, ...]]) -> None:
    assert chords(text) == keys


def test_all_that_an_american_keyboard_has_can_be_typed() -> None:
    printable = set(string.printable) - set("\x0b\x0c")
    typed = chords("".join(sorted(printable)))
    assert len(typed) == len(printable)
    assert len(set(typed)) == len(printable) - 1  # two characters are Enter


def test_another_layout_goes_before() -> None:
    assert chords("zé", {"z": ["y"], "é": ["alt_r", "e"]}) == [("y",), ("alt_r", "e")]


@pytest.mark.parametrize("character", ["é", "\0", "²", "☃"])
def test_what_has_no_key_is_named(character: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        chords(f"ok{character}")
    assert repr(character) in str(caught.value)
