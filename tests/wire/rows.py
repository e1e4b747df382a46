"""What a client may send, and what becomes of it: each row a fact of QEMU's.

Every row was compared with a real QEMU 7.2.22.
"""

from __future__ import annotations

from tests.wire.streams import (
    NO_OBJECT,
    NO_VALUE,
    Admitted,
    Outcome,
    Refusal,
    fault,
    stray,
)

X = b'{"execute": "x"}'
ONE = Admitted("x")
BAD = "\ufffd"

Row = tuple[bytes, list[Outcome]]


def row(data: bytes, *outcomes: Outcome) -> Row:
    """Return what is sent, and what is to become of it."""
    return data, list(outcomes)


def with_id(text: bytes) -> bytes:
    """Return a request with this id."""
    return b'{"execute": "x", "id": %b}' % text


FRAMING: list[Row] = [
    # A message ends with its last bracket; newlines are blanks.
    row(b""),
    row(b"\n\r\n \t\n"),
    row(X, ONE),
    row(X + b"\n", ONE),
    row(X + b"\r", ONE),
    row(X + b"\r\n", ONE),
    row(X + b" ", ONE),
    row(X + X, ONE, ONE),
    row(X + b"\n" + X + b"\n", ONE, ONE),
    row(X + b"\r\n" + X + b"\r\n", ONE, ONE),
    row(X + b" " + X + b"\t" + X, ONE, ONE, ONE),
    row(b'\t{ \r\n "execute"\t:\n\n"x"\r,"id" :\r\n"f"\n}\n', Admitted("x", b'"f"')),
    row(
        b'{"id":1,"execute":"x"}{"id":2,"execute":"y"}{"id',
        Admitted("x", b"1"),
        Admitted("y", b"2"),
    ),
    # What was cut off swallows what follows.
    row(b'{"execute": "x"\n' + X + b"\n}\n", fault("expected separator in dict")),
    row(
        b'{"execute": "x", "id": \n{"execute": "y"}\n}',
        Admitted("x", b'{"execute": "y"}'),
    ),
    # Only space, tab, CR and LF are blanks.
    row(b"\x0b" + X, stray("\x0b"), ONE),
    row(b"\x0c" + X, stray("\x0c"), ONE),
    row(b"\x7f" + X, stray("\x7f"), ONE),
    row(b"\x00" + X + b"\x00", stray(""), ONE, stray("")),
    row(b"\xc2\x85" + X, stray(BAD), ONE),
    row(b"\xc2\xa0" + X, stray(BAD), ONE),
    row(b"\xe2\x80\xa8" + X, stray(BAD), ONE),
    row(b"\xef\xbb\xbf" + X, stray(BAD), ONE),
    row(b"\x1e" + X + b"\n\x1e" + X, stray("\x1e"), ONE, stray("\x1e"), ONE),
    row(
        b"\xff\xfb\x01\xff\xfd\x03\r\n",
        stray(BAD),
        stray("\x01"),
        stray(BAD),
        stray("\x03"),
    ),
    row(
        b'{\x00"\x00a\x00"\x00:\x001\x00}\x00',
        *[stray("")] * 4,
        NO_VALUE,
        *[stray("")] * 2,
        NO_VALUE,
        stray(""),
    ),
    row(
        b"POST /x HTTP/1.0\r\nHost: a\r\n\r\n" + X,
        stray("P"),
        stray("H"),
        NO_VALUE,
        fault("invalid keyword 'a'"),
        ONE,
    ),
]

