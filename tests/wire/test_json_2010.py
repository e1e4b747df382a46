"""The JSON of QEMU 0.13: what it reads, how it recovers, how it spells."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.wire.framing import CommandReader, Item, spell_id
from qmpx.wire.json_2010 import JSON_2010, encode, read_string
from qmpx.wire.messages import Command
from qmpx.wire.outcomes import Limits, Malformed, Parsed
from qmpx.wire.rules_2010 import RULES_2010
from qmpx.wire.server import ServerSession

BAD = "malformed"


def items_of(*chunks: bytes, limits: Limits = Limits()) -> list[Any]:  # noqa: B008
    """Return what a reader makes of a stream: values, commands as ids, faults."""
    reader = CommandReader(limits, JSON_2010)
    found: list[Any] = []
    for chunk in chunks:
        reader.feed(chunk)
        while True:
            items = reader.take()
            found += map(shown, items)
            if not reader.unread:
                break
    return found


def shown(item: Item) -> Any:
    if isinstance(item, Malformed):
        return BAD
    if isinstance(item, Parsed):
        return item.value
    found: dict[str, Any] = {}
    if isinstance(item.execute, str):
        found["execute"] = item.execute
    if item.id is not Command().id:
        found["id"] = json.loads(bytes(item.id))  # type: ignore[arg-type]
    if item.arguments is not Command().arguments:
        found["arguments"] = json.loads(bytes(item.arguments))  # type: ignore[arg-type]
    return found


READ: list[tuple[bytes, list[Any]]] = [
    (b"[1, -1, 0, -0] ", [[1, -1, 0, 0]]),
    (b"[1.5, 1e3, -2.5E-1] ", [[1.5, 1000.0, -0.25]]),
    (b"[99999999999999999999, -99999999999999999999]", [[2**63 - 1, -(2**63)]]),
    (b"[9223372036854775808]", [[2**63 - 1]]),
    (b"[true, false]", [[True, False]]),
    (b"[null]", [BAD]),
    (b"null ", [BAD]),
    (b"true ", [True]),
    (b"42\n", [42]),
    (b'"s"', ["s"]),
    (b"'it''s'", ["it", "s"]),
    (b"'\\''", ["'"]),
    (b'["a\x01\t\n\x7f"]', [["a\x01\t\n\x7f"]]),
    (b'["\\b\\f\\n\\r\\t\\/\\"\\\\\\\'"]', [["\b\f\n\r\t/\"\\'"]]),
    (b'["\\u20ac"]', [["\u20ac"]]),
    (b'["\\ud83d\\ude00"]', [["\ud83d\ude00"]]),
    (b'["\\u12x"] "]', [["] "]]),
    (b"[\xe2\x82\xac]", [[]]),
    (b'["\xe2\x82\xac"]', [["\u20ac"]]),
    (b'["\xff"]', [["\uffff"]]),
    (b'{"a": 1, "a": 2}', [{"a": 2}]),
    (b"{}", [{}]),
    (b"{'a': []}", [{"a": []}]),
    (b"?|[1]", [[1]]),
    (b"[STOP]", [[]]),
    (b"[%d]", [BAD]),
    (b"[%lld]", [BAD]),
    (b"[%I64d]", [BAD]),
    (b"[%x]", [[]]),
    (b"[1,]", [BAD]),
    (b"[1 2]", [BAD]),
    (b"{1: 2}", [BAD]),
    (b"{true: 2}", [BAD]),
    (b"{[]: 2}", [BAD]),
    (b'{"a"}', [BAD]),
    (b'{"a": }', [BAD]),
    (b":", [BAD]),
    (b",", [BAD]),
    (b"{]", [BAD]),
    (b"[}", [BAD]),
    (b"[0e1]", [BAD]),
    (b"[01]", [[]]),
    (b"[-]]", [[]]),
    (b"[-a1]", [[1]]),
    (b"[1.x2]", [[2]]),
]


def everywhere(data: bytes) -> list[tuple[bytes, ...]]:
    """Return the ways to cut a stream in two, whole and byte by byte."""
    cuts = [(data[:n], data[n:]) for n in range(1, len(data))]
    return [(data,), *cuts, tuple(bytes([code]) for code in data)]


@pytest.mark.parametrize(("data", "items"), READ)
def test_each_stream_is_read_alike_however_it_is_cut(
    data: bytes, items: list[Any]
) -> None:
    for chunks in everywhere(data):
        assert items_of(*chunks) == items, chunks


def test_behind_some_escapes_a_quoted_string_runs_on_to_a_double_quote() -> None:
    assert items_of(b"['a\\\\', 'b\"]") == [["a\\"]]
    assert items_of(b"['a\\/' x\"]") == [["a/"]]
    assert items_of(b"['a\\n']") == [["a\n"]]


COMMANDS: list[tuple[bytes, list[Any]]] = [
    (b'{"execute": "x"}', [{"execute": "x"}]),
    (
        b'{"execute": "x", "id": 1}{"execute": "y", "id": 2}\n',
        [{"execute": "x", "id": 1}, {"execute": "y", "id": 2}],
    ),
    (b'{"execute": "x", "id": -0}', [{"execute": "x", "id": 0}]),
    (
        b'{"execute": "x", "id": 99999999999999999999}',
        [{"execute": "x", "id": 2**63 - 1}],
    ),
    (b'{"execute": "x", "id": null}', [BAD]),
    (b'{"execute": "x", "execute": "y"}', [{"execute": "y"}]),
    (
        b'{"execute": "x", "arguments": {"a": [1.0, {"b": "c"}]}}',
        [{"execute": "x", "arguments": {"a": [1.0, {"b": "c"}]}}],
    ),
]


@pytest.mark.parametrize(("data", "items"), COMMANDS)
def test_plain_commands_are_read_alike_on_both_paths(
    data: bytes, items: list[Any]
) -> None:
    assert [i for i in items_of(data) if i != {}] == items
    whole = items_of(data)
    for chunks in everywhere(data):
        assert len(items_of(*chunks)) == len(whole)


def test_a_bracket_too_many_costs_its_line_and_the_next() -> None:
    one = b'{"execute": "x"}\n'
    out_of_step = [BAD, "execute", BAD, "x"]
    found = items_of(b"}\n", one, one)
    assert found == [*out_of_step, {"execute": "x"}]
    assert items_of(b"}}}}\n", b"\n", one) == [BAD, {"execute": "x"}]
    assert items_of(b"]]\n", one, one) == [BAD, {"execute": "x"}]


def test_what_never_ends_is_bounded() -> None:
    limits = Limits(token_size=100, token_count=100, nesting=10)
    assert items_of(b"[" * 11, limits=limits)[0] == BAD
    assert BAD in items_of(b'"' + b"a" * 300, limits=limits)
    assert BAD in items_of(b"[" + b"1," * 300, limits=limits)


@given(st.lists(st.sampled_from([*"{}[]:,'\"\\\n", "%l", "1", "a", "null", " "])))
def test_any_noise_is_read_alike_however_it_is_cut(noise: list[str]) -> None:
    data = "".join(noise).encode()
    whole = items_of(data)
    assert items_of(*(bytes([code]) for code in data)) == whole
    assert len(whole) <= len(data)


SPELLED: list[tuple[Any, bytes]] = [
    (1e3, b"1000"),
    (1.50, b"1.5"),
    (1e-7, b"0"),
    (0.000001, b"0.000001"),
    (-2.25, b"-2.25"),
    (float("inf"), b"1e999"),
    (2**63 - 1, b"9223372036854775807"),
    ([1, [], {}, True, "foo"], b'[1, [], {}, true, "foo"]'),
    ("\u20ac\u00e9\n\t\x01/", b'"\\u20AC\\u00E9\\n\\t\\u0001/"'),
    ("\x7f", b'"\x7f"'),
    ("\ud83d\ude00", b'"\\uD83D\\uDE00"'),
    ("\U0001f600", b'"\\u07D8\\uFFFF"'),
    ("\uffff", b'"\\uFFFF"'),
    ('"\\\b\f\r', b'"\\"\\\\\\b\\f\\r"'),
]


@pytest.mark.parametrize(("value", "text"), SPELLED)
def test_values_are_spelled_as_0_13_spelled_them(value: Any, text: bytes) -> None:
    assert encode(value) == text
    assert encode([value]) == b"[" + text + b"]"
    assert encode({"a": value}) == b'{"a": ' + text + b"}"


def test_a_value_too_deep_for_recursion_is_spelled() -> None:
    value: Any = "x"
    for _ in range(200):
        value = [value]
    assert encode(value) == b"[" * 200 + b'"x"' + b"]" * 200


@pytest.mark.parametrize("depth", [200, 1000, 5000])
def test_any_depth_is_spelled_with_its_members_in_order(depth: int) -> None:
    value: Any = {"b": 1, "a": 2}
    for _ in range(depth):
        value = {"b": value, "a": [3]}
    inner = encode({"b": 1, "a": 2})
    begin, end = encode({"b": 7, "a": [3]}).split(b"7")
    assert encode(value) == begin * depth + inner + end * depth


@given(st.text())
def test_any_text_is_read_back_from_its_modern_spelling(text: str) -> None:
    token = json.dumps(text).encode()
    surrogates = text.encode("utf-16-le", "surrogatepass")
    halves = "".join(
        chr(int.from_bytes(surrogates[n : n + 2], "little"))
        for n in range(0, len(surrogates), 2)
    )
    assert read_string(token) == halves


IDS = [
    b"[" * 1000 + b"]" * 1000,
    b"1",
    b'"a"',
    b"1.50",
    b"0.000001",
    b"[1.0]",
    b'"\\/"',
    b"123456789012345678901",
]


@pytest.mark.parametrize("text", IDS)
def test_an_id_goes_back_as_0_13_spelled_it_on_both_paths(text: bytes) -> None:
    line = b'{"execute": "x", "id": ' + text + b"}"
    spelled = []
    for noise in (b"", b"?"):  # the noise sends it down the faithful path
        session = ServerSession((), rules=RULES_2010)
        session.reader.feed(noise + line)
        items: list[Item] = []
        while session.reader.unread:
            items += session.reader.take()
        command = session.admit(items[0])
        spelled.append(spell_id(command.id))  # type: ignore[arg-type]
    assert spelled[0] == spelled[1] == encode(JSON_2010_value(text))


def JSON_2010_value(text: bytes) -> Any:
    (item,) = items_of(b"?" + text + b" ")
    return item
