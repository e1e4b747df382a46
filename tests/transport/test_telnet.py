"""Telnet: what is taken out of the input, however that is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.transport.telnet import OFFERS, TelnetFilter


def test_the_offers_are_those_of_qemu() -> None:
    assert OFFERS == b"\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00"


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"stop\r\n", b"stop\r\n"),
        (b"a\xff\xfd\x01b", b"ab"),
        (b"a\xff\xfb\x01\xff\xfc\x02\xff\xfd\x03\xff\xfe\xffb", b"ab"),
        (b"a\xff\xffb", b"a\xffb"),
        (b"a\xff\xf1b\xff\xf3c", b"abc"),
        (b"a\xff\xfa\x18\x00xterm\xff\xf0b", b"ab"),
        (b"a\xff\xfa\x1f\xff\xff\x00\xff\xf0b", b"ab"),
        (b"a\xff\xfa\x1f", b"a"),
        (b"a\xff", b"a"),
    ],
)
def test_what_is_no_command_is_kept(data: bytes, kept: bytes) -> None:
    assert TelnetFilter().filter(data) == kept


@given(
    st.lists(st.sampled_from([0, 65, 0xF0, 0xF1, 0xFA, 0xFB, 0xFE, 0xFF])).map(bytes),
    st.data(),
)
def test_however_it_is_cut_the_same_is_kept(data: bytes, cuts: st.DataObject) -> None:
    place = cuts.draw(st.integers(0, len(data)))
    cut = TelnetFilter()
    kept = cut.filter(data[:place]) + cut.filter(data[place:])
    assert kept == TelnetFilter().filter(data)


@given(st.binary())
def test_data_that_is_spelled_as_telnet_wants_it_comes_through(data: bytes) -> None:
    assert TelnetFilter().filter(data.replace(b"\xff", b"\xff\xff")) == data