TOP_LEVEL: list[Row] = [
    # Strings and closed brackets end at once, bare words and numbers with the next.
    row(b"42"),
    row(b"42\n", NO_OBJECT),
    row(b"-1.5e3 ", NO_OBJECT),
    row(b"42\xff", NO_OBJECT, stray(BAD)),
    row(b"42{", NO_OBJECT),
    row(b"true"),
    row(b"true\n", NO_OBJECT),
    row(b"null\x1b", NO_OBJECT, stray("\x1b")),
    row(b'"abc"', NO_OBJECT),
    row(b"'abc'", NO_OBJECT),
    row(b"[]", NO_OBJECT),
    row(b'["execute", "x"]', NO_OBJECT),
    row(b"1,2\n", NO_OBJECT, NO_VALUE, NO_OBJECT),
    row(b'1a"b"[]', NO_OBJECT, fault("invalid keyword 'a'"), NO_OBJECT, NO_OBJECT),
    row(b"36\n" + X, NO_OBJECT, ONE),
    # An array of requests is no batch.
    row(b"[" + X + b", " + X + b"]", NO_OBJECT),
    row(b"quit\n", fault("invalid keyword 'quit'")),
    row(b"]]}}]", *[NO_VALUE] * 5),
    row(b",:,", *[NO_VALUE] * 3),
]

SYNTAX: list[Row] = [
    # One error at the moment the brackets balance, and the whole message is gone.
    row(b'{"execute" "x", [1, 2\n'),
    row(b'{"execute" "x", [1, 2]\n'),
    row(b'{"execute" "x", [1, 2]}' + X, fault("missing : in object pair"), ONE),
    row(b'{"execute": "x",}', NO_VALUE),
    row(b'{,"execute": "x"}', NO_VALUE),
    row(b'{"execute": "x",, "id": 1}', NO_VALUE),
    row(b'{"execute": "x" "id": 1}', fault("expected separator in dict")),
    row(b'{"execute" "x"}', fault("missing : in object pair")),
    row(b'{"execute" {}}', fault("missing : in object pair")),
    row(b'{"execute"}', fault("missing : in object pair")),
    row(b'{"execute",}', fault("missing : in object pair")),
    row(b'{"execute":}', NO_VALUE),
    row(b'{"execute":, "id": 1}', NO_VALUE),
    row(b'{"execute":: "x"}', NO_VALUE),
    row(b"{:}", NO_VALUE),
    row(b"{,}", NO_VALUE),
    row(b"[,]", NO_VALUE),
    row(b"[1 2]", fault("expected separator in list")),
    row(b"[1:2]", fault("expected separator in list")),
    row(b"[1,]", NO_VALUE),
    row(b'{1: 2, "execute": "x"}', fault("key is not a string in object")),
    row(b'{null: 1, "execute": "x"}', fault("key is not a string in object")),
    row(b'{[1]: 1, "execute": "x"}', fault("key is not a string in object")),
    row(b'{{"a": 1}: 1, "execute": "x"}', fault("key is not a string in object")),
    row(b'{[1,]: 1, "execute": "x"}', NO_VALUE),
    row(b'{nul: 1, "execute": "x"}', fault("invalid keyword 'nul'")),
    # The first fault counts.
    row(b'{"a" 1, "b": nul, "c": "\\x"}', fault("missing : in object pair")),
    row(b'{"b": nul, "a" 1, "c": "\\x"}', fault("invalid keyword 'nul'")),
    # Brackets are counted by kind, not paired.
    row(b'{"a": [1}'),
    row(b'{"a": [1}]', fault("expected separator in list")),
    row(b'{"a": [1}]}', fault("expected separator in list"), NO_VALUE),
    row(b'{"a": 1]' + X, fault("expected separator in dict"), ONE),
    row(b"[[[[1}" + X, fault("expected separator in list"), ONE),
    row(b'{"a": [{]\n}'),
    row(b'{"a": [{]\n}}' + X, NO_VALUE, ONE),
    row(b"{]", NO_VALUE),
    row(b"[}", NO_VALUE),
    # A closing bracket too many is an error of its own, after the good reply.
    row(X + b"}", ONE, NO_VALUE),
    row(X + b"]" + X, ONE, NO_VALUE, ONE),
    # A member twice, wherever it is, however it is written.
    row(b'{"execute": "x", "execute": "x"}', fault("duplicate key")),
    row(b'{"id": 1, "execute": "x", "id": 1}', fault("duplicate key")),
    row(b'{"execute": "x", "arguments": {}, "arguments": {}}', fault("duplicate key")),
    row(b'{"execute": "x", "arguments": {"a": 1, "a": 2}}', fault("duplicate key")),
    row(b'{"execute": "x", "id": [{"b": {"a": 1, "a": 2}}]}', fault("duplicate key")),
    row(b'{"execute": "x", "id": {"a": 1, "\\u0061": 2}}', fault("duplicate key")),
    row(b'{"execute": "x", "id": {"/": 1, "\\/": 2}}', fault("duplicate key")),
    row(b"{'execute': 'x', \"execute\": 1}", fault("duplicate key")),
    # The value of a member that stands twice is read before that is noticed.
    row(b'{"a": 1, "a": nul}', fault("invalid keyword 'nul'")),
    row(b'{"a": 1, "a": }', NO_VALUE),
]

