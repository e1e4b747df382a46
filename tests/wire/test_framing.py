"""However a client's bytes are cut, whichever path reads them: the same commands."""

from __future__ import annotations

import itertools
import json
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Raw

from qmpx.wire import Command, CommandReader, Limits, framing, lexer
from qmpx.wire.framing import MAX_ITEMS, read_json, respell, spell_id
from qmpx.wire.lexer import Lexer, Token
from tests.wire.rows import BAD, IDS, ONE, ROWS, X, row, with_id
from tests.wire.streams import (
    NO_OBJECT,
    NO_VALUE,
    TOO_DEEP,
    TOO_LONG,
    TOO_MANY,
    Admitted,
    Outcome,
    Refusal,
    admit,
    cuttings,
    fault,
    has_fast_path,
    held,
    negotiated,
    outcomes_by_reference,
    outcomes_of,
    pieces,
    read,
    stray,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.mark.parametrize(("data", "outcomes"), ROWS)
def test_however_a_stream_is_cut_the_outcomes_are_the_same(
    data: bytes, outcomes: list[Outcome]
) -> None:
    assert outcomes_by_reference(data) == outcomes
    sizes = cuttings(data) if len(data) < 200 else [pieces(data, 7), [data]]
    for chunks in sizes:
        assert outcomes_of(chunks) == outcomes, f"in pieces of {len(chunks[0])}"


@pytest.mark.parametrize(("data", "outcomes"), ROWS)
def test_a_command_behind_whatever_came_is_read_after_a_reset(
    data: bytes, outcomes: list[Outcome]
) -> None:
    probe = b"\xff" + with_id(b'"probe"')
    for chunks in ([data, probe], [data + probe]):
        found = outcomes_of(chunks)
        assert found[: len(outcomes)] == outcomes
        assert found[-1] == Admitted("x", b'"probe"')


@pytest.mark.parametrize(("sent", "back"), IDS)
def test_an_id_comes_back_in_the_servers_spelling_on_both_paths(
    sent: bytes, back: bytes
) -> None:
    request = with_id(sent)
    assert outcomes_of([request]) == [Admitted("x", back)]
    assert outcomes_of([request[:-1], b"}"]) == [Admitted("x", back)]


# Ordinary messages, which the fast path must not leave to the other.
PLAIN = [
    X,
    X + b"\n",
    X + b"\r\n" + X,
    X + X + X,
    with_id(b'"a"') + b"\n" + with_id(b"1") + b"\n",
    b'{"execute":"eject","arguments":{"device":"ide1-cd0","force":true},"id":17}\n',
    b'{"execute":"x","arguments":{"a":{"b":[1.5,{"c":null}]}},"id":{"a":{"b":1}}}',
    b'{"execute":"x","arguments":{"path":"C:\\\\a:b","n":"\\n"},"id":"a:b"}\r\n',
    b'{"exec-oob":"x","id":"\x7f"}',
]


@pytest.mark.parametrize("data", PLAIN)
def test_ordinary_messages_take_the_fast_path(data: bytes) -> None:
    items = read(CommandReader(), [data])
    assert items
    assert has_fast_path(items)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_what_is_whole_before_a_cut_takes_the_fast_path(end: bytes) -> None:
    reader = CommandReader()
    reader.feed(X + end + X + end + b'{"exec')
    assert [type(item) for item in reader.take()] == [Command, Command]
    assert reader.take() == []
    reader.feed(b'ute": "y"}\n' + X)
    items = read(reader, [])
    while reader.unread:
        items += reader.take()
    assert admit(negotiated(), items) == [Admitted("y"), ONE]


def test_after_a_message_that_was_cut_the_fast_path_is_taken_again() -> None:
    reader = CommandReader()
    assert not has_fast_path(read(reader, [X[:5], X[5:]]))
    assert has_fast_path(read(reader, [X]))


# What msgspec takes and QEMU does not, in chunks that are otherwise plain.
SLIPS = [
    b'{"execute":"x","execute":"y"}',
    b'{"execute":"x","id":1,"id":2}',
    b'{"execute":"x","id":"a:b","id":"c:d"}',
    b'{"execute":"x","arguments":{"a":1},"arguments":{"a":1}}',
    b'{"execute":"x","arguments":{"a":1,"a":1}}',
    b'{"execute":"x","arguments":{"a":{"b":1,"b":1}}}',
    b'{"execute":"x","arguments":{"a":[{"b":"c:d","b":1}]}}',
    b'{"execute":"x","arguments":{"":1,"":1}}',
    b'{"execute":"x","arguments":{"/":1,"\\/":1}}',
    b'{"execute":"x","arguments":{"a\\nb":1,"a\\nb":1}}',
    b'{"execute":"x","id":{"a":1,"a":1}}',
    b'{"execute":"x","id":[[{"a":1,"a":1}]]}',
    b'{"execute":"x","id":[{"a":1},{"a":1,"a":1}]}',
    b'{"exec-oob":"x","exec-oob":"x"}',
    b'{"execute":"x","arguments":{"a":"\xef\xbf\xbe"}}',
    b'{"execute":"x","arguments":{"a":"\\ufffe"}}',
    b'{"execute":"x","arguments":{"\xef\xb7\x90":1}}',
    b'{"execute":"\xef\xbf\xbf"}',
    b'{"execute":"x","arguments":{"a":0e1}}',
    b'{"execute":"x","arguments":{"a":-0E1}}',
    b'{"execute":"x","arguments":{"a":[1,0e+1]}}',
    b'{"execute":"x","id":0e0}',
    b'{"execute":"x","id":' + b"[" * 1024 + b"]" * 1024 + b"}",
    b'{"execute":"x","arguments":{"a":' + b"[" * 1023 + b"]" * 1023 + b"}}",
    X + b'{"execute":"x","arguments":' + b'{"a":' * 1024 + b"0" + b"}" * 1024 + b"}",
]


@pytest.mark.parametrize("data", SLIPS)
@pytest.mark.parametrize("around", [(b"", b""), (X, X), (X + b"\n", b"\n" + X + b"\n")])
def test_what_only_msgspec_takes_never_slips_through(
    data: bytes, around: tuple[bytes, bytes]
) -> None:
    before, after = around
    text = before + data + after
    expected = outcomes_by_reference(text)
    assert any(isinstance(outcome, Refusal) for outcome in expected)
    assert outcomes_of([text]) == expected


@pytest.mark.parametrize("command", [0, 1, 2, 7])
@pytest.mark.parametrize("depth", [1022, 1023, 1024, 1500])
def test_the_depth_of_one_command_counts_however_many_there_are(
    command: int, depth: int
) -> None:
    deep = b'{"execute":"x","arguments":{"a":' + b"[" * depth + b"]" * depth + b"}}"
    text = X * command + deep + X
    assert outcomes_of([text]) == outcomes_by_reference(text)


# The limits, with QEMU's figures where that is quick and small ones elsewhere.


@pytest.mark.parametrize(
    ("data", "outcomes"),
    [
        row(
            with_id(b"[" * 1023 + b"]" * 1023), Admitted("x", b"[" * 1023 + b"]" * 1023)
        ),
        row(with_id(b"[" * 1024 + b"]" * 1024), TOO_DEEP, *[NO_VALUE] * 1025),
        row(
            with_id(b'{"a":' * 1023 + b"0" + b"}" * 1023),
            Admitted("x", b'{"a": ' * 1023 + b"0" + b"}" * 1023),
        ),
        row(b"{" * 1025 + X, TOO_DEEP, ONE),
        row(b"[" * 1024),
        row(b"[" * 1024 + b"\x1b" + X, stray("\x1b"), ONE),
        row(b"{]" * 1100, *[NO_VALUE] * 1100),
    ],
)
@pytest.mark.parametrize("size", [1, 64, 1000, 10**6])
def test_the_nesting_limit_is_that_of_qemu(
    data: bytes, outcomes: list[Outcome], size: int
) -> None:
    assert outcomes_of(pieces(data, size)) == outcomes


SMALL = Limits(token_size=40, token_count=16, nesting=4)


@pytest.mark.parametrize(
    ("data", "outcomes"),
    [
        row(X, ONE),
        # Nesting: at the bracket too many, and what follows is read afresh.
        row(b'{"execute":"x","id":[[[]]]}', Admitted("x", b"[[[]]]")),
        row(b'{"execute":"x","id":[[[[]]]]}', TOO_DEEP, *[NO_VALUE] * 5),
        row(b'{"execute":"x","id":[{"a":[]}]}', Admitted("x", b'[{"a": []}]')),
        row(b"[[[[[" + X, TOO_DEEP, ONE),
        # Count: with the seventeenth token.
        row(b"[1,1,1,1,1,1,1,[]]", TOO_MANY, NO_VALUE),
        row(b"[1,1,1,1,1,1,1]", NO_OBJECT),
        row(b"[1,1,1,1,1,1,1,1,1]", TOO_MANY, NO_OBJECT, NO_VALUE),
        # Size: all tokens of a message, without the blanks, and one for the end.
        row(b'{"execute":"' + b"a" * 25 + b'"}', Admitted("a" * 25)),
        row(b'{"execute":"' + b"a" * 26 + b'"}', TOO_LONG),
        row(b'{"execute":"' + b"a" * 27 + b'"}', TOO_LONG, NO_VALUE),
        row(b'{"execute":' + b" " * 100 + b'"' + b"a" * 25 + b'"}', Admitted("a" * 25)),
        # One token: given up at 41 bytes, and the rest is read afresh.
        row(b'"' + b"a" * 38 + b'"', TOO_LONG),
        row(b'"' + b"a" * 37 + b'"', NO_OBJECT),
        row(b'"' + b"a" * 40 + b"1" * 9 + b" ", TOO_LONG, NO_OBJECT),
        row(b'"' + b"a" * 39 + b"\\n\n", TOO_LONG, fault("invalid keyword 'n'")),
        row(b'"' + b"a" * 38 + b"\\n" + X, TOO_LONG, ONE),
        row(b"1" * 50 + b" ", TOO_LONG, NO_OBJECT),
        row(b"z" * 90 + b" ", TOO_LONG, TOO_LONG, fault("invalid keyword 'zzzzzzzz'")),
        row(b"\x80" + b"a" * 100 + b"\n" + X, stray(BAD), ONE),
        row(b" " * 200 + X, ONE),
        row(
            b'{"' + b"\\n" * 16 + b'":1}',
            Refusal("QMP input member '" + "\n" * 16 + "' is unexpected"),
        ),
    ],
)
def test_limits_hold_however_a_stream_is_cut(
    data: bytes, outcomes: list[Outcome]
) -> None:
    assert outcomes_by_reference(data, SMALL) == outcomes
    for chunks in cuttings(data):
        assert outcomes_of(chunks, SMALL) == outcomes, f"pieces of {len(chunks[0])}"


@pytest.mark.parametrize("tail", [b"a", b"\\a", b"\\\\", b'"', b'\\"', b"'", b"\\'"])
@pytest.mark.parametrize("length", range(6))
@pytest.mark.parametrize("quote", [b'"', b"'"])
def test_a_string_may_end_anywhere_near_the_limit(
    quote: bytes, length: int, tail: bytes
) -> None:
    limits = Limits(token_size=5)
    data = quote + b"a" * length + tail + b"bc" + quote + b" 1 "
    expected = outcomes_by_reference(data, limits)
    for chunks in cuttings(data):
        assert outcomes_of(chunks, limits) == expected


def test_a_token_of_many_bytes_is_given_up_at_the_limit_of_its_message() -> None:
    limits = Limits(token_size=100_000)
    data = with_id(b'"' + b"a" * 99_950 + b'"')
    outcome = [Admitted("x", b'"' + b"a" * 99_950 + b'"')]
    assert outcomes_of([data], limits) == outcome
    assert outcomes_of(pieces(data, 4096), limits) == outcome
    longer = with_id(b'"' + b"a" * 99_999 + b'"')
    expected = [TOO_LONG, NO_VALUE]
    assert outcomes_by_reference(longer, limits) == expected
    assert outcomes_of([longer], limits) == expected
    assert outcomes_of(pieces(longer, 4096), limits) == expected


def test_the_limits_are_those_of_qemu() -> None:
    assert Limits() == (64 * 1024 * 1024, 2 * 1024 * 1024, 1024)


def test_a_limit_that_was_raised_holds_for_the_reply_as_well() -> None:
    limits = Limits(nesting=3000)
    text = b"[" * 2000 + b"]" * 2000
    assert outcomes_of([with_id(text)], limits) == [Admitted("x", text)]


# Generated messages.


def spaced(text: str, blanks: Iterator[str]) -> str:
    """Return JSON with blanks where they may be."""
    out: list[str] = []
    quoted = False
    for character in text:
        if character == '"' and (not out or out[-1] != "\\" or even_escapes(out)):
            quoted = not quoted
        if character in "{}[]:," and not quoted:
            out += [next(blanks), character, next(blanks)]
        else:
            out.append(character)
    return "".join(out)


def even_escapes(out: list[str]) -> bool:
    """Whether the backslashes at the end escape one another."""
    run = len(list(itertools.takewhile(lambda c: c == "\\", reversed(out))))
    return run % 2 == 0


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(
        ["", ":", "a:b", "\x7f", "\\", '"', "{", "}{", "}\n", "0e", "0E1"]
    )
    | st.sampled_from([0, -0.0, 1.0, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from("ab:"), inner, max_size=4
        )
    ),
    max_leaves=12,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "execute": st.text(max_size=8) | st.sampled_from(["stop", "a:b", "\x7f"]),
        "exec-oob": st.text(max_size=4),
        "arguments": st.dictionaries(st.text(max_size=4), json_values, max_size=4)
        | json_values,
        "id": json_values,
        "foo": json_values,
    },
).flatmap(lambda members: st.permutations(list(members.items())).map(dict))
blank_texts = st.lists(
    st.sampled_from(["", "", "", " ", "\n", "\r\n", "\t"]), min_size=1, max_size=7
)
separators = st.sampled_from(["", "", "\n", "\r\n", " ", "\n\n", "\t"])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Return some requests, spelled in any valid way, one behind the other."""
    out: list[str] = []
    for request in draw(st.lists(requests, min_size=1, max_size=4)):
        text = json.dumps(
            request, ensure_ascii=draw(st.booleans()), separators=(",", ":")
        )
        out.append(spaced(text, itertools.cycle(draw(blank_texts))))
        out.append(draw(separators))
    return "".join(out).encode()


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Return *data* in some chunks."""
    points = draw(st.lists(st.integers(0, len(data)), max_size=4))
    edges = [0, *sorted(points), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


ALPHABET = [
    *[b"{", b"}", b"[", b"]", b",", b":", b'"', b"'", b"\\", b"\n", b" ", b"0", b"e"],
    *[b"-", b".", b"1", b"\\u", b"\\ud83d", b"\\ufffe", b"\xef\xbf\xbe", b"\xff"],
    *[b"\x1b", b"\x7f", b"\x80", b"@", b"nul", b'"a":', b'"id":1,', b'"execute":"x",'],
    *[b"0e1", b"1e400", b"}{", b"}\n", b"\x00", b"A", b"\\/", b"\\'", b"\xc0\x80"],
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a stream of requests with some bytes changed."""
    data = bytearray(draw(streams()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data[start : start + 1] = draw(st.sampled_from(ALPHABET))
            case 1:
                data[start:start] = draw(st.sampled_from(ALPHABET))
            case 2:
                del data[start : start + draw(st.integers(1, 5))]
            case _:
                end = draw(st.integers(0, len(data)))
                data[start:start] = data[end : end + 20]
    return bytes(data)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300)
def test_valid_messages_are_the_same_on_both_paths(data: st.DataObject) -> None:
    text = data.draw(streams())
    expected = outcomes_by_reference(text)
    assert outcomes_of([text]) == expected
    assert outcomes_of(data.draw(cut(text))) == expected


@pytest.mark.slow
@given(st.data())
@settings(max_examples=300)
def test_mutated_messages_are_the_same_on_both_paths(data: st.DataObject) -> None:
    text = data.draw(mutated())
    expected = outcomes_by_reference(text)
    assert outcomes_of([text]) == expected
    assert outcomes_of(data.draw(cut(text))) == expected


@pytest.mark.slow
@given(
    st.lists(st.sampled_from(ALPHABET), max_size=40).map(b"".join) | st.binary(),
    st.builds(Limits, st.integers(1, 30), st.integers(1, 12), st.integers(1, 5))
    | st.just(Limits()),
    st.data(),
)
@settings(max_examples=300)
@example(b'"aaaa\\a"', Limits(token_size=5), None)
@example(b'{"execute":"x","id":[[]]}', Limits(nesting=2), None)
@example(X + X, Limits(token_count=5), None)
@example(X + X, Limits(token_size=len(X)), None)
def test_any_bytes_are_the_same_however_they_are_cut_and_limited(
    text: bytes, limits: Limits, data: st.DataObject | None
) -> None:
    expected = outcomes_by_reference(text, limits)
    chunks = pieces(text, 3) if data is None else data.draw(cut(text))
    assert outcomes_of([text], limits) == expected
    assert outcomes_of(chunks, limits) == expected
    # Each item takes a byte at least; and the last may be two, a value and an error.
    assert len(expected) <= len(text) + 1


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_in_random_chunks_end_in_items(seed: int) -> None:
    chance = random.Random(seed)
    reader = CommandReader(SMALL)
    most = 0
    for _ in range(200):
        data = chance.randbytes(chance.randrange(1, 200))
        if chance.random() < 0.5:
            data = b"".join(chance.choices(ALPHABET, k=chance.randrange(1, 60)))
        items = read(reader, [data])
        assert len(items) <= len(data) + 1
        most = max(most, held(reader))
    assert most < 16_384


ENDLESS: list[Callable[[int], bytes]] = [
    lambda _: b" " * 100,
    lambda _: b"[" * 100,
    lambda _: b"[1,2],",
    lambda n: b"[" if n == 0 else b"1," * 50,
    lambda n: b"[" if n == 0 else b'{"a":[]},' * 11,
    lambda n: b'{"' if n == 0 else b"a" * 100,
    lambda n: b'{"' if n == 0 else b"\\n" * 50,
    lambda n: b"{'" if n == 0 else b"\\\\\\" * 33,
    lambda n: b"{" if n == 0 else b'"%09d":1,' % n,
    lambda n: b'{"a" 1,' if n == 0 else b"[]," * 33,
    lambda _: b"1" * 100,
    lambda _: b"a" * 100,
    lambda _: b"A" * 100,
    lambda _: b"\x80" * 100,
    lambda _: b"{]" * 50,
]


@pytest.mark.parametrize("endless", ENDLESS)
def test_what_is_held_of_an_endless_message_is_bounded(
    endless: Callable[[int], bytes],
) -> None:
    reader = CommandReader(Limits(token_size=1000, token_count=100, nesting=10))
    for n in range(200):
        read(reader, [endless(n)])
        assert held(reader) < 40_000


def test_garbage_is_taken_in_portions() -> None:
    reader = CommandReader()
    reader.feed(b"\x1b" * 1000)
    sizes = []
    while reader.unread:
        sizes.append(len(reader.take()))
    assert sum(sizes) == 1000
    assert max(sizes) == MAX_ITEMS


def test_unread_tells_how_many_bytes_are_left() -> None:
    reader = CommandReader()
    assert reader.unread == 0
    reader.feed(X + X)
    assert reader.unread == 2 * len(X)
    reader.take()
    assert reader.unread == 0
    assert reader.take() == []


def test_what_is_fed_before_all_was_taken_comes_behind_it() -> None:
    reader = CommandReader()
    reader.feed(b"\x1b" * 100)
    items = reader.take()
    reader.feed(X)
    while reader.unread:
        items += reader.take()
    assert admit(negotiated(), items) == [*[stray("\x1b")] * 100, ONE]


@pytest.mark.parametrize("size", [4095, 4096, 4097, 9000])
def test_portions_of_the_faithful_path_leave_no_trace(size: int) -> None:
    text = b"[" + b" " * size + b'"' + b"a" * size + b'",12345]' + X
    assert outcomes_of([text]) == [NO_OBJECT, ONE]
    assert outcomes_of([b"\x80" + text]) == [stray(BAD), NO_OBJECT, ONE]


# How an id is spelled.


@pytest.mark.parametrize(
    ("raw", "spelled"),
    [
        (b"17", b"17"),
        (b'"plain"', b'"plain"'),
        (b"9" * 19, b"9" * 19),
        (b"9" * 20, b"1e+20"),
        (b"[1,2]", b"[1, 2]"),
        (b"1.50", b"1.5"),
    ],
)
def test_an_id_is_spelled_as_qemu_does(raw: bytes, spelled: bytes) -> None:
    assert spell_id(Raw(raw)) == spelled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "None"),
        (b"[1", "None"),
        (b"[1,]", "expecting value"),
        (b'"\\ufffe"', "not a valid Unicode character"),
    ],
)
def test_what_is_no_json_cannot_be_respelled(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        respell(text)


def as_qemu_holds_it(digits: str) -> float:
    """Return an integer, as a double where QEMU's are too small for it."""
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


@given(json_values)
@settings(max_examples=50)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    text = json.dumps(value).encode()
    try:
        read_back = read_json(text)
    except ValueError as error:
        assert "not a valid Unicode character" in str(error)  # noqa: PT017
        return
    assert read_back == json.loads(text, parse_int=as_qemu_holds_it)


def test_a_long_id_is_read_without_copying_it_for_each_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffers = set()

    class WatchfulLexer(Lexer):
        def next_token(self, data: bytes, position: int) -> tuple[Token | None, int]:
            buffers.add(id(data))
            return super().next_token(data, position)

    monkeypatch.setattr(lexer, "Lexer", WatchfulLexer)
    text = b"[" + b"1," * 500 + b"10e1]"
    assert respell(text) == b"[" + b"1, " * 500 + b"100]"
    assert len(buffers) == 1


def test_a_long_id_that_is_alike_for_everybody_is_read_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lexer, "Lexer", None)
    text = b"[" + b'{"a":1.50},' * 500 + b"-0]"
    assert respell(text) == b"[" + b'{"a": 1.5}, ' * 500 + b"0]"
    with pytest.raises(TypeError):
        respell(b'{"a":1,"a":1}')  # this is for the parser to refuse


@given(json_values)
def test_what_is_read_at_once_is_what_the_parser_reads(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        outcomes = [respelled(text)]
        patch.setattr(framing, "_UNLIKE", re.compile(b""))  # nothing is alike
        outcomes.append(respelled(text))
    assert outcomes[0] == outcomes[1]


def respelled(text: bytes) -> bytes | None:
    try:
        return respell(text)
    except ValueError:
        return None
