"""QEMU's reading of strings."""

from __future__ import annotations

import pytest

from qmpx.wire.text import StringFault, next_code_point, read_string, read_text

PLANES = range(17)
NONCHARACTERS = [
    *range(0xFDD0, 0xFDF0),
    *(plane << 16 | low for plane in PLANES for low in (0xFFFE, 0xFFFF)),
]
SURROGATES = range(0xD800, 0xE000)
REFUSED = frozenset([*NONCHARACTERS, *SURROGATES])
NO_UTF8 = "invalid UTF-8 sequence in string"
NO_ESCAPE = "invalid escape sequence in string"


def utf8(code: int) -> bytes:
    return chr(code).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("\x7f", "\x7f"),
        ("%s", "%s"),
        ("é€😀", "é€😀"),
        (r"\b\f\n\r\t", "\b\f\n\r\t"),
        (r"\"\'\\\/", "\"'\\/"),
        (r"\\u0041", r"\u0041"),
        (r"\u0041\u00e9\u20AC", "Aé€"),
        (r"\u0000", "\0"),
        (r"\ud83d\ude00", "😀"),
        (r"\uD800\uDC00x", "\U00010000x"),
        (r"\udbff\udffd", "\U0010fffd"),
        (r"a\né", "a\né"),
        ("￼�", "￼�"),
    ],
)
def test_a_string_is_read(quote: str, body: str, text: str) -> None:
    assert read_string(f"{quote}{body}{quote}".encode()) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"\xc0\x80", "\0"),
        (b"a\xc0\x80b\xc3\xa9", "a\0bé"),
        (b"\\n\xc0\x80", "\n\0"),
    ],
)
def test_a_zero_may_be_written_as_modified_utf8(body: bytes, text: str) -> None:
    assert read_string(b'"%b"' % body) == text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\\x41", NO_ESCAPE),
        (b"\\0", NO_ESCAPE),
        (b"\\a", NO_ESCAPE),
        (b"\\U0041", NO_ESCAPE),
        (b"\\ ", NO_ESCAPE),
        (b"\\\xc3\xa9", NO_ESCAPE),
        (b"\\ud800", "\\ud800 is not a valid Unicode character"),
        (b"\\udfff", "\\udfff is not a valid Unicode character"),
        (b"\\ud800\\ud800", "\\ud800 is not a valid Unicode character"),
        (b"\\udc00\\udc00", "\\udc00 is not a valid Unicode character"),
        (b"\\u0041\\udc00", "\\udc00 is not a valid Unicode character"),
        (b"\\ud800\\ue000", "\\ud800 is not a valid Unicode character"),
        (b"\\ud800\\udbff", "\\ud800 is not a valid Unicode character"),
        (b"\\ud800x", "\\ud800 is not a valid Unicode character"),
        (b"\\ufdd0", "\\ufdd0 is not a valid Unicode character"),
        (b"\\uFFFF", "\\uFFFF is not a valid Unicode character"),
        (b"\\ud83f\\udffe", "\\ud83f\\udffe is not a valid Unicode character"),
        # The escape is quoted as it is written, six bytes of it.
        (b"\\u12", '\\u12" is not a valid Unicode character'),
        (b"\\u123", '\\u123" is not a valid Unicode character'),
        (b"\\u1", '\\u1" is not a valid Unicode character'),
        (b"\\u", '\\u" is not a valid Unicode character'),
        (b"\\u12345\\uqqqqzz", "\\uqqqq is not a valid Unicode character"),
        (b"\\u1\xc3\xa9xxx", "\\u1\xe9x is not a valid Unicode character"),
        (b"\\u12\x80zzz", "\\u12\ufffdz is not a valid Unicode character"),
        (b"\\u000\xc3\xa9", "\\u000\ufffd is not a valid Unicode character"),
        (b"\x80", NO_UTF8),
        (b"ok\xc3", NO_UTF8),
        (b"\\n\xc3", NO_UTF8),
        (b"\xc0\x81", NO_UTF8),
        (b"\xe0\x80\x80", NO_UTF8),
        (b"\xf8\x88\x80\x80\x80", NO_UTF8),
        # The first fault counts.
        (b"\\x\x80", NO_ESCAPE),
        (b"\x80\\x", NO_UTF8),
    ],
)
def test_a_string_is_refused_with_qemus_words(body: bytes, reason: str) -> None:
    with pytest.raises(StringFault) as caught:
        read_string(b'"%b"' % body)
    assert str(caught.value) == reason