RECOVERY: list[Row] = [
    # After a bad character all is skipped up to a bracket, colon, comma or control.
    row(b"@" + X, stray("@"), ONE),
    row(X + b" & " + X, ONE, stray("&"), ONE),
    row(X + b"$\n", ONE, stray("$")),
    row(b"# note\n" + X, stray("#"), ONE),
    row(b'{"execute": @ "x"}', stray("@"), NO_VALUE),
    row(
        b'{"execute": "x", "id": [1, @, 2]}',
        stray("@"),
        NO_VALUE,
        NO_OBJECT,
        NO_VALUE,
        NO_VALUE,
    ),
    row(b'{"execute" = "x"}', stray("="), NO_VALUE),
    row(b'{"execute": "x"; "id": 1}', stray(";"), NO_VALUE, NO_OBJECT, NO_VALUE),
    row(b'("execute": "x")\n', stray("("), NO_VALUE, NO_OBJECT, stray(")")),
    row(b'{"execute": "x", "id": [[[[@]]]]}', stray("@"), *[NO_VALUE] * 5),
    row(b'{"execute": "x", "id": @', stray("@")),
    # What ends a bad token is part of it.
    row(with_id(b"1."), stray("1.}")),
    row(with_id(b"1e"), stray("1e}")),
    row(with_id(b"-"), stray("-}")),
    row(with_id(b"1.") + X, stray("1.}"), ONE),
    # Quotes mean nothing while skipping; tabs and words are skipped, too.
    row(
        b'\x80"{"execute": 1}',
        stray(BAD),
        Refusal("QMP input member 'execute' must be a string"),
    ),
    row(b"\x80 null 42 'x' \"y\"\n" + X, stray(BAD), ONE),
    row(b"\x80\t\x80\t\x80\n", stray(BAD)),
    row(b"\x80\r\x80\n\x80", *[stray(BAD)] * 3),
    row(b"\x80{\x80}\n", stray(BAD), stray(BAD), NO_VALUE),
    # Every ESC and 0xFF is an error; other bad bytes in a row are one.
    row(b"\xff\xff", *[stray(BAD)] * 2),
    row(b"\xfe\xff\xfe", *[stray(BAD)] * 3),
    row(b"\x1b\x1b\x1b", *[stray("\x1b")] * 3),
    row(b"\x80\x80\x80\x80", stray(BAD)),
    row(b"\x80\x1b", stray(BAD), stray("\x1b")),
    row(b"\xed", stray(BAD)),
    # Any byte that is no token resets, and so does a control within a string.
    row(b'{"execute": "x", "id": [1, {"a": \n\xff' + X, stray(BAD), ONE),
    row(b'{"execute": "x", "id": [1, {"a": \n\x01' + X, stray("\x01"), ONE),
    row(
        b'{"execute": "qu\xff\n{"execute": "x", "id": 1234567890}\n',
        stray(f'"qu{BAD}'),
        Admitted("x", b"1234567890"),
    ),
    row(b'{"execute": "qu\x1b' + X, stray('"qu\x1b'), ONE),
    row(b'{"execute": "qu\n' + X, stray('"qu\n'), ONE),
    row(b'{"exe\xffcute": "x"}\n', stray(f'"exe{BAD}'), NO_VALUE, NO_OBJECT, NO_VALUE),
    row(b'{"id": "a\\\x1b' + X, stray('"a\\\x1b'), ONE),
    row(b'{"id": "\xe2\x82\xff' + X, stray(f'"{BAD}{BAD}'), ONE),
    row(b"1.\x1b" + X, stray("1.\x1b"), ONE),
    row(b'{"execute": "x\', "id": 1}\n' + X, stray('": 1}\n'), ONE),
    # A zero byte cuts the quotation of a bad token short.
    row(b'{"id": "a\x00b"}', stray('"a'), NO_VALUE),
    # Typographic quotes.
    row("{“execute”: “x”}\n".encode(), stray(BAD), NO_VALUE, stray(BAD), NO_VALUE),
]

