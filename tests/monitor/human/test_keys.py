"""Bytes of a terminal: which keys they are, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.monitor.human.keys import Key, KeyReader


def keys(data: bytes) -> list[Key | str]:
    """Return the keys that *data* tells of."""
    reader = KeyReader()
    return [key for byte in data for key in reader.read(byte)]


@pytest.mark.parametrize(
    ("data", "pressed"),
    [
        (b"a Z~", ["a", " ", "Z", "~"]),
        (b"\x01\x02\x03\x04", [Key.HOME, Key.LEFT, Key.INTERRUPT, Key.DELETE]),
        (b"\x05\x06\x07\x08", [Key.END, Key.RIGHT, Key.GIVE_UP, Key.BACKSPACE]),
        (b"\x09\x0a\x0b\x0c", [Key.TAB, Key.ENTER, Key.CUT_END, Key.REDRAW]),
        (b"\x0d\x0e\x10\x12", [Key.ENTER, Key.DOWN, Key.UP, Key.SEARCH]),
        (b"\x15\x17\x7f", [Key.CUT_START, Key.CUT_WORD, Key.BACKSPACE]),
        (b"\x00\x0f\x11\x13\x14\x16\x18\x19\x1a\x1c\x1d\x1e\x1f", []),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", [Key.UP, Key.DOWN, Key.RIGHT, Key.LEFT]),
        (b"\x1bOA\x1bOB\x1bOC\x1bOD", [Key.UP, Key.DOWN, Key.RIGHT, Key.LEFT]),
        (b"\x9bA", [Key.UP]),
        (b"\x1b[H\x1b[F\x1bOH\x1bOF", [Key.HOME, Key.END, Key.HOME, Key.END]),
        (b"\x1b[1~\x1b[7~\x1b[4~\x1b[8~", [Key.HOME, Key.HOME, Key.END, Key.END]),
        (b"\x1b[3~", [Key.DELETE]),
        (b"\x1b[2~\x1b[5~\x1b[6~\x1b[15~\x1bOPx", ["x"]),
        (b"\x1b[1;5Dx", [Key.LEFT, "x"]),
        (b"\x1b[3;5~x", [Key.DELETE, "x"]),
        (b"\x1b[?25hx", ["x"]),
        (b"\x1b[99999999999999999999~x", ["x"]),
        (b"\x1bxy", ["y"]),
        (b"\x1b\x1b[A", ["[", "A"]),
        (b"\x1b[\rx", [Key.ENTER, "x"]),
        ("é€😀".encode(), ["é", "€", "😀"]),
        ("ě".encode(), ["ě"]),  # its second byte alone would be a CSI
        (b"\xffa", ["\udcff", "a"]),
        (b"\xc3a", ["\udcc3", "a"]),
        (b"\xe2\x82a", ["\udce2", "\udc82", "a"]),
        (b"\xe2\x82\xc3\xa9", ["\udce2", "\udc82", "é"]),
        (b"\xc3\r", ["\udcc3", Key.ENTER]),
        (b"\xe0\x80\x80", ["\udce0", "\udc80", "\udc80"]),
        (b"\x80", ["\udc80"]),
    ],
)
def test_bytes_are_keys(data: bytes, pressed: list[Key | str]) -> None:
    assert keys(data) == pressed


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_every_character_comes_through(text: str) -> None:
    assert keys(text.encode()) == list(text)


@given(st.binary(max_size=60))
def test_no_byte_that_is_a_character_is_lost_or_made_up(data: bytes) -> None:
    typed = "".join(key for key in keys(data) if isinstance(key, str))
    kept = typed.encode(errors="surrogateescape")
    remaining = iter(data)
    assert all(byte in remaining for byte in kept)
