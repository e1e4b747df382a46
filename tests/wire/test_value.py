"""One JSON value by itself, and what QEMU says of a text that is none."""

from __future__ import annotations

import pytest

from qmpx.errors import GenericError
from qmpx.wire.value import read_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'driver': 'e1000', \"id\": 'a'}", {"driver": "e1000", "id": "a"}),
        (' [1, 2.5, null, true, "\\u00e9"] ', [1, 2.5, None, True, "é"]),
        ("'it\\'s'", "it's"),
        ("7", 7),
        ("18446744073709551615", 18446744073709551615),
        ("18446744073709551616", 18446744073709551616.0),
        ("null", None),
        ("{}\n", {}),
    ],
)
def test_a_value_is_read(text: str, value: object) -> None:
    assert repr(read_value(text)) == repr(value)


# What QEMU 7.2.22 says of -device with such a text.
@pytest.mark.parametrize(
    ("text", "desc"),
    [
        ("", "Expecting a JSON value"),
        (" ", "Expecting a JSON value"),
        ("{'driver':'e1000'", "JSON parse error, premature EOI"),
        ("{'driver':12", "JSON parse error, premature EOI"),
        ("{'driver':'e1000'} {}", "Expecting at most one JSON value"),
        ("{'driver':'e1000'}x", "Expecting at most one JSON value"),
        ("{'driver':'e1000'}%", "Expecting at most one JSON value"),
        ("{}}", "Expecting at most one JSON value"),
        ("{'driver':'e1000',}", "JSON parse error, expecting value"),
        ("{'a':[}", "JSON parse error, expecting value"),
        ("{'driver':'e1000','driver':'x'}", "JSON parse error, duplicate key"),
        ("{'netdev':nul}", "JSON parse error, invalid keyword 'nul'"),
        ("nul", "JSON parse error, invalid keyword 'nul'"),
        ("{'driver':1a", "JSON parse error, expected separator in dict"),
        ("{'driver':'e10", "JSON parse error, stray ''e10'"),
        ('{"driver":"e10', "JSON parse error, stray '\"e10'"),
        ("{%", "JSON parse error, stray '%'"),
        ("{'driver':NaN}", "JSON parse error, stray 'N'"),
        ('{"a":"\\x"}', "JSON parse error, invalid escape sequence in string"),
    ],
)
def test_what_is_no_value_is_refused_in_qemus_words(text: str, desc: str) -> None:
    with pytest.raises(GenericError) as caught:
        read_value(text)
    assert caught.value.desc == desc