WORDS: list[Row] = [
    row(with_id(b"[true,false,null]"), Admitted("x", b"[true, false, null]")),
    row(with_id(b"nul"), fault("invalid keyword 'nul'")),
    row(with_id(b"nulll"), fault("invalid keyword 'nulll'")),
    row(with_id(b"undefined"), fault("invalid keyword 'undefined'")),
    row(with_id(b"fal\tse"), fault("invalid keyword 'fal'")),
    row(with_id(b"NULL"), stray("N"), NO_VALUE),
    row(with_id(b"True"), stray("T"), NO_VALUE),
    row(with_id(b"nUll"), stray("U"), NO_VALUE),
    row(b'{"execute": u"x"}', fault("invalid keyword 'u'")),
    row(with_id(b"%p"), stray("%"), NO_VALUE),
    row(with_id(b"%lld"), stray("%"), NO_VALUE),
    row(b"%s\n" + X, stray("%"), ONE),
    row(with_id(b'"%s%d%%"'), Admitted("x", b'"%s%d%%"')),
    # QEMU words a fault in 1023 bytes.
    row(b"[" + b"z" * 2000 + b"]", fault("invalid keyword '" + "z" * 1006)),
]

BAD_NUMBERS: list[Row] = [
    row(with_id(b"00"), stray("00"), NO_VALUE),
    row(with_id(b"01"), stray("01"), NO_VALUE),
    row(with_id(b"-01"), stray("-01"), NO_VALUE),
    row(with_id(b"00.5"), stray("00"), NO_VALUE),
    row(with_id(b"+1"), stray("+"), NO_VALUE),
    row(with_id(b".5"), stray("."), NO_VALUE),
    row(with_id(b"-.5"), stray("-."), NO_VALUE),
    row(with_id(b"1.e3"), stray("1.e"), NO_VALUE),
    row(with_id(b"1e+"), stray("1e+}")),
    row(with_id(b"1.5e"), stray("1.5e}")),
    row(with_id(b"--1"), stray("--"), NO_VALUE),
    row(with_id(b"1_000"), stray("_"), NO_VALUE),
    row(with_id(b"10M"), stray("M"), NO_VALUE),
    row(with_id(b"NaN"), stray("N"), NO_VALUE),
    row(with_id(b"nan"), fault("invalid keyword 'nan'")),
    row(with_id(b"Infinity"), stray("I"), NO_VALUE),
    row(with_id(b"-Infinity"), stray("-I"), NO_VALUE),
    row(with_id(b"[01, +2]"), stray("01"), NO_VALUE, stray("+"), NO_VALUE, NO_VALUE),
    # Two good tokens each.
    row(with_id(b"0e1"), fault("expected separator in dict")),
    row(with_id(b"-0e1"), fault("expected separator in dict")),
    row(with_id(b"0E1"), stray("E"), NO_VALUE),
    row(with_id(b"[0e1]"), fault("expected separator in list")),
    row(with_id(b"0x10"), fault("expected separator in dict")),
    row(with_id(b"1a"), fault("expected separator in dict")),
    row(with_id(b"1-1"), fault("expected separator in dict")),
    row(with_id(b"1 2"), fault("expected separator in dict")),
    row(with_id(b'1"a"'), fault("expected separator in dict")),
    row(with_id(b'"a""b"'), fault("expected separator in dict")),
]

