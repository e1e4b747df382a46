"""Tokens to messages: order, recovery, limits, numbers."""

from __future__ import annotations

import math

import pytest

from qmpx.wire.lexer import Kind, Token
from qmpx.wire.outcomes import Limits, Malformed, Parsed
from qmpx.wire.parser import Parser, read_number

KINDS = {
    '"': Kind.STRING,
    "'": Kind.STRING,
    "@": Kind.ERROR,
    "!": Kind.OVERSIZED,
    **dict.fromkeys("{}[]:,", Kind.PUNCTUATION),
    **dict.fromkeys("0123456789-", Kind.INTEGER),
}


def token(text: str) -> Token:
    """Return a token: floats hold a point, bad ones begin with @, others are words."""
    kind = KINDS.get(text[0], Kind.WORD)
    if kind is Kind.INTEGER and "." in text:
        kind = Kind.FLOAT
    return Token(kind, text.encode())


def outcomes(text: str, limits: Limits | None = None) -> list[Parsed | Malformed]:
    """Return what becomes of tokens, given with blanks between them."""
    parser = Parser(limits or Limits())
    found = [parser.push(token(each)) for each in text.split()]
    return [outcome for outcome in found if outcome is not None]


def fault(text: str) -> Malformed:
    return Malformed(f"JSON parse error, {text}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{ }", {}),
        ("[ ]", []),
        ("[ 1 , -2 , 0.5 , true , false , null ]", [1, -2, 0.5, True, False, None]),
        ("""{ "a" : [ { } ] , 'b' : "c" }""", {"a": [{}], "b": "c"}),
        ("[ [ [ ] ] , [ ] ]", [[[]], []]),
        ("""{ "b" : 1 , "a" : 2 }""", {"b": 1, "a": 2}),
        ("7", 7),
        ("0.5", 0.5),
        ('"x"', "x"),
        ("null", None),
    ],
)
def test_a_message_is_its_value(text: str, value: object) -> None:
    (outcome,) = outcomes(text)
    assert outcome == Parsed(value)
    assert repr(outcome) == repr(Parsed(value))  # 1 is not True, and the order is kept


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        # The first fault of order, when the brackets balance.
        ("{ , }", ["expecting value"]),
        ("{ : }", ["expecting value"]),
        ("{ ]", ["expecting value"]),
        ("[ }", ["expecting value"]),
        ("[ , ]", ["expecting value"]),
        ("[ : ]", ["expecting value"]),
        ("[ 1 , ]", ["expecting value"]),
        ('{ "a" : }', ["expecting value"]),
        ('{ "a" : , }', ["expecting value"]),
        ('{ "a" : 1 , }', ["expecting value"]),
        ("[ 1 2 ]", ["expected separator in list"]),
        ("[ 1 [ ] ]", ["expected separator in list"]),
        ("[ 1 : ]", ["expected separator in list"]),
        ("[ 1 }", ["expected separator in list"]),
        ('{ "a" : 1 "b" }', ["expected separator in dict"]),
        ('{ "a" : 1 { } }', ["expected separator in dict"]),
        ('{ "a" : 1 : }', ["expected separator in dict"]),
        ('{ "a" : 1 ]', ["expected separator in dict"]),
        ('{ "a" }', ["missing : in object pair"]),
        ('{ "a" , }', ["missing : in object pair"]),
        ('{ "a" "b" }', ["missing : in object pair"]),
        ('{ "a" [ ] }', ["missing : in object pair"]),
        ('{ "a" ]', ["missing : in object pair"]),
        ("{ 1 : 2 }", ["key is not a string in object"]),
        ("{ null : 2 }", ["key is not a string in object"]),
        ("{ [ ] : 2 }", ["key is not a string in object"]),
        ("{ { } : 2 }", ["key is not a string in object"]),
        ('{ "a" : 1 , "a" : 2 }', ["duplicate key"]),
        ("""{ 'a' : 1 , "\\u0061" : 2 }""", ["duplicate key"]),
        ("[ nul ]", ["invalid keyword 'nul'"]),
        ("nul", ["invalid keyword 'nul'"]),
        ('[ "\\x" ]', ["invalid escape sequence in string"]),
        ("[ 1 2 , nul ]", ["expected separator in list"]),
        ("[ nul 2 ]", ["invalid keyword 'nul'"]),
        # A lone token that is no value.
        (",", ["expecting value"]),
        (":", ["expecting value"]),
        ("] }", ["expecting value"] * 2),
        # Counted by kind.
        ('{ "a" : [ 1 }', []),
        ('{ "a" : [ 1 } ]', ["expected separator in list"]),
        ("[ [ [ }", ["expecting value"]),
        ("[ { ] ]", ["expecting value"]),
        # A bad token drops what was read, at once.
        ("[ @ ]", ["stray '@'", "expecting value"]),
        ("{ [ @x", ["stray '@x'"]),
        ("{ { @ }", ["stray '@'", "expecting value"]),
        ("@ @", ["stray '@'"] * 2),
        # After a fault the rest of the message is only counted.
        (
            "[ 1 2 [ , : nul { } ] ] ]",
            ["expected separator in list", "expecting value"],
        ),
    ],
)
def test_what_is_out_of_order_is_refused_in_qemus_words(
    text: str, reasons: list[str]
) -> None:
    assert outcomes(text) == [fault(reason) for reason in reasons]


