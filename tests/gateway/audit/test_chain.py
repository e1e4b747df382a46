"""A chain of lines: whatever is done to it shows, and where."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmpx.gateway.audit.chain import (
    NOTHING,
    Head,
    Line,
    Problem,
    Who,
    digest_of,
    encode,
    read_head,
)
from qmpx.gateway.audit.verifying import Verifier
from qmpx.gateway.host.times import stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "audit.jsonl"


def chain_of(count: int) -> list[bytes]:
    """Return a sound chain of so many lines."""
    lines: list[bytes] = []
    previous = NOTHING
    for number in range(1, count + 1):
        kind = "answered" if number > 1 else "genesis"
        line = Line(number, stamp(number), previous, kind, "vm", Who("unix:me"))
        line.command = f"query-{number % 3}"
        text = encode(line)
        previous = digest_of(text)
        lines.append(text + b"\n")
    return lines


def check(lines: Sequence[bytes], head: Head | None = None) -> Problem | str | None:
    """Return what is wrong with lines."""
    verifier = Verifier()
    if head is not None:
        verifier.expect(head)
    return verifier.read(FILE, lines) or verifier.missing() or None


def head_of(lines: Sequence[bytes]) -> Head:
    return Head(len(lines), digest_of(lines[-1][:-1]))


def test_a_sound_chain_has_no_problem() -> None:
    lines = chain_of(5)
    verifier = Verifier()
    assert verifier.read(FILE, lines) is None
    assert (verifier.first, verifier.lines, verifier.head) == (1, 5, head_of(lines))


def test_it_may_go_on_over_files() -> None:
    lines = chain_of(9)
    verifier = Verifier()
    assert verifier.read("one", lines[:4]) is None
    assert verifier.read("two", lines[4:]) is None
    assert verifier.head == head_of(lines)


CHAINS = st.integers(2, 30).map(chain_of)


@given(CHAINS, st.data())
def test_a_line_that_is_left_out_shows(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    left = lines[:at] + lines[at + 1 :]
    found = check(left, head_of(lines))
    if at == len(lines) - 1:
        newest = f"line {len(lines)}, which was there once: see the file of the head"
        assert found == newest
    else:
        assert isinstance(found, Problem)
        assert found.line == at + 1


@given(CHAINS, st.data())
def test_lines_that_are_swapped_show(lines: list[bytes], data: st.DataObject) -> None:
    places = st.integers(0, len(lines) - 1)
    one, two = sorted(data.draw(st.lists(places, min_size=2, max_size=2, unique=True)))
    changed = list(lines)
    changed[one], changed[two] = changed[two], changed[one]
    found = check(changed, head_of(lines))
    assert isinstance(found, Problem)
    assert found.line == one + 1


@given(CHAINS, st.data())
def test_a_byte_that_is_changed_shows(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    line = bytearray(lines[at])
    place = data.draw(st.integers(0, len(line) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda it: it != line[place]))
    line[place] = byte
    # A byte that ends a line makes two of it, as a reader of lines would see them.
    changed = b"".join([*lines[:at], bytes(line), *lines[at + 1 :]])
    found = check(BytesIO(changed).readlines(), head_of(lines))
    assert isinstance(found, Problem)
    assert found.line in (at + 1, at + 2)


@given(CHAINS, st.data())
def test_a_line_that_is_put_in_shows(lines: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(lines)))
    sequence = data.draw(st.integers(0, len(lines) + 2))
    again = msgspec.structs.replace(
        msgspec.json.decode(lines[at - 1], type=Line), command="quit", sequence=sequence
    )
    changed = [*lines[:at], encode(again) + b"\n", *lines[at:]]
    found = check(changed, head_of(lines))
    assert isinstance(found, Problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda lines: lines[1:],
            Problem(FILE, 1, "the beginning of a file", "line 2"),
        ),
        (
            lambda lines: [*lines[:2], lines[2][:-1]],
            Problem(FILE, 3, "a whole line", "{torn} bytes without an end"),
        ),
        (
            lambda lines: [*lines[:1], *lines[2:]],
            Problem(FILE, 2, "line 2 of the chain", "line 3"),
        ),
        (
            lambda lines: [lines[0].replace(b"genesis", b"started"), *lines[1:]],
            Problem(FILE, 1, "a genesis", "'started'"),
        ),
        (
            lambda lines: [
                lines[0],
                lines[1].replace(b"unix:me", b"unix:it"),
                lines[2],
            ],
            Problem(FILE, 3, "previous {edited}", "{second}"),
        ),
        (
            lambda lines: [*lines[:2], b"[1]\n"],
            Problem(FILE, 3, "a line of an audit", "Expected `object`, got `array`"),
        ),
    ],
)
def test_the_first_problem_is_told(change: object, problem: Problem) -> None:
    lines = chain_of(3)
    changed = change(lines)  # type: ignore[operator]
    values = {
        "torn": len(lines[2]) - 1,
        "edited": digest_of(lines[1].replace(b"unix:me", b"unix:it")[:-1]),
        "second": digest_of(lines[1][:-1]),
    }
    assert check(changed) == problem._replace(
        expected=problem.expected.format_map(values),
        found=problem.found.format_map(values),
    )


def test_a_time_does_not_go_back() -> None:
    first, second, _ = chain_of(3)
    line = msgspec.json.decode(second, type=Line)
    line.time = stamp(0.5)
    assert check([first, encode(line) + b"\n"]) == Problem(
        FILE, 2, f"a time after {stamp(1)}", stamp(0.5)
    )


def test_a_head_is_read_as_it_was_spelled() -> None:
    head = Head(12, "ab" * 32)
    assert read_head(head.spell()) == head
    assert len(head.spell()) == len(Head(1 << 60, NOTHING).spell())


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"sequence": "1"}', b"\xff"])
def test_what_is_no_head_says_nothing(text: bytes) -> None:
    assert read_head(text) is None