# Ids as they are sent, and as they come back.
IDS: list[tuple[bytes, bytes]] = [
    (b"null", b"null"),
    (b"true", b"true"),
    (b"[]", b"[]"),
    (b"{}", b"{}"),
    (b'""', b'""'),
    (b'[1,"a",null,true,[2]]', b'[1, "a", null, true, [2]]'),
    (b'{"a":1,"b":{"c":[null]}}', b'{"a": 1, "b": {"c": [null]}}'),
    (b'{"":{"":[{}]}}', b'{"": {"": [{}]}}'),
    (b'{"execute": "stop", "id": 1}', b'{"execute": "stop", "id": 1}'),
    (b'"a:b, {c} [d]"', b'"a:b, {c} [d]"'),
    (b'{"a:b":":"}', b'{"a:b": ":"}'),
    # Numbers: exact from -2**63 to 2**64 - 1, doubles of 17 digits beyond.
    (b"0", b"0"),
    (b"-0", b"0"),
    (b"-7", b"-7"),
    (b"[-0]", b"[0]"),
    (b"-0.0", b"-0"),
    (b"0.0e1", b"0"),
    (b"1.0", b"1"),
    (b"1e3", b"1000"),
    (b"1E3", b"1000"),
    (b"1e+3", b"1000"),
    (b"1e0003", b"1000"),
    (b"10e5", b"1000000"),
    (b"0.1", b"0.10000000000000001"),
    (b"1.5e3", b"1500"),
    (b"1e-7", b"9.9999999999999995e-08"),
    (b"123456789012345678", b"123456789012345678"),
    (b"1234567890123456789", b"1234567890123456789"),
    (b"9223372036854775807", b"9223372036854775807"),
    (b"9223372036854775808", b"9223372036854775808"),
    (b"18446744073709551615", b"18446744073709551615"),
    (b"18446744073709551616", b"1.8446744073709552e+19"),
    (b"-9223372036854775808", b"-9223372036854775808"),
    (b"-9223372036854775809", b"-9.2233720368547758e+18"),
    (b"1" + b"0" * 299, b"1.0000000000000001e+299"),
    (b"0." + b"3" * 999, b"0.33333333333333331"),
    (b"5e-324", b"4.9406564584124654e-324"),
    (b"1e-400", b"0"),
    # QEMU itself writes inf, which no JSON reader takes.
    (b"1e400", b"1e999"),
    (b"-1e400", b"-1e999"),
    (b"1" * 400, b"1e999"),
    (b"-" + b"1" * 5000, b"-1e999"),
    # Strings.
    (b"'a \"b\" c'", b'"a \\"b\\" c"'),
    (b"'it\\'s'", b'"it\'s"'),
    (b'"it\\\'s"', b'"it\'s"'),
    (b"{'a': 'b', \"'\": '\"'}", b'{"a": "b", "\'": "\\""}'),
    (b'"a\\/b"', b'"a/b"'),
    (b'"\\b\\f\\n\\r\\t\\"\\\\"', b'"\\b\\f\\n\\r\\t\\"\\\\"'),
    (b'"\\u0008\\u000a\\u0022\\u005c\\u002f"', b'"\\b\\n\\"\\\\/"'),
    (b'"\\u0041\\u005a"', b'"AZ"'),
    (b'"\\u001f\\u0001"', b'"\\u001F\\u0001"'),
    (b'"\\uabcd"', b'"\\uABCD"'),
    (b'"\\\\u0041"', b'"\\\\u0041"'),
    (b'"\\u0000"', b'"\\u0000"'),
    (b'"a\xc0\x80b"', b'"a\\u0000b"'),
    (b'"\x7f"', b'"\\u007F"'),
    (b'{"\x7f":["\x7f"]}', b'{"\\u007F": ["\\u007F"]}'),
    ('"é߿ࠀ"'.encode(), b'"\\u00E9\\u07FF\\u0800"'),
    ('"😀"'.encode(), b'"\\uD83D\\uDE00"'),
    (b'"\\ud800\\udc00\\udbff\\udffd"', b'"\\uD800\\uDC00\\uDBFF\\uDFFD"'),
    (b'"\\ufffd\\ufeff"', b'"\\uFFFD\\uFEFF"'),
    ('{"é": 1}'.encode(), b'{"\\u00E9": 1}'),
    (b'{"a\\u0000b": 1, "a\\u0000c": 2}', b'{"a\\u0000b": 1, "a\\u0000c": 2}'),
]

