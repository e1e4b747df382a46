"""Bytes to tokens, whole or cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.wire.lexer import Kind, Lexer, Token
from qmpx.wire.outcomes import MAX_TOKEN_SIZE
from tests.wire.streams import cuttings

PUNCTUATION, STRING, FLOAT = Kind.PUNCTUATION, Kind.STRING, Kind.FLOAT
INTEGER, WORD, ERROR = Kind.INTEGER, Kind.WORD, Kind.ERROR
OVERSIZED = Kind.OVERSIZED


def tokens_of(chunks: list[bytes], lexer: Lexer) -> list[Token]:
    tokens = []
    for chunk in chunks:
        position = 0
        while position < len(chunk):
            token, position = lexer.next_token(chunk, position)
            if token is not None:
                tokens.append(token)
    return tokens


def tokens(*pairs: tuple[Kind, bytes]) -> list[Token]:
    return [Token(kind, text) for kind, text in pairs]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", tokens()),
        (b" \t\r\n", tokens()),
        *[(b"%c" % each, tokens((PUNCTUATION, b"%c" % each))) for each in b"{}[]:,"],
        (b"{}", tokens((PUNCTUATION, b"{"), (PUNCTUATION, b"}"))),
        # Strings are not read here: only where they end matters.
        (b'""', tokens((STRING, b'""'))),
        (b"''", tokens((STRING, b"''"))),
        (b'"a\'b"', tokens((STRING, b'"a\'b"'))),
        (b"'a\"b'", tokens((STRING, b"'a\"b'"))),
        (b'"\\"\\\\"', tokens((STRING, b'"\\"\\\\"'))),
        (b"'\\'\\x\\u'", tokens((STRING, b"'\\'\\x\\u'"))),
        (b'"\x7f\x80\xfd"', tokens((STRING, b'"\x7f\x80\xfd"'))),
        (b'"\\\x80"', tokens((STRING, b'"\\\x80"'))),
        (b'"a""b"', tokens((STRING, b'"a"'), (STRING, b'"b"'))),
        (b'"a\n', tokens((ERROR, b'"a\n'))),
        (b"'a\x1f'", tokens((ERROR, b"'a\x1f"))),
        (b'"a\xfe"', tokens((ERROR, b'"a\xfe'))),
        (b'"a\\\xff"', tokens((ERROR, b'"a\\\xff'))),
        (b"'a\\\n'", tokens((ERROR, b"'a\\\n"))),
        # Numbers.
        (b"0 ", tokens((INTEGER, b"0"))),
        (b"-0 ", tokens((INTEGER, b"-0"))),
        (b"120,", tokens((INTEGER, b"120"), (PUNCTUATION, b","))),
        (b"-12]", tokens((INTEGER, b"-12"), (PUNCTUATION, b"]"))),
        (b"0.5 ", tokens((FLOAT, b"0.5"))),
        (b"1.50e-03\n", tokens((FLOAT, b"1.50e-03"))),
        (b"1E+9}", tokens((FLOAT, b"1E+9"), (PUNCTUATION, b"}"))),
        (b"10e5:", tokens((FLOAT, b"10e5"), (PUNCTUATION, b":"))),
        (b"0.0E0 ", tokens((FLOAT, b"0.0E0"))),
        (b"0e1 ", tokens((INTEGER, b"0"), (WORD, b"e"), (INTEGER, b"1"))),
        (b"1-1 ", tokens((INTEGER, b"1"), (INTEGER, b"-1"))),
        (b"1.5-1 ", tokens((FLOAT, b"1.5"), (INTEGER, b"-1"))),
        (b"1.5.5 ", tokens((FLOAT, b"1.5"), (ERROR, b"."))),
        (b"1e5e5 ", tokens((FLOAT, b"1e5"), (WORD, b"e"), (INTEGER, b"5"))),
        (
            b"0x1f ",
            tokens((INTEGER, b"0"), (WORD, b"x"), (INTEGER, b"1"), (WORD, b"f")),
        ),
        (b'1"a"', tokens((INTEGER, b"1"), (STRING, b'"a"'))),
        (b"42\x0b", tokens((INTEGER, b"42"), (ERROR, b"\x0b"))),
        (b"42\xff", tokens((INTEGER, b"42"), (ERROR, b"\xff"))),
        (b"42@", tokens((INTEGER, b"42"), (ERROR, b"@"))),
        (b"00,", tokens((ERROR, b"00"), (PUNCTUATION, b","))),
        (b"-a,", tokens((ERROR, b"-a"), (PUNCTUATION, b","))),
        (b"1.,", tokens((ERROR, b"1.,"))),
        (b"1.5e,", tokens((ERROR, b"1.5e,"))),
        (b"1e+\xff\xff", tokens((ERROR, b"1e+\xff"), (ERROR, b"\xff"))),
        # Words.
        (b"null ", tokens((WORD, b"null"))),
        (b"az{", tokens((WORD, b"az"), (PUNCTUATION, b"{"))),
        (b"a1 ", tokens((WORD, b"a"), (INTEGER, b"1"))),
        (b"nULL ", tokens((WORD, b"n"), (ERROR, b"U"))),
        (b"a\xff", tokens((WORD, b"a"), (ERROR, b"\xff"))),
        # Skipping after an error: to a bracket, comma, colon or control.
        (b"@abc 1 'x' \"y\" \t@[", tokens((ERROR, b"@"), (PUNCTUATION, b"["))),
        *[
            (b"@@%c" % each, tokens((ERROR, b"@"), (PUNCTUATION, b"%c" % each)))
            for each in b"{}[]:,"
        ],
        *[
            (b"@x%cnull " % each, tokens((ERROR, b"@"), (WORD, b"null")))
            for each in b"\r\n"
        ],
        *[
            (b"@x%cy" % each, tokens((ERROR, b"@"), (ERROR, b"%c" % each)))
            for each in b"\x00\x08\x0b\x1b\x1f\xfe\xff"
        ],
        *[
            (b"@%c%c@" % (each, each), tokens((ERROR, b"@")))
            for each in b"\t \x7f\x80\xfd"
        ],
        (b"\xff\xff", tokens((ERROR, b"\xff"), (ERROR, b"\xff"))),
        # What has begun is no token yet.
        (b"1", tokens()),
        (b"tru", tokens()),
        (b'"abc', tokens()),
        (b'"abc\\', tokens()),
    ],
)
def test_tokens_are_the_same_however_they_are_cut(
    data: bytes, expected: list[Token]
) -> None:
    for chunks in cuttings(data):
        assert tokens_of(chunks, Lexer()) == expected, f"pieces of {len(chunks[0])}"


BLANK, DIGIT, LETTER = b" \t\r\n", b"0123456789", b"abcdefghijklmnopqrstuvwxyz"
BRACKETS, CONTROLS = b"{}[]:,", bytes(range(0x20))
IN_STRINGS = bytes(range(0x20, 0xFE))

# What has begun, the bytes that go on with it, those that end it as a token, as which,
# and what any other byte makes of it: a bad token, or a token before that byte.
STATES: list[tuple[bytes, bytes, bytes, Kind, Kind]] = [
    (b'"a', IN_STRINGS.replace(b'"', b""), b'"', STRING, ERROR),
    (b"'a", IN_STRINGS.replace(b"'", b""), b"'", STRING, ERROR),
    (b'"\\', IN_STRINGS, b"", STRING, ERROR),
    (b"'\\", IN_STRINGS, b"", STRING, ERROR),
    (b"-", DIGIT, b"", INTEGER, ERROR),
    (b"0", b".", b"", INTEGER, INTEGER),
    (b"-12", DIGIT + b".eE", b"", INTEGER, INTEGER),
    (b"1.", DIGIT, b"", FLOAT, ERROR),
    (b"0.5", DIGIT + b"eE", b"", FLOAT, FLOAT),
    (b"1e", DIGIT + b"+-", b"", FLOAT, ERROR),
    (b"1e-", DIGIT, b"", FLOAT, ERROR),
    (b"1e5", DIGIT, b"", FLOAT, FLOAT),
    (b"nul", LETTER, b"", WORD, WORD),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: repr(state[0]))
@pytest.mark.parametrize("is_cut", [False, True])
def test_each_byte_goes_on_with_a_token_or_ends_it(
    state: tuple[bytes, bytes, bytes, Kind, Kind], is_cut: bool
) -> None:
    begun, going_on, ending, good, otherwise = state
    for code in range(256):
        byte = bytes([code])
        lexer = Lexer()
        found = tokens_of([begun, byte] if is_cut else [begun + byte], lexer)
        if byte in going_on:
            assert (found, lexer.is_idle) == ([], False), byte
        elif byte in ending:
            assert (found, lexer.is_idle) == ([Token(good, begun + byte)], True), byte
        elif otherwise is ERROR or (begun == b"0" and byte in DIGIT):
            assert (found, lexer.is_idle) == ([Token(ERROR, begun + byte)], False), byte
        else:
            assert found[0] == Token(otherwise, begun), byte
            alone = Lexer()
            assert found[1:] == tokens_of([byte], alone), byte
            assert lexer.is_idle is alone.is_idle, byte


def test_each_byte_begins_a_token_or_is_one_or_is_none() -> None:
    for code in range(256):
        byte = bytes([code])
        lexer = Lexer()
        found = tokens_of([byte], lexer)
        if byte in BLANK:
            assert (found, lexer.is_idle) == ([], True), byte
        elif byte in BRACKETS:
            assert (found, lexer.is_idle) == ([Token(PUNCTUATION, byte)], True), byte
        elif byte in DIGIT + LETTER + b"-\"'":
            assert (found, lexer.is_idle) == ([], False), byte
        else:
            assert (found, lexer.is_idle) == ([Token(ERROR, byte)], False), byte


@pytest.mark.parametrize("is_cut", [False, True])
def test_each_byte_is_skipped_or_ends_the_skipping(is_cut: bool) -> None:
    for code in range(256):
        byte = bytes([code])
        lexer, alone = Lexer(), Lexer()
        found = tokens_of([b"@x", byte] if is_cut else [b"@x" + byte], lexer)
        assert found[0] == Token(ERROR, b"@"), byte
        if byte in CONTROLS.replace(b"\t", b"") + BRACKETS + b"\xfe\xff":
            assert found[1:] == tokens_of([byte], alone), byte
            assert lexer.is_idle is alone.is_idle, byte
        else:
            assert (found[1:], lexer.is_idle) == ([], False), byte


def test_there_are_seven_kinds_of_tokens_and_the_line_ends_of_2010() -> None:
    assert len(Kind) == 8


@pytest.mark.parametrize(
    ("data", "is_idle"),
    [
        (b"", True),
        (b"  ", True),
        (b"{", True),
        (b'"a"', True),
        (b"1 ", True),
        (b"\xff\n", True),
        (b"\xff", False),
        (b"1", False),
        (b"-", False),
        (b"nul", False),
        (b'"a', False),
        (b"'", False),
        (b"@ ", False),
    ],
)
def test_it_is_idle_when_nothing_has_begun(data: bytes, is_idle: bool) -> None:
    lexer = Lexer()
    tokens_of([data], lexer)
    assert lexer.is_idle is is_idle


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'"abc"', tokens((STRING, b'"abc"'))),
        # Complete with the byte too many it is a token still; the parser refuses it.
        (b'"abcd"', tokens((STRING, b'"abcd"'))),
        (b'"abcde"', tokens((OVERSIZED, b'"abcde'))),
        (b'"abcdef', tokens((OVERSIZED, b'"abcde'))),
        (b'"abcdefg ', tokens((OVERSIZED, b'"abcde'), (WORD, b"fg"))),
        (b"'\\\\\\\\\\\\'", tokens((OVERSIZED, b"'\\\\\\\\\\"), (ERROR, b"\\"))),
        (b'"abcd\\n', tokens((OVERSIZED, b'"abcd\\'))),
        (b"12345 ", tokens((INTEGER, b"12345"))),
        (b"123456 ", tokens((OVERSIZED, b"123456"))),
        (b"1234567 ", tokens((OVERSIZED, b"123456"), (INTEGER, b"7"))),
        (b"1.2345 ", tokens((OVERSIZED, b"1.2345"))),
        (b"1.23e+5 ", tokens((OVERSIZED, b"1.23e+"), (INTEGER, b"5"))),
        (b"abcdefgh ", tokens((OVERSIZED, b"abcdef"), (WORD, b"gh"))),
        (b"@" + b"a" * 20 + b"{", tokens((ERROR, b"@"), (PUNCTUATION, b"{"))),
        (b" " * 20 + b"{", tokens((PUNCTUATION, b"{"))),
    ],
)
def test_a_token_too_long_is_given_up_and_the_rest_looked_at_afresh(
    data: bytes, expected: list[Token]
) -> None:
    for chunks in cuttings(data + b"\n"):
        found = tokens_of(chunks, Lexer(5))
        assert found[: len(expected)] == expected, f"pieces of {len(chunks[0])}"


def test_the_limit_is_that_of_qemu() -> None:
    assert MAX_TOKEN_SIZE == 64 * 1024 * 1024


@given(st.binary(max_size=60), st.integers(1, 70), st.integers(1, 20))
def test_any_bytes_become_the_same_tokens_however_they_are_cut(
    data: bytes, size: int, limit: int
) -> None:
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    one_by_one = [data[start : start + 1] for start in range(len(data))]
    expected = tokens_of(one_by_one, Lexer(limit))
    assert tokens_of(chunks, Lexer(limit)) == expected
    assert all(len(token.text) <= limit + 1 for token in expected)