def test_after_a_fault_comes_the_next_message() -> None:
    assert outcomes("[ 1 2 ] [ 3 ] @ [ 4 ]") == [
        fault("expected separator in list"),
        Parsed([3]),
        fault("stray '@'"),
        Parsed([4]),
    ]


def test_a_fault_is_worded_in_1023_bytes() -> None:
    (outcome,) = outcomes("z" * 5000)
    assert outcome == fault("invalid keyword '" + "z" * 1006)


TOO_LONG = Malformed("JSON token size limit exceeded")
TOO_MANY = Malformed("JSON token count limit exceeded")
TOO_DEEP = Malformed("JSON nesting depth limit exceeded")


@pytest.mark.parametrize(
    ("text", "limits", "expected"),
    [
        ("[ 12 ]", Limits(token_size=5), [Parsed([12])]),
        ("[ 12 ]", Limits(token_size=4), [TOO_LONG]),
        ("[ 123 ]", Limits(token_size=4), [TOO_LONG, fault("expecting value")]),
        ("!xxxx", Limits(token_size=4), [TOO_LONG]),
        ("1 2 3 4 5", Limits(token_size=2), [Parsed(n) for n in range(1, 6)]),
        ("[ 1 ]", Limits(token_count=3), [Parsed([1])]),
        ("[ 1 ]", Limits(token_count=2), [TOO_MANY]),
        ("[ [ ] ]", Limits(nesting=2), [Parsed([[]])]),
        ('{ "a" : [ ] }', Limits(nesting=2), [Parsed({"a": []})]),
        ("[ [ ] ]", Limits(nesting=1), [TOO_DEEP, *[fault("expecting value")] * 2]),
        ("[ [ [ [", Limits(nesting=1), [TOO_DEEP, TOO_DEEP]),
        # After a fault the limits hold on.
        ("[ , [ [ ]", Limits(nesting=2), [TOO_DEEP, fault("expecting value")]),
        ("[ , 1 ]", Limits(token_count=2), [TOO_MANY, fault("expecting value")]),
        # A bad token is told of whatever the limits.
        ("@xxxx", Limits(token_size=1), [fault("stray '@xxxx'")]),
    ],
)
def test_a_limit_passed_drops_what_was_read(
    text: str, limits: Limits, expected: list[Parsed | Malformed]
) -> None:
    assert outcomes(text, limits) == expected


def test_the_default_limits_are_qemus() -> None:
    assert Limits() == Limits(64 * 1024 * 1024, 2 * 1024 * 1024, 1024)


@pytest.mark.parametrize(
    ("text", "is_idle"),
    [
        ("", True),
        ("[ ]", True),
        ("7", True),
        ("[", False),
        ("[ ,", False),
        ('{ "a"', False),
        ("[ @", True),
        ("]", True),
    ],
)
def test_it_is_idle_when_no_message_has_begun(text: str, is_idle: bool) -> None:
    parser = Parser(Limits())
    for each in text.split():
        parser.push(token(each))
    assert parser.is_idle is is_idle


def test_depth_does_not_meet_the_interpreters_limit() -> None:
    limits = Limits(nesting=4000)
    (outcome,) = outcomes("[ " * 4000 + "] " * 4000, limits)
    assert isinstance(outcome, Parsed)
    depth, value = 0, outcome.value
    while value:
        depth, value = depth + 1, value[0]
    assert depth == 3999


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"-7", -7),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", 2**63),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", float(2**64)),
        (b"-9223372036854775808", -(2**63)),
        (b"-9223372036854775809", -float(2**63)),
        (b"99999999999999999999", 1e20),
        (b"1" + b"0" * 308, 1e308),
        (b"1" + b"0" * 309, math.inf),
        (b"-" + b"9" * 5000, -math.inf),
    ],
)
def test_an_integer_is_exact_in_64_bits_and_a_double_beyond(
    text: bytes, number: float
) -> None:
    found = read_number(text, is_integer=True)
    assert (type(found), found) == (type(number), number)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (b"0.5", 0.5),
        (b"-0.0", -0.0),
        (b"1.0", 1.0),
        (b"1e3", 1000.0),
        (b"1e400", math.inf),
        (b"-1.5e400", -math.inf),
        (b"1e-400", 0.0),
        (b"0.1000000000000000055511151231257827", 0.1),
    ],
)
def test_any_other_number_is_a_double(text: bytes, number: float) -> None:
    found = read_number(text, is_integer=False)
    assert (type(found), repr(found)) == (float, repr(number))