NO_UTF8 = fault("invalid UTF-8 sequence in string")
NO_ESCAPE = fault("invalid escape sequence in string")


def no_character(written: str) -> Refusal:
    """Return the refusal of an escape."""
    return fault(f"{written} is not a valid Unicode character")


BAD_STRINGS: list[Row] = [
    *[row(with_id(b'"\\%c"' % letter), NO_ESCAPE) for letter in b"x0aveNUX% 1@\x7f"],
    row(with_id(b'"\\x41"'), NO_ESCAPE),
    row(with_id('"\\é"'.encode()), NO_ESCAPE),
    row(with_id(b'"\\ufffe"'), no_character("\\ufffe")),
    row(with_id(b'"\\uffff"'), no_character("\\uffff")),
    row(with_id(b'"\\uFDD0"'), no_character("\\uFDD0")),
    row(with_id(b'"\\ufdef"'), no_character("\\ufdef")),
    row(with_id(b'"\\udbff\\udfff"'), no_character("\\udbff\\udfff")),
    row(with_id(b'"\\ud83d"'), no_character("\\ud83d")),
    row(with_id(b'"\\ude00"'), no_character("\\ude00")),
    row(with_id(b'"\\ude00\\ud83d"'), no_character("\\ude00")),
    row(with_id(b'"\\ud83d\\u0041"'), no_character("\\ud83d")),
    row(with_id(b'"\\ud83d\\n"'), no_character("\\ud83d")),
    row(with_id(b'"\\ud83d\\u12"'), no_character("\\ud83d")),
    row(with_id(b'"\\u123"'), no_character('\\u123"')),
    row(with_id(b'"\\u"'), no_character('\\u"')),
    row(with_id(b'"\\u12g4"'), no_character("\\u12g4")),
    row(with_id(b'"\\u+123"'), no_character("\\u+123")),
    row(with_id(b'"\\u 123"'), no_character("\\u 123")),
    *[
        row(with_id(b'"a%bb"' % raw), NO_UTF8)
        for raw in [
            b"\x80",
            b"\xbf",
            b"\xc3",
            b"\xc3\x28",
            b"\xe2\x82",
            b"\xc0\xaf",
            b"\xc1\xbf",
            b"\xe0\x80\xaf",
            b"\xe0\x80\x80",
            b"\xf0\x80\x80\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\xfc\x84\x80\x80\x80\x80",
            b"\xf4\x90\x80\x80",
            b"\xed\xa0\x80",
            b"\xed\xa0\xbd\xed\xb8\x80",
            b"\xc3\xa9\xa9",
            "\ufdd0".encode(),
            "\uffff".encode(),
            "\U0001fffe".encode(),
            "\U0010ffff".encode(),
        ]
    ],
    *[
        row(with_id(b'"a%cb"' % control), stray(f'"a{chr(control)}'), NO_VALUE)
        for control in b"\x01\t\r\n\x1b\x1f"
    ],
    *[
        row(with_id(b'"a%cb"' % code), stray(f'"a{BAD}'), NO_VALUE)
        for code in b"\xfe\xff"
    ],
    row(b'{"execute": "\\x", "id": "\\y"}', NO_ESCAPE),
    row(b'{"execute": """x"""}', fault("expected separator in dict")),
]