def test_every_character_of_the_first_plane_is_read_raw_and_escaped() -> None:
    codes = [code for code in range(0x20, 0x10000) if code not in REFUSED]
    text = "".join(map(chr, codes))
    raw = text.replace("\\", "\\\\").replace('"', '\\"')
    assert read_string(f'"{raw}"'.encode()) == text
    escaped = "".join(f"\\u{code:04x}" for code in codes)
    assert read_string(f'"{escaped}"'.encode()) == text


def test_characters_beyond_the_first_plane_are_read_raw_and_escaped() -> None:
    edges = (0x0, 0x1, 0xFFFD, 0xFDD0, 0xD800)
    text = "".join(chr(plane << 16 | edge) for plane in PLANES[1:] for edge in edges)
    assert read_string(f'"{text}"'.encode()) == text
    assert read_string(f'"\\n{text}"'.encode()) == f"\n{text}"
    pairs = text.encode("utf-16-be").hex()
    escaped = "".join("\\u" + pairs[at : at + 4] for at in range(0, len(pairs), 4))
    assert read_string(f'"{escaped}"'.encode()) == text


@pytest.mark.parametrize("prefix", [b"", b"\\n"])
@pytest.mark.parametrize("code", [*NONCHARACTERS, 0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_noncharacters_and_surrogates_are_refused_raw(code: int, prefix: bytes) -> None:
    with pytest.raises(StringFault, match=f"^{NO_UTF8}$"):
        read_string(b'"%b%b"' % (prefix, utf8(code)))


def test_surrogates_and_noncharacters_are_refused_escaped() -> None:
    refused = 0
    for code in (*SURROGATES, *(each for each in NONCHARACTERS if each < 0x10000)):
        with pytest.raises(StringFault, match=r"is not a valid Unicode character$"):
            read_string(f'"\\u{code:04x}"'.encode())
        refused += 1
    assert refused == 2048 + 34


@pytest.mark.parametrize(
    ("data", "code", "length"),
    [
        (b"a", 0x61, 1),
        (b"\x7f", 0x7F, 1),
        (b"\xc2\x80", 0x80, 2),
        (b"\xdf\xbf", 0x7FF, 2),
        (b"\xe0\xa0\x80", 0x800, 3),
        (b"\xef\xbf\xbd", 0xFFFD, 3),
        (b"\xf0\x90\x80\x80", 0x10000, 4),
        (b"\xf4\x8f\xbf\xbd", 0x10FFFD, 4),
        (b"\xc0\x80", 0, 2),
        # A bad sequence is as long as its lead says, or up to what breaks it.
        (b"\x80\x80", -1, 1),
        (b"\xbf", -1, 1),
        (b"\xfe\x80", -1, 1),
        (b"\xff", -1, 1),
        (b"\xc3", -1, 1),
        (b"\xc3a", -1, 1),
        (b"\xc3\xc3", -1, 1),
        (b"\xe2\x82", -1, 2),
        (b"\xe2\x82a", -1, 2),
        (b"\xf0\x9f\x98", -1, 3),
        (b"\xc1\xbf", -1, 2),
        (b"\xe0\x9f\xbf", -1, 3),
        (b"\xf0\x8f\xbf\xbf", -1, 4),
        (b"\xf8\x87\xbf\xbf\xbf", -1, 5),
        (b"\xfc\x83\xbf\xbf\xbf\xbf", -1, 6),
        (b"\xf8\x88\x80\x80\x80", -1, 5),
        (b"\xfd\xbf\xbf\xbf\xbf\xbf", -1, 6),
        (b"\xf4\x90\x80\x80", -1, 4),
        (b"\xed\xa0\x80", -1, 3),
        (b"\xef\xbf\xbe", -1, 3),
        (b"\xef\xb7\x90", -1, 3),
    ],
)
def test_a_code_point_is_decoded(data: bytes, code: int, length: int) -> None:
    assert next_code_point(data, 0) == (code, length)
    assert next_code_point(b"xy" + data, 2) == (code, length + 2)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"abc", "abc"),
        (b"abc\0def", "abc"),
        (b"\0", ""),
        ("é\0".encode(), "é"),
        (b"a\xffb", "a\ufffdb"),
        (b"\xe2\x82\xff", "\ufffd\ufffd"),
        (b"\x80\x80", "\ufffd\ufffd"),
        (b"\xc0\x80x", "\0x"),
        ("é😀".encode(), "é😀"),
    ],
)
def test_text_for_a_message_replaces_what_is_bad(data: bytes, text: str) -> None:
    assert read_text(data) == text