REQUESTS: list[Row] = [
    # Names are neither trimmed nor folded; whatever is in them is handed on.
    row(b'{"execute": ""}', Admitted("")),
    row(b'{"execute": " Query_Name "}', Admitted(" Query_Name ")),
    row(b'{"execute": "a\\u0000b\\n\\/\x7f"}', Admitted("a\0b\n/\x7f")),
    row('{"execute": "é😀"}'.encode(), Admitted("é😀")),
    row(b"{'execute': 'x', 'arguments': {}, 'id': 'q'}", Admitted("x", b'"q"', b"{}")),
    row(b'{"\\u0065xecute": "x", "\\u0069d": 1}', Admitted("x", b"1")),
    row(
        b'{"execute": "x", "arguments": {"a": [1.0, 1, -0, {"b": "\\u00e9:"}]}}',
        Admitted("x", None, b'{"a": [1.0, 1, 0, {"b": "\\u00E9:"}]}'),
    ),
    # The members' types, and what is no member.
    row(b"{}", Refusal("QMP input lacks member 'execute'")),
    row(b'{"id": 1}', Refusal("QMP input lacks member 'execute'", b"1")),
    row(b'{"arguments": {}}', Refusal("QMP input lacks member 'execute'")),
    row(b'{"foo": 1}', Refusal("QMP input member 'foo' is unexpected")),
    row(
        b'{"execute": "x", "foo": null, "id": 2}',
        Refusal("QMP input member 'foo' is unexpected", b"2"),
    ),
    row(b'{"execute": "x", "": 1}', Refusal("QMP input member '' is unexpected")),
    row(b'{"Execute": "x"}', Refusal("QMP input member 'Execute' is unexpected")),
    row(b'{"execute ": "x"}', Refusal("QMP input member 'execute ' is unexpected")),
    row(
        b'{"jsonrpc": "2.0", "id": "a"}',
        Refusal("QMP input member 'jsonrpc' is unexpected", b'"a"'),
    ),
    *[
        row(
            b'{"execute": %b, "id": "\\u00e9"}' % value,
            Refusal("QMP input member 'execute' must be a string", b'"\\u00E9"'),
        )
        for value in (b"null", b"1", b"true", b'["x"]', b"{}")
    ],
    *[
        row(
            b'{"execute": "x", "arguments": %b, "id": [1.0]}' % value,
            Refusal("QMP input member 'arguments' must be an object", b"[1]"),
        )
        for value in (b"null", b"0", b"true", b"[]", b'"{}"', b'"x"')
    ],
    row(
        b'{"exec-oob": "x", "id": 3}',
        Refusal("QMP input member 'exec-oob' is unexpected", b"3"),
    ),
    row(
        b'{"exec-oob": 1, "id": 3}',
        Refusal("QMP input member 'exec-oob' is unexpected", b"3"),
    ),
    row(
        b'{"execute": "x", "exec-oob": "x"}',
        Refusal("QMP input member 'exec-oob' is unexpected"),
    ),
    # A fault found in parsing never has an id; the next message has its own.
    row(
        b'{"id": 1, "execute": "x", 1}' + with_id(b"2"),
        fault("key is not a string in object"),
        Admitted("x", b"2"),
    ),
    row(
        b'{"id": 1}{]{"id": 2}',
        Refusal("QMP input lacks member 'execute'", b"1"),
        NO_VALUE,
        Refusal("QMP input lacks member 'execute'", b"2"),
    ),
]

ROWS = [
    *FRAMING,
    *TOP_LEVEL,
    *SYNTAX,
    *RECOVERY,
    *WORDS,
    *BAD_NUMBERS,
    *BAD_STRINGS,
    *REQUESTS,
    *[row(with_id(sent), Admitted("x", back)) for sent, back in IDS if len(sent) < 99],
]
